// Updating, proving, paging of the state tree; the nodes themselves are in tree_node.hpp.
#include "galen/ledger/state_tree.hpp"

#include <algorithm>

#include "ledger/tree_node.hpp"

namespace galen::ledger {
namespace {

// Pages that begin at this depth are what trim lets go: at most 65,536 stubs (4 MiB) stay for them.
constexpr unsigned kTrimDepth = 16;

bool same_leaves(const TreeNodePtr& bucket, std::span<const TreeLeaf> leaves) {
  auto old = bucket->leaves();
  return std::equal(old.begin(), old.end(), leaves.begin(), leaves.end(), [](const TreeLeaf& a, const TreeLeaf& b) {
    return a.path == b.path && a.value_hash == b.value_hash;
  });
}

}  // namespace

/// One batch of changes on the way down and up again; a page that cannot be read leaves a sticky error.
class StateTree::Updater {
 public:
  Updater(crypto::Suite suite, Height height, PageSourcePtr source)
      : make_(suite, height), source_(std::move(source)) {}

  TreeNodePtr apply(const TreeNodePtr& node, std::span<const LeafChange> changes, unsigned depth) {
    if (changes.empty() || !status_) return node;
    if (!node) return insert_all(changes, depth);
    switch (node->kind) {
      case NodeKind::bucket:
        return merge(node, changes, depth);
      case NodeKind::inner:
        return descend(node, changes, depth);
      case NodeKind::stub:
        break;
    }
    auto loaded = load(node, changes.front().path, depth);
    if (!loaded) return node;
    auto changed = apply(loaded, changes, depth);
    // Nothing really changed: keep the stub, so that a row written again with its old value does not fill the memory.
    if (changed == loaded) {
      leaves_delta_ -= static_cast<std::int64_t>(count_leaves(loaded));
      return node;
    }
    return changed;
  }

  const Status& status() const { return status_; }
  std::int64_t leaves_delta() const { return leaves_delta_; }

 private:
  TreeNodePtr load(const TreeNodePtr& stub, const Hash& path, unsigned depth) {
    if (!source_) {
      status_ =
          make_error(ErrorCode::CORRUPT, "A page of the state tree is needed, but there is nowhere to read it from.");
      return {};
    }
    auto page = load_page(make_.suite(), *source_, depth, path, stub->hash);
    if (!page) {
      status_ = page.error();
      return {};
    }
    leaves_delta_ += static_cast<std::int64_t>(count_leaves(*page));
    return *page;
  }

  TreeNodePtr insert_all(std::span<const LeafChange> changes, unsigned depth) {
    std::vector<TreeLeaf> leaves;
    leaves.reserve(changes.size());
    for (const auto& change : changes)
      if (change.value_hash) leaves.push_back({change.path, *change.value_hash});
    leaves_delta_ += static_cast<std::int64_t>(leaves.size());
    return make_.build(leaves, depth);
  }

  TreeNodePtr merge(const TreeNodePtr& bucket, std::span<const LeafChange> changes, unsigned depth) {
    auto old = bucket->leaves();
    std::vector<TreeLeaf> leaves;
    leaves.reserve(old.size() + changes.size());
    auto next_old = old.begin();
    for (const auto& change : changes) {
      while (next_old != old.end() && next_old->path < change.path) leaves.push_back(*next_old++);
      if (next_old != old.end() && next_old->path == change.path) ++next_old;
      if (change.value_hash) leaves.push_back({change.path, *change.value_hash});
    }
    leaves.insert(leaves.end(), next_old, old.end());
    if (same_leaves(bucket, leaves)) return bucket;
    leaves_delta_ += static_cast<std::int64_t>(leaves.size()) - static_cast<std::int64_t>(old.size());
    return make_.build(leaves, depth);
  }

  TreeNodePtr descend(const TreeNodePtr& node, std::span<const LeafChange> changes, unsigned depth) {
    prefetch_children(*node.get());
    auto middle = std::partition_point(changes.begin(), changes.end(), [depth](const LeafChange& change) {
      return !crypto::path_bit(change.path, depth);
    });
    auto left_count = static_cast<std::size_t>(middle - changes.begin());
    auto left = apply(node->left(), changes.first(left_count), depth + 1);
    auto right = apply(node->right(), changes.subspan(left_count), depth + 1);
    if (left == node->left() && right == node->right()) return node;
    return make_.join(std::move(left), std::move(right), depth);
  }

  NodeMaker make_;
  PageSourcePtr source_;
  Status status_;
  std::int64_t leaves_delta_ = 0;
};

namespace {

void sort_changes(std::vector<LeafChange>& changes) {
  std::sort(changes.begin(), changes.end(), [](const LeafChange& a, const LeafChange& b) { return a.path < b.path; });
  for (std::size_t i = 1; i < changes.size(); ++i) GALEN_ASSERT(changes[i - 1].path != changes[i].path);
}

/// Lets go of the pages that begin at kTrimDepth and have not changed since `height_written`.
class Trimmer {
 public:
  Trimmer(crypto::Suite suite, Height height_written) : make_(suite, 0), height_written_(height_written) {}

  TreeNodePtr trim(const TreeNodePtr& node, unsigned depth) {
    if (!node || node->kind != NodeKind::inner) return node;
    if (depth == kTrimDepth) {
      if (node->stamp > height_written_) return node;
      leaves_gone_ += count_leaves(node);
      return make_.stub(node->hash);
    }
    auto left = trim(node->left(), depth + 1);
    auto right = trim(node->right(), depth + 1);
    if (left == node->left() && right == node->right()) return node;
    return make_.reshape(*node.get(), std::move(left), std::move(right));
  }
  std::size_t leaves_gone() const { return leaves_gone_; }

 private:
  NodeMaker make_;
  Height height_written_;
  std::size_t leaves_gone_ = 0;
};

}  // namespace

StateTree::StateTree(const Options& options) : options_(options) { GALEN_ASSERT(options_.versions > 0); }
StateTree::~StateTree() = default;

Status StateTree::restore(Height height, const Hash& root, PageSourcePtr source) {
  GALEN_ASSERT(versions_.empty() && source != nullptr);
  GALEN_ASSIGN(auto page, load_page(options_.suite, *source, 0, Hash{}, root));
  std::lock_guard lock(mutex_);
  leaves_loaded_ = count_leaves(page);
  source_ = source;
  versions_.push_back({height, std::move(page), std::move(source), 0});
  return {};
}

Result<Hash> StateTree::rebuild(Height height, const std::function<Result<std::vector<LeafChange>>()>& next) {
  GALEN_ASSERT(versions_.empty());
  Updater updater(options_.suite, height, nullptr);
  TreeNodePtr root;
  for (;;) {
    GALEN_ASSIGN(auto changes, next());
    if (changes.empty()) break;
    sort_changes(changes);
    root = updater.apply(root, changes, 0);
    GALEN_TRY(updater.status());
  }
  auto hash = hash_of(root);
  std::lock_guard lock(mutex_);
  leaves_loaded_ = static_cast<std::size_t>(updater.leaves_delta());
  versions_.push_back({height, std::move(root), nullptr, 0});
  return hash;
}

Result<Hash> StateTree::update(Height height, std::vector<LeafChange> changes) {
  sort_changes(changes);
  TreeNodePtr root;
  {
    std::lock_guard lock(mutex_);
    if (!versions_.empty()) {
      GALEN_ASSERT(height > versions_.back().height);
      root = versions_.back().root;
    }
  }
  Updater updater(options_.suite, height, source_);
  root = updater.apply(root, changes, 0);
  GALEN_TRY(updater.status());
  auto hash = hash_of(root);
  std::vector<Version> expired;  // freed after the lock: a version may hold many nodes alone
  {
    std::lock_guard lock(mutex_);
    leaves_loaded_ = static_cast<std::size_t>(static_cast<std::int64_t>(leaves_loaded_) + updater.leaves_delta());
    versions_.push_back({height, std::move(root), source_, changes.size()});
    version_changes_ += changes.size();
    while (too_many_versions()) {
      version_changes_ -= versions_.front().changes;
      expired.push_back(std::move(versions_.front()));
      versions_.pop_front();
    }
  }
  return hash;
}

bool StateTree::too_many_versions() const {
  if (versions_.size() > options_.versions) return true;
  return versions_.size() > options_.versions_min && version_changes_ > options_.version_changes_max;
}

Hash StateTree::root() const {
  std::lock_guard lock(mutex_);
  return versions_.empty() ? Hash{} : hash_of(versions_.back().root);
}

std::optional<Hash> StateTree::root_at(Height height) const {
  auto version = version_at(height);
  if (!version) return std::nullopt;
  return hash_of(version->root);
}

std::optional<StateTree::Version> StateTree::version_at(Height height) const {
  std::lock_guard lock(mutex_);
  for (auto it = versions_.rbegin(); it != versions_.rend(); ++it)
    if (it->height == height) return *it;
  return std::nullopt;
}

Result<crypto::StateProof> StateTree::prove(const Hash& path, Height height) const {
  auto version = version_at(height);
  if (!version)
    return make_error(ErrorCode::NOT_FOUND, "No state proof is kept for height " + std::to_string(height) + ".");
  crypto::StateProof proof;
  auto node = version->root;
  unsigned depth = 0;
  while (node && node->kind != NodeKind::bucket) {
    if (node->kind == NodeKind::stub) {
      GALEN_ASSERT(version->source != nullptr);
      GALEN_ASSIGN(node, load_page(options_.suite, *version->source, depth, path, node->hash));
      continue;
    }
    bool right = crypto::path_bit(path, depth);
    proof.siblings.push_back(hash_of(right ? node->left() : node->right()));
    auto child = right ? node->right() : node->left();
    node = std::move(child);
    ++depth;
  }
  if (!node) return proof;
  auto leaves = node->leaves();
  for (; leaves.size() > 1; ++depth) {
    auto middle = split_point(leaves, depth);
    bool right = crypto::path_bit(path, depth);
    auto other = right ? leaves.first(middle) : leaves.subspan(middle);
    proof.siblings.push_back(subtree_hash(options_.suite, other, depth + 1));
    leaves = right ? leaves.subspan(middle) : leaves.first(middle);
  }
  if (!leaves.empty()) proof.terminal = crypto::StateProof::Terminal{leaves[0].path, leaves[0].value_hash};
  return proof;
}

Result<Bytes> StateTree::page(Height height, unsigned depth, const Hash& path) const {
  auto version = version_at(height);
  if (!version)
    return make_error(ErrorCode::NOT_FOUND, "The state tree of height " + std::to_string(height) + " is not kept.");
  if (depth >= kPathBits || !is_page_boundary(depth)) return make_error(ErrorCode::NOT_FOUND, "No page begins at this depth.");
  auto node = version->root;
  for (unsigned at = 0;;) {
    if (node && node->kind == NodeKind::stub) {
      GALEN_ASSERT(version->source != nullptr);
      GALEN_ASSIGN(node, load_page(options_.suite, *version->source, at, path, node->hash));
    }
    if (at == depth) break;
    if (!node || node->kind != NodeKind::inner) return make_error(ErrorCode::NOT_FOUND, "No page begins here.");
    auto child = crypto::path_bit(path, at) ? node->right() : node->left();
    node = std::move(child);
    ++at;
  }
  if (depth > 0 && (!node || node->kind == NodeKind::bucket)) return make_error(ErrorCode::NOT_FOUND, "No page begins here.");
  return encode_page(node, depth);
}

Result<StateTree::Pages> StateTree::dirty_pages(Height height, std::optional<Height> height_written,
                                                const PageWriter& write) const {
  auto version = version_at(height);
  if (!version)
    return make_error(ErrorCode::NOT_FOUND, "The state tree of height " + std::to_string(height) + " is not kept.");
  ChildPageVisitor visit = [&](const TreeNodePtr& node, unsigned depth, const Hash& path) -> Status {
    if (node->kind == NodeKind::stub || (height_written && node->stamp <= *height_written)) return {};
    GALEN_TRY(write(page_key(depth, path), encode_page(node, depth)));
    return for_each_child_page(node, depth, path, visit);
  };
  // The root page is written always: also an empty tree and a small one, which is a bucket, are found again by it.
  GALEN_TRY(write(page_key(0, Hash{}), encode_page(version->root, 0)));
  GALEN_TRY(for_each_child_page(version->root, 0, Hash{}, visit));
  return Pages{height, hash_of(version->root)};
}

void StateTree::set_source(PageSourcePtr source, Height height_written) {
  source_ = std::move(source);
  TreeNodePtr root;
  {
    std::lock_guard lock(mutex_);
    if (versions_.empty() || leaves_loaded_ <= options_.leaves_max) return;
    root = versions_.back().root;
  }
  Trimmer trimmer(options_.suite, height_written);
  root = trimmer.trim(root, 0);
  Version replaced;
  std::lock_guard lock(mutex_);
  leaves_loaded_ -= trimmer.leaves_gone();
  auto& newest = versions_.back();
  replaced = std::exchange(newest, Version{newest.height, std::move(root), source_, newest.changes});
}

std::size_t StateTree::leaves_loaded() const {
  std::lock_guard lock(mutex_);
  return leaves_loaded_;
}

}  // namespace galen::ledger
