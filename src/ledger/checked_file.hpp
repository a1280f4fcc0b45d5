// A small file with u32 CRC-32C behind its bytes, for what can be made again: written whole, not synced.
#pragma once

#include <string>

#include "galen/base/bytes.hpp"
#include "galen/base/result.hpp"

namespace galen::ledger {

Status write_checked_file(const std::string& path, ByteSpan bytes);
/// NOT_FOUND when it is missing, cut short, too large or fails its checksum.
Result<Bytes> read_checked_file(const std::string& path, std::size_t bytes_max);

}  // namespace galen::ledger
