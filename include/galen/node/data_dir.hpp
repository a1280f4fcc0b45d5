// The data directory of a node (design.md, Configuration and files): wal/, ledger/, keyring/, vault/, locked against a
// second process for as long as the DataDir lives. Only create() makes it (galend init).
#pragma once

#include <string>

#include "galen/base/result.hpp"

namespace galen::node {

class DataDir {
 public:
  /// Makes the directory and its parts, mode 0700. ALREADY_EXISTS if a log is there.
  static Status create(const std::string& path);
  /// Locks it. DATA_DIR_MISSING (no such directory, or never initialised), DATA_DIR_LOCKED (names the holder's process
  /// id), IO_ERROR.
  static Result<DataDir> open(const std::string& path);
  /// The same for one who only reads. Where nothing may be written, a copy that is mounted read-only say, an existing
  /// lock is honoured and none is made.
  static Result<DataDir> open_to_read(const std::string& path);

  DataDir(DataDir&& other) noexcept;
  DataDir& operator=(DataDir&& other) noexcept;
  ~DataDir();

  const std::string& path() const { return path_; }
  std::string keyring() const { return path_ + "/keyring"; }
  std::string vault() const { return path_ + "/vault"; }

 private:
  static Status check_parts(const std::string& path);
  DataDir(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}
  std::string path_;
  int lock_fd_ = -1;
};

}  // namespace galen::node
