// The few file calls of the keyring and the master key: whole files made 0600 and synced, slots overwritten in place
// and synced. Any failure is final for the caller, as with the log.
#pragma once

#include <string>

#include "galen/base/bytes.hpp"
#include "galen/base/result.hpp"

namespace galen::vault {

/// A new file, mode 0600, complete and synced under its name. ALREADY_EXISTS, IO_ERROR.
Status create_private_file(const std::string& path, ByteSpan bytes);
/// NOT_FOUND, IO_ERROR (also when it is larger than `bytes_max`).
Result<Bytes> read_file(const std::string& path, std::size_t bytes_max);
/// KEY_FILE_READABLE when others than owner and group can read what the path leads to.
Status check_not_world_readable(const std::string& path);

/// An open file whose parts are overwritten in place; each write is on the medium when the call returns.
class InPlaceFile {
 public:
  static Result<InPlaceFile> open(const std::string& path);
  InPlaceFile(InPlaceFile&& other) noexcept;
  InPlaceFile& operator=(InPlaceFile&& other) noexcept;
  ~InPlaceFile();
  Status overwrite(std::uint64_t offset, ByteSpan bytes);

 private:
  InPlaceFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_ = -1;
  std::string path_;
};

}  // namespace galen::vault
