// Checkpoints: tree pages of one height, then one atomic flush of everything. Runs beside the executor, which may be
// several blocks further when it ends; those are replayed from the changed keys, or from the node's log.
#include "ledger/store_state.hpp"

namespace galen::ledger {
namespace {

constexpr std::size_t kPagesPerWriteBytes = 8u << 20;

}  // namespace

Result<Height> Store::checkpoint() {
  auto& s = *state_;
  std::lock_guard lock(s.checkpoint_mutex);
  auto height = applied_height();
  if (!height) return make_error(ErrorCode::UNAVAILABLE, "The ledger is empty: there is nothing to make durable.");
  // The executor may apply more blocks than the tree keeps versions before the pages' version is taken: take a newer
  // one.
  auto pages = s.write_pages(*height);
  while (!pages && pages.error().code == ErrorCode::NOT_FOUND) pages = s.write_pages(*applied_height());
  GALEN_TRY(pages);
  // Everything written up to here is in the flush; what the executor adds meanwhile may be or not.
  auto durable = *applied_height();
  auto bytes = s.unflushed_bytes.load();
  GALEN_TRY(s.database->flush());
  s.unflushed_bytes.fetch_sub(bytes);
  s.durable_next_height.store(durable + 1);
  return durable;
}

Status Store::State::write_pages(Height height) {
  if (pages_height && *pages_height == height) return {};
  auto batch = make_batch();
  // RocksDB may write files between two of our batches. Until the last one is in, no page may count.
  batch.Delete(database->family(Family::meta), kPagesKey);
  auto pages = tree->dirty_pages(height, pages_height, [&](const std::string& key, Bytes&& page) -> Status {
    batch.Put(database->family(Family::tree), key, to_slice(page));
    if (batch.GetDataSize() < kPagesPerWriteBytes) return {};
    GALEN_TRY(database->write(batch));
    batch.Clear();
    return {};
  });
  if (!pages) return std::move(pages).error();
  auto row = HeightAndHash{pages->height, pages->root}.encode();
  batch.Put(database->family(Family::meta), kPagesKey, to_slice(row));
  batch.DeleteRange(database->family(Family::tree), changes_key(0), changes_key(height + 1));
  GALEN_TRY(database->write(batch));
  pages_height = height;
  std::lock_guard lock(pending_mutex);
  pending_source = std::make_shared<SnapshotPages>(database);
  pending_height = height;
  return {};
}

void Store::State::adopt_pages() {
  PageSourcePtr source;
  Height height = 0;
  {
    std::lock_guard lock(pending_mutex);
    source = std::exchange(pending_source, nullptr);
    height = pending_height;
  }
  if (source) tree->set_source(std::move(source), height);
}

}  // namespace galen::ledger
