// Hashes and proofs of the compressed sparse Merkle tree over the state (docs/spec/formats.md 3.3): leaf =
// H(0 ‖ path ‖ H(value)), inner = H(1 ‖ left ‖ right), a subtree with one leaf is that leaf (lifted), an empty one is
// 32 zero bytes. The tree itself lives in ledger/state_tree; this is what a verifier needs.
#pragma once

#include <optional>
#include <vector>

#include "galen/crypto/hash.hpp"

namespace galen::crypto {

/// Path of a state row: hash_tagged("galen/1 state path", u8 kind ‖ key).
Hash state_path(Suite suite, std::uint8_t kind, ByteSpan key);
Hash state_leaf(Suite suite, const Hash& path, ByteSpan value);
Hash state_leaf_of_hash(Suite suite, const Hash& path, const Hash& value_hash);  ///< value_hash = H(value)
Hash state_inner(Suite suite, const Hash& left, const Hash& right);

/// Bit `depth` (0 = most significant bit of byte 0) of a path.
inline bool path_bit(const Hash& path, std::size_t depth) { return (path.data[depth / 8] >> (7 - depth % 8)) & 1; }

/// Siblings from the root downwards, and what stands at the end of the walk: the wanted leaf, another leaf (which
/// proves absence when it shares the walked bits), or nothing (an empty subtree).
struct StateProof {
  std::vector<Hash> siblings;
  struct Terminal {
    Hash path;
    Hash value_hash;
    bool operator==(const Terminal&) const = default;
  };
  std::optional<Terminal> terminal;

  Bytes encode() const;
  static std::optional<StateProof> decode(ByteSpan bytes);
};

/// The root that the proof leads to for `path`; nothing if the terminal does not fit the path. `present` says whether
/// the proof shows the path's own leaf; `value_hash` is then the terminal's.
struct StateProofResult {
  Hash root;
  bool present;
};
std::optional<StateProofResult> root_of_state_proof(Suite suite, const Hash& path, const StateProof& proof);

}  // namespace galen::crypto
