// Rows of no single block: state against the newest root, the count of the index, the tree's pages, and that everything
// can be read at all. Their findings name the applied height.
#include "ledger/store_state.hpp"
#include "ledger/tree_node.hpp"
#include "ledger/verification.hpp"

namespace galen::ledger {
namespace {

/// Loads every page below `hash`; each proves itself against its parent.
Status check_pages(crypto::Suite suite, const PageSource& source, unsigned depth, const Hash& path, const Hash& hash) {
  GALEN_ASSIGN(auto page, load_page(suite, source, depth, path, hash));
  return for_each_child_page(page, depth, path, [&](const TreeNodePtr& node, unsigned child_depth, const Hash& child) {
    return check_pages(suite, source, child_depth, child, node->hash);
  });
}

}  // namespace

void Verification::check_state() {
  StateTree::Options tree_options;
  tree_options.suite = context_.suite;
  StateTree tree(tree_options);
  auto root = rebuild_tree(tree, *database_, nullptr, report_.height_last, &report_.state_rows);
  if (!root) {
    found(report_.height_last, "state", root.error().message);
  } else if (previous_ && *root != previous_->state_root) {
    found(report_.height_last, "state", "The state rows do not lead to the block's state root.");
  }
}

void Verification::check_transaction_count() {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(database_->db().NewIterator(read, database_->family(Family::transactions)));
  std::uint64_t rows = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) ++rows;
  if (!it->status().ok()) {
    found(report_.height_last, "transactions", Database::to_error(it->status(), "reading transactions").message);
  } else if (blocks_whole_ && report_.ok() && rows != transactions_first_) {
    found(report_.height_last, "transactions",
          "The index has " + std::to_string(rows) + " rows, the blocks have " + std::to_string(transactions_first_) +
              " transactions.");
  }
}

void Verification::check_readable(Family family) {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  // What was deleted by range is read as well: an iterator that skips it asserts where it meets a damaged block.
  read.ignore_range_deletions = true;
  std::unique_ptr<rocksdb::Iterator> it(database_->db().NewIterator(read, database_->family(family)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
  }
  if (!it->status().ok()) {
    const char* name = kFamilyNames[static_cast<std::size_t>(family)];
    found(report_.height_last, name, Database::to_error(it->status(), std::string("reading ") + name).message);
  }
}

void Verification::check_tree() {
  auto row = database_->get(Family::meta, kPagesKey);
  if (!row) return found(report_.height_last, "meta", row.error().message);
  if (!*row) return;  // not written yet: the node makes the tree from the rows
  auto pages = HeightAndHash::decode(**row);
  if (!pages || pages->height > report_.height_last)
    return found(report_.height_last, "tree", "The row that names the pages' height is damaged.");
  auto info_row = database_->get(Family::blocks, block_key(pages->height, BlockPart::info));
  auto info = info_row && *info_row ? BlockInfo::decode(**info_row) : Result<BlockInfo>(ErrorCode::CORRUPT, "");
  if (info && info->state_root != pages->hash)
    found(pages->height, "tree", "The pages' root is not the state root of their block.");
  SnapshotPages source(database_);
  if (auto checked = check_pages(context_.suite, source, 0, Hash{}, pages->hash); !checked)
    found(pages->height, "tree", checked.error().message);
  for (auto height = pages->height + 1; height <= report_.height_last && !enough(); ++height) {
    auto changes = database_->get(Family::tree, changes_key(height));
    if (!changes || !*changes) {
      found(height, "tree", changes ? "The row of the block's changed keys is missing." : changes.error().message);
    } else if (auto decoded = decode_changes(**changes); !decoded) {
      found(height, "tree", decoded.error().message);
    }
  }
}

void Verification::check_files() {
  auto status = database_->db().VerifyFileChecksums(rocksdb::ReadOptions());
  if (!status.ok() && !status.IsNotSupported())
    found(report_.height_last, "files", Database::to_error(status, "verifying file checksums").message);
}

}  // namespace galen::ledger
