// RFC 9162 section 2.1. A tree is computed level by level, an odd last node moves up unchanged: the same shape as the
// RFC's split at the largest power of two below the size, without recursion.
#include "galen/crypto/merkle.hpp"

#include <bit>

namespace galen::crypto {

namespace {

constexpr std::uint8_t kLeafPrefix = 0, kNodePrefix = 1;

/// Folds one level into the next in place.
void fold_level(Suite suite, std::vector<Hash>& level) {
  std::size_t out = 0;
  for (std::size_t i = 0; i < level.size(); i += 2, ++out)
    level[out] = i + 1 < level.size() ? merkle_node(suite, level[i], level[i + 1]) : level[i];
  level.resize(out);
}

/// SUBPROOF(m, D[n], known) of RFC 9162 2.1.4.1; depth is the logarithm of the size.
void subproof(Suite suite, std::span<const Hash> leaves, std::uint64_t size_old, bool known, std::vector<Hash>& out) {
  if (size_old == leaves.size()) {
    if (!known) out.push_back(merkle_root(suite, leaves));
    return;
  }
  auto split = std::bit_ceil(leaves.size()) / 2;
  if (size_old <= split) {
    subproof(suite, leaves.first(split), size_old, known, out);
    out.push_back(merkle_root(suite, leaves.subspan(split)));
  } else {
    subproof(suite, leaves.subspan(split), size_old - split, false, out);
    out.push_back(merkle_root(suite, leaves.first(split)));
  }
}

}  // namespace

Hash merkle_leaf(Suite suite, ByteSpan data) { return hash(suite, {ByteSpan(&kLeafPrefix, 1), data}); }

Hash merkle_node(Suite suite, const Hash& left, const Hash& right) {
  std::array<std::uint8_t, 65> bytes;
  bytes[0] = kNodePrefix;
  std::memcpy(&bytes[1], left.data.data(), 32);
  std::memcpy(&bytes[33], right.data.data(), 32);
  return hash(suite, ByteSpan(bytes));
}

Hash merkle_root(Suite suite, std::span<const Hash> leaves) {
  if (leaves.empty()) return hash(suite, ByteSpan());
  std::vector<Hash> level(leaves.begin(), leaves.end());
  while (level.size() > 1) fold_level(suite, level);
  return level.front();
}

std::vector<Hash> merkle_path(Suite suite, std::span<const Hash> leaves, std::uint64_t index) {
  GALEN_ASSERT(index < leaves.size());
  std::vector<Hash> path, level(leaves.begin(), leaves.end());
  for (; level.size() > 1; index /= 2) {
    auto sibling = index ^ 1;
    if (sibling < level.size()) path.push_back(level[sibling]);
    fold_level(suite, level);
  }
  return path;
}

std::optional<Hash> merkle_root_of_path(Suite suite, const Hash& leaf, std::uint64_t index, std::uint64_t size,
                                        std::span<const Hash> path) {
  if (index >= size) return std::nullopt;
  auto first = index, last = size - 1;
  Hash root = leaf;
  for (const auto& sibling : path) {
    if (last == 0) return std::nullopt;
    if ((first & 1) != 0 || first == last) {
      root = merkle_node(suite, sibling, root);
      while ((first & 1) == 0 && first != 0) first >>= 1, last >>= 1;
    } else {
      root = merkle_node(suite, root, sibling);
    }
    first >>= 1, last >>= 1;
  }
  if (last != 0) return std::nullopt;
  return root;
}

std::vector<Hash> merkle_consistency_path(Suite suite, std::span<const Hash> leaves, std::uint64_t size_old) {
  GALEN_ASSERT(size_old <= leaves.size());
  std::vector<Hash> out;
  if (size_old > 0) subproof(suite, leaves, size_old, true, out);
  return out;
}

bool merkle_verify_consistency(Suite suite, std::uint64_t size_old, std::uint64_t size_new, const Hash& root_old,
                               const Hash& root_new, std::span<const Hash> path) {
  if (size_old > size_new) return false;
  if (size_old == size_new) return path.empty() && root_old == root_new;
  if (size_old == 0) return path.empty() && root_old == hash(suite, ByteSpan());
  auto first = size_old - 1, last = size_new - 1;
  while ((first & 1) != 0) first >>= 1, last >>= 1;
  // A power of two is a subtree of its own: its root stands in for the first element of the path.
  Hash old_side = root_old;
  if (!std::has_single_bit(size_old)) {
    if (path.empty()) return false;
    old_side = path.front();
    path = path.subspan(1);
  }
  Hash new_side = old_side;
  for (const auto& sibling : path) {
    if (last == 0) return false;
    if ((first & 1) != 0 || first == last) {
      old_side = merkle_node(suite, sibling, old_side);
      new_side = merkle_node(suite, sibling, new_side);
      while ((first & 1) == 0 && first != 0) first >>= 1, last >>= 1;
    } else {
      new_side = merkle_node(suite, new_side, sibling);
    }
    first >>= 1, last >>= 1;
  }
  return last == 0 && old_side == root_old && new_side == root_new;
}

void MerkleFrontier::append(const Hash& leaf) {
  Hash carry = leaf;
  for (auto bits = size_; (bits & 1) != 0; bits >>= 1) {
    carry = merkle_node(suite_, subtrees_.back(), carry);
    subtrees_.pop_back();
  }
  subtrees_.push_back(carry);
  ++size_;
}

Hash MerkleFrontier::root() const {
  if (subtrees_.empty()) return hash(suite_, ByteSpan());
  Hash root = subtrees_.back();
  for (auto i = subtrees_.size() - 1; i-- > 0;) root = merkle_node(suite_, subtrees_[i], root);
  return root;
}

Bytes MerkleFrontier::encode() const {
  ByteWriter out(8 + subtrees_.size() * Hash::kSize);
  out.u64(size_);
  for (const auto& subtree : subtrees_) out.raw(subtree);
  return std::move(out).take();
}

std::optional<MerkleFrontier> MerkleFrontier::decode(Suite suite, ByteSpan bytes) {
  ByteReader in(bytes);
  MerkleFrontier out(suite);
  out.size_ = in.u64();
  auto count = static_cast<std::size_t>(std::popcount(out.size_));
  if (!in.ok() || in.remaining() != count * Hash::kSize) return std::nullopt;
  out.subtrees_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) out.subtrees_.push_back(in.fixed<Hash>());
  return out;
}

}  // namespace galen::crypto
