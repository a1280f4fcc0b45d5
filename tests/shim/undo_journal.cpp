// What is not durable yet. Before a file of ours changes, what the change destroys is appended to a journal beside the
// data directory; a sync that succeeds marks what came before it as durable. After a SIGKILL power_loss.py reads the
// journal backwards and undoes every change that no sync covers, so the directory looks as after a loss of power on a
// disk that had written nothing it was not made to write. The journal itself lives in the page cache, which a SIGKILL
// does not take.
//
// A record: u8 kind ‖ u64 inode (0: none) ‖ u64 a ‖ u64 b ‖ u32 length ‖ bytes, in the machine's byte order. Its number
// is its place, from 0. Kinds: W overwrite (a offset, b size before, bytes: what stood there), T truncate (a new size,
// b old size, bytes: the tail), C created (bytes: path), R renamed (a: number of the kept copy of the replaced file or
// 0, bytes: from NUL to), U unlinked (a: number of the kept copy, bytes: path), S synced file (a: covers records before
// this number), D the same for a directory (bytes: its path).
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include "disk_shim.hpp"

namespace galen::shim {
namespace {

struct Journal {
  std::string directory;
  int fd = -1;
  std::mutex mutex;
  std::uint64_t records = 0;
  std::uint64_t kept = 0;

  Journal() {
    const char* value = std::getenv("GALEN_SHIM_JOURNAL");
    if (value == nullptr) return;
    directory = value;
    fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, (directory + "/journal").c_str(),
                                  O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
    if (fd < 0) abort();
  }

  void append(char kind, std::uint64_t inode, std::uint64_t a, std::uint64_t b, const void* data, std::size_t bytes) {
    std::vector<char> record(29 + bytes);
    auto length = static_cast<std::uint32_t>(bytes);
    record[0] = kind;
    std::memcpy(&record[1], &inode, 8);
    std::memcpy(&record[9], &a, 8);
    std::memcpy(&record[17], &b, 8);
    std::memcpy(&record[25], &length, 4);
    if (bytes > 0) std::memcpy(&record[29], data, bytes);
    // One write: a kill leaves the record whole or not at all, and the change it speaks of comes after it.
    if (syscall(SYS_write, fd, record.data(), record.size()) != static_cast<long>(record.size())) abort();
    ++records;
  }
  /// A second name for a file that is about to lose its own; 0 when there is none.
  std::uint64_t keep(const std::string& path) {
    auto name = directory + "/kept-" + std::to_string(kept + 1);
    if (syscall(SYS_linkat, AT_FDCWD, path.c_str(), AT_FDCWD, name.c_str(), 0) != 0) return 0;
    return ++kept;
  }
};

Journal* journal() {
  static Journal journal;
  return journal.fd < 0 ? nullptr : &journal;
}

std::vector<char> read_range(int fd, off_t offset, std::size_t bytes) {
  std::vector<char> out(bytes);
  // The descriptor may be open for writing only; its file is read by another one.
  auto path = path_of(fd);
  int reader = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC, 0));
  if (reader < 0) abort();
  std::size_t done = 0;
  while (done < bytes) {
    auto count = pread(reader, out.data() + done, bytes - done, offset + static_cast<off_t>(done));
    if (count <= 0) abort();
    done += static_cast<std::size_t>(count);
  }
  syscall(SYS_close, reader);
  return out;
}

}  // namespace

void journal_overwrite(int fd, off_t offset, std::size_t bytes) {
  auto* to = journal();
  if (to == nullptr) return;
  std::lock_guard lock(to->mutex);
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return;
  auto inside = std::max<off_t>(0, std::min<off_t>(info.st_size - offset, static_cast<off_t>(bytes)));
  auto old = read_range(fd, offset, static_cast<std::size_t>(inside));
  to->append('W', info.st_ino, static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(info.st_size), old.data(),
             old.size());
}

void journal_truncate(int fd, off_t size) {
  auto* to = journal();
  if (to == nullptr) return;
  std::lock_guard lock(to->mutex);
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return;
  auto tail = read_range(fd, size, static_cast<std::size_t>(std::max<off_t>(0, info.st_size - size)));
  to->append('T', info.st_ino, static_cast<std::uint64_t>(size), static_cast<std::uint64_t>(info.st_size), tail.data(),
             tail.size());
}

void journal_created(const std::string& path) {
  auto* to = journal();
  if (to == nullptr) return;
  std::lock_guard lock(to->mutex);
  to->append('C', 0, 0, 0, path.data(), path.size());
}

void journal_rename(const std::string& from, const std::string& target) {
  auto* to = journal();
  if (to == nullptr) return;
  std::lock_guard lock(to->mutex);
  auto kept = to->keep(target);
  auto both = from + '\0' + target;
  to->append('R', 0, kept, 0, both.data(), both.size());
}

void journal_unlink(const std::string& path) {
  auto* to = journal();
  if (to == nullptr) return;
  std::lock_guard lock(to->mutex);
  auto kept = to->keep(path);
  if (kept != 0) to->append('U', 0, kept, 0, path.data(), path.size());
}

std::uint64_t journal_position() {
  auto* to = journal();
  if (to == nullptr) return 0;
  std::lock_guard lock(to->mutex);
  return to->records;
}

void journal_synced(int fd, std::uint64_t position) {
  auto* to = journal();
  if (to == nullptr) return;
  std::lock_guard lock(to->mutex);
  struct stat info {};
  if (fstat(fd, &info) != 0) return;
  if (S_ISDIR(info.st_mode)) {
    auto path = path_of(fd);
    to->append('D', 0, position, 0, path.data(), path.size());
  } else {
    to->append('S', info.st_ino, position, 0, nullptr, 0);
  }
}

}  // namespace galen::shim
