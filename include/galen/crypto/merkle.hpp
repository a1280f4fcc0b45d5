// The append-only Merkle tree of RFC 9162 section 2: leaf = H(0 ‖ data), node = H(1 ‖ left ‖ right), the root of no
// leaves is H(). Used over operations, items, batches, outcomes and block digests (docs/spec/formats.md 3).
#pragma once

#include <optional>
#include <vector>

#include "galen/crypto/hash.hpp"

namespace galen::crypto {

Hash merkle_leaf(Suite suite, ByteSpan data);
Hash merkle_node(Suite suite, const Hash& left, const Hash& right);
/// Root over leaf hashes (already merkle_leaf'ed).
Hash merkle_root(Suite suite, std::span<const Hash> leaves);

/// RFC 9162 2.1.3.1: the audit path of leaf `index`.
std::vector<Hash> merkle_path(Suite suite, std::span<const Hash> leaves, std::uint64_t index);
/// RFC 9162 2.1.3.2: the root that the path leads to; nothing if the path has the wrong length for (index, size).
std::optional<Hash> merkle_root_of_path(Suite suite, const Hash& leaf, std::uint64_t index, std::uint64_t size,
                                        std::span<const Hash> path);

/// RFC 9162 2.1.4.1 and 2.1.4.2: the tree of `size_old` leaves is a prefix of the one of all leaves.
std::vector<Hash> merkle_consistency_path(Suite suite, std::span<const Hash> leaves, std::uint64_t size_old);
bool merkle_verify_consistency(Suite suite, std::uint64_t size_old, std::uint64_t size_new, const Hash& root_old,
                               const Hash& root_new, std::span<const Hash> path);

/// The right edge of a growing tree: append in O(log n), root at any time; what a node keeps of the history in memory.
class MerkleFrontier {
 public:
  explicit MerkleFrontier(Suite suite) : suite_(suite) {}
  void append(const Hash& leaf);
  std::uint64_t size() const { return size_; }
  Hash root() const;
  /// u64 size, then the hashes of the perfect subtrees, largest first.
  Bytes encode() const;
  static std::optional<MerkleFrontier> decode(Suite suite, ByteSpan bytes);

 private:
  Suite suite_;
  std::uint64_t size_ = 0;
  std::vector<Hash> subtrees_;  // roots of perfect subtrees, largest first
};

}  // namespace galen::crypto
