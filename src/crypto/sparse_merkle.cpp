#include "galen/crypto/sparse_merkle.hpp"

namespace galen::crypto {

namespace {

constexpr std::uint8_t kLeafPrefix = 0, kInnerPrefix = 1;
constexpr std::size_t kDepthMax = Hash::kSize * 8;

Hash join(Suite suite, std::uint8_t prefix, const Hash& first, const Hash& second) {
  std::array<std::uint8_t, 65> bytes;
  bytes[0] = prefix;
  std::memcpy(&bytes[1], first.data.data(), 32);
  std::memcpy(&bytes[33], second.data.data(), 32);
  return hash(suite, ByteSpan(bytes));
}

}  // namespace

Hash state_path(Suite suite, std::uint8_t kind, ByteSpan key) {
  return hash_tagged(suite, "galen/1 state path", {ByteSpan(&kind, 1), key});
}

Hash state_leaf(Suite suite, const Hash& path, ByteSpan value) {
  return state_leaf_of_hash(suite, path, hash(suite, value));
}

Hash state_leaf_of_hash(Suite suite, const Hash& path, const Hash& value_hash) {
  return join(suite, kLeafPrefix, path, value_hash);
}

Hash state_inner(Suite suite, const Hash& left, const Hash& right) { return join(suite, kInnerPrefix, left, right); }

Bytes StateProof::encode() const {
  GALEN_ASSERT(siblings.size() <= kDepthMax);
  ByteWriter out(3 + siblings.size() * Hash::kSize + 2 * Hash::kSize);
  out.u16(static_cast<std::uint16_t>(siblings.size()));
  for (const auto& sibling : siblings) out.raw(sibling);
  out.u8(terminal ? 1 : 0);
  if (terminal) out.raw(terminal->path).raw(terminal->value_hash);
  return std::move(out).take();
}

std::optional<StateProof> StateProof::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  StateProof out;
  std::size_t count = in.u16();
  if (count > kDepthMax || in.remaining() < count * Hash::kSize) return std::nullopt;
  out.siblings.reserve(count);
  for (std::size_t i = 0; i < count; ++i) out.siblings.push_back(in.fixed<Hash>());
  auto has_terminal = in.u8();
  if (has_terminal > 1) return std::nullopt;
  if (has_terminal == 1) {
    out.terminal.emplace();
    out.terminal->path = in.fixed<Hash>();
    out.terminal->value_hash = in.fixed<Hash>();
  }
  if (!in.done()) return std::nullopt;
  return out;
}

std::optional<StateProofResult> root_of_state_proof(Suite suite, const Hash& path, const StateProof& proof) {
  auto depth = proof.siblings.size();
  if (depth > kDepthMax) return std::nullopt;
  StateProofResult out{Hash{}, false};
  if (proof.terminal) {
    for (std::size_t i = 0; i < depth; ++i)
      if (path_bit(proof.terminal->path, i) != path_bit(path, i)) return std::nullopt;
    out.present = proof.terminal->path == path;
    out.root = state_leaf_of_hash(suite, proof.terminal->path, proof.terminal->value_hash);
  }
  for (auto i = depth; i-- > 0;)
    out.root = path_bit(path, i) ? state_inner(suite, proof.siblings[i], out.root)
                                 : state_inner(suite, out.root, proof.siblings[i]);
  return out;
}

}  // namespace galen::crypto
