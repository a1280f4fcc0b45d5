// CRC-32C (Castagnoli, RFC 3720 B.4): finds damage on our own disks in the log, the keyring and their headers. It is
// not a protection against people; hashes are. Uses the processor's instruction where there is one.
#pragma once

#include <cstdint>

#include "galen/base/bytes.hpp"

namespace galen {

/// `crc` is the value of what came before, 0 at the start: crc32c(b, crc32c(a)) == crc32c(a ‖ b).
std::uint32_t crc32c(ByteSpan bytes, std::uint32_t crc = 0);

}  // namespace galen
