// Canonical bytes of a record (docs/spec/commitments.md 2): the bytes that its commitment covers. Method RAW: as they
// came. Method JCS: RFC 8785 over a FHIR JSON resource without its own `text` and `meta`, so that a server which sorts
// keys, drops white space or renders the narrative anew does not break the proof. RFC 8785 prints every number as a
// double; FHIR counts the digits of a decimal. So a number that would come out with other digits is refused by default,
// with its path, and only Lossy::allow writes it all the same and counts it. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "galen/base/bytes.hpp"
#include "galen/base/result.hpp"
#include "galen/ledger/v1/transaction.pb.h"
#include "galen/types/json.hpp"

namespace galen {

/// Whether a number may lose digits: 1.50 becomes 1.5, 2^53+1 becomes 2^53.
enum class Lossy { refuse, allow };

struct CanonicalText {
  std::string text;
  std::uint32_t lossy_numbers = 0;       ///< that came out with other digits; always 0 with Lossy::refuse
  std::vector<std::string> lossy_paths;  ///< of the first kLossyPathsMax
};
inline constexpr std::size_t kLossyPathsMax = 20;

/// What a node reads as JSON: the largest request, and half as many values as would make it up.
inline constexpr JsonLimits kCanonicalLimits{.bytes_max = 16 * 1024 * 1024, .values_max = 1024 * 1024};

/// RFC 8785 of any JSON value. JSON_NUMBER_INEXACT, and JSON_NUMBER_RANGE for what no double holds, which nothing
/// allows.
Result<CanonicalText> canonical_json(const JsonValue& value, Lossy lossy);
/// Method JCS: the same without the resource's own `text` and `meta`. BAD_FHIR unless it is an object with
/// resourceType.
Result<CanonicalText> canonical_resource(const JsonValue& resource, Lossy lossy);
/// Of bytes by the number of the ledger, parsed with kCanonicalLimits; RAW gives them back. Also the errors of
/// JsonDocument::parse; UNSUPPORTED_VERSION for another method.
Result<CanonicalText> canonical_bytes(ledger::v1::CanonMethod method, ByteSpan content, Lossy lossy);

/// "raw" and "jcs"; empty for a number that is no method.
std::string_view canon_name(ledger::v1::CanonMethod method);
std::optional<ledger::v1::CanonMethod> canon_from_name(std::string_view name);

/// A finite double as ECMAScript's Number::toString writes it (RFC 8785 3.2.2.3).
std::string ecmascript_number(double value);
/// Order of keys by UTF-16 code units (RFC 8785 3.2.3) of two UTF-8 texts.
bool utf16_less(std::string_view a, std::string_view b);

}  // namespace galen
