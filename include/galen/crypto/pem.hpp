// The strict form of PEM (RFC 7468 section 3), for texts whose exact bytes are hashed and which every verifier must
// read alike. What OpenSSL reads besides (text around the block, headers, lines of any length, characters it skips) is
// a matter of its version; files of keys and TLS certificates are read like that, genesis.json is not.
// docs/spec/formats.md 1.3.
#pragma once

#include <string_view>

#include "galen/base/bytes.hpp"
#include "galen/base/result.hpp"

namespace galen::crypto {

/// The bytes inside the one block of this label that the text consists of: "-----BEGIN LABEL-----", lines of 64
/// characters of base64 of which the last may be shorter, "-----END LABEL-----"; LF or CRLF behind each line, behind
/// the last one if you like; no byte besides. The base64 is the one that an encoder writes: padding where it belongs,
/// its spare bits 0. MALFORMED says what is wrong, for people.
Result<Bytes> read_strict_pem(std::string_view text, std::string_view label);

}  // namespace galen::crypto
