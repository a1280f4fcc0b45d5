// What a node's log held, sorted by kind, and the way from there and the ledger to a state that may go on
// (consensus.md 1.4). Used by the start of a node, and by the simulator for its nodes. One thread.
#pragma once

#include <map>
#include <vector>

#include "galen/consensus/replica.hpp"
#include "galen/execution/executor.hpp"
#include "galen/ledger/store.hpp"
#include "galen/node/log.hpp"
#include "node/batch_pool.hpp"
#include "node/identity.hpp"

namespace galen::node {

/// Bodies are kept as bytes until it is known which of them are still needed.
struct LogReplay {
  struct Entry {
    LogSeq seq;
    Bytes bytes;
  };
  bool started_over = false;
  std::vector<consensus::SafetyRecord> safety;
  std::vector<Entry> batches;
  std::vector<Entry> outbox;
  std::vector<Bytes> committed;

  void add(const ReplayedRecord& record);
};

using BatchesByDigest = std::map<Hash, BatchPtr>;
/// CORRUPT if one does not decode.
Result<BatchesByDigest> decode_batches(const Identity& identity, const LogReplay& replay);
/// Executes the committed blocks of the log above the ledger's height, in order; a gap ends it: the rest comes from the
/// peers.
Status replay_blocks(const Identity& identity, const LogReplay& replay, const BatchesByDigest& bodies,
                     execution::Executor& executor, ledger::Store& store);
/// Tip, history, roots and the batches that may not stand in the chain again.
Status load_ledger(const Identity& identity, const ledger::Store& store, consensus::Recovered& recovered);
/// Bodies that no block of the chain holds: proposed again, or voted for already.
void load_pending(const Identity& identity, const LogReplay& replay, const BatchesByDigest& bodies, BatchPool& pool,
                  consensus::Recovered& recovered);

}  // namespace galen::node
