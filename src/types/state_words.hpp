// What a row of the state says (docs/spec/formats.md 5.1, 5.7), as a sentence and as JSON.
#pragma once

#include <string>

#include "galen/types/proof_check.hpp"

namespace galen {

/// "record", "consent" …
std::string state_kind_text(StateKind kind);
/// One sentence about a row's key and content; the bytes where they do not read as what the kind holds.
std::string state_text(const Genesis& genesis, const StateVerdict& state);
/// The fields of a row as a JSON object, bytes in hexadecimal; "null" without a row, or where its bytes do not read.
std::string state_row_json(const StateVerdict& state);

}  // namespace galen
