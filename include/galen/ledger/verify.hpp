// Offline check of a stopped node's ledger (`galenctl ledger verify`): every block from 0 to the applied height, the
// certificates, the indexes against the blocks, the state rows against the certified root. Opens read-only. With a
// BlockExecutor it also executes every block again in a scratch ledger and compares roots and rows.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "galen/ledger/store.hpp"
#include "galen/types/genesis.hpp"
#include "galen/types/limits.hpp"

namespace galen::ledger {

/// Executes a block on top of a scratch ledger that holds all blocks before it: what the node's executor does, from a
/// higher floor. `view` is nothing for block 0, whose update holds the rows of genesis.
class BlockExecutor {
 public:
  virtual ~BlockExecutor() = default;
  /// The update of a block that ends its epoch holds the next members.
  virtual Result<BlockUpdate> execute(const View* view, const BlockPtr& block) = 0;
};

struct VerifyProgress {
  Height height = 0;
  Height height_last = 0;
  std::uint64_t items = 0;
  double blocks_per_s = 0;
  double items_per_s = 0;
  double seconds_left = 0;  ///< of the walk over blocks, at the rate so far
};

struct VerifyOptions {
  std::string directory;  ///< DIR of the node
  const Genesis* genesis = nullptr;
  BlockExecutor* executor = nullptr;
  std::string scratch_directory;  ///< with an executor: an empty directory, for the caller to remove
  /// Blocks below are taken as they are, and nothing is executed again: that needs the state before this height.
  Height from = 0;
  unsigned jobs = 1;  ///< threads that check signatures beside the one that walks; 1: none
  std::function<void(const VerifyProgress&)> on_progress;  ///< about twice a second and once at the end
  /// Blocks above the newest certificate that are still all right: theirs may not have been written yet.
  std::uint64_t uncertified_max = limits::kWindowMax;
  std::size_t findings_max = 20;  ///< stops after so many
};

struct VerifyFinding {
  Height height = 0;  ///< of the block concerned; for rows of no single block, the applied height
  std::string where;  ///< "header", "body", "outcomes", "history", "certificate", "epochs", "transactions", "state",
                      ///< "lists", "tree", "meta"
  std::string what;   ///< one sentence
};

struct VerifyReport {
  Height height_first = 0;  ///< the one asked for, or the lowest that is here while older blocks are still fetched: those below are not checked
  Height height_last = 0;
  Height certified_height = 0;  ///< highest block with a valid COMMIT-QC of its own
  std::uint64_t blocks = 0;
  std::uint64_t items = 0;
  std::uint64_t certificates = 0;
  std::uint64_t state_rows = 0;
  bool executed = false;  ///< the blocks were executed again
  double seconds = 0;
  std::vector<VerifyFinding> findings;  ///< empty: the ledger is whole
  bool ok() const { return findings.empty(); }
};

/// An error only when there is nothing to check (no such directory, another chain, an unknown format, `from` above the
/// applied height: INVALID_ARGUMENT); damage is a finding. Findings come in the order of their heights.
Result<VerifyReport> verify_ledger(const VerifyOptions& options);

}  // namespace galen::ledger
