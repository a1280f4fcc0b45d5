#include "galen/ledger/tree_difference.hpp"

#include "ledger/tree_node.hpp"

namespace galen::ledger {
namespace {

Hash with_bit(Hash path, unsigned depth) {
  path.data[depth / 8] = static_cast<std::uint8_t>(path.data[depth / 8] | (0x80u >> (depth % 8)));
  return path;
}

class Descent {
 public:
  Descent(crypto::Suite suite, const TreeSide& here, const TreeSide& there, const DifferenceLimits& limits)
      : suite_(suite), here_(here), there_(there), limits_(limits) {}

  Result<TreeDifference> run() {
    NodeMaker make(suite_, 0);
    // An empty tree has no page to ask for, and a zero root.
    auto side = [&](const TreeSide& tree) { return tree.root == Hash{} ? TreeNodePtr{} : make.stub(tree.root); };
    GALEN_TRY(descend(side(here_), side(there_), 0, Hash{}));
    return std::move(out_);
  }

 private:
  bool full() const { return out_.leaves.size() >= limits_.leaves || pages_ >= limits_.pages; }

  Result<TreeNodePtr> load(const TreeSide& side, const TreeNodePtr& node, unsigned depth, const Hash& path) {
    if (!node || node->kind != NodeKind::stub) return node;
    ++pages_;
    GALEN_ASSIGN(auto page, side.read(depth, path));
    return decode_page(suite_, page, depth, path, node->hash);
  }

  Status descend(const TreeNodePtr& a, const TreeNodePtr& b, unsigned depth, const Hash& path) {
    if (hash_of(a) == hash_of(b)) return {};
    if (full()) {
      out_.complete = false;
      return {};
    }
    GALEN_ASSIGN(auto here, load(here_, a, depth, path));
    GALEN_ASSIGN(auto there, load(there_, b, depth, path));
    const bool both = here && there && here->kind == NodeKind::inner && there->kind == NodeKind::inner;
    if (!both) return compare_leaves(here, there, depth, path);
    GALEN_TRY(descend(here->left(), there->left(), depth + 1, path));
    return descend(here->right(), there->right(), depth + 1, with_bit(path, depth));
  }

  Status collect(const TreeSide& side, const TreeNodePtr& node, unsigned depth, const Hash& path,
                 std::vector<TreeLeaf>& leaves) {
    if (leaves.size() > limits_.leaves) return {};
    GALEN_ASSIGN(auto loaded, load(side, node, depth, path));
    if (!loaded) return {};
    if (loaded->kind == NodeKind::bucket) {
      leaves.insert(leaves.end(), loaded->leaves().begin(), loaded->leaves().end());
      return {};
    }
    GALEN_TRY(collect(side, loaded->left(), depth + 1, path, leaves));
    return collect(side, loaded->right(), depth + 1, with_bit(path, depth), leaves);
  }

  /// One side has few leaves here, so the difference is about as large as the other side.
  Status compare_leaves(const TreeNodePtr& a, const TreeNodePtr& b, unsigned depth, const Hash& path) {
    std::vector<TreeLeaf> here, there;
    GALEN_TRY(collect(here_, a, depth, path, here));
    GALEN_TRY(collect(there_, b, depth, path, there));
    if (here.size() > limits_.leaves || there.size() > limits_.leaves) out_.complete = false;
    auto x = here.begin();
    auto y = there.begin();
    while (x != here.end() || y != there.end()) {
      if (y == there.end() || (x != here.end() && x->path < y->path)) {
        add({x->path, x->value_hash, std::nullopt});
        ++x;
      } else if (x == here.end() || y->path < x->path) {
        add({y->path, std::nullopt, y->value_hash});
        ++y;
      } else {
        if (x->value_hash != y->value_hash) add({x->path, x->value_hash, y->value_hash});
        ++x, ++y;
      }
    }
    return {};
  }

  void add(LeafDifference leaf) {
    if (out_.leaves.size() < limits_.leaves)
      out_.leaves.push_back(std::move(leaf));
    else
      out_.complete = false;
  }

  const crypto::Suite suite_;
  const TreeSide& here_;
  const TreeSide& there_;
  const DifferenceLimits& limits_;
  TreeDifference out_;
  std::size_t pages_ = 0;
};

}  // namespace

Result<TreeDifference> difference(crypto::Suite suite, const TreeSide& here, const TreeSide& there,
                                  const DifferenceLimits& limits) {
  return Descent(suite, here, there, limits).run();
}

}  // namespace galen::ledger
