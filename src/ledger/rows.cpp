// Layouts of the ledger's rows. Decoders check every length before they allocate: rows come from a disk that may lie.
#include "galen/ledger/rows.hpp"

#include "galen/crypto/merkle.hpp"
#include "galen/types/limits.hpp"

namespace galen::ledger {
namespace {

constexpr std::uint8_t kRowFormat = 1;
constexpr std::size_t kEntryBytes = 28;
constexpr std::size_t kItemsMax = limits::kBlockBatchesMax * limits::kBatchItemsMax;
constexpr std::size_t kHistoryNodesMax = 64;

Error damaged(const char* row) {
  return make_error(ErrorCode::CORRUPT, std::string("The ") + row + " row does not decode.");
}

void append_entry(ByteWriter& out, const TransactionEntry& entry) {
  out.u64(entry.height).u32(entry.batch).u32(entry.item).u32(entry.code).u64(entry.valid_until_ms);
}

TransactionEntry read_entry(ByteReader& in) {
  TransactionEntry entry;
  entry.height = in.u64();
  entry.batch = in.u32();
  entry.item = in.u32();
  entry.code = in.u32();
  entry.valid_until_ms = in.u64();
  return entry;
}

}  // namespace

Bytes TransactionRow::encode() const {
  ByteWriter out(1 + 2 * kEntryBytes);
  out.u8(kRowFormat);
  append_entry(out, first);
  if (latest != first) append_entry(out, latest);
  return std::move(out).take();
}

Result<TransactionRow> TransactionRow::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  bool format_known = in.u8() == kRowFormat;
  TransactionRow row(read_entry(in));
  if (in.remaining() != 0) row.latest = read_entry(in);
  if (!format_known || !in.done()) return damaged("transaction");
  return row;
}

Bytes encode_outcomes(const std::vector<ItemOutcome>& outcomes) {
  std::size_t size = 5;
  for (const auto& outcome : outcomes) {
    size += 8;
    for (const auto& result : outcome.results) size += 4 + result.size();
  }
  ByteWriter out(size);
  out.u8(kRowFormat).u32(static_cast<std::uint32_t>(outcomes.size()));
  for (const auto& outcome : outcomes) {
    out.u32(outcome.code).u32(static_cast<std::uint32_t>(outcome.results.size()));
    for (const auto& result : outcome.results) out.sized(result);
  }
  return std::move(out).take();
}

Result<std::vector<ItemOutcome>> decode_outcomes(ByteSpan bytes) {
  ByteReader in(bytes);
  bool format_known = in.u8() == kRowFormat;
  auto count = in.u32();
  // An outcome takes at least eight bytes, a result four, so the counts cannot ask for more than the row holds.
  if (!format_known || count > kItemsMax || count > in.remaining() / 8) return damaged("outcomes");
  std::vector<ItemOutcome> outcomes;
  outcomes.reserve(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    ItemOutcome outcome;
    outcome.code = in.u32();
    auto results = in.u32();
    if (results > limits::kOperationsPerTransactionMax || results > in.remaining() / 4) return damaged("outcomes");
    outcome.results.reserve(results);
    for (std::uint32_t r = 0; r < results; ++r) outcome.results.push_back(to_bytes(in.sized(in.remaining())));
    outcomes.push_back(std::move(outcome));
  }
  if (!in.done()) return damaged("outcomes");
  return outcomes;
}

std::vector<Hash> outcome_leaves(crypto::Suite suite, const Block& block, const std::vector<ItemOutcome>& outcomes) {
  std::vector<Hash> leaves;
  leaves.reserve(outcomes.size());
  std::uint32_t index = 0;
  for (const auto& batch : block.batches) {
    for (const auto& item : batch->items()) {
      GALEN_ASSERT(index < outcomes.size());
      const auto& outcome = outcomes[index];
      leaves.push_back(
          crypto::merkle_leaf(suite, outcome_leaf_data(suite, index, item.transaction.hash(), item.transaction.id(),
                                                       outcome.code, outcome.results)));
      ++index;
    }
  }
  GALEN_ASSERT(index == outcomes.size());
  return leaves;
}

Bytes BlockInfo::encode() const {
  auto header_bytes = header.encode();
  ByteWriter out(1 + header_bytes.size() + 5 * 32 + 14 + history_nodes.size() * 32);
  out.u8(kRowFormat).raw(header_bytes).raw(digest).raw(outcome_root).raw(results_root).raw(state_root);
  out.u32(item_count).u64(body_bytes).u8(static_cast<std::uint8_t>(history_nodes.size()));
  for (const auto& node : history_nodes) out.raw(node);
  return std::move(out).take();
}

Result<BlockInfo> BlockInfo::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  if (in.u8() != kRowFormat) return damaged("block info");
  auto header_bytes = in.raw(kHeaderBytes);
  if (!in.ok()) return damaged("block info");
  BlockInfo info;
  auto header = BlockHeader::decode(header_bytes);
  if (!header) return damaged("block info");
  info.header = *header;
  info.digest = in.fixed<Hash>();
  info.outcome_root = in.fixed<Hash>();
  info.results_root = in.fixed<Hash>();
  info.state_root = in.fixed<Hash>();
  info.item_count = in.u32();
  info.body_bytes = in.u64();
  auto nodes = in.u8();
  if (nodes == 0 || nodes > kHistoryNodesMax || in.remaining() != nodes * Hash::kSize) return damaged("block info");
  for (unsigned i = 0; i < nodes; ++i) info.history_nodes.push_back(in.fixed<Hash>());
  if (!in.done()) return damaged("block info");
  return info;
}

std::string state_row_key(std::uint8_t kind, ByteSpan key) {
  std::string out(1, static_cast<char>(kind));
  out.append(as_text(key));
  return out;
}

std::string list_row_prefix(std::uint8_t list, ByteSpan key) {
  GALEN_ASSERT(key.size() <= kRowKeyBytesMax);
  ByteWriter out(3 + key.size() + 8);
  out.u8(list).u16(static_cast<std::uint16_t>(key.size())).raw(key);
  return to_string(out.bytes());
}

std::string list_row_key(std::uint8_t list, ByteSpan key, std::uint64_t sequence) {
  auto out = list_row_prefix(list, key);
  out.append(as_text(ByteWriter(8).u64(sequence).bytes()));
  return out;
}

}  // namespace galen::ledger
