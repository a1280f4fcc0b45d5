// The rows of a snapshot below one node (docs/spec/snapshots.md 1.3). Pure values, any thread.
#pragma once

#include <optional>

#include "galen/ledger/snapshot_manifest.hpp"

namespace galen::ledger {

inline constexpr std::size_t kSnapshotPartBytesMax = 4 * 1024 * 1024;
inline constexpr std::size_t kSnapshotPartHeadBytes = 2 + 8 + 1 + 4 + 4;
inline constexpr std::size_t kSnapshotRowOverheadBytes = 2 + 4;

struct StateRow {
  std::string key;  ///< kind ‖ key
  Bytes value;
  bool operator==(const StateRow&) const = default;
};

/// Which part is meant, and what its rows must lead to.
struct SnapshotPartPlace {
  Height height = 0;
  std::uint8_t depth = 0;
  std::uint32_t index = 0;
};

/// Rows in the order of their paths.
Bytes encode_snapshot_part(const SnapshotPartPlace& place, std::span<const StateRow> rows);
/// The depth that a part names; nothing when it is too short to name one.
std::optional<std::uint8_t> snapshot_part_depth(ByteSpan bytes);
/// The part's rows, all of them and no other: TOO_LARGE, MALFORMED, UNSUPPORTED_VERSION, BAD_PROOF.
Result<std::vector<StateRow>> check_snapshot_part(crypto::Suite suite, const SnapshotPartPlace& place,
                                                  const SnapshotNode& node, ByteSpan bytes);

}  // namespace galen::ledger
