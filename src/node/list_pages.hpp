// Lists page by page: what is hidden shows neither in a page's length nor in the token of the next, since tokens are the
// places of rows that are shown.
#pragma once

#include <algorithm>
#include <functional>

#include "galen/contracts/contract.hpp"
#include "galen/ledger/view.hpp"

namespace galen::node {

inline constexpr std::size_t kPageDefault = 100;
inline constexpr std::size_t kPageMax = 1000;

struct Page {
  std::size_t rows_max = kPageDefault;
  std::uint64_t from = 0;
};
inline Result<Page> parse_page(std::uint32_t size, const std::string& token) {
  Page page;
  if (size != 0) page.rows_max = std::min<std::size_t>(size, kPageMax);
  if (!token.empty()) {
    if (token.size() > 20 || token.find_first_not_of("0123456789") != std::string::npos)
      return Error{ErrorCode::INVALID_ARGUMENT, "page_token is not one that this node gave"};
    page.from = std::strtoull(token.c_str(), nullptr, 10);
  }
  return page;
}

/// Gives `add` what is shown of the list, until the page is full. Returns the token of the next page, empty at the end.
/// `shown_of`: a row's Items that the caller sees; none: the row is hidden.
template <class Item>
Result<std::string> visit_page(const ledger::View& view, contracts::ListKind list, ByteSpan key, const Page& page,
                               const std::function<Result<std::vector<Item>>(const Bytes& row)>& shown_of,
                               const std::function<void(Item)>& add) {
  std::size_t rows_shown = 0;
  // One more than the page holds: the next token is the place of a row that will be shown.
  ledger::ListQuery query{.from = page.from, .items_max = std::max(page.rows_max + 1, kPageDefault)};
  for (;;) {
    GALEN_ASSIGN(auto rows, view.list(static_cast<std::uint8_t>(list), key, query));
    for (const auto& row : rows.entries) {
      GALEN_ASSIGN(auto items, shown_of(row.value));
      if (items.empty()) continue;
      if (rows_shown == page.rows_max) return std::to_string(row.sequence);
      ++rows_shown;
      for (auto& item : items) add(std::move(item));
    }
    if (!rows.next) return std::string();
    query.from = *rows.next;
  }
}

}  // namespace galen::node
