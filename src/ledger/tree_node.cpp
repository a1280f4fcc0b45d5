#include "ledger/tree_node.hpp"

#include <algorithm>
#include <new>

#include "ledger/node_pool.hpp"

namespace galen::ledger {
namespace {

// A bucket's leaves follow the node in the same allocation: one small block a bucket, whatever it holds.
static_assert(alignof(TreeLeaf) <= alignof(TreeNode) && sizeof(TreeNode) % alignof(TreeLeaf) == 0);
static_assert(sizeof(TreeNode) + kBucketLeavesMax * sizeof(TreeLeaf) <= kNodeBytesMax);
static_assert(sizeof(TreeNode) % 16 == 0 && sizeof(InnerNode) % 16 == 0 && sizeof(TreeLeaf) % 16 == 0);

TreeLeaf* leaf_storage(TreeNode* node) { return reinterpret_cast<TreeLeaf*>(node + 1); }

std::size_t bytes_of(std::size_t leaf_count) { return sizeof(TreeNode) + leaf_count * sizeof(TreeLeaf); }

void destroy(TreeNode* node) {
  if (node->kind == NodeKind::inner) {
    prefetch_children(*node);
    static_cast<InnerNode*>(node)->~InnerNode();
    give_node_memory(node, sizeof(InnerNode));
  } else {
    const auto bytes = bytes_of(node->leaf_count);
    node->~TreeNode();
    give_node_memory(node, bytes);
  }
}

TreeNode* allocate_inner(Height stamp, const Hash& hash, TreeNodePtr left, TreeNodePtr right) {
  return new (take_node_memory(sizeof(InnerNode))) InnerNode(stamp, hash, std::move(left), std::move(right));
}

TreeNode* allocate(NodeKind kind, std::size_t leaf_count, Height stamp, const Hash& hash) {
  void* memory = take_node_memory(bytes_of(leaf_count));
  auto* node = new (memory) TreeNode(kind, stamp, hash);
  node->leaf_count = static_cast<std::uint8_t>(leaf_count);
  return node;
}

}  // namespace

TreeNodePtr::TreeNodePtr(const TreeNodePtr& other) : node_(other.node_) {
  if (node_ != nullptr) node_->references.fetch_add(1, std::memory_order_relaxed);
}

TreeNodePtr::~TreeNodePtr() {
  if (node_ != nullptr && node_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(node_);
}

std::span<const TreeLeaf> TreeNode::leaves() const { return {reinterpret_cast<const TreeLeaf*>(this + 1), leaf_count}; }

const TreeNodePtr& TreeNode::left() const {
  GALEN_ASSERT(kind == NodeKind::inner);
  return static_cast<const InnerNode*>(this)->left_child;
}

const TreeNodePtr& TreeNode::right() const {
  GALEN_ASSERT(kind == NodeKind::inner);
  return static_cast<const InnerNode*>(this)->right_child;
}

Hash hash_of(const TreeNodePtr& node) { return node ? node->hash : Hash{}; }

std::size_t split_point(std::span<const TreeLeaf> leaves, unsigned depth) {
  auto middle = std::partition_point(leaves.begin(), leaves.end(),
                                     [depth](const TreeLeaf& leaf) { return !crypto::path_bit(leaf.path, depth); });
  return static_cast<std::size_t>(middle - leaves.begin());
}

Hash subtree_hash(crypto::Suite suite, std::span<const TreeLeaf> leaves, unsigned depth) {
  if (leaves.empty()) return Hash{};
  if (leaves.size() == 1) return crypto::state_leaf_of_hash(suite, leaves[0].path, leaves[0].value_hash);
  GALEN_ASSERT(depth < kPathBits);
  auto middle = split_point(leaves, depth);
  return crypto::state_inner(suite, subtree_hash(suite, leaves.first(middle), depth + 1),
                             subtree_hash(suite, leaves.subspan(middle), depth + 1));
}

std::size_t count_leaves(const TreeNodePtr& node) {
  if (!node) return 0;
  if (node->kind == NodeKind::inner) return count_leaves(node->left()) + count_leaves(node->right());
  return node->leaf_count;
}

TreeNodePtr NodeMaker::bucket(std::span<const TreeLeaf> leaves, unsigned depth) const {
  GALEN_ASSERT(leaves.size() <= kBucketLeavesMax);
  if (leaves.empty()) return {};
  auto* node = allocate(NodeKind::bucket, leaves.size(), stamp_, subtree_hash(suite_, leaves, depth));
  std::uninitialized_copy(leaves.begin(), leaves.end(), leaf_storage(node));
  return TreeNodePtr(node);
}

TreeNodePtr NodeMaker::build(std::span<const TreeLeaf> leaves, unsigned depth) const {
  if (leaves.size() <= kBucketLeavesMax) return bucket(leaves, depth);
  auto middle = split_point(leaves, depth);
  return join(build(leaves.first(middle), depth + 1), build(leaves.subspan(middle), depth + 1), depth);
}

TreeNodePtr NodeMaker::join(TreeNodePtr left, TreeNodePtr right, unsigned depth) const {
  auto small_count = [](const TreeNodePtr& node) -> std::size_t {
    if (!node) return 0;
    return node->kind == NodeKind::bucket ? node->leaf_count : kBucketLeavesMax + 1;
  };
  auto leaves_count = small_count(left) + small_count(right);
  if (leaves_count <= kBucketLeavesMax) {
    TreeLeaf leaves[kBucketLeavesMax];
    auto* end = leaves;
    if (left) end = std::copy(left->leaves().begin(), left->leaves().end(), end);
    if (right) end = std::copy(right->leaves().begin(), right->leaves().end(), end);
    return bucket({leaves, end}, depth);
  }
  auto hash = crypto::state_inner(suite_, hash_of(left), hash_of(right));
  return TreeNodePtr(allocate_inner(stamp_, hash, std::move(left), std::move(right)));
}

TreeNodePtr NodeMaker::stub(const Hash& hash) const { return TreeNodePtr(allocate(NodeKind::stub, 0, stamp_, hash)); }

TreeNodePtr NodeMaker::reshape(const TreeNode& node, TreeNodePtr left, TreeNodePtr right) const {
  return TreeNodePtr(allocate_inner(node.stamp, node.hash, std::move(left), std::move(right)));
}

}  // namespace galen::ledger
