// The one translation unit that holds Boost.JSON's definitions (src.hpp): a program that links galen_types must not
// include src.hpp again.
#include "types/json_tree.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>

namespace galen {

namespace {

constexpr std::size_t kDepthMax = 8;

/// Builds the tree. Boost calls these in document order; `open_` points into the tree, and only the last child of an
/// open node can grow, so the pointers stay good.
struct Handler {
  static constexpr std::size_t max_object_size = 256;
  static constexpr std::size_t max_array_size = 256;
  static constexpr std::size_t max_key_size = 128;
  static constexpr std::size_t max_string_size = 64 * 1024;
  using ec_t = boost::json::error_code;
  using view = boost::json::string_view;

  JsonNode root;
  std::string problem;  ///< ours; empty for a syntax error
  std::vector<JsonNode*> open_;
  std::string key_, text_;

  bool refuse(const std::string& path, const char* what, ec_t& ec) {
    problem = (path.empty() ? std::string("the document") : path) + ": " + what;
    ec = boost::json::make_error_code(boost::json::error::syntax);
    return false;
  }
  std::string next_path() const {
    if (open_.empty()) return {};
    const auto& parent = *open_.back();
    if (parent.kind == JsonNode::Kind::array) return parent.path + "[" + std::to_string(parent.items.size()) + "]";
    return parent.path.empty() ? key_ : parent.path + "." + key_;
  }
  JsonNode& add(JsonNode::Kind kind) {
    JsonNode node;
    node.kind = kind;
    node.path = next_path();
    if (open_.empty()) return root = std::move(node);
    auto& parent = *open_.back();
    if (parent.kind == JsonNode::Kind::array) return parent.items.emplace_back(std::move(node));
    return parent.fields.emplace_back(JsonField{key_, std::move(node)}).value;
  }
  bool begin(JsonNode::Kind kind) {
    open_.push_back(&add(kind));
    return true;
  }

  bool on_document_begin(ec_t&) { return true; }
  bool on_document_end(ec_t&) { return true; }
  bool on_object_begin(ec_t&) { return begin(JsonNode::Kind::object); }
  bool on_object_end(std::size_t, ec_t&) { return open_.pop_back(), true; }
  bool on_array_begin(ec_t&) { return begin(JsonNode::Kind::array); }
  bool on_array_end(std::size_t, ec_t&) { return open_.pop_back(), true; }
  bool on_key_part(view part, std::size_t, ec_t&) { return text_.append(part.data(), part.size()), true; }
  bool on_key(view part, std::size_t, ec_t& ec) {
    key_ = std::move(text_.append(part.data(), part.size()));
    text_.clear();
    if (open_.back()->find(key_) != nullptr) return refuse(next_path(), "the key stands twice", ec);
    return true;
  }
  bool on_string_part(view part, std::size_t, ec_t&) { return text_.append(part.data(), part.size()), true; }
  bool on_string(view part, std::size_t, ec_t&) {
    add(JsonNode::Kind::string).text = std::move(text_.append(part.data(), part.size()));
    text_.clear();
    return true;
  }
  bool on_number_part(view part, ec_t&) { return text_.append(part.data(), part.size()), true; }
  bool on_integer(std::uint64_t value, view part, ec_t& ec) {
    text_.append(part.data(), part.size());
    if (!text_.empty() && text_[0] == '-') return refuse(next_path(), "must not be negative", ec);
    text_.clear();
    add(JsonNode::Kind::number).number = value;
    return true;
  }
  bool on_int64(std::int64_t value, view part, ec_t& ec) {
    return on_integer(static_cast<std::uint64_t>(value), part, ec);
  }
  bool on_uint64(std::uint64_t value, view part, ec_t& ec) { return on_integer(value, part, ec); }
  bool on_double(double, view, ec_t& ec) { return refuse(next_path(), "must be an integer below 2^64", ec); }
  bool on_bool(bool value, ec_t&) { return add(JsonNode::Kind::boolean).boolean = value, true; }
  bool on_null(ec_t&) { return add(JsonNode::Kind::null), true; }
  bool on_comment_part(view, ec_t&) { return true; }
  bool on_comment(view, ec_t&) { return true; }
};

}  // namespace

const JsonNode* JsonNode::find(std::string_view key) const {
  for (const auto& [name, node] : fields)
    if (name == key) return &node;
  return nullptr;
}

Result<JsonNode> parse_json(ByteSpan text) {
  boost::json::parse_options options;
  options.max_depth = kDepthMax;
  boost::json::basic_parser<Handler> parser(options);
  boost::json::error_code ec;
  auto used = parser.write_some(false, reinterpret_cast<const char*>(text.data()), text.size(), ec);
  if (!parser.handler().problem.empty()) return {ErrorCode::CONFIG_INVALID, parser.handler().problem};
  if (ec) return {ErrorCode::CONFIG_INVALID, "not JSON near byte " + std::to_string(used) + ": " + ec.message()};
  if (used != text.size())
    return {ErrorCode::CONFIG_INVALID, "not JSON: text behind the document at byte " + std::to_string(used)};
  return std::move(parser.handler().root);
}

std::string json_quote(std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (byte < 0x20 || byte == 0x7f)
      ((out += "\\u00") += kDigits[byte >> 4]) += kDigits[byte & 15];
    else
      out += c;
  }
  return out += '"';
}

}  // namespace galen
