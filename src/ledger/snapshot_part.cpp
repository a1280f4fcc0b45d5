#include "galen/ledger/snapshot_part.hpp"

#include "galen/crypto/sparse_merkle.hpp"
#include "galen/ledger/rows.hpp"

namespace galen::ledger {
namespace {

constexpr std::uint16_t kVersion = 1;

Error malformed(const char* what) { return make_error(ErrorCode::MALFORMED, std::string("part: ") + what); }
Error bad_proof(const char* what) { return make_error(ErrorCode::BAD_PROOF, std::string("part: ") + what); }

}  // namespace

Bytes encode_snapshot_part(const SnapshotPartPlace& place, std::span<const StateRow> rows) {
  std::size_t size = kSnapshotPartHeadBytes;
  for (const auto& row : rows) size += kSnapshotRowOverheadBytes + row.key.size() + row.value.size();
  ByteWriter out(size);
  out.u16(kVersion).u64(place.height).u8(place.depth).u32(place.index).u32(static_cast<std::uint32_t>(rows.size()));
  for (const auto& row : rows) out.u16(static_cast<std::uint16_t>(row.key.size())).raw(row.key).sized(row.value);
  return std::move(out).take();
}

std::optional<std::uint8_t> snapshot_part_depth(ByteSpan bytes) {
  ByteReader in(bytes);
  in.u16();
  in.u64();
  const auto depth = in.u8();
  return in.ok() ? std::optional(depth) : std::nullopt;
}

Result<std::vector<StateRow>> check_snapshot_part(crypto::Suite suite, const SnapshotPartPlace& place,
                                                  const SnapshotNode& node, ByteSpan bytes) {
  if (bytes.size() > kSnapshotPartBytesMax) return {ErrorCode::TOO_LARGE, "part: it is larger than 4 MiB"};
  ByteReader in(bytes);
  auto version = in.u16();
  if (in.ok() && version != kVersion) return {ErrorCode::UNSUPPORTED_VERSION, "part: unknown version"};
  auto height = in.u64();
  auto depth = in.u8();
  auto index = in.u32();
  auto count = in.u32();
  // A row takes at least seven bytes, so the count cannot ask for more than the part holds.
  if (!in.ok() || count > in.remaining() / (kSnapshotRowOverheadBytes + 1)) return malformed("its head");
  if (height != place.height || depth != place.depth || index != place.index) return bad_proof("it is another one");
  std::vector<StateRow> rows;
  std::vector<StateLeaf> leaves;
  rows.reserve(count);
  leaves.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    auto key_bytes = in.u16();
    if (key_bytes < 1 || key_bytes > 1 + kRowKeyBytesMax) return malformed("a key's length");
    auto key = in.raw(key_bytes);
    auto value = in.sized(in.remaining());
    if (!in.ok()) return malformed("a row ends before its length");
    StateLeaf leaf{crypto::state_path(suite, key[0], key.subspan(1)), crypto::hash(suite, value)};
    if (snapshot_prefix(leaf.path, depth) != index) return bad_proof("a row belongs to another part");
    if (!leaves.empty() && !(leaves.back().path < leaf.path)) return bad_proof("its rows do not ascend");
    leaves.push_back(leaf);
    rows.push_back({to_string(key), to_bytes(value)});
  }
  if (!in.done()) return malformed("bytes behind the last row");
  if (snapshot_node(suite, leaves, depth) != node) return bad_proof("its rows do not lead to the manifest's node");
  return rows;
}

}  // namespace galen::ledger
