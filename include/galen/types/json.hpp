// A strict JSON reader (RFC 8259) that keeps where every value stands in the text: a resource is anchored as the bytes
// that arrived, so a value must be a slice of the input and never a re-serialisation; and what canonical bytes are made
// from (canonical.hpp) must be known digit by digit. Refused, with the JSON path and the byte offset: bad UTF-8,
// duplicate keys (also when escaped differently), lone surrogates, trailing bytes, nesting deeper than kJsonDepthMax.
// Numbers stay text. Memory: the text and 32 bytes a value, both bounded by JsonLimits. Immutable after parse; any
// thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "galen/base/result.hpp"

namespace galen {

inline constexpr std::size_t kJsonDepthMax = 128;
inline constexpr std::size_t kJsonBytesMax = 256 * 1024 * 1024;

/// What a reader of foreign bytes is ready to hold.
struct JsonLimits {
  std::size_t bytes_max = kJsonBytesMax;  ///< at most kJsonBytesMax
  std::size_t values_max = kJsonBytesMax / 4;
};

enum class JsonKind : std::uint8_t { null, boolean, number, string, array, object };

class JsonDocument;

/// A value inside a document; cheap to copy, valid as long as the document.
class JsonValue {
 public:
  JsonKind kind() const;
  bool is(JsonKind kind_wanted) const { return kind() == kind_wanted; }
  /// The exact bytes of the value as received.
  std::string_view raw() const;
  std::size_t offset() const;
  /// The decoded string; empty for any other kind.
  std::string text() const;
  /// An unsigned integer without fraction or exponent that fits.
  std::optional<std::uint64_t> unsigned_number() const;

  /// Decoded key under which the value stands in its object, empty in arrays.
  std::string key() const;
  /// Member of an object; nothing if absent or this is no object.
  std::optional<JsonValue> find(std::string_view key) const;
  /// The decoded string of a member; nothing if absent or no string.
  std::optional<std::string> find_text(std::string_view key) const;
  /// Elements of an array or members of an object, in order.
  std::vector<JsonValue> children() const;
  /// "$.entry[2].resource.id"
  std::string path() const;

 private:
  friend class JsonDocument;
  friend class JsonParser;
  JsonValue(const JsonDocument* document, std::uint32_t index) : document_(document), index_(index) {}
  const JsonDocument* document_;
  std::uint32_t index_;
};

class JsonDocument {
 public:
  /// BAD_JSON, JSON_DUPLICATE_KEY, JSON_LONE_SURROGATE or TOO_LARGE. A message names path and byte, never a value.
  static Result<JsonDocument> parse(std::string text, const JsonLimits& limits = {});
  JsonValue root() const { return {this, 0}; }
  const std::string& text() const { return text_; }

 private:
  friend class JsonValue;
  friend class JsonParser;
  static constexpr std::uint32_t kNone = UINT32_MAX;
  struct Node {  // offsets fit: kJsonBytesMax is far below 2^32
    std::uint32_t begin = 0, end = 0;
    std::uint32_t key_begin = 0, key_end = 0;  // between the quotes; equal when there is no key
    std::uint32_t parent = kNone, first_child = kNone, next = kNone;
    JsonKind kind = JsonKind::null;
    bool keyed = false;
  };
  static_assert(kJsonBytesMax < kNone);
  std::string text_;
  std::vector<Node> nodes_;
};

/// Decodes the inside of a JSON string that the parser has accepted.
std::string unescape_json(std::string_view inside);

}  // namespace galen
