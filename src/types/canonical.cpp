// RFC 8785 written from a parsed document. Nothing here depends on a locale: std::from_chars reads the double,
// std::to_chars finds the shortest digits that read back as it, and the layout of the digits is ours.
#include "galen/types/canonical.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace galen {
namespace {

/// A number as written: sign, its digits without leading zeros, and the power of ten of the last one. FHIR reads 1.50
/// and 1.5 as different (the precision counts), and so does this; 1E30 and 1e+30 are the same.
struct Decimal {
  bool negative = false;
  std::string digits;
  std::int64_t exponent = 0;
  bool operator==(const Decimal&) const = default;
};

/// Far beyond any double, far from overflow: the sum with a count of digits still fits.
constexpr std::int64_t kExponentBound = 1'000'000'000'000;

Decimal decimal_of(std::string_view number) {
  Decimal out;
  std::size_t at = 0;
  if (at < number.size() && number[at] == '-') out.negative = true, ++at;
  bool fraction = false;
  for (; at < number.size() && number[at] != 'e' && number[at] != 'E'; ++at) {
    if (number[at] == '.') {
      fraction = true;
      continue;
    }
    if (fraction) --out.exponent;
    if (!out.digits.empty() || number[at] != '0') out.digits.push_back(number[at]);
  }
  if (at < number.size()) {
    ++at;
    if (number[at] == '+') ++at;
    std::int64_t written = 0;
    auto [end, failure] = std::from_chars(number.data() + at, number.data() + number.size(), written);
    (void)end;
    if (failure != std::errc()) written = number[at] == '-' ? -kExponentBound : kExponentBound;
    out.exponent += std::clamp(written, -kExponentBound, kExponentBound);
  }
  return out;
}

void append_string(std::string& out, std::string_view text) {
  out.push_back('"');
  for (char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
          out.push_back(c);
    }
  }
  out.push_back('"');
}

class Writer {
 public:
  explicit Writer(Lossy lossy) : lossy_(lossy) {}

  /// `resource`: leave out `text` and `meta` of this object, not of those below it.
  Status write(const JsonValue& value, bool resource) {
    switch (value.kind()) {
      case JsonKind::object:
        return write_object(value, resource);
      case JsonKind::array:
        return write_array(value);
      case JsonKind::string:
        append_string(out_.text, value.text());
        return {};
      case JsonKind::number:
        return write_number(value);
      default:
        out_.text += value.raw();
        return {};
    }
  }
  CanonicalText take() { return std::move(out_); }

 private:
  Status write_object(const JsonValue& value, bool resource) {
    std::vector<std::pair<std::string, JsonValue>> members;
    for (auto child : value.children()) {
      auto key = child.key();
      if (resource && (key == "text" || key == "meta")) continue;
      members.emplace_back(std::move(key), child);
    }
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return utf16_less(a.first, b.first); });
    out_.text.push_back('{');
    bool comma = false;
    for (const auto& [key, child] : members) {
      if (std::exchange(comma, true)) out_.text.push_back(',');
      append_string(out_.text, key);
      out_.text.push_back(':');
      GALEN_TRY(write(child, false));
    }
    out_.text.push_back('}');
    return {};
  }

  Status write_array(const JsonValue& value) {
    out_.text.push_back('[');
    bool comma = false;
    for (const auto& child : value.children()) {
      if (std::exchange(comma, true)) out_.text.push_back(',');
      GALEN_TRY(write(child, false));
    }
    out_.text.push_back(']');
    return {};
  }

  Status write_number(const JsonValue& value) {
    auto source = value.raw();
    double number = 0;
    auto [end, failure] = std::from_chars(source.data(), source.data() + source.size(), number);
    if (failure != std::errc() || end != source.data() + source.size() || !std::isfinite(number))
      return refuse(value, ErrorCode::JSON_NUMBER_RANGE, "no double holds this number, so JCS cannot write it");
    auto written = ecmascript_number(number);
    if (source != written && decimal_of(source) != decimal_of(written)) {
      if (lossy_ == Lossy::refuse)
        return refuse(value, ErrorCode::JSON_NUMBER_INEXACT, "JCS would write this number with other digits");
      ++out_.lossy_numbers;
      if (out_.lossy_paths.size() < kLossyPathsMax) out_.lossy_paths.push_back(value.path());
    }
    out_.text += written;
    return {};
  }

  static Error refuse(const JsonValue& value, ErrorCode code, std::string_view what) {
    return make_error(code, fmt::format("{}: {} (byte {})", value.path(), what, value.offset()));
  }

  const Lossy lossy_;
  CanonicalText out_;
};

Result<CanonicalText> write(const JsonValue& value, Lossy lossy, bool resource) {
  Writer writer(lossy);
  GALEN_TRY(writer.write(value, resource));
  return writer.take();
}

}  // namespace

std::string ecmascript_number(double value) {
  if (value == 0) return "0";  // negative zero too
  char buffer[40];
  auto [end, failure] = std::to_chars(buffer, buffer + sizeof(buffer), std::fabs(value), std::chars_format::scientific);
  GALEN_ASSERT(failure == std::errc());
  std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  auto e = text.find('e');
  std::string digits(text.substr(0, 1));
  if (e > 2) digits += text.substr(2, e - 2);
  int exponent = 0;
  auto power = text.substr(e + 1);
  if (power.front() == '+') power.remove_prefix(1);
  std::from_chars(power.data(), power.data() + power.size(), exponent);

  const int count = static_cast<int>(digits.size());
  const int point = exponent + 1;  // where the decimal point stands, counted from the first digit
  std::string out = value < 0 ? "-" : "";
  if (count <= point && point <= 21) return out + digits + std::string(static_cast<std::size_t>(point - count), '0');
  if (0 < point && point <= 21) {
    auto whole = static_cast<std::size_t>(point);
    return out + digits.substr(0, whole) + "." + digits.substr(whole);
  }
  if (-6 < point && point <= 0) return out + "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
  out += digits.substr(0, 1);
  if (count > 1) out += "." + digits.substr(1);
  return out + (exponent < 0 ? "e-" : "e+") + std::to_string(std::abs(exponent));
}

bool utf16_less(std::string_view a, std::string_view b) {
  auto [at_a, at_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (at_a == a.end() || at_b == b.end()) return at_a == a.end() && at_b != b.end();
  auto x = static_cast<unsigned char>(*at_a), y = static_cast<unsigned char>(*at_b);
  // UTF-8 sorts by code point. UTF-16 differs in one thing: what lies beyond U+FFFF (lead bytes from f0) is written
  // with surrogates and comes before U+E000 to U+FFFF (lead bytes ee and ef).
  bool beyond_x = x >= 0xf0, beyond_y = y >= 0xf0;
  if (beyond_x != beyond_y && (beyond_x ? y : x) >= 0xee) return beyond_x;
  return x < y;
}

Result<CanonicalText> canonical_json(const JsonValue& value, Lossy lossy) { return write(value, lossy, false); }

Result<CanonicalText> canonical_resource(const JsonValue& resource, Lossy lossy) {
  if (!resource.is(JsonKind::object) || !resource.find_text("resourceType"))
    return make_error(ErrorCode::BAD_FHIR,
                      fmt::format("{}: method jcs takes a FHIR resource, an object with resourceType (byte {})",
                                  resource.path(), resource.offset()));
  return write(resource, lossy, true);
}

Result<CanonicalText> canonical_bytes(ledger::v1::CanonMethod method, ByteSpan content, Lossy lossy) {
  if (method == ledger::v1::CANON_METHOD_RAW) return CanonicalText{to_string(content), 0, {}};
  if (method != ledger::v1::CANON_METHOD_JCS)
    return make_error(ErrorCode::UNSUPPORTED_VERSION, "a canonicalisation method that this release does not know");
  GALEN_ASSIGN(const auto document, JsonDocument::parse(to_string(content), kCanonicalLimits));
  return canonical_resource(document.root(), lossy);
}

std::string_view canon_name(ledger::v1::CanonMethod method) {
  switch (method) {
    case ledger::v1::CANON_METHOD_RAW:
      return "raw";
    case ledger::v1::CANON_METHOD_JCS:
      return "jcs";
    default:
      return "";
  }
}

std::optional<ledger::v1::CanonMethod> canon_from_name(std::string_view name) {
  if (name == "raw") return ledger::v1::CANON_METHOD_RAW;
  if (name == "jcs") return ledger::v1::CANON_METHOD_JCS;
  return std::nullopt;
}

}  // namespace galen
