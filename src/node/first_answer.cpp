#include "node/first_answer.hpp"

namespace galen::node {

Result<FirstAnswer> first_answer(const ledger::View& view, const TransactionId& id, const ledger::TransactionEntry& entry) {
  FirstAnswer out;
  out.outcome = {.fate = entry.code == 0 ? execution::Fate::committed : execution::Fate::rejected,
                 .id = id,
                 .code = static_cast<ErrorCode>(entry.code),
                 .height = entry.height,
                 .time_ms = 0,
                 .results = {}};
  GALEN_ASSIGN(out.block, view.block(entry.height));
  GALEN_ASSIGN(auto outcomes, view.outcomes(entry.height));
  if (!out.block || !outcomes) {
    out.block = nullptr;
    return out;
  }
  const auto& batches = out.block->batches;
  if (entry.batch >= batches.size() || entry.item >= batches[entry.batch]->items().size())
    return make_error(ErrorCode::CORRUPT, "a transaction's index row names a place that its block does not have");
  std::size_t index = entry.item;
  for (std::size_t i = 0; i < entry.batch; ++i) index += batches[i]->items().size();
  if (index >= outcomes->size()) return make_error(ErrorCode::CORRUPT, "a block has more items than outcomes");
  out.outcome.time_ms = out.block->skeleton.header.time_ms;
  out.outcome.results = std::move((*outcomes)[index].results);
  out.transaction = &batches[entry.batch]->items()[entry.item].transaction;
  return out;
}

}  // namespace galen::node
