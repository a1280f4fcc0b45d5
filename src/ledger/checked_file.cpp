#include "ledger/checked_file.hpp"

#include <fstream>

#include "galen/base/crc32c.hpp"

namespace galen::ledger {

Status write_checked_file(const std::string& path, ByteSpan bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  const auto checksum = ByteWriter(4).u32(crc32c(bytes)).bytes();
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.write(reinterpret_cast<const char*>(checksum.data()), static_cast<std::streamsize>(checksum.size()));
  out.close();
  return out ? Status{} : Status(ErrorCode::IO_ERROR, "cannot write " + path);
}

Result<Bytes> read_checked_file(const std::string& path, std::size_t bytes_max) {
  const auto missing = [&] { return make_error(ErrorCode::NOT_FOUND, path + " is not there, or damaged"); };
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  const auto size = in ? static_cast<std::size_t>(in.tellg()) : 0;
  if (size < 4 || size - 4 > bytes_max) return missing();
  Bytes bytes(size);
  in.seekg(0);
  if (!in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) return missing();
  const auto checksum = ByteReader(ByteSpan(bytes).last(4)).u32();
  bytes.resize(size - 4);
  if (crc32c(bytes) != checksum) return missing();
  return bytes;
}

}  // namespace galen::ledger
