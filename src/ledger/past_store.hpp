// How far down a ledger that began with a snapshot has come, and the writing of a past block (docs/spec/snapshots.md
// 4). The row `past` stands in `meta` from the snapshot on until block 0 is there; each block is written with it in one
// batch. One thread.
#pragma once

#include "galen/ledger/block_update.hpp"
#include "galen/ledger/history_tree.hpp"
#include "galen/ledger/past_block.hpp"
#include "ledger/database.hpp"

namespace galen::ledger {

inline constexpr const char* kPastKey = "past";

/// u8 format 1 ‖ u64 floor ‖ digest and results root of block floor-1 ‖ frontier.
struct PastPosition {
  Height floor = 0;  ///< lowest block that is here; one above the snapshot's height before the first
  Hash digest;
  Hash results_root;
  Bytes frontier;  ///< of the digests below the snapshot's block

  PastWanted wanted() const { return {floor - 1, digest, results_root}; }
  Bytes encode() const;
  static Result<PastPosition> decode(ByteSpan bytes);
  /// Nothing when the ledger is whole.
  static Result<std::optional<PastPosition>> load(const Database& database,
                                                  const rocksdb::Snapshot* snapshot = nullptr);
};

/// Writes the block that `position` wants, and moves it. `later` are headers above the snapshot that no block row holds
/// yet. Returns the bytes written.
Result<std::size_t> put_past(Database& database, PastPosition& position, const PastBlock& past, const PastRows& rows,
                             std::span<const BlockHeader> later);
/// Block 0 with its rows of genesis, then the nodes of the history tree upwards; the ledger is whole then. CORRUPT when
/// block 0 is not the parent of block 1, or the history is not the one the snapshot began with.
Status put_block_zero(Database& database, const PastPosition& position, const BlockUpdate& genesis);

}  // namespace galen::ledger
