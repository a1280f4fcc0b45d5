// RFC 9162 section 2.1 over stored subtree roots. A range that is aligned and a power of two is one stored node; any
// other splits at the largest power of two below its size, as the RFC's definitions do.
#include "galen/ledger/history_tree.hpp"

#include <algorithm>
#include <bit>

namespace galen::ledger {
namespace {

class RangeReader {
 public:
  RangeReader(crypto::Suite suite, const HistoryNodeReader& read) : suite_(suite), read_(read) {}

  Result<Hash> root(std::uint64_t begin, std::uint64_t count) const {
    if (std::has_single_bit(count)) {
      auto level = static_cast<unsigned>(std::countr_zero(count));
      GALEN_ASSERT(begin % count == 0);
      return read_(level, begin >> level);
    }
    auto left_count = std::bit_floor(count);
    GALEN_ASSIGN(auto left, root(begin, left_count));
    GALEN_ASSIGN(auto right, root(begin + left_count, count - left_count));
    return crypto::merkle_node(suite_, left, right);
  }

  /// PATH(index, D[begin : begin + count]), lowest sibling first.
  Status path(std::uint64_t index, std::uint64_t begin, std::uint64_t count, std::vector<Hash>& out) const {
    if (count == 1) return {};
    auto left_count = split(count);
    bool in_left = index < left_count;
    if (in_left) {
      GALEN_TRY(path(index, begin, left_count, out));
    } else {
      GALEN_TRY(path(index - left_count, begin + left_count, count - left_count, out));
    }
    GALEN_ASSIGN(auto sibling, in_left ? root(begin + left_count, count - left_count) : root(begin, left_count));
    out.push_back(sibling);
    return {};
  }

  /// SUBPROOF(size_old, D[begin : begin + count], whole).
  Status subproof(std::uint64_t size_old, std::uint64_t begin, std::uint64_t count, bool whole,
                  std::vector<Hash>& out) const {
    if (size_old == count) {
      if (whole) return {};
      GALEN_ASSIGN(auto node, root(begin, count));
      out.push_back(node);
      return {};
    }
    auto left_count = split(count);
    bool in_left = size_old <= left_count;
    if (in_left) {
      GALEN_TRY(subproof(size_old, begin, left_count, whole, out));
    } else {
      GALEN_TRY(subproof(size_old - left_count, begin + left_count, count - left_count, false, out));
    }
    GALEN_ASSIGN(auto sibling, in_left ? root(begin + left_count, count - left_count) : root(begin, left_count));
    out.push_back(sibling);
    return {};
  }

 private:
  static std::uint64_t split(std::uint64_t count) { return std::bit_floor(count - 1); }

  crypto::Suite suite_;
  const HistoryNodeReader& read_;
};

}  // namespace

Result<HistoryTree> HistoryTree::load(crypto::Suite suite, std::uint64_t size, const HistoryNodeReader& read) {
  HistoryTree tree(suite);
  tree.size_ = size;
  std::uint64_t begin = 0;
  while (begin < size) {
    auto count = std::bit_floor(size - begin);
    auto level = static_cast<unsigned>(std::countr_zero(count));
    GALEN_ASSIGN(auto node, read(level, begin >> level));
    tree.subtrees_.push_back(node);
    begin += count;
  }
  return tree;
}

std::optional<HistoryTree> HistoryTree::decode(crypto::Suite suite, ByteSpan frontier) {
  if (!crypto::MerkleFrontier::decode(suite, frontier)) return std::nullopt;
  ByteReader in(frontier);
  HistoryTree tree(suite);
  tree.size_ = in.u64();
  while (in.remaining() > 0) tree.subtrees_.push_back(in.fixed<Hash>());
  return tree;
}

std::optional<Hash> HistoryTree::subtree(unsigned level, std::uint64_t index) const {
  std::uint64_t begin = 0;
  for (const auto& root : subtrees_) {
    auto count = std::bit_floor(size_ - begin);
    if (static_cast<unsigned>(std::countr_zero(count)) == level && begin >> level == index) return root;
    begin += count;
  }
  return std::nullopt;
}

std::vector<Hash> HistoryTree::append(const Hash& digest) {
  std::vector<Hash> completed{crypto::merkle_leaf(suite_, digest)};
  for (auto bits = size_; (bits & 1) != 0; bits >>= 1) {
    completed.push_back(crypto::merkle_node(suite_, subtrees_.back(), completed.back()));
    subtrees_.pop_back();
  }
  subtrees_.push_back(completed.back());
  ++size_;
  return completed;
}

Hash HistoryTree::root() const {
  if (subtrees_.empty()) return crypto::merkle_root(suite_, {});
  auto root = subtrees_.back();
  for (auto it = subtrees_.rbegin() + 1; it != subtrees_.rend(); ++it) root = crypto::merkle_node(suite_, *it, root);
  return root;
}

crypto::MerkleFrontier HistoryTree::frontier() const {
  ByteWriter out(8 + subtrees_.size() * Hash::kSize);
  out.u64(size_);
  for (const auto& subtree : subtrees_) out.raw(subtree);
  auto frontier = crypto::MerkleFrontier::decode(suite_, out.bytes());
  GALEN_ASSERT(frontier.has_value());
  return *frontier;
}

Result<Hash> history_root(crypto::Suite suite, std::uint64_t size, const HistoryNodeReader& read) {
  if (size == 0) return crypto::merkle_root(suite, {});
  return RangeReader(suite, read).root(0, size);
}

Result<std::vector<Hash>> history_path(crypto::Suite suite, std::uint64_t index, std::uint64_t size,
                                       const HistoryNodeReader& read) {
  if (index >= size) return make_error(ErrorCode::INVALID_ARGUMENT, "The leaf lies outside the history tree.");
  std::vector<Hash> path;
  GALEN_TRY(RangeReader(suite, read).path(index, 0, size, path));
  return path;
}

Result<std::vector<Hash>> history_consistency_path(crypto::Suite suite, std::uint64_t size_old, std::uint64_t size_new,
                                                   const HistoryNodeReader& read) {
  if (size_old == 0 || size_old > size_new)
    return make_error(ErrorCode::INVALID_ARGUMENT, "The old size must lie between 1 and the new size.");
  std::vector<Hash> path;
  GALEN_TRY(RangeReader(suite, read).subproof(size_old, 0, size_new, true, path));
  return path;
}

}  // namespace galen::ledger
