// The compressed sparse Merkle tree over the state rows (docs/spec/formats.md 3.3), as crypto/sparse_merkle.hpp defines
// its hashes. Nodes are immutable and shared between versions: an update copies the touched paths only, so the last
// versions stay readable by any thread while the executor goes on. Subtrees of at most four leaves are one node.
//
// Pages: the tree is cut every four levels; a page is what lies between two cuts, named by its depth and the bits above
// it. Pages are read when needed through a PageSource, authenticated by the hash their parent holds, and written only
// at checkpoints. A leaf in memory costs about 120 bytes, inner nodes included; a page that is not loaded costs 64.
//
// Threads: update, trim and set_source belong to the executor; prove, roots and dirty_pages may run on any thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "galen/base/result.hpp"
#include "galen/crypto/sparse_merkle.hpp"
#include "galen/types/members.hpp"

namespace galen::ledger {

/// A changed leaf; no hash means the row is gone.
struct LeafChange {
  Hash path;
  std::optional<Hash> value_hash;
};

/// Reads pages as one checkpoint left them; kept alive by the versions that need it. Any thread.
class PageSource {
 public:
  virtual ~PageSource() = default;
  /// CORRUPT when there is no such page.
  virtual Result<Bytes> load(const std::string& page_key) const = 0;
};
using PageSourcePtr = std::shared_ptr<const PageSource>;

struct TreeNode;

/// Counts references by hand: nodes are many and small.
class TreeNodePtr {
 public:
  TreeNodePtr() = default;
  explicit TreeNodePtr(TreeNode* adopted) : node_(adopted) {}
  TreeNodePtr(const TreeNodePtr& other);
  TreeNodePtr(TreeNodePtr&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  TreeNodePtr& operator=(TreeNodePtr other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~TreeNodePtr();
  TreeNode* get() const { return node_; }
  TreeNode* operator->() const { return node_; }
  explicit operator bool() const { return node_ != nullptr; }
  bool operator==(const TreeNodePtr& other) const { return node_ == other.node_; }

 private:
  TreeNode* node_ = nullptr;
};

class StateTree {
 public:
  struct Options {
    crypto::Suite suite = crypto::Suite::p256_sha256;
    std::size_t versions = 64;
    /// A kept version costs about a kilobyte for each leaf changed after it. Beyond this many changed leaves in all,
    /// versions go earlier, down to versions_min.
    std::size_t version_changes_max = 100'000;
    std::size_t versions_min = 17;
    std::size_t leaves_max = 1'000'000;
  };
  explicit StateTree(const Options& options);
  ~StateTree();
  StateTree(const StateTree&) = delete;
  StateTree& operator=(const StateTree&) = delete;

  /// Starts from pages: `root_page` was written for `height` and must hash to `root` (CORRUPT). Before any update.
  Status restore(Height height, const Hash& root, PageSourcePtr source);

  /// Starts from nothing with the rows that `next` hands out until it gives none: the way back when pages are of no
  /// use.
  Result<Hash> rebuild(Height height, const std::function<Result<std::vector<LeafChange>>()>& next);

  /// The tree of `height`, above all heights before. Changes in any order, each path once (asserted). Fails only if a
  /// page cannot be read or does not hash to what its parent says; the tree is then unchanged.
  Result<Hash> update(Height height, std::vector<LeafChange> changes);

  /// Zero before the first update.
  Hash root() const;
  std::optional<Hash> root_at(Height height) const;
  /// NOT_FOUND when the height is not among the kept ones.
  Result<crypto::StateProof> prove(const Hash& path, Height height) const;

  /// The page (docs/spec/ledger-storage.md) that begins at `depth`, a multiple of four, on the way to `path`. NOT_FOUND when the height
  /// is not kept, or when so few leaves lie there that they stand in a page above.
  Result<Bytes> page(Height height, unsigned depth, const Hash& path) const;

  struct Pages {
    Height height = 0;
    Hash root;
  };
  using PageWriter = std::function<Status(const std::string& key, Bytes&& page)>;
  /// Hands every page of version `height` that changed since `height_written` (nothing: all of them) to `write`.
  /// NOT_FOUND when the height is not among the kept ones.
  Result<Pages> dirty_pages(Height height, std::optional<Height> height_written, const PageWriter& write) const;

  /// Pages up to `height_written` can now be read through `source`: later versions use it, and if more than leaves_max
  /// leaves are in memory the unchanged ones are let go.
  void set_source(PageSourcePtr source, Height height_written);

  /// Leaves in memory of the newest version.
  std::size_t leaves_loaded() const;

 private:
  struct Version {
    Height height = 0;
    TreeNodePtr root;
    PageSourcePtr source;
    std::size_t changes = 0;  ///< leaves changed by its update
  };
  class Updater;
  std::optional<Version> version_at(Height height) const;
  bool too_many_versions() const;

  const Options options_;
  mutable std::mutex mutex_;  // guards versions_ and the counts below; nodes themselves never change
  std::deque<Version> versions_;
  PageSourcePtr source_;
  std::size_t leaves_loaded_ = 0;
  std::size_t version_changes_ = 0;  // over all of versions_
};

}  // namespace galen::ledger
