#include "execution/oldest_rows.hpp"

#include <algorithm>

#include "galen/execution/past_rows.hpp"

namespace galen::execution {
namespace {

constexpr Height kHeightsMax = 64;                 ///< looked at from the lowest block on
constexpr std::uint64_t kBodyBytesMax = 4u << 20;  ///< read of them

Error missing(const std::string& what) {
  return make_error(ErrorCode::CORRUPT,
                    "The ledger has lost " + what + ": the disk has not kept what it called written.");
}

Status check_state(const ledger::BlockUpdate& genesis_update, const ledger::View& view) {
  for (const auto& [row_key, value] : genesis_update.state_rows()) {
    GALEN_ASSIGN(auto row,
                 view.state(static_cast<std::uint8_t>(row_key[0]), as_bytes(std::string_view(row_key).substr(1))));
    if (!row) return missing("state rows of genesis, none of which is ever removed");
  }
  return {};
}

Result<bool> has_list_row(const ledger::View& view, std::string_view row_key) {
  ByteReader in(as_bytes(row_key));
  const auto list = in.u8();
  const auto key = in.raw(in.u16());
  const auto sequence = in.u64();
  GALEN_ASSERT(in.done());
  GALEN_ASSIGN(const auto page, view.list(list, key, {.from = sequence, .items_max = 1}));
  return !page.entries.empty() && page.entries.front().sequence == sequence;
}

}  // namespace

Status check_oldest_rows(const Genesis& genesis, const ledger::BlockUpdate& genesis_update,
                         const ledger::Store& store) {
  const auto& view = store.latest();
  GALEN_TRY(check_state(genesis_update, view));
  const auto state = [&](std::uint8_t kind, ByteSpan key) { return view.state(kind, key); };
  const auto first = std::max<Height>(store.backfill_floor(), 1);
  const auto last = std::min(view.height(), first + kHeightsMax - 1);
  std::uint64_t bytes = 0;
  for (auto height = first; height <= last && bytes < kBodyBytesMax; ++height) {
    GALEN_ASSIGN(const auto info, view.info(height));
    if (!info) return missing("block " + std::to_string(height));
    if (info->item_count == 0) continue;
    bytes += info->body_bytes;
    ledger::PastBlock past;
    GALEN_ASSIGN(past.block, view.block(height));
    GALEN_ASSIGN(auto outcomes, view.outcomes(height));
    if (!past.block || !outcomes) return missing("the body of block " + std::to_string(height));
    past.outcomes = std::move(*outcomes);
    GALEN_ASSIGN(const auto rows, past_rows(genesis, past, state));
    for (const auto& [id, entry] : rows.answers) {
      GALEN_ASSIGN(const auto row, view.transaction(id));
      if (!row) return missing("the index row of a transaction in block " + std::to_string(height));
    }
    for (const auto& [row_key, value] : rows.lists) {
      GALEN_ASSIGN(const bool there, has_list_row(view, row_key));
      if (!there) return missing("a list row of block " + std::to_string(height));
    }
  }
  return {};
}

}  // namespace galen::execution
