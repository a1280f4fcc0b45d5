// Attachments are known by their shape, an object with `hash` or `size` beside `data`, `url` or `contentType`: FHIR
// puts the type under many names (content, presentedForm, valueAttachment …), and extensions add more.
#include "galen/types/attachments.hpp"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <memory>
#include <utility>

#include "galen/crypto/hash.hpp"

namespace galen {
namespace {

struct Fields {
  std::optional<JsonValue> data, url, type, hash, size;
  bool is_attachment() const { return (hash || size) && (data || url || type); }
};

/// One pass, since each find() would decode every key.
Fields fields_of(const std::vector<JsonValue>& members) {
  Fields out;
  for (const auto& member : members) {
    auto key = member.key();
    if (key == "data" && member.is(JsonKind::string)) out.data = member;
    if (key == "url" && member.is(JsonKind::string)) out.url = member;
    if (key == "contentType") out.type = member;
    if (key == "hash") out.hash = member;
    if (key == "size") out.size = member;
  }
  return out;
}

Error mismatch(const JsonValue& where, std::string_view what) {
  return make_error(ErrorCode::ATTACHMENT_MISMATCH,
                    fmt::format("{}: {} (byte {})", where.path(), what, where.offset()));
}

/// FHIR wants base64 of the 20 bytes; 40 hexadecimal digits are seen often enough, and cannot be taken for anything
/// else.
std::optional<Bytes> sha1_of_text(std::string_view text) {
  if (text.size() == 40)
    if (auto digits = from_hex(text)) return digits;
  auto bytes = from_fhir_base64(text);
  return bytes && bytes->size() == 20 ? bytes : std::nullopt;
}

/// The bytes of an attachment. Many may state something of the same ones: these are hashed once.
class Content {
 public:
  explicit Content(ByteSpan bytes) : bytes_(bytes) {}
  explicit Content(Bytes bytes) : kept_(std::move(bytes)), bytes_(kept_) {}
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;
  std::size_t size() const { return bytes_.size(); }
  const crypto::Sha1& sha1() {
    if (!sha1_) sha1_ = crypto::sha1(bytes_);
    return *sha1_;
  }

 private:
  Bytes kept_;
  ByteSpan bytes_;
  std::optional<crypto::Sha1> sha1_;
};

/// R5 writes its 64-bit integers as strings.
std::optional<std::uint64_t> size_of(const JsonValue& stated) {
  if (!stated.is(JsonKind::string)) return stated.unsigned_number();
  const auto text = stated.text();
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failure == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

Status compare(const Fields& fields, Content& content) {
  if (fields.size && size_of(*fields.size) != content.size())
    return mismatch(*fields.size,
                    fmt::format("the attachment has {} bytes, and this states another size", content.size()));
  if (!fields.hash) return {};
  auto stated = fields.hash->is(JsonKind::string) ? sha1_of_text(fields.hash->text()) : std::nullopt;
  if (!stated) return mismatch(*fields.hash, "this is no SHA-1 in base64");
  if (crypto::Sha1::from(ByteSpan(*stated)) != content.sha1())
    return mismatch(*fields.hash, "the attachment's bytes have another SHA-1");
  return {};
}

class Walk {
 public:
  Walk(const JsonValue& resource, const AttachmentSource& source) : resource_(resource), source_(source) {}

  Status visit(const JsonValue& value) {
    if (!value.is(JsonKind::object) && !value.is(JsonKind::array)) return {};
    auto children = value.children();
    if (value.is(JsonKind::object)) GALEN_TRY(visit_object(fields_of(children)));
    for (const auto& child : children) GALEN_TRY(visit(child));
    return {};
  }
  AttachmentCount count() const { return count_; }
  static void collect(const JsonValue& value, std::vector<JsonValue>& out) {
    auto children = value.children();
    if (value.is(JsonKind::object) && fields_of(children).is_attachment()) out.push_back(value);
    for (const auto& child : children) collect(child, out);
  }

 private:
  Status visit_object(const Fields& fields) {
    if (!fields.is_attachment()) return {};
    if (fields.data) {
      auto bytes = from_fhir_base64(fields.data->text());
      if (!bytes) return mismatch(*fields.data, "hash or size is stated of data that is not base64");
      Content content(std::move(*bytes));
      return check(fields, &content);
    }
    if (!fields.url) return check(fields, nullptr);
    const auto url = fields.url->text();
    if (url.starts_with('#')) return check(fields, contained(url.substr(1)));
    auto bytes = source_ ? source_(url) : std::nullopt;
    if (!bytes) return check(fields, nullptr);
    Content content(std::move(*bytes));
    return check(fields, &content);
  }

  Status check(const Fields& fields, Content* content) {
    if (content == nullptr) return ++count_.unchecked, Status{};
    ++count_.checked;
    return compare(fields, *content);
  }

  /// Looked through once, and decoded once: a resource may name one Binary, or ones that are not there, 100,000 times.
  Content* contained(const std::string& id) {
    if (!binaries_) {
      binaries_.emplace();
      auto list = resource_.find("contained");
      for (const auto& candidate : list ? list->children() : std::vector<JsonValue>{}) {
        if (candidate.find_text("resourceType") != "Binary") continue;
        if (auto name = candidate.find_text("id"))
          binaries_->try_emplace(std::move(*name), Binary{candidate, {}, false});
      }
    }
    auto found = binaries_->find(id);
    if (found == binaries_->end()) return nullptr;
    auto& binary = found->second;
    if (!std::exchange(binary.decoded, true)) {
      auto data = binary.value.find_text("data");
      auto bytes = data ? from_fhir_base64(*data) : std::nullopt;
      if (bytes) binary.content = std::make_unique<Content>(std::move(*bytes));
    }
    return binary.content.get();
  }

  struct Binary {
    JsonValue value;
    std::unique_ptr<Content> content;  ///< nothing: without data, or not base64
    bool decoded = false;
  };
  const JsonValue& resource_;
  const AttachmentSource& source_;
  std::optional<std::map<std::string, Binary>> binaries_;  ///< by id, the first of each; nothing: not looked for yet
  AttachmentCount count_;
};

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

std::optional<Bytes> from_fhir_base64(std::string_view text) {
  Bytes out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  std::size_t count = 0, padding = 0;
  for (char c : text) {
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    int digit = base64_digit(c);
    if (c == '=') {
      digit = 0;
      ++padding;
    } else if (digit < 0 || padding > 0) {
      return std::nullopt;
    }
    group = group << 6 | static_cast<std::uint32_t>(digit);
    if (++count % 4 != 0) continue;
    for (int shift = 16; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(group >> shift));
    group = 0;
  }
  if (count % 4 != 0 || padding > 2) return std::nullopt;
  for (std::size_t i = 0; i < padding; ++i) {
    if (out.back() != 0) return std::nullopt;  // bits that belong to nothing
    out.pop_back();
  }
  return out;
}

std::vector<JsonValue> attachments_of(const JsonValue& resource) {
  std::vector<JsonValue> out;
  Walk::collect(resource, out);
  return out;
}

Status check_attachment(const JsonValue& attachment, ByteSpan content) {
  Content bytes(content);
  return compare(fields_of(attachment.children()), bytes);
}

Result<AttachmentCount> check_attachments(const JsonValue& resource, const AttachmentSource& source) {
  Walk walk(resource, source);
  GALEN_TRY(walk.visit(resource));
  return walk.count();
}

Status check_attachments_in(ByteSpan content) {
  auto text = as_text(content);
  // Most records have none: a few searches cost less than a parse. Only a \u escape can write these keys another way.
  auto has = [&](std::string_view part) { return text.find(part) != std::string_view::npos; };
  if (!has("\\u") && (!has("\"data\"") || (!has("\"hash\"") && !has("\"size\"")))) return {};
  auto document = JsonDocument::parse(std::string(text), {.bytes_max = 16 * 1024 * 1024, .values_max = 1024 * 1024});
  if (!document || !document->root().is(JsonKind::object)) return {};
  GALEN_TRY(check_attachments(document->root()));
  return {};
}

}  // namespace galen
