// What a node's log held, sorted by kind, and the way from there and the ledger to a state that may go on
// (consensus.md 1.4). Used by the start of a node, and by the simulator for its nodes. One thread.
#pragma once

#include <map>
#include <span>
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

/// The log's bodies by digest. Most of them stand in blocks that were executed long ago: a body is decoded when somebody
/// asks for it. Points into the replay.
class LoggedBatches {
 public:
  struct Body {
    BatchHeader header;
    Hash digest;
    const LogReplay::Entry* entry;
  };
  /// CORRUPT if one has no batch header.
  static Result<LoggedBatches> index(const Identity& identity, const LogReplay& replay);

  /// nullptr when the log does not hold it, CORRUPT if it does not decode.
  Result<BatchPtr> find(const Hash& digest) const;
  /// Of any epoch.
  Result<BatchPtr> decode(const Body& body) const;
  const std::vector<Body>& in_order() const { return bodies_; }

 private:
  ChainContext context_;
  std::vector<Body> bodies_;  ///< as they were logged
  std::map<Hash, std::size_t> by_digest_;
};

/// `identity` becomes that of the epoch that the ledger leads to: its members, the place and the key of this one in it. `own`
/// is what it knows of itself before the ledger is open. With none of the keys that the epoch names it cannot sign, and follows.
Status enter_epoch(const ledger::Store& store, const Participant& own, std::span<const crypto::PrivateKey> keys,
                   Identity& identity);
/// What the log says of the epoch that the ledger leads to (docs/spec/consensus.md 11).
Result<consensus::SafetyState> recover_safety(const Identity& identity, const ledger::Store& store, const LogReplay& replay);
/// A state that follows from the end of the epoch before stands in the log before anything else of the epoch.
Status begin_epoch(const Identity& identity, const LogReplay& replay, const consensus::SafetyState& safety, Log& log);

/// Executes the committed blocks of the log above the ledger's height, in order; a gap ends it: the rest comes from the
/// peers.
Status replay_blocks(const Identity& identity, const LogReplay& replay, const LoggedBatches& bodies,
                     execution::Executor& executor, ledger::Store& store);
/// Tip, history, roots, the epoch's base, what is pending of members, and the batches that may not stand in the chain
/// again.
Status load_ledger(const Identity& identity, const ledger::Store& store, consensus::Recovered& recovered);
/// Bodies of this epoch that no block of the chain holds: proposed again, or voted for already.
Status load_pending(const Identity& identity, const LoggedBatches& bodies, BatchPool& pool,
                    consensus::Recovered& recovered);
/// Items of own batches of earlier epochs that no block holds.
Result<std::vector<BatchItem>> load_left_over(const Identity& identity, const LoggedBatches& bodies,
                                              const ledger::Store& store, const consensus::Recovered& recovered);
/// A log that says that votes may be lost, in place of one that cannot be relied on (consensus.md 1.9), and the state
/// that it leads to. It holds `outbox`, what the vault still owes, and the bodies that load_pending and load_left_over
/// take: what this node goes on with is no less durable than it was.
Result<consensus::SafetyState> begin_log_anew(const Identity& identity, const LoggedBatches& bodies,
                                              const ledger::Store& store, const consensus::Recovered& recovered,
                                              std::span<const Bytes> outbox, Log& log);

}  // namespace galen::node
