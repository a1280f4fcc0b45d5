// Applies committed blocks to the store, in order, each once. Owned by the exec thread; the only writer of the store.
// Invariants: heights have no gap; rows, index and height appear in one atomic write; a block applied again changes
// nothing.
#pragma once

#include "galen/execution/block_runner.hpp"
#include "galen/execution/membership.hpp"
#include "galen/ledger/store.hpp"

namespace galen::execution {

struct ExecutedBlock {
  Height height = 0;
  TimestampMs time_ms = 0;
  Hash digest;
  Hash state_root;
  Hash results_root;
  bool replayed = false;            ///< was applied before; `items` is then empty
  std::vector<ExecutedItem> items;  ///< in block order
  /// What is pending after this block: whatever next header has it as exec_height ends the epoch with these members.
  /// Nothing after an epoch_end block, and for a replayed block of an epoch that is over.
  std::optional<MemberSet> next_members;
  /// After this block; of a replayed one, after the applied height.
  std::vector<LeaderSkip> leader_skips;
  ledger::RowCounts rows;
  std::size_t bytes = 0;

  /// What an EXECUTED message signs.
  ExecutedSubject subject() const { return {height, digest, state_root, results_root}; }
};

class Executor {
 public:
  /// Neither is copied nor owned; both outlive the executor.
  Executor(const Genesis& genesis, ledger::Store& store);

  /// Applies block 0 if the store is empty. Returns the applied height. CORRUPT: rows of the oldest blocks are missing,
  /// as when a disk never did a write that it called done.
  Result<Height> start();

  /// The next block, or one at or below the applied height, which changes nothing (replay after a restart); CORRUPT if
  /// that one has another digest. A gap is asserted. Any error means that the process must stop.
  Result<ExecutedBlock> apply(const BlockPtr& block);

  Height applied_height() const;
  /// After the applied height: epoch and members of the next one, and what is pending. CORRUPT, IO_ERROR.
  Result<contracts::Membership> membership() const { return load_membership(genesis_, store_.latest()); }
  const BlockRunner& runner() const { return runner_; }

 private:
  const Genesis& genesis_;
  ledger::Store& store_;
  BlockRunner runner_;
};

}  // namespace galen::execution
