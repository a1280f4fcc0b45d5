#include "galenctl/arguments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>

#include "galen/base/nearest.hpp"
#include "galen/types/json.hpp"
#include "galen/types/purpose.hpp"
#include "galenctl/files.hpp"

namespace galen::galenctl {
namespace {

Error bad(const std::string& option, const std::string& text, std::string_view wanted) {
  return make_error(ErrorCode::INVALID_ARGUMENT, fmt::format("{} {}: {}", option, text, wanted));
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> span_ms(const std::string& text) {
  if (text.size() < 2) return std::nullopt;
  auto count = number(std::string_view(text).substr(0, text.size() - 1));
  if (!count || *count > 100'000'000) return std::nullopt;
  switch (text.back()) {
    case 's':
      return *count * 1000;
    case 'm':
      return *count * 60'000;
    case 'h':
      return *count * 3'600'000;
    case 'd':
      return *count * 86'400'000;
    default:
      return std::nullopt;
  }
}

constexpr const char* kToTheSecond = "%Y-%m-%dT%H:%M:%SZ";

/// Nothing for a day that the calendar does not have: timegm would make 3 March of 31 February.
std::optional<TimestampMs> calendar_ms(const std::string& text, const char* format) {
  std::tm parts{}, back{};
  const char* end = ::strptime(text.c_str(), format, &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  const auto written = parts;
  const auto seconds = ::timegm(&parts);
  if (seconds < 0 || ::gmtime_r(&seconds, &back) == nullptr) return std::nullopt;
  if (back.tm_mon != written.tm_mon || back.tm_mday != written.tm_mday || back.tm_sec != written.tm_sec)
    return std::nullopt;
  return static_cast<TimestampMs>(seconds) * 1000;
}

}  // namespace

Result<Hash> parse_id(const std::string& option, const std::string& text) {
  if (auto id = Hash::parse_hex(text)) return *id;
  return bad(option, text, "an id is 64 hexadecimal digits");
}

Result<std::uint64_t> parse_number(const std::string& option, const std::string& text) {
  if (auto value = number(text)) return *value;
  return bad(option, text, "a whole number");
}

Result<RequestId> parse_request_id(const std::string& option, const std::string& text) {
  std::string digits;
  std::copy_if(text.begin(), text.end(), std::back_inserter(digits), [](char c) { return c != '-'; });
  if (auto id = RequestId::parse_hex(digits)) return *id;
  return bad(option, text, "a request_id is a UUID, 32 hexadecimal digits");
}

Result<v1::SourceId> parse_source(const std::string& system, const std::string& text) {
  auto slash = text.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == text.size())
    return bad("--source", text, "write TYPE/ID, e.g. Observation/123");
  // Protobuf would say it on standard error, and the node that it does not parse.
  if (!is_utf8(system) || !is_utf8(text)) return bad("--source", text, "it is not UTF-8");
  v1::SourceId out;
  out.set_system(system);
  out.set_type(text.substr(0, slash));
  out.set_id(text.substr(slash + 1));
  return out;
}

Result<std::uint32_t> parse_purpose(const std::string& text) {
  if (auto purpose = purpose_from_code(text)) return *purpose;
  std::vector<std::string> codes;
  for (const auto& purpose : kPurposes) codes.emplace_back(purpose.code);
  std::string upper = text;
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  const auto near = nearest(upper, codes);
  const bool meant = !text.empty() && edit_distance(upper, near) <= 2;
  return make_error(ErrorCode::BAD_PURPOSE, fmt::format("--purpose {}: no code of v3-PurposeOfUse{}", text,
                                                        meant ? "; did you mean " + near + "?" : ", e.g. TREAT"));
}

Result<std::uint64_t> parse_purposes(const std::string& text) {
  std::uint64_t bits = 0;
  std::size_t start = 0;
  while (start <= text.size()) {
    auto comma = std::min(text.find(',', start), text.size());
    GALEN_ASSIGN(auto purpose, parse_purpose(text.substr(start, comma - start)));
    bits |= purpose_bit(purpose);
    start = comma + 1;
  }
  return bits;
}

std::string purposes_text(std::uint64_t bits) {
  std::string out;
  for (std::uint32_t purpose = 1; is_purpose(purpose); ++purpose)
    if ((bits & purpose_bit(purpose)) != 0) out += (out.empty() ? "" : ",") + std::string(purpose_code(purpose));
  return out;
}

Result<TimestampMs> parse_time(const std::string& option, const std::string& text, TimestampMs now_ms) {
  if (auto span = span_ms(text)) return now_ms + *span;
  for (const char* format : {kToTheSecond, "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"})
    if (auto time = calendar_ms(text, format)) return *time;
  return bad(option, text, "write a span such as 24h or 7d, or a time such as 2027-01-31T12:00:00Z (UTC)");
}

Result<std::uint64_t> parse_span(const std::string& option, const std::string& text) {
  if (auto span = span_ms(text)) return *span;
  return bad(option, text, "write a span such as 30s, 5m or 24h");
}

Result<TimestampMs> parse_moment(const std::string& option, const std::string& text) {
  // Seconds since 1970 would be taken for a moment long past.
  constexpr TimestampMs earliest_ms = 1'000'000'000'000;
  if (auto count = number(text); count && *count >= earliest_ms) return *count;
  constexpr std::size_t point = 19;
  auto seconds = text;
  std::optional<std::uint64_t> fraction = 999;
  if (text.size() == point + 5 && text[point] == '.') {
    fraction = number(text.substr(point + 1, 3));
    seconds.erase(point, 4);
  }
  if (auto time = calendar_ms(seconds, kToTheSecond); time && fraction) return *time + *fraction;
  return bad(option, text, "write a time such as 2027-01-31T12:00:00.250Z (UTC), or milliseconds since 1970");
}

Result<PrincipalId> parse_patient(const Context& context, const std::string& text) {
  if (auto id = PrincipalId::parse_hex(text)) return *id;
  bool is_name = !text.empty() && text.find('/') == std::string::npos && text[0] != '.';
  if (!is_name) return bad("patient", text, "a pseudonym is 64 hexadecimal digits");
  if (context.directory().empty())
    return bad("patient", text, "a pseudonym is 64 hexadecimal digits; names are known only below --dir");
  auto path = DevLayout(context.directory()).patient_path(text);
  if (!file_exists(path))
    return make_error(ErrorCode::NOT_FOUND, fmt::format("no patient is called {} here ({} is missing)", text, path));
  GALEN_ASSIGN(auto content, read_text_file(path));
  GALEN_ASSIGN(auto document, JsonDocument::parse(std::move(content)));
  auto id = PrincipalId::parse_hex(document.root().find_text("pseudonym").value_or(""));
  if (!id) return make_error(ErrorCode::CORRUPT, fmt::format("{} holds no pseudonym", path));
  return *id;
}

Result<crypto::Suite> parse_suite(const std::string& text) {
  if (auto suite = crypto::suite_from_name(text)) return *suite;
  return make_error(ErrorCode::INVALID_ARGUMENT, fmt::format("--suite {}: p256-sha256 or sm2-sm3", text));
}

// A name that only a node told is not taken: what is signed for a member goes by genesis, or by the id that was typed.
Result<PrincipalId> parse_member(const Context& context, const std::string& genesis_file, const std::string& text) {
  if (auto id = PrincipalId::parse_hex(text)) return *id;
  GALEN_ASSIGN(auto genesis, load_genesis(context, genesis_file));
  std::string names;
  for (const auto& member : genesis.members) {
    if (member.name == text) return member.id;
    names += (names.empty() ? "" : ", ") + member.name;
  }
  return make_error(ErrorCode::NOT_FOUND,
                    fmt::format("genesis has no member {}, only {}; one that joined later is named by its id: galenctl "
                                "member list",
                                text, names));
}

std::string member_name(const Genesis& genesis, const PrincipalId& id) {
  for (const auto& member : genesis.members)
    if (member.id == id) return member.name;
  return id.hex();
}

Result<Genesis> load_genesis(const Context& context, const std::string& argument) {
  GALEN_ASSIGN(auto path, context.genesis_path(argument));
  return Genesis::load(path);
}

}  // namespace galen::galenctl
