// Rows of `meta` that hold what leads from one epoch to the next (docs/spec/ledger-storage.md, "Epochs"): one for each
// epoch but the first, written with the block that ended the epoch before, whole once the COMMIT-QC of that block is
// here. Free functions; any thread.
#pragma once

#include "galen/types/epoch_chain.hpp"
#include "ledger/database.hpp"

namespace galen::ledger {

/// 'E' ‖ u64 epoch that the link leads to
std::string epoch_key(Epoch epoch);
inline constexpr char kEpochKeyFirst = 'E';

/// u8 format 1 ‖ EpochLink, its COMMIT-QC empty until it came.
Bytes encode_epoch_row(const EpochLink& link);
Result<EpochLink> decode_epoch_row(ByteSpan bytes);

/// The link to `epoch`; nothing when there is none. CORRUPT, IO_ERROR.
Result<std::optional<EpochLink>> load_epoch_link(const Database& database, Epoch epoch,
                                                 const rocksdb::Snapshot* snapshot = nullptr);
/// All links to epochs up to `last`; CORRUPT when one is missing.
Result<std::vector<EpochLink>> load_epoch_links(const Database& database, Epoch last,
                                                const rocksdb::Snapshot* snapshot = nullptr);

/// The epoch whose members decide above a block.
inline Epoch epoch_above(const BlockHeader& header) { return header.epoch + (header.epoch_end() ? 1 : 0); }

}  // namespace galen::ledger
