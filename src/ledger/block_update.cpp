#include "galen/ledger/block_update.hpp"

namespace galen::ledger {

BlockUpdate::BlockUpdate(BlockPtr block) : block_(std::move(block)) { GALEN_ASSERT(block_ != nullptr); }

void BlockUpdate::put_state(std::uint8_t kind, ByteSpan key, ByteSpan value) {
  GALEN_ASSERT(key.size() <= kRowKeyBytesMax);
  state_.insert_or_assign(state_row_key(kind, key), to_bytes(value));
}

void BlockUpdate::erase_state(std::uint8_t kind, ByteSpan key) {
  GALEN_ASSERT(key.size() <= kRowKeyBytesMax);
  state_.insert_or_assign(state_row_key(kind, key), std::nullopt);
}

std::optional<std::optional<Bytes>> BlockUpdate::state(std::uint8_t kind, ByteSpan key) const {
  auto found = state_.find(state_row_key(kind, key));
  if (found == state_.end()) return std::nullopt;
  return found->second;
}

void BlockUpdate::put_transaction(const TransactionId& id, const TransactionRow& row) {
  transactions_.insert_or_assign(id, row);
}

void BlockUpdate::put_list(std::uint8_t list, ByteSpan key, std::uint64_t sequence, ByteSpan value) {
  lists_.insert_or_assign(list_row_key(list, key, sequence), to_bytes(value));
}

void BlockUpdate::add_outcome(ItemOutcome outcome) { outcomes_.push_back(std::move(outcome)); }

RowCounts BlockUpdate::rows() const {
  RowCounts rows;
  rows.state = state_.size();
  rows.transactions = transactions_.size();
  rows.lists = lists_.size();
  rows.block = kRowsPerBlock;
  rows.certificates = certificate_ ? 1 : 0;
  rows.epochs = next_members_ ? 1 : 0;
  return rows;
}

}  // namespace galen::ledger
