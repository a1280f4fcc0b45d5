#include "galen/ledger/view.hpp"

#include "galen/ledger/history_tree.hpp"
#include "galen/ledger/state_tree.hpp"
#include "ledger/database.hpp"
#include "ledger/epoch_rows.hpp"
#include "ledger/view_state.hpp"

namespace galen::ledger {
namespace {

constexpr std::size_t kReadAheadBytes = 2 << 20;

/// The sequence at the end of a list row's key.
Result<std::uint64_t> sequence_of(const rocksdb::Slice& key, std::size_t prefix_size) {
  ByteReader in(to_span(key).subspan(prefix_size));
  auto sequence = in.u64();
  if (!in.done()) return make_error(ErrorCode::CORRUPT, "The key of a list row does not decode.");
  return sequence;
}

}  // namespace

View::View(std::shared_ptr<Database> database, std::shared_ptr<StateTree> tree, bool frozen)
    : state_(std::make_unique<State>()) {
  if (frozen) state_->snapshot = std::make_unique<DatabaseSnapshot>(database);
  state_->database = std::move(database);
  state_->tree = std::move(tree);
}

View::~View() = default;

Status View::load_head() {
  GALEN_ASSIGN(auto row, state_->get(Family::meta, kHeadKey));
  if (!row) return make_error(ErrorCode::UNAVAILABLE, "The ledger is empty.");
  GALEN_ASSIGN(auto head, HeightAndHash::decode(*row));
  GALEN_ASSIGN(auto info_row, state_->get(Family::blocks, block_key(head.height, BlockPart::info)));
  if (!info_row) return make_error(ErrorCode::CORRUPT, "The newest block has no info row.");
  GALEN_ASSIGN(state_->head, BlockInfo::decode(*info_row));
  if (state_->head.digest != head.hash || state_->head.header.height != head.height)
    return make_error(ErrorCode::CORRUPT, "The applied height does not belong to the newest block.");
  state_->has_head = true;
  return {};
}

const BlockInfo& View::head() const {
  GALEN_ASSERT(state_->has_head);
  return state_->head;
}

Result<std::optional<Bytes>> View::state(std::uint8_t kind, ByteSpan key) const {
  return state_->get(Family::state, state_row_key(kind, key));
}

void View::states(std::span<const std::string> row_keys,
                  const std::function<void(std::size_t, std::optional<ByteSpan>)>& found) const {
  std::vector<rocksdb::Slice> keys(row_keys.begin(), row_keys.end());
  state_->database->get_many(Family::state, keys, state_->rocksdb_snapshot(), found);
}

void View::transactions(std::span<const TransactionId> ids,
                        const std::function<void(std::size_t, std::optional<TransactionRow>)>& found) const {
  std::vector<rocksdb::Slice> keys;
  keys.reserve(ids.size());
  for (const auto& id : ids) keys.push_back(to_slice(id.span()));
  state_->database->get_many(Family::transactions, keys, state_->rocksdb_snapshot(),
                             [&](std::size_t index, std::optional<ByteSpan> value) {
                               if (!value) return found(index, std::nullopt);
                               auto row = TransactionRow::decode(*value);
                               if (row) found(index, std::move(*row));
                             });
}

Status View::each_state_row(const std::function<Status(ByteSpan, ByteSpan)>& visit) const {
  rocksdb::ReadOptions options;
  options.snapshot = state_->rocksdb_snapshot();
  options.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(
      state_->database->db().NewIterator(options, state_->database->family(Family::state)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (it->key().empty()) return make_error(ErrorCode::CORRUPT, "A state row has no key.");
    GALEN_TRY(visit(to_span(it->key()), to_span(it->value())));
  }
  return it->status().ok() ? Status{} : Database::to_error(it->status(), "reading state");
}

Result<std::vector<KeyedRow>> View::last_state_rows(std::uint8_t kind, std::size_t items_max) const {
  GALEN_ASSERT(kind < UINT8_MAX);
  rocksdb::ReadOptions options;
  options.snapshot = state_->rocksdb_snapshot();
  std::unique_ptr<rocksdb::Iterator> it(
      state_->database->db().NewIterator(options, state_->database->family(Family::state)));
  const auto behind = state_row_key(static_cast<std::uint8_t>(kind + 1), {});
  it->SeekForPrev(behind);
  if (it->Valid() && it->key() == behind) it->Prev();  // the next kind has a row without a key
  std::vector<KeyedRow> rows;
  for (; it->Valid() && rows.size() < items_max; it->Prev()) {
    const auto key = to_span(it->key());
    if (key.empty() || key[0] != kind) break;
    rows.push_back({to_bytes(key.subspan(1)), to_bytes(to_span(it->value()))});
  }
  if (!it->status().ok()) return Database::to_error(it->status(), "reading state");
  return rows;
}

crypto::Suite View::suite() const { return state_->suite(); }

Result<std::optional<TransactionRow>> View::transaction(const TransactionId& id) const {
  GALEN_ASSIGN(auto row, state_->get(Family::transactions, as_text(id)));
  if (!row) return std::optional<TransactionRow>{};
  GALEN_ASSIGN(auto decoded, TransactionRow::decode(*row));
  return std::optional<TransactionRow>(decoded);
}

Result<ListPage> View::list(std::uint8_t list, ByteSpan key, const ListQuery& query) const {
  auto prefix = list_row_prefix(list, key);
  auto first = list_row_key(list, key, query.descending ? 0 : query.from);
  auto last = list_row_key(list, key, query.descending ? query.from : UINT64_MAX);
  rocksdb::ReadOptions options;
  options.snapshot = state_->rocksdb_snapshot();
  std::unique_ptr<rocksdb::Iterator> it(
      state_->database->db().NewIterator(options, state_->database->family(Family::lists)));
  ListPage page;
  for (query.descending ? it->SeekForPrev(last) : it->Seek(first); it->Valid();
       query.descending ? it->Prev() : it->Next()) {
    if (it->key().compare(first) < 0 || it->key().compare(last) > 0) break;
    GALEN_ASSIGN(auto sequence, sequence_of(it->key(), prefix.size()));
    if (page.entries.size() == query.items_max) {
      page.next = sequence;
      break;
    }
    page.entries.push_back({sequence, to_bytes(to_span(it->value()))});
  }
  if (!it->status().ok()) return Database::to_error(it->status(), "reading lists");
  return page;
}

Result<std::optional<BlockInfo>> View::info(Height height) const {
  if (height == this->height()) return std::optional<BlockInfo>(head());
  GALEN_ASSIGN(auto row, state_->get(Family::blocks, block_key(height, BlockPart::info)));
  if (!row) return std::optional<BlockInfo>{};
  GALEN_ASSIGN(auto decoded, BlockInfo::decode(*row));
  return std::optional<BlockInfo>(std::move(decoded));
}

Result<std::optional<BlockHeader>> View::header(Height height) const {
  GALEN_ASSIGN(auto found, info(height));
  if (!found) return std::optional<BlockHeader>{};
  return std::optional<BlockHeader>(found->header);
}

Result<std::optional<Bytes>> View::block_bytes(Height height) const {
  return state_->get(Family::blocks, block_key(height, BlockPart::body));
}

Status View::each_block_bytes(Height first, const std::function<Status(Height, ByteSpan)>& visit) const {
  rocksdb::ReadOptions options;
  options.snapshot = state_->rocksdb_snapshot();
  options.fill_cache = false;
  options.readahead_size = kReadAheadBytes;
  const auto end = block_key(height() + 1, BlockPart::info);
  const rocksdb::Slice upper(end);
  options.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> it(
      state_->database->db().NewIterator(options, state_->database->family(Family::blocks)));
  for (it->Seek(block_key(first, BlockPart::info)); it->Valid(); it->Next()) {
    ByteReader key(to_span(it->key()));
    const Height at = key.u64();
    const auto part = key.u8();
    if (!key.done()) return make_error(ErrorCode::CORRUPT, "A row of a block has a wrong key.");
    if (part != static_cast<std::uint8_t>(BlockPart::body)) continue;
    GALEN_TRY(visit(at, to_span(it->value())));
  }
  return it->status().ok() ? Status{} : Database::to_error(it->status(), "reading blocks");
}

Result<BlockPtr> View::block(Height height) const {
  GALEN_ASSIGN(auto bytes, block_bytes(height));
  if (!bytes) return BlockPtr{};
  GALEN_ASSIGN(auto stored, header(height));
  auto context = state_->database->context();
  if (stored) context.epoch = stored->epoch;  // its batches are of the block's own epoch
  auto decoded = Block::decode(context, *bytes);
  if (!decoded)
    return make_error(ErrorCode::CORRUPT,
                      "The block of height " + std::to_string(height) + " does not decode: " + decoded.error().message);
  return BlockPtr(std::make_shared<const Block>(std::move(*decoded)));
}

Result<std::optional<std::vector<ItemOutcome>>> View::outcomes(Height height) const {
  GALEN_ASSIGN(auto row, state_->get(Family::blocks, block_key(height, BlockPart::outcomes)));
  if (!row) return std::optional<std::vector<ItemOutcome>>{};
  GALEN_ASSIGN(auto decoded, decode_outcomes(*row));
  return std::optional<std::vector<ItemOutcome>>(std::move(decoded));
}

Result<std::optional<QuorumCertificate>> View::commit_certificate(Height height) const {
  return state_->certificate<QuorumCertificate>(CertificateKind::commit, height);
}

Result<std::optional<QuorumCertificate>> View::commit_certificate_from(Height height) const {
  auto first = certificate_key(CertificateKind::commit, height);
  rocksdb::ReadOptions options;
  options.snapshot = state_->rocksdb_snapshot();
  std::unique_ptr<rocksdb::Iterator> it(
      state_->database->db().NewIterator(options, state_->database->family(Family::certificates)));
  it->Seek(first);
  if (!it->status().ok()) return Database::to_error(it->status(), "reading certificates");
  if (!it->Valid() || it->key()[0] != first[0]) return std::optional<QuorumCertificate>{};
  auto decoded = QuorumCertificate::decode(to_span(it->value()));
  if (!decoded) return make_error(ErrorCode::CORRUPT, "A stored certificate does not decode.");
  return std::optional<QuorumCertificate>(std::move(*decoded));
}

Result<std::optional<ExecutedCertificate>> View::executed_certificate(Height height) const {
  return state_->certificate<ExecutedCertificate>(CertificateKind::executed, height);
}

Result<std::vector<EpochLink>> View::epoch_links(Epoch epoch) const {
  if (epoch > epoch_above(head().header))
    return make_error(ErrorCode::NOT_FOUND, "The ledger has not come to epoch " + std::to_string(epoch) + " yet.");
  GALEN_ASSIGN(auto links, load_epoch_links(*state_->database, epoch, state_->rocksdb_snapshot()));
  for (const auto& link : links)
    if (link.commit_certificate.empty())
      return make_error(ErrorCode::UNAVAILABLE, "The end of an epoch is not certified yet.");
  return links;
}

Result<EpochChain> View::epochs(const Genesis& genesis) const {
  GALEN_ASSIGN(auto links,
               load_epoch_links(*state_->database, epoch_above(head().header), state_->rocksdb_snapshot()));
  auto chain = EpochChain::follow_own(genesis, links);
  if (!chain) return make_error(ErrorCode::CORRUPT, "The stored links between epochs: " + chain.error().message);
  return chain;
}

Result<Hash> View::history_root(std::uint64_t size) const {
  GALEN_TRY(state_->check_history_size(size));
  return ledger::history_root(state_->suite(), size, state_->history_reader());
}

Result<std::vector<Hash>> View::history_path(std::uint64_t index, std::uint64_t size) const {
  GALEN_TRY(state_->check_history_size(size));
  return ledger::history_path(state_->suite(), index, size, state_->history_reader());
}

Result<std::vector<Hash>> View::history_consistency_path(std::uint64_t size_old, std::uint64_t size_new) const {
  GALEN_TRY(state_->check_history_size(size_new));
  return ledger::history_consistency_path(state_->suite(), size_old, size_new, state_->history_reader());
}

Result<crypto::MerkleFrontier> View::history_frontier(std::uint64_t size) const {
  GALEN_TRY(state_->check_history_size(size));
  GALEN_ASSIGN(auto tree, HistoryTree::load(state_->suite(), size, state_->history_reader()));
  return tree.frontier();
}

Result<crypto::StateProof> View::prove_state(std::uint8_t kind, ByteSpan key, Height height) const {
  return state_->tree->prove(crypto::state_path(state_->suite(), kind, key), height);
}

Result<Bytes> View::tree_page(Height height, unsigned depth, const Hash& path) const {
  return state_->tree->page(height, depth, path);
}

}  // namespace galen::ledger
