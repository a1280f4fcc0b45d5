// Fills a ledger that began with a snapshot downwards to block 1, beside everything else the node does
// (docs/spec/snapshots.md 4). The sync thread.
#pragma once

#include "galen/execution/block_runner.hpp"
#include "galen/ledger/store.hpp"
#include "node/past_fetch.hpp"

namespace galen::node {

class Backfill {
 public:
  Backfill(const Identity& identity, ledger::Store& store, SyncPeers& peers);

  bool due() const { return store_.backfill_floor() != 0; }
  /// Some blocks more, or the end of it. False when nobody had any. Errors are ours.
  Result<bool> step();

 private:
  const Identity& identity_;
  ledger::Store& store_;
  const execution::BlockRunner runner_;
  PastFetch past_;
};

}  // namespace galen::node
