// Applying blocks and handing out views; opening and checkpoints are in store_open.cpp and store_checkpoint.cpp.
#include "galen/ledger/store.hpp"

#include "ledger/store_state.hpp"

namespace galen::ledger {
namespace {

Error does_not_follow(const char* what, Height height) {
  return make_error(ErrorCode::CORRUPT,
                    "Block " + std::to_string(height) + " does not follow the ledger's head: " + what);
}

std::size_t count_items(const Block& block) {
  std::size_t items = 0;
  for (const auto& batch : block.batches) items += batch->items().size();
  return items;
}

void put(rocksdb::WriteBatch& batch, Database& database, Family family, std::string_view key, ByteSpan value) {
  batch.Put(database.family(family), rocksdb::Slice(key.data(), key.size()), to_slice(value));
}

/// Whether it is the COMMIT-QC of the block that ended its epoch (Store::State::OpenEnd).
template <class End>
bool closes(const End& end, const QuorumCertificate& certificate) {
  return certificate.phase == VotePhase::commit && certificate.subject.digest == end.digest;
}

std::vector<LeafChange> leaf_changes(crypto::Suite suite, const BlockUpdate& update) {
  std::vector<LeafChange> changes;
  changes.reserve(update.state_rows().size());
  for (const auto& [key, value] : update.state_rows()) changes.push_back(leaf_change(suite, key, value));
  return changes;
}

/// While past blocks come in, one of them may have answered the id since the executor looked: it stays the first.
Result<TransactionRow> with_past_answer(const Database& database, const TransactionId& id, TransactionRow row) {
  GALEN_ASSIGN(auto stored, database.get(Family::transactions, as_text(id)));
  if (!stored) return row;
  GALEN_ASSIGN(auto known, TransactionRow::decode(*stored));
  if (known.first.height < row.first.height) row.first = known.first;
  return row;
}

/// Everything the update says but the block's own rows and the index.
void put_rows(rocksdb::WriteBatch& batch, Database& database, const BlockUpdate& update) {
  for (const auto& [key, value] : update.state_rows()) {
    if (value) {
      put(batch, database, Family::state, key, *value);
    } else {
      batch.Delete(database.family(Family::state), key);
    }
  }
  for (const auto& [key, value] : update.list_rows()) put(batch, database, Family::lists, key, value);
  if (const auto& certificate = update.certificate())
    put(batch, database, Family::certificates, certificate_key(CertificateKind::commit, certificate->subject.height),
        certificate->encode());
}

/// The constant part: kRowsPerBlock rows.
void put_block(rocksdb::WriteBatch& batch, Database& database, const BlockUpdate& update, const BlockInfo& info,
               const Bytes& body) {
  auto height = info.header.height;
  put(batch, database, Family::blocks, block_key(height, BlockPart::info), info.encode());
  put(batch, database, Family::blocks, block_key(height, BlockPart::body), body);
  put(batch, database, Family::blocks, block_key(height, BlockPart::outcomes), encode_outcomes(update.outcomes()));
  put(batch, database, Family::tree, changes_key(height), encode_changes(update.state_rows()));
  put(batch, database, Family::meta, kHeadKey, HeightAndHash{height, info.digest}.encode());
}

}  // namespace

LeafChange leaf_change(crypto::Suite suite, std::string_view row_key, const std::optional<Bytes>& value) {
  LeafChange change;
  change.path = crypto::state_path(suite, static_cast<std::uint8_t>(row_key[0]), as_bytes(row_key.substr(1)));
  if (value) change.value_hash = crypto::hash(suite, *value);
  return change;
}

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;

std::optional<Height> Store::applied_height() const {
  auto next = state_->next_height.load();
  return next == 0 ? std::nullopt : std::optional<Height>(next - 1);
}

std::optional<Height> Store::durable_height() const {
  auto next = state_->durable_next_height.load();
  return next == 0 ? std::nullopt : std::optional<Height>(next - 1);
}

const View& Store::latest() const {
  GALEN_ASSERT(state_->latest->state_->has_head);
  return *state_->latest;
}

Result<std::shared_ptr<const View>> Store::snapshot() const {
  std::shared_ptr<View> view(new View(state_->database, state_->tree, true));
  GALEN_TRY(view->load_head());
  return std::shared_ptr<const View>(std::move(view));
}

/// What the header claims about its past, against the head. The executed roots it carries are the caller's to compare:
/// a difference there means DIVERGED, not a damaged ledger.
Status Store::State::check_follows(const BlockUpdate& update) const {
  const auto& header = update.block()->skeleton.header;
  auto expected = next_height.load();
  if (header.height != expected) return does_not_follow("its height is not the next one.", header.height);
  if (expected > 0 && header.parent != latest->state_->head.digest)
    return does_not_follow("its parent is another block.", header.height);
  if (header.epoch != (expected > 0 ? epoch_above(latest->state_->head.header) : 1))
    return does_not_follow("its epoch is another one.", header.height);
  if (header.history_size != history.size() || header.history_root != history.root())
    return does_not_follow("its history root is another one.", header.height);
  if (update.outcomes().size() != count_items(*update.block()))
    return does_not_follow("its outcomes are not one for each item.", header.height);
  if (update.certificate() && update.certificate()->subject.height != header.height)
    return does_not_follow("its certificate is for another height.", header.height);
  return check_next_members(update);
}

Status Store::State::check_next_members(const BlockUpdate& update) const {
  const auto& header = update.block()->skeleton.header;
  const auto& next = update.next_members();
  if (next.has_value() != header.epoch_end())
    return does_not_follow("next members belong to a block that ends its epoch, and to no other.", header.height);
  if (next && next->hash(options.context.suite) != header.next_members_hash)
    return does_not_follow("its next members are not those its header names.", header.height);
  return {};
}

Result<Store::State::OpenEnd> Store::State::end_of(const BlockUpdate& update) const {
  const auto& header = update.block()->skeleton.header;
  OpenEnd end{header.epoch + 1, header.digest(options.context.suite), {}};
  end.link = {header.encode(), update.next_members()->encode(), {}};
  auto certificate = update.certificate();
  if (!certificate) {
    const auto key = certificate_key(CertificateKind::commit, header.height);
    GALEN_ASSIGN(auto stored, database->get(Family::certificates, key));
    if (!stored) return end;
    GALEN_ASSIGN(certificate, QuorumCertificate::decode(*stored));
  }
  if (closes(end, *certificate)) end.link.commit_certificate = certificate->encode();
  return end;
}

BlockInfo Store::State::executed_info(const BlockUpdate& update) {
  const auto& block = *update.block();
  auto suite = options.context.suite;
  BlockInfo info;
  info.header = block.skeleton.header;
  info.digest = info.header.digest(suite);
  info.outcome_root = crypto::merkle_root(suite, outcome_leaves(suite, block, update.outcomes()));
  // Block 0 executes nothing: its results root is zero, and the chain of them begins with block 1.
  if (info.header.height > 0)
    info.results_root =
        next_results_root(suite, latest->state_->head.results_root, info.header.height, info.outcome_root);
  info.item_count = static_cast<std::uint32_t>(update.outcomes().size());
  return info;
}

Result<Applied> Store::apply(const BlockUpdate& update) {
  auto& s = *state_;
  if (s.database->failed())
    return make_error(ErrorCode::IO_ERROR, "The ledger's storage has failed before; no block is applied.");
  GALEN_TRY(s.check_follows(update));
  s.adopt_pages();

  Applied applied;
  // The certificate may come by another thread: whichever is second, it or the block, makes the link whole.
  std::unique_lock epochs_lock(s.epochs_mutex, std::defer_lock);
  std::optional<State::OpenEnd> end;
  if (update.next_members()) {
    epochs_lock.lock();
    GALEN_ASSIGN(end, s.end_of(update));
  }

  applied.info = s.executed_info(update);
  auto& info = applied.info;
  auto height = info.header.height;
  auto root = s.tree->update(height, leaf_changes(s.options.context.suite, update));
  if (!root) {
    s.database->mark_failed();
    return std::move(root).error();
  }
  info.state_root = *root;
  info.history_nodes = s.history.append(info.digest);

  auto body = update.block()->encode();
  info.body_bytes = body.size();
  auto batch = make_batch(body.size() + update.state_rows().size() * 512);
  put_rows(batch, *s.database, update);
  std::unique_lock index_lock(s.index_mutex, std::defer_lock);
  const bool backfilling = s.backfill_floor.load() != 0;
  if (backfilling) index_lock.lock();
  for (const auto& [id, row] : update.transaction_rows()) {
    auto written = backfilling ? with_past_answer(*s.database, id, row) : Result<TransactionRow>(row);
    if (!written) {
      s.database->mark_failed();
      return std::move(written).error();
    }
    put(batch, *s.database, Family::transactions, as_text(id), written->encode());
  }
  put_block(batch, *s.database, update, info, body);
  if (end) put(batch, *s.database, Family::meta, epoch_key(end->next), encode_epoch_row(end->link));
  applied.rows = update.rows();
  applied.bytes = batch.GetDataSize();
  GALEN_ASSERT(batch.Count() == applied.rows.total());
  GALEN_TRY(s.database->write(batch));

  s.unflushed_bytes.fetch_add(applied.bytes);
  s.latest->state_->head = info;
  s.latest->state_->has_head = true;
  if (end && end->link.commit_certificate.empty()) s.open_ends.emplace(height, std::move(*end));
  s.next_height.store(height + 1);
  return applied;
}

Status Store::put_certificate(const QuorumCertificate& certificate) {
  auto& s = *state_;
  const auto height = certificate.subject.height;
  const auto bytes = certificate.encode();
  std::lock_guard lock(s.epochs_mutex);
  auto batch = make_batch(bytes.size() + 64);
  put(batch, *s.database, Family::certificates, certificate_key(CertificateKind::commit, height), bytes);
  auto end = s.open_ends.find(height);
  const bool whole = end != s.open_ends.end() && closes(end->second, certificate);
  if (whole) {
    end->second.link.commit_certificate = bytes;
    put(batch, *s.database, Family::meta, epoch_key(end->second.next), encode_epoch_row(end->second.link));
  }
  GALEN_TRY(s.database->write(batch));
  if (whole) s.open_ends.erase(end);
  return {};
}

Status Store::put_certificate(const ExecutedCertificate& certificate) {
  return state_->database->put(Family::certificates,
                               certificate_key(CertificateKind::executed, certificate.subject.height),
                               certificate.encode());
}

Height Store::backfill_floor() const { return state_->backfill_floor.load(); }

PastWanted Store::past_wanted() const {
  GALEN_ASSERT(state_->past.has_value());
  return state_->past->wanted();
}

Status Store::add_past(const PastBlock& past, const PastRows& rows) {
  auto& s = *state_;
  GALEN_ASSERT(s.past.has_value());
  std::lock_guard lock(s.index_mutex);
  GALEN_ASSIGN(auto bytes, put_past(*s.database, *s.past, past, rows, {}));
  s.unflushed_bytes.fetch_add(bytes);
  s.backfill_floor.store(s.past->floor);
  return {};
}

Status Store::finish_past(const BlockUpdate& genesis) {
  auto& s = *state_;
  GALEN_ASSERT(s.past.has_value());
  GALEN_TRY(put_block_zero(*s.database, *s.past, genesis));
  s.past.reset();
  s.backfill_floor.store(0);
  return {};
}

bool Store::tree_rebuilt() const { return state_->tree_rebuilt; }

std::size_t Store::unflushed_bytes() const { return state_->unflushed_bytes.load(); }

}  // namespace galen::ledger
