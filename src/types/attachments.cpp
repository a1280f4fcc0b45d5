// Attachments are known by their shape, an object with `hash` or `size` beside `data`, `url` or `contentType`: FHIR
// puts the type under many names (content, presentedForm, valueAttachment …), and extensions add more.
#include "galen/types/attachments.hpp"

#include <fmt/format.h>

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
    if (key == "hash" && member.is(JsonKind::string)) out.hash = member;
    if (key == "size" && member.is(JsonKind::number)) out.size = member;
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

Status compare(const Fields& fields, ByteSpan content) {
  if (fields.size && fields.size->unsigned_number() != content.size())
    return mismatch(*fields.size,
                    fmt::format("the attachment has {} bytes, and this states another size", content.size()));
  if (!fields.hash) return {};
  auto stated = sha1_of_text(fields.hash->text());
  if (!stated) return mismatch(*fields.hash, "this is no SHA-1 in base64");
  if (crypto::Sha1::from(ByteSpan(*stated)) != crypto::sha1(content))
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
    std::optional<Bytes> content;
    if (fields.data) {
      content = from_fhir_base64(fields.data->text());
      if (!content) return mismatch(*fields.data, "hash or size is stated of data that is not base64");
    } else if (fields.url) {
      content = behind(fields.url->text());
    }
    if (!content) return ++count_.unchecked, Status{};
    ++count_.checked;
    return compare(fields, *content);
  }

  std::optional<Bytes> behind(const std::string& url) const {
    if (!url.starts_with('#')) return source_ ? source_(url) : std::nullopt;
    auto contained = resource_.find("contained");
    if (!contained) return std::nullopt;
    for (const auto& candidate : contained->children()) {
      if (candidate.find_text("resourceType") != "Binary" || candidate.find_text("id") != url.substr(1)) continue;
      auto data = candidate.find_text("data");
      return data ? from_fhir_base64(*data) : std::nullopt;
    }
    return std::nullopt;
  }

  const JsonValue& resource_;
  const AttachmentSource& source_;
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
  return compare(fields_of(attachment.children()), content);
}

Result<AttachmentCount> check_attachments(const JsonValue& resource, const AttachmentSource& source) {
  Walk walk(resource, source);
  GALEN_TRY(walk.visit(resource));
  return walk.count();
}

Status check_attachments_in(ByteSpan content) {
  auto text = as_text(content);
  // Most records have none: two searches cost less than a parse. Who writes a key with escapes escapes the check only.
  if (text.find("\"data\"") == std::string_view::npos) return {};
  if (text.find("\"hash\"") == std::string_view::npos && text.find("\"size\"") == std::string_view::npos) return {};
  auto document = JsonDocument::parse(std::string(text), {.bytes_max = 16 * 1024 * 1024, .values_max = 1024 * 1024});
  if (!document || !document->root().is(JsonKind::object)) return {};
  GALEN_TRY(check_attachments(document->root()));
  return {};
}

}  // namespace galen
