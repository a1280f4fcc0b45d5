// What a Store holds and the steps of opening it. Owner threads as store.hpp says; what the checkpoint thread and the
// executor share is atomic or guarded by `checkpoint_mutex`.
#pragma once

#include <atomic>
#include <map>
#include <mutex>

#include "galen/ledger/history_tree.hpp"
#include "galen/ledger/state_tree.hpp"
#include "galen/ledger/store.hpp"
#include "ledger/database.hpp"
#include "ledger/epoch_rows.hpp"
#include "ledger/past_store.hpp"
#include "ledger/view_state.hpp"

namespace galen::ledger {

/// Path and value hash of a state row (kind ‖ key).
LeafChange leaf_change(crypto::Suite suite, std::string_view row_key, const std::optional<Bytes>& value);

/// Reads tree pages as of a RocksDB snapshot.
class SnapshotPages : public PageSource {
 public:
  explicit SnapshotPages(std::shared_ptr<Database> database) : snapshot_(std::move(database)) {}
  Result<Bytes> load(const std::string& page_key) const override;

 private:
  DatabaseSnapshot snapshot_;
};

/// A tree over nothing but the state rows that `snapshot` shows.
Result<Hash> rebuild_tree(StateTree& tree, Database& database, const rocksdb::Snapshot* snapshot, Height height,
                          std::uint64_t* rows = nullptr);

struct Store::State {
  StoreOptions options;
  std::shared_ptr<Database> database;
  std::shared_ptr<StateTree> tree;
  std::unique_ptr<View> latest;
  HistoryTree history{crypto::Suite::p256_sha256};
  std::atomic<Height> next_height{0};  ///< applied height + 1
  std::atomic<Height> durable_next_height{0};
  std::atomic<std::size_t> unflushed_bytes{0};

  bool tree_rebuilt = false;  ///< by load()

  std::mutex checkpoint_mutex;         ///< one checkpoint at once
  std::optional<Height> pages_height;  ///< of the pages in RocksDB; guarded by checkpoint_mutex

  std::mutex pending_mutex;
  PageSourcePtr pending_source;  ///< from the last checkpoint, for the executor to adopt
  Height pending_height = 0;

  /// While past blocks come in, an index row has two writers: the executor and they.
  std::mutex index_mutex;
  std::atomic<Height> backfill_floor{0};
  std::optional<PastPosition> past;  ///< owned by the thread that adds past blocks; nothing when the ledger is whole

  /// A block that ended its epoch, and whose COMMIT-QC has not come.
  struct OpenEnd {
    Epoch next = 0;
    Hash digest;
    EpochLink link;
  };
  std::mutex epochs_mutex;
  std::map<Height, OpenEnd> open_ends;  ///< guarded by epochs_mutex

  Status check_follows(const BlockUpdate& update) const;
  Status check_next_members(const BlockUpdate& update) const;
  /// What this block's update says, with the COMMIT-QC if that is here already. Under epochs_mutex.
  Result<OpenEnd> end_of(const BlockUpdate& update) const;
  Status load_open_ends();
  /// All of the block's info but state root, history nodes and body size.
  BlockInfo executed_info(const BlockUpdate& update);
  /// Lets the tree read, and drop, what the last checkpoint wrote.
  void adopt_pages();

  /// Head, history and tree of what is stored.
  Status load();
  Status load_tree(const BlockInfo& head);
  /// Pages and the changes since: false when they do not lead to the head's root.
  Result<bool> restore_tree(const BlockInfo& head);
  Status clear_pages();

  Status write_pages(Height height);
};

}  // namespace galen::ledger
