// The RFC 9162 tree over block digests, read from stored subtree roots: node (level, index) covers the leaves
// [index·2^level, (index+1)·2^level) and is stored with the block that completes it, so any root or path costs
// O(log² n) lookups and no leaf scan. Pure but for the reader.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "galen/base/result.hpp"
#include "galen/crypto/merkle.hpp"

namespace galen::ledger {

/// Gives the root of a complete subtree.
using HistoryNodeReader = std::function<Result<Hash>(unsigned level, std::uint64_t index)>;

/// Size and root of the growing tree, and the subtrees that each new leaf completes.
class HistoryTree {
 public:
  explicit HistoryTree(crypto::Suite suite) : suite_(suite) {}
  /// Of the first `size` leaves.
  static Result<HistoryTree> load(crypto::Suite suite, std::uint64_t size, const HistoryNodeReader& read);

  /// From its frontier's bytes (docs/spec/formats.md 3.2).
  static std::optional<HistoryTree> decode(crypto::Suite suite, ByteSpan frontier);

  /// Appends merkle_leaf(digest); the subtrees it completes, the leaf itself first.
  std::vector<Hash> append(const Hash& digest);
  std::uint64_t size() const { return size_; }
  Hash root() const;
  crypto::MerkleFrontier frontier() const;
  /// One of the frontier's subtrees; nothing for any other node.
  std::optional<Hash> subtree(unsigned level, std::uint64_t index) const;

 private:
  crypto::Suite suite_;
  std::uint64_t size_ = 0;
  std::vector<Hash> subtrees_;  // perfect ones, largest first
};

Result<Hash> history_root(crypto::Suite suite, std::uint64_t size, const HistoryNodeReader& read);
/// Audit path of leaf `index` in the tree of `size` leaves; INVALID_ARGUMENT unless index < size.
Result<std::vector<Hash>> history_path(crypto::Suite suite, std::uint64_t index, std::uint64_t size,
                                       const HistoryNodeReader& read);
/// INVALID_ARGUMENT unless 0 < size_old <= size_new.
Result<std::vector<Hash>> history_consistency_path(crypto::Suite suite, std::uint64_t size_old, std::uint64_t size_new,
                                                   const HistoryNodeReader& read);

}  // namespace galen::ledger
