// The door between the log and the disk. The node uses posix_file_access(); tests and the simulator put a FileAccess of
// their own in between that tears, flips, loses or refuses. Every failure is IO_ERROR with the path and the system's
// reason (NOT_FOUND only from open). Nothing here retries: after a failed write or sync the caller stops the process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "galen/base/bytes.hpp"
#include "galen/base/result.hpp"

namespace galen::node {

class File {
 public:
  virtual ~File() = default;
  virtual Status write_at(std::uint64_t offset, ByteSpan bytes) = 0;
  /// Fills all of `out`; a file that ends earlier is an IO_ERROR.
  virtual Status read_at(std::uint64_t offset, std::span<std::uint8_t> out) = 0;
  /// fdatasync: what was written is on the medium when this returns.
  virtual Status sync_data() = 0;
  /// Forgets cached pages, so that the next read comes from the medium: a page that failed to sync may sit in memory,
  /// marked clean, with bytes the disk never got.
  virtual void drop_cache() = 0;
  virtual Result<std::uint64_t> size() = 0;
};

class FileAccess {
 public:
  virtual ~FileAccess() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path) = 0;
  /// A new file of `size` zero bytes that are written, not just reserved, and synced together with its directory entry.
  /// It appears under its name only when complete.
  virtual Status create_zero_filled(const std::string& path, std::uint64_t size) = 0;
  /// Writes a small file whole: temporary name, sync, rename, sync of the directory.
  virtual Status replace(const std::string& path, ByteSpan bytes) = 0;
  virtual Result<Bytes> read_all(const std::string& path, std::size_t bytes_max) = 0;
  /// Names (not paths) of the regular files in a directory, sorted.
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  virtual Status remove(const std::string& path) = 0;
};

FileAccess& posix_file_access();
/// Opens files for reading only, so that it works where nothing may be written.
FileAccess& posix_read_access();

}  // namespace galen::node
