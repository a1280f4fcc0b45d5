#include "ledger/past_store.hpp"

#include "galen/crypto/merkle.hpp"
#include "galen/ledger/state_tree.hpp"
#include "ledger/store_state.hpp"

namespace galen::ledger {
namespace {

constexpr std::uint8_t kPastFormat = 1;
constexpr std::size_t kHistoryBatchBytes = 4u << 20;

Result<std::optional<BlockInfo>> load_info(const Database& database, Height height) {
  GALEN_ASSIGN(auto row, database.get(Family::blocks, block_key(height, BlockPart::info)));
  if (!row) return std::optional<BlockInfo>{};
  GALEN_ASSIGN(auto info, BlockInfo::decode(*row));
  return std::optional<BlockInfo>(std::move(info));
}

/// As a header above certifies it; zero when none names this height.
Result<Hash> state_root_of(const Database& database, const PastBlock& past, std::span<const BlockHeader> later) {
  if (past.executed) return past.executed->subject.state_root;
  for (auto height = past.height() + 1;; ++height) {
    GALEN_ASSIGN(auto info, load_info(database, height));
    if (!info) break;
    if (info->header.exec_height == past.height()) return info->header.state_root;
    if (info->header.exec_height > past.height()) return Hash{};
  }
  for (const auto& header : later)
    if (header.exec_height == past.height()) return header.state_root;
  return Hash{};
}

void put(rocksdb::WriteBatch& batch, const Database& database, Family family, std::string_view key, ByteSpan value) {
  batch.Put(database.family(family), rocksdb::Slice(key.data(), key.size()), to_slice(value));
}

void put_block_rows(rocksdb::WriteBatch& batch, const Database& database, BlockInfo& info, const Block& block,
                    const std::vector<ItemOutcome>& outcomes) {
  const auto height = info.header.height;
  const auto body = block.encode();
  info.body_bytes = body.size();
  put(batch, database, Family::blocks, block_key(height, BlockPart::info), info.encode());
  put(batch, database, Family::blocks, block_key(height, BlockPart::body), body);
  put(batch, database, Family::blocks, block_key(height, BlockPart::outcomes), encode_outcomes(outcomes));
}

/// An id answered here has its first answer here, whatever later blocks say of it.
Status put_answers(rocksdb::WriteBatch& batch, const Database& database, const PastRows& rows) {
  for (const auto& [id, entry] : rows.answers) {
    GALEN_ASSIGN(auto stored, database.get(Family::transactions, as_text(id)));
    TransactionRow row(entry);
    if (stored) {
      GALEN_ASSIGN(auto known, TransactionRow::decode(*stored));
      row.latest = known.latest;
    }
    put(batch, database, Family::transactions, as_text(id), row.encode());
  }
  return {};
}

/// Every info row with the nodes of the history tree that its block completes.
Status put_history(Database& database, const PastPosition& position) {
  HistoryTree history(database.context().suite);
  auto batch = make_batch();
  const auto size = crypto::MerkleFrontier::decode(database.context().suite, position.frontier)->size();
  for (Height height = 0; height < size; ++height) {
    GALEN_ASSIGN(auto info, load_info(database, height));
    if (!info) return make_error(ErrorCode::CORRUPT, "Block " + std::to_string(height) + " has no info row.");
    info->history_nodes = history.append(info->digest);
    if (info->history_nodes.size() == 1) continue;
    put(batch, database, Family::blocks, block_key(height, BlockPart::info), info->encode());
    if (batch.GetDataSize() < kHistoryBatchBytes) continue;
    GALEN_TRY(database.write(batch));
    batch.Clear();
  }
  if (history.frontier().encode() != position.frontier)
    return make_error(ErrorCode::CORRUPT, "The blocks that were fetched do not make the history of the snapshot.");
  batch.Delete(database.family(Family::meta), kPastKey);
  return database.write(batch);
}

}  // namespace

Bytes PastPosition::encode() const {
  ByteWriter out(1 + 8 + 64 + frontier.size());
  return std::move(out.u8(kPastFormat).u64(floor).raw(digest).raw(results_root).raw(frontier)).take();
}

Result<PastPosition> PastPosition::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  bool format_known = in.u8() == kPastFormat;
  PastPosition out;
  out.floor = in.u64();
  out.digest = in.fixed<Hash>();
  out.results_root = in.fixed<Hash>();
  out.frontier = to_bytes(in.raw(in.remaining()));
  const bool whole = crypto::MerkleFrontier::decode(crypto::Suite::p256_sha256, out.frontier).has_value();
  if (!format_known || !in.done() || out.floor == 0 || !whole)
    return make_error(ErrorCode::CORRUPT, "The row that says how far the past has come does not decode.");
  return out;
}

Result<std::optional<PastPosition>> PastPosition::load(const Database& database, const rocksdb::Snapshot* snapshot) {
  GALEN_ASSIGN(auto row, database.get(Family::meta, kPastKey, snapshot));
  if (!row) return std::optional<PastPosition>{};
  GALEN_ASSIGN(auto position, decode(*row));
  return std::optional<PastPosition>(std::move(position));
}

Result<std::size_t> put_past(Database& database, PastPosition& position, const PastBlock& past, const PastRows& rows,
                             std::span<const BlockHeader> later) {
  const auto suite = database.context().suite;
  const auto height = past.height();
  GALEN_ASSERT(height + 1 == position.floor);
  BlockInfo info;
  info.header = past.block->skeleton.header;
  info.digest = position.digest;
  info.outcome_root = past.outcome_root;
  info.results_root = position.results_root;
  GALEN_ASSIGN(info.state_root, state_root_of(database, past, later));
  info.item_count = static_cast<std::uint32_t>(past.outcomes.size());
  auto history = HistoryTree::decode(suite, position.frontier);
  GALEN_ASSERT(history.has_value());
  const bool is_head = history->size() == height;
  if (is_head) {
    info.history_nodes = history->append(info.digest);
  } else {
    info.history_nodes = {crypto::merkle_leaf(suite, info.digest)};
  }

  auto batch = make_batch();
  put_block_rows(batch, database, info, *past.block, past.outcomes);
  if (past.commit)
    put(batch, database, Family::certificates, certificate_key(CertificateKind::commit, height), past.commit->encode());
  if (past.executed)
    put(batch, database, Family::certificates, certificate_key(CertificateKind::executed, height),
        past.executed->encode());
  GALEN_TRY(put_answers(batch, database, rows));
  for (const auto& [key, value] : rows.lists) put(batch, database, Family::lists, key, value);
  if (is_head) put(batch, database, Family::meta, kHeadKey, HeightAndHash{height, info.digest}.encode());
  auto moved = position;
  moved.floor = height;
  moved.digest = info.header.parent;
  moved.results_root = past.results_root_below;
  put(batch, database, Family::meta, kPastKey, moved.encode());
  const auto bytes = batch.GetDataSize();
  GALEN_TRY(database.write(batch));
  position = std::move(moved);
  return bytes;
}

Status put_block_zero(Database& database, const PastPosition& position, const BlockUpdate& genesis) {
  const auto suite = database.context().suite;
  GALEN_ASSERT(position.floor == 1 && genesis.height() == 0);
  BlockInfo info;
  info.header = genesis.block()->skeleton.header;
  info.digest = info.header.digest(suite);
  if (info.digest != position.digest)
    return make_error(ErrorCode::CORRUPT, "The block of genesis is not the parent of block 1.");
  info.outcome_root = crypto::merkle_root(suite, {});
  std::vector<LeafChange> leaves;
  for (const auto& [key, value] : genesis.state_rows()) leaves.push_back(leaf_change(suite, key, value));
  StateTree::Options options;
  options.suite = suite;
  StateTree tree(options);
  GALEN_ASSIGN(info.state_root, tree.update(0, std::move(leaves)));
  info.history_nodes = {crypto::merkle_leaf(suite, info.digest)};
  auto batch = make_batch();
  put_block_rows(batch, database, info, *genesis.block(), {});
  GALEN_TRY(database.write(batch));
  return put_history(database, position);
}

}  // namespace galen::ledger
