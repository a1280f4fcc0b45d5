#include "execution/block_state.hpp"

#include <algorithm>

namespace galen::execution {

BlockState::Rows::iterator BlockState::find(StateKind kind, ByteSpan key) {
  const auto number = static_cast<std::uint8_t>(kind);
  auto row_key = ledger::state_row_key(number, key);
  auto at = rows_.lower_bound(row_key);
  if (at != rows_.end() && at->first == row_key) return at;
  auto stored = view_.state(number, key);
  if (!stored && health_) health_ = stored.error();
  return rows_.emplace_hint(at, std::move(row_key), Row{stored ? std::move(*stored) : std::nullopt, false});
}

void BlockState::preload(std::vector<std::string> row_keys) {
  std::sort(row_keys.begin(), row_keys.end());
  row_keys.erase(std::unique(row_keys.begin(), row_keys.end()), row_keys.end());
  std::erase_if(row_keys, [&](const std::string& key) { return rows_.contains(key); });
  view_.states(row_keys, [&](std::size_t index, std::optional<ByteSpan> value) {
    rows_.emplace(row_keys[index], Row{value ? std::optional(to_bytes(*value)) : std::nullopt, false});
  });
}

std::optional<Bytes> BlockState::get(StateKind kind, ByteSpan key) { return find(kind, key)->second.value; }

void BlockState::put(StateKind kind, ByteSpan key, ByteSpan value) {
  auto row = find(kind, key);
  undo_.push_back({.what = Undo::What::row, .row = row, .before = std::move(row->second)});
  row->second = Row{to_bytes(value), true};
}

void BlockState::append_id(contracts::ListKind list, ByteSpan owner, ByteSpan id) {
  auto key = ledger::list_row_key(static_cast<std::uint8_t>(list), owner, height_);
  auto [row, is_new] = id_rows_.try_emplace(std::move(key), IdRow{list, {}, {}});
  if (is_new) row->second.owner = to_bytes(owner);
  undo_.push_back({.what = Undo::What::ids, .ids = row, .ids_bytes = row->second.ids.size()});
  row->second.ids.insert(row->second.ids.end(), id.begin(), id.end());
}

void BlockState::append_row(contracts::ListKind list, ByteSpan key, std::uint64_t sequence, ByteSpan value) {
  undo_.push_back({.what = Undo::What::list_row});
  list_rows_.push_back({list, to_bytes(key), sequence, to_bytes(value)});
}

void BlockState::mark_corrupt(StateKind kind) {
  if (!health_) return;
  health_ = make_error(ErrorCode::CORRUPT,
                       "A state row of kind " + std::to_string(static_cast<int>(kind)) + " does not decode.");
}

void BlockState::undo_transaction() {
  while (!undo_.empty()) {
    auto& step = undo_.back();
    switch (step.what) {
      case Undo::What::row:
        step.row->second = std::move(step.before);
        break;
      case Undo::What::ids:
        step.ids->second.ids.resize(step.ids_bytes);
        break;
      case Undo::What::list_row:
        list_rows_.pop_back();
        break;
    }
    undo_.pop_back();
  }
}

void BlockState::write_to(ledger::BlockUpdate& update) const {
  GALEN_ASSERT(undo_.empty());
  for (const auto& [key, row] : rows_) {
    if (!row.written) continue;
    GALEN_ASSERT(row.value.has_value());
    auto bytes = as_bytes(key);
    update.put_state(bytes[0], bytes.subspan(1), *row.value);
  }
  for (const auto& [key, row] : id_rows_) {
    if (row.ids.empty()) continue;  // its only transaction was undone
    update.put_list(static_cast<std::uint8_t>(row.list), row.owner, height_, row.ids);
  }
  for (const auto& row : list_rows_)
    update.put_list(static_cast<std::uint8_t>(row.list), row.key, row.sequence, row.value);
}

}  // namespace galen::execution
