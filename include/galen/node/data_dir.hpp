// The data directory of a node (design.md, Configuration and files): wal/, ledger/, keyring/, vault/, locked against a
// second process for as long as the DataDir lives. Only create() makes it (galend init).
#pragma once

#include <string>

#include "galen/base/result.hpp"

namespace galen::node {

/// Why the system denied it, to end a message with: whose the path is, who asked, and what to do. Empty for a `reason`
/// (errno) that is no matter of rights.
std::string about_rights(const std::string& path, int reason);

class DataDir {
 public:
  /// ALREADY_EXISTS if a log is there whole: its manifest is the last thing that galend init makes.
  static Status check_new(const std::string& path);
  /// Makes the directory and its parts, mode 0700, unless it is not new. What there is of them stays, so that an init
  /// that failed may be run again.
  static Status create(const std::string& path);
  /// Locks it. DATA_DIR_MISSING (no such directory, or never initialised), DATA_DIR_LOCKED (names the holder's process
  /// id), IO_ERROR, also when this user may not open a part of it: those below would take it for lost.
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
  enum class Use { read, write };
  static Status check_parts(const std::string& path, Use use);
  static Result<DataDir> lock_to_write(const std::string& path);
  DataDir(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}
  std::string path_;
  int lock_fd_ = -1;
};

}  // namespace galen::node
