#include "galen/types/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "types/utf8.hpp"

namespace galen {
namespace {

std::optional<std::uint32_t> hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  std::uint32_t value = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + 4, value, 16);
  if (failure != std::errc() || end != text.data() + 4) return std::nullopt;
  return value;
}

void append_utf8(std::string& out, std::uint32_t point) {
  auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | (point >> 6));
    put(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    put(0xe0 | (point >> 12));
    put(0x80 | ((point >> 6) & 0x3f));
    put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | (point >> 18));
    put(0x80 | ((point >> 12) & 0x3f));
    put(0x80 | ((point >> 6) & 0x3f));
    put(0x80 | (point & 0x3f));
  }
}

}  // namespace

std::string unescape_json(std::string_view inside) {
  std::string out;
  out.reserve(inside.size());
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] != '\\') {
      out.push_back(inside[i]);
      continue;
    }
    char kind = inside[++i];
    switch (kind) {
      case 'b':
        out.push_back('\b');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 't':
        out.push_back('\t');
        break;
      case 'u': {
        std::uint32_t point = hex4(inside.substr(i + 1)).value_or(0xfffd);
        i += 4;
        if (point >= 0xd800 && point <= 0xdbff) {
          std::uint32_t low = hex4(inside.substr(i + 3)).value_or(0xdc00);
          point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
          i += 6;
        }
        append_utf8(out, point);
        break;
      }
      default:
        out.push_back(kind);
    }
  }
  return out;
}

/// One pass over the text; every read of text_[at_] is guarded by at_ < text_.size().
class JsonParser {
 public:
  JsonParser(JsonDocument& document, std::size_t values_max)
      : document_(document), text_(document.text_), values_max_(values_max) {}

  Status run() {
    GALEN_TRY(value(JsonDocument::kNone, 0));
    skip_space();
    if (at_ != text_.size()) return fail("something follows after the end of the JSON value");
    return {};
  }

 private:
  using Node = JsonDocument::Node;

  Error fail(std::string_view what) const { return fail_at(what, at_); }
  Error fail_at(std::string_view what, std::size_t offset, ErrorCode code = ErrorCode::BAD_JSON) const {
    std::string path = document_.nodes_.empty() ? "$" : JsonValue(&document_, current_).path();
    return make_error(code, fmt::format("{}: {} (byte {})", path, what, offset));
  }
  Error lone_surrogate() const {
    return fail_at("half of a surrogate pair stands alone", at_, ErrorCode::JSON_LONE_SURROGATE);
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }
  bool next_is(char wanted) const { return at_ < text_.size() && text_[at_] == wanted; }

  std::uint32_t add_node(std::uint32_t parent, std::uint32_t previous) {
    auto index = static_cast<std::uint32_t>(document_.nodes_.size());
    Node node;
    node.parent = parent;
    node.begin = offset();
    document_.nodes_.push_back(node);
    if (previous != JsonDocument::kNone)
      document_.nodes_[previous].next = index;
    else if (parent != JsonDocument::kNone)
      document_.nodes_[parent].first_child = index;
    return index;
  }

  Status value(std::uint32_t parent, std::size_t depth) {
    auto index = add_node(parent, JsonDocument::kNone);
    return value_in(index, depth);
  }

  Status value_in(std::uint32_t index, std::size_t depth) {
    current_ = index;
    if (depth > kJsonDepthMax) return fail("nested too deeply");
    if (document_.nodes_.size() > values_max_)
      return make_error(ErrorCode::TOO_LARGE, fmt::format("the JSON holds more than {} values", values_max_));
    skip_space();
    node(index).begin = offset();
    if (at_ == text_.size()) return fail("the text ends where a value should stand");
    switch (text_[at_]) {
      case '{':
        GALEN_TRY(object(index, depth));
        break;
      case '[':
        GALEN_TRY(array(index, depth));
        break;
      case '"': {
        node(index).kind = JsonKind::string;
        GALEN_TRY(string_token());
        break;
      }
      case 't':
        GALEN_TRY(word(index, "true", JsonKind::boolean));
        break;
      case 'f':
        GALEN_TRY(word(index, "false", JsonKind::boolean));
        break;
      case 'n':
        GALEN_TRY(word(index, "null", JsonKind::null));
        break;
      default:
        GALEN_TRY(number(index));
    }
    node(index).end = offset();
    current_ = node(index).parent == JsonDocument::kNone ? 0 : node(index).parent;
    return {};
  }

  Status object(std::uint32_t index, std::size_t depth) {
    node(index).kind = JsonKind::object;
    ++at_;
    std::uint32_t previous = JsonDocument::kNone;
    skip_space();
    if (next_is('}')) return ++at_, Status{};
    for (;;) {
      skip_space();
      if (!next_is('"')) return fail("a key in quotes should stand here");
      auto key_at = offset();
      GALEN_TRY(string_token());
      auto key_end = offset() - 1;
      skip_space();
      if (!next_is(':')) return fail("a colon should follow the key");
      ++at_;
      previous = add_node(index, previous);
      node(previous).keyed = true;
      node(previous).key_begin = key_at + 1;
      node(previous).key_end = key_end;
      GALEN_TRY(value_in(previous, depth + 1));
      skip_space();
      if (next_is(',')) {
        ++at_;
        continue;
      }
      if (!next_is('}')) return fail("a comma or a closing brace should stand here");
      ++at_;
      return check_keys(index);
    }
  }

  Status array(std::uint32_t index, std::size_t depth) {
    node(index).kind = JsonKind::array;
    ++at_;
    std::uint32_t previous = JsonDocument::kNone;
    skip_space();
    if (next_is(']')) return ++at_, Status{};
    for (;;) {
      previous = add_node(index, previous);
      GALEN_TRY(value_in(previous, depth + 1));
      skip_space();
      if (next_is(',')) {
        ++at_;
        continue;
      }
      if (!next_is(']')) return fail("a comma or a closing bracket should stand here");
      ++at_;
      return {};
    }
  }

  Status check_keys(std::uint32_t index) {
    std::vector<std::pair<std::string, std::size_t>> keys;
    for (auto child = node(index).first_child; child != JsonDocument::kNone; child = node(child).next) {
      auto inside = std::string_view(text_).substr(node(child).key_begin, node(child).key_end - node(child).key_begin);
      keys.emplace_back(unescape_json(inside), node(child).key_begin - 1);
    }
    std::sort(keys.begin(), keys.end());
    for (std::size_t i = 1; i < keys.size(); ++i) {
      if (keys[i].first != keys[i - 1].first) continue;
      current_ = index;
      return fail_at(fmt::format("the key \"{}\" stands here twice", keys[i].first), keys[i].second,
                     ErrorCode::JSON_DUPLICATE_KEY);
    }
    return {};
  }

  /// From the opening quote to behind the closing one.
  Status string_token() {
    std::size_t opened = at_++;
    while (at_ < text_.size()) {
      auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') return ++at_, Status{};
      if (c < 0x20) return fail("a control character stands in a string");
      if (c == '\\') {
        GALEN_TRY(escape());
        continue;
      }
      auto length = utf8_length(std::string_view(text_).substr(at_));
      if (length == 0) return fail("these bytes are not UTF-8");
      at_ += length;
    }
    return fail_at("a string has no end", opened);
  }

  Status escape() {
    auto rest = std::string_view(text_).substr(at_ + 1);
    if (rest.empty()) return fail("the text ends inside an escape");
    if (rest[0] != 'u') {
      if (std::string_view("\"\\/bfnrt").find(rest[0]) == std::string_view::npos) return fail("an unknown escape");
      at_ += 2;
      return {};
    }
    auto point = hex4(rest.substr(1));
    if (!point) return fail("\\u needs four hexadecimal digits");
    if (*point >= 0xdc00 && *point <= 0xdfff) return lone_surrogate();
    if (*point >= 0xd800 && *point <= 0xdbff) {
      auto low = rest.size() >= 11 && rest[5] == '\\' && rest[6] == 'u' ? hex4(rest.substr(7)) : std::nullopt;
      if (!low || *low < 0xdc00 || *low > 0xdfff) return lone_surrogate();
      at_ += 12;
      return {};
    }
    at_ += 6;
    return {};
  }

  Status word(std::uint32_t index, std::string_view wanted, JsonKind kind) {
    if (std::string_view(text_).substr(at_, wanted.size()) != wanted) return fail("an unknown word");
    node(index).kind = kind;
    at_ += wanted.size();
    return {};
  }

  std::size_t digits() {
    std::size_t count = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_, ++count;
    return count;
  }

  Status number(std::uint32_t index) {
    node(index).kind = JsonKind::number;
    std::size_t start = at_;
    if (next_is('-')) ++at_;
    bool zero = next_is('0');
    auto count = digits();
    if (count == 0) {
      at_ = start;
      return fail("no JSON value begins like this");
    }
    if (zero && count > 1) return fail_at("a number begins with a needless zero", start);
    if (next_is('.') && (++at_, digits() == 0)) return fail("a digit should follow the point");
    if (next_is('e') || next_is('E')) {
      ++at_;
      if (next_is('+') || next_is('-')) ++at_;
      if (digits() == 0) return fail("a digit should follow the exponent");
    }
    return {};
  }

  Node& node(std::uint32_t index) { return document_.nodes_[index]; }
  std::uint32_t offset() const { return static_cast<std::uint32_t>(at_); }

  JsonDocument& document_;
  const std::string& text_;
  const std::size_t values_max_;
  std::size_t at_ = 0;
  std::uint32_t current_ = 0;  // value being read, for the path in an error
};

Result<JsonDocument> JsonDocument::parse(std::string text, const JsonLimits& limits) {
  auto bytes_max = std::min(limits.bytes_max, kJsonBytesMax);
  if (text.size() > bytes_max)
    return make_error(ErrorCode::TOO_LARGE,
                      fmt::format("{} bytes of JSON, at most {} are read", text.size(), bytes_max));
  JsonDocument document;
  document.text_ = std::move(text);
  if (document.text_.starts_with("\xef\xbb\xbf"))
    return make_error(ErrorCode::BAD_JSON, "$: a byte order mark stands before the JSON value (byte 0)");
  GALEN_TRY(JsonParser(document, limits.values_max).run());
  return document;
}

JsonKind JsonValue::kind() const { return document_->nodes_[index_].kind; }
std::size_t JsonValue::offset() const { return document_->nodes_[index_].begin; }

std::string_view JsonValue::raw() const {
  const auto& node = document_->nodes_[index_];
  return std::string_view(document_->text_).substr(node.begin, node.end - node.begin);
}

std::string JsonValue::text() const {
  if (!is(JsonKind::string)) return {};
  auto slice = raw();
  return unescape_json(slice.substr(1, slice.size() - 2));
}

std::optional<std::uint64_t> JsonValue::unsigned_number() const {
  auto slice = raw();
  std::uint64_t value = 0;
  auto [end, failure] = std::from_chars(slice.data(), slice.data() + slice.size(), value);
  if (!is(JsonKind::number) || failure != std::errc() || end != slice.data() + slice.size()) return std::nullopt;
  return value;
}

std::string JsonValue::key() const {
  const auto& node = document_->nodes_[index_];
  return unescape_json(std::string_view(document_->text_).substr(node.key_begin, node.key_end - node.key_begin));
}

std::optional<JsonValue> JsonValue::find(std::string_view key) const {
  if (!is(JsonKind::object)) return std::nullopt;
  for (auto child = document_->nodes_[index_].first_child; child != JsonDocument::kNone;
       child = document_->nodes_[child].next) {
    JsonValue value(document_, child);
    if (value.key() == key) return value;
  }
  return std::nullopt;
}

std::optional<std::string> JsonValue::find_text(std::string_view key) const {
  auto value = find(key);
  if (!value || !value->is(JsonKind::string)) return std::nullopt;
  return value->text();
}

std::vector<JsonValue> JsonValue::children() const {
  std::vector<JsonValue> out;
  for (auto child = document_->nodes_[index_].first_child; child != JsonDocument::kNone;
       child = document_->nodes_[child].next)
    out.push_back(JsonValue(document_, child));
  return out;
}

std::string JsonValue::path() const {
  const auto& node = document_->nodes_[index_];
  if (node.parent == JsonDocument::kNone) return "$";
  std::string above = JsonValue(document_, node.parent).path();
  if (node.keyed) return above + "." + key();
  std::size_t position = 0;
  for (auto sibling = document_->nodes_[node.parent].first_child; sibling != index_ && sibling != JsonDocument::kNone;
       sibling = document_->nodes_[sibling].next)
    ++position;
  return fmt::format("{}[{}]", above, position);
}

}  // namespace galen
