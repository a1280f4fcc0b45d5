// Opening a ledger: what a crash left is some applied height, complete in itself. The state tree's pages may be older,
// because only checkpoints write them while RocksDB also writes files by itself; the changed keys of each block since
// then lead from the pages to the applied height. Where that fails, the tree is made anew from the state rows.
#include <set>

#include "galen/base/log.hpp"
#include "ledger/store_state.hpp"
#include "ledger/tree_node.hpp"

namespace galen::ledger {
namespace {

constexpr std::size_t kRebuildChunkRows = 16'384;

StateTree::Options tree_options(const StoreOptions& options) {
  StateTree::Options out;
  out.suite = options.context.suite;
  out.versions = options.state_versions;
  out.leaves_max = options.tree_leaves_max;
  return out;
}

}  // namespace

Result<Bytes> SnapshotPages::load(const std::string& page_key) const {
  GALEN_ASSIGN(auto page, snapshot_.database().get(Family::tree, page_key, snapshot_.get()));
  if (!page) return make_error(ErrorCode::CORRUPT, "A page of the state tree is missing.");
  return std::move(*page);
}

Result<Hash> rebuild_tree(StateTree& tree, Database& database, const rocksdb::Snapshot* snapshot, Height height,
                          std::uint64_t* rows) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  options.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(database.db().NewIterator(options, database.family(Family::state)));
  it->SeekToFirst();
  auto suite = database.context().suite;
  return tree.rebuild(height, [&]() -> Result<std::vector<LeafChange>> {
    std::vector<LeafChange> chunk;
    for (; it->Valid() && chunk.size() < kRebuildChunkRows; it->Next()) {
      if (it->key().empty()) return make_error(ErrorCode::CORRUPT, "A state row has no key.");
      LeafChange change;
      auto key = it->key().ToStringView();
      change.path = crypto::state_path(suite, static_cast<std::uint8_t>(key[0]), as_bytes(key.substr(1)));
      change.value_hash = crypto::hash(suite, to_span(it->value()));
      chunk.push_back(change);
    }
    if (!it->status().ok()) return Database::to_error(it->status(), "reading state");
    if (rows != nullptr) *rows += chunk.size();
    return chunk;
  });
}

Result<std::unique_ptr<Store>> Store::create(const StoreOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  GALEN_ASSIGN(state->database, Database::open(options, Database::Mode::create));
  GALEN_TRY(state->load());
  return std::unique_ptr<Store>(new Store(std::move(state)));
}

Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  GALEN_ASSIGN(state->database, Database::open(options, Database::Mode::open));
  GALEN_TRY(state->load());
  return std::unique_ptr<Store>(new Store(std::move(state)));
}

Status Store::State::load() {
  tree = std::make_shared<StateTree>(tree_options(options));
  latest.reset(new View(database, tree, false));
  history = HistoryTree(options.context.suite);
  GALEN_ASSIGN(auto head_row, database->get(Family::meta, kHeadKey));
  if (!head_row) return {};
  GALEN_TRY(latest->load_head());
  const auto& head = latest->head();
  GALEN_ASSIGN(past, PastPosition::load(*database));
  backfill_floor.store(past ? past->floor : 0);
  GALEN_TRY(database->check_heights(backfill_floor, head.header.height));
  auto next = head.header.height + 1;
  GALEN_ASSIGN(history, HistoryTree::load(options.context.suite, next, latest->state_->history_reader()));
  GALEN_TRY(load_tree(head));
  GALEN_TRY(load_open_ends());
  next_height.store(next);
  durable_next_height.store(next);
  return {};
}

/// What a crash took from the certificates is put again from the node's log.
Status Store::State::load_open_ends() {
  const auto last = epoch_above(latest->head().header);
  GALEN_ASSIGN(auto links, load_epoch_links(*database, last));
  for (Epoch epoch = 2; epoch <= last; ++epoch) {
    auto& link = links[static_cast<std::size_t>(epoch - 2)];
    if (!link.commit_certificate.empty()) continue;
    GALEN_ASSIGN(auto header, BlockHeader::decode(link.header));
    open_ends.emplace(header.height, OpenEnd{epoch, header.digest(options.context.suite), std::move(link)});
  }
  return {};
}

Status Store::State::load_tree(const BlockInfo& head) {
  GALEN_ASSIGN(bool restored, restore_tree(head));
  if (restored) return {};
  log::warn("state tree is made anew from the rows height={}", head.header.height);
  tree = std::make_shared<StateTree>(tree_options(options));
  latest->state_->tree = tree;
  tree_rebuilt = true;
  GALEN_TRY(clear_pages());
  GALEN_ASSIGN(auto root, rebuild_tree(*tree, *database, nullptr, head.header.height));
  if (root != head.state_root)
    return make_error(ErrorCode::CORRUPT, "The state rows do not lead to the state root of block " +
                                              std::to_string(head.header.height) + ".");
  return {};
}

Result<bool> Store::State::restore_tree(const BlockInfo& head) {
  GALEN_ASSIGN(auto row, database->get(Family::meta, kPagesKey));
  if (!row) return false;
  auto pages = HeightAndHash::decode(*row);
  auto height = head.header.height;
  if (!pages || pages->height > height) return false;
  // A page that fails its hash is no reason to stop: the rows can make the tree again, and the root decides.
  auto source = std::make_shared<SnapshotPages>(database);
  if (!tree->restore(pages->height, pages->hash, source)) return false;
  if (pages->height < height) {
    std::set<std::string> keys;
    for (auto h = pages->height + 1; h <= height; ++h) {
      GALEN_ASSIGN(auto changes, database->get(Family::tree, changes_key(h)));
      auto decoded = changes ? decode_changes(*changes) : Result<std::vector<std::string>>(ErrorCode::CORRUPT, "");
      if (!decoded) return false;
      for (auto& key : *decoded) {
        if (key.empty()) return false;
        keys.insert(std::move(key));
      }
    }
    std::vector<LeafChange> leaves;
    leaves.reserve(keys.size());
    for (const auto& key : keys) {
      GALEN_ASSIGN(auto value, database->get(Family::state, key));
      leaves.push_back(leaf_change(options.context.suite, key, value));
    }
    if (!tree->update(height, std::move(leaves))) return false;
  }
  if (tree->root() != head.state_root) return false;
  pages_height = pages->height;
  return true;
}

Status Store::State::clear_pages() {
  auto batch = make_batch();
  batch.Delete(database->family(Family::meta), kPagesKey);
  batch.DeleteRange(database->family(Family::tree), rocksdb::Slice(&kPageKeyFirst, 1),
                    std::string(1, kPageKeyFirst + 1));
  pages_height.reset();
  return database->write(batch);
}

}  // namespace galen::ledger
