// Nodes of the state tree, their hashes, and the encoding of pages. A node is made once and never changes, so versions
// and threads share it by reference count. Invariants: a subtree of 1 to 4 leaves is a bucket, a larger one an inner
// node or, while its page is not loaded, a stub; an empty one is no node. So the shape follows from the set of leaves
// alone.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "galen/ledger/state_tree.hpp"

namespace galen::ledger {

inline constexpr std::size_t kBucketLeavesMax = 4;
inline constexpr unsigned kPageLevels = 4;  ///< a page spans this many levels; pages begin at its multiples
inline constexpr unsigned kPathBits = 256;

struct TreeLeaf {
  Hash path;
  Hash value_hash;
};

enum class NodeKind : std::uint8_t { inner, bucket, stub };

struct TreeNode {
  std::atomic<std::uint32_t> references{1};
  NodeKind kind;
  std::uint8_t leaf_count = 0;  ///< of a bucket
  Height stamp;                 ///< height that made it; 0 when it came from a page
  Hash hash;

  TreeNode(NodeKind kind_of, Height stamp_of, const Hash& hash_of) : kind(kind_of), stamp(stamp_of), hash(hash_of) {}
  /// Of a bucket.
  std::span<const TreeLeaf> leaves() const;
  const TreeNodePtr& left() const;  ///< of an inner node
  const TreeNodePtr& right() const;
};

struct InnerNode : TreeNode {
  TreeNodePtr left_child, right_child;
  InnerNode(Height stamp_of, const Hash& hash_of, TreeNodePtr left_of, TreeNodePtr right_of)
      : TreeNode(NodeKind::inner, stamp_of, hash_of),
        left_child(std::move(left_of)),
        right_child(std::move(right_of)) {}
};

/// In a long chain most nodes are in no cache. Both children are needed soon, one for its hash alone: wait for both at once.
inline void prefetch_children(const TreeNode& inner) {
  const auto& node = static_cast<const InnerNode&>(inner);
  __builtin_prefetch(node.left_child.get());
  __builtin_prefetch(node.right_child.get());
}

/// Zero for no node.
Hash hash_of(const TreeNodePtr& node);

/// Makes nodes of one height.
class NodeMaker {
 public:
  NodeMaker(crypto::Suite suite, Height stamp) : suite_(suite), stamp_(stamp) {}

  /// At most kBucketLeavesMax leaves, sorted, sharing the first `depth` bits; nothing for none.
  TreeNodePtr bucket(std::span<const TreeLeaf> leaves, unsigned depth) const;
  /// Any number of leaves, sorted.
  TreeNodePtr build(std::span<const TreeLeaf> leaves, unsigned depth) const;
  /// Merges small children into a bucket of `depth`, as the invariant asks.
  TreeNodePtr join(TreeNodePtr left, TreeNodePtr right, unsigned depth) const;
  TreeNodePtr stub(const Hash& hash) const;
  /// A copy with other children of the same hashes.
  TreeNodePtr reshape(const TreeNode& node, TreeNodePtr left, TreeNodePtr right) const;
  crypto::Suite suite() const { return suite_; }

 private:
  crypto::Suite suite_;
  Height stamp_;
};

/// Root over sorted leaves that share the first `depth` bits.
Hash subtree_hash(crypto::Suite suite, std::span<const TreeLeaf> leaves, unsigned depth);
/// Number of leading leaves whose bit `depth` is 0.
std::size_t split_point(std::span<const TreeLeaf> leaves, unsigned depth);
/// Leaves below a node that are in memory.
std::size_t count_leaves(const TreeNodePtr& node);

inline bool is_page_boundary(unsigned depth) { return depth % kPageLevels == 0; }

/// 'p' ‖ u8 depth ‖ the first `depth` bits of `path`, padded with zero bits.
std::string page_key(unsigned depth, const Hash& path);
inline constexpr char kPageKeyFirst = 'p';

/// u8 format 1 ‖ node; a node is u8 0 (none) | u8 1-4 ‖ leaves (path ‖ value hash) | u8 5 ‖ left ‖ right | u8 6 ‖ hash
/// (a page of its own begins here).
Bytes encode_page(const TreeNodePtr& node, unsigned depth);
/// CORRUPT unless it decodes to a node of `hash` whose leaves begin with the first `depth` bits of `path`.
Result<TreeNodePtr> decode_page(crypto::Suite suite, ByteSpan page, unsigned depth, const Hash& path, const Hash& hash);
Result<TreeNodePtr> load_page(crypto::Suite suite, const PageSource& source, unsigned depth, const Hash& path,
                              const Hash& hash);

/// Calls `visit` for the inner nodes and stubs at page boundaries directly below the page at `depth`, with their depth
/// and a path that leads there.
using ChildPageVisitor = std::function<Status(const TreeNodePtr& node, unsigned depth, const Hash& path)>;
Status for_each_child_page(const TreeNodePtr& page, unsigned depth, const Hash& path, const ChildPageVisitor& visit);

}  // namespace galen::ledger
