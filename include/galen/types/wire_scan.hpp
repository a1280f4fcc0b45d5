// Our own check of protobuf wire bytes, so that no library update changes what is valid (docs/spec/formats.md 4.2):
// tags strictly ascending (repeated fields: equal tags in a row), varints minimal, no unknown field, no scalar present
// with its default value, lengths within the table, exactly one member of a oneof. Pure.
#pragma once

#include "galen/base/result.hpp"
#include "galen/base/bytes.hpp"

namespace galen {

/// MALFORMED, UNKNOWN_FIELD or TOO_LARGE, naming message and field number.
Status scan_transaction(ByteSpan bytes);
Status scan_envelope(ByteSpan bytes);
Status scan_operation(ByteSpan bytes);

}  // namespace galen
