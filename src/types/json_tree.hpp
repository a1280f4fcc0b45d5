// A strict reading of JSON for files that are hashed and signed: no key twice, no number but an unsigned integer of 64
// bits, valid UTF-8, bounded in depth and size. Every node knows its path, so that an error names the place. Private.
#pragma once

#include <string>
#include <vector>

#include "galen/base/bytes.hpp"
#include "galen/base/result.hpp"

namespace galen {

struct JsonField;

struct JsonNode {
  enum class Kind { null, boolean, number, string, array, object };
  Kind kind = Kind::null;
  std::string path;  ///< "members[2].id", empty for the whole text
  bool boolean = false;
  std::uint64_t number = 0;
  std::string text;
  std::vector<JsonNode> items;    ///< of an array
  std::vector<JsonField> fields;  ///< of an object, in the text's order

  const JsonNode* find(std::string_view key) const;
};

struct JsonField {
  std::string key;
  JsonNode value;
};

/// CONFIG_INVALID naming the path, or the byte for a syntax error.
Result<JsonNode> parse_json(ByteSpan text);

/// Text as a JSON string with its quotes.
std::string json_quote(std::string_view text);

}  // namespace galen
