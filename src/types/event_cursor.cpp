#include "galen/types/event_cursor.hpp"

#include <charconv>
#include <tuple>

namespace galen {
namespace {

constexpr std::size_t kTextBytesMax = 64 + 1 + 20 + 1 + 10 + 1 + 10;

/// Takes "…:" or the rest off `text`; nothing unless it is a number as encode() writes it.
template <class Number>
std::optional<Number> take_number(std::string_view& text, bool last) {
  auto end = text.find(':');
  if ((end == std::string_view::npos) != last) return std::nullopt;
  auto digits = text.substr(0, end);
  text.remove_prefix(last ? text.size() : end + 1);
  if (digits.empty() || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
  Number number = 0;
  auto [stop, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (problem != std::errc{} || stop != digits.data() + digits.size()) return std::nullopt;
  return number;
}

bool is_lower_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

bool EventCursor::is_before(const EventCursor& other) const {
  return std::tie(height, transaction, event) < std::tie(other.height, other.transaction, other.event);
}

std::string EventCursor::encode() const {
  return chain_id.hex() + ":" + std::to_string(height) + ":" + std::to_string(transaction) + ":" +
         std::to_string(event);
}

Result<EventCursor> EventCursor::decode(std::string_view text) {
  auto refused =
      make_error(ErrorCode::INVALID_ARGUMENT, "a cursor is CHAIN:HEIGHT:TRANSACTION:EVENT, exactly as a node gave it");
  constexpr std::size_t kChainDigits = 2 * Hash::kSize;
  if (text.size() > kTextBytesMax || text.size() <= kChainDigits || text[kChainDigits] != ':') return refused;
  EventCursor cursor;
  auto chain = Hash::parse_hex(text.substr(0, kChainDigits));
  if (!chain || !is_lower_hex(text.substr(0, kChainDigits))) return refused;
  cursor.chain_id = *chain;
  text.remove_prefix(kChainDigits + 1);
  auto height = take_number<std::uint64_t>(text, false);
  auto transaction = height ? take_number<std::uint32_t>(text, false) : std::nullopt;
  auto event = transaction ? take_number<std::uint32_t>(text, true) : std::nullopt;
  if (!event) return refused;
  cursor.height = *height;
  cursor.transaction = *transaction;
  cursor.event = *event;
  return cursor;
}

}  // namespace galen
