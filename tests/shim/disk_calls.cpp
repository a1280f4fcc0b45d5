// The calls that the shim replaces. Each asks decide() when the file is ours, tells the journal what it is about to
// lose, and then does the real thing, a part of it, or nothing. A file's place is read from /proc at each call:
// descriptors are used again.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>

#include "disk_shim.hpp"

using namespace galen::shim;

namespace {

int refuse(Fault fault) {
  errno = fault == Fault::enospc ? ENOSPC : EIO;
  return -1;
}
bool refuses(Fault fault) { return fault == Fault::eio || fault == Fault::enospc; }

/// Half, cut at a sector where there is one: what a disk may have done when it stops.
std::size_t part_of(std::size_t bytes) {
  auto half = bytes / 2;
  return half >= 512 ? half / 512 * 512 : half;
}

/// `write_some(n)` does the first n bytes by the real call.
template <class WriteSome>
ssize_t changed_write(int fd, off_t offset, std::size_t bytes, WriteSome write_some) {
  auto path = path_of(fd);
  if (!is_ours(path)) return write_some(bytes);
  auto fault = decide(Call::write, path, bytes);
  if (refuses(fault)) return refuse(fault);
  if (fault == Fault::drop) return static_cast<ssize_t>(bytes);
  journal_overwrite(fd, offset, bytes);
  if (fault == Fault::short_write) return write_some(part_of(bytes));
  auto result = write_some(fault == Fault::torn ? part_of(bytes) : bytes);
  end_if_killed(fault);
  return fault == Fault::torn ? refuse(fault) : result;
}

off_t position_of(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_APPEND) != 0) {
    struct stat info {};
    return fstat(fd, &info) == 0 ? info.st_size : 0;
  }
  return lseek(fd, 0, SEEK_CUR);
}

int changed_sync(const char* function, int fd) {
  auto real = next<int(int)>(function);
  auto path = path_of(fd);
  if (!is_ours(path)) return real(fd);
  auto fault = decide(Call::sync, path, 0);
  if (refuses(fault)) return refuse(fault);
  if (fault == Fault::drop) return 0;
  auto position = journal_position();
  int result = real(fd);
  if (result == 0) journal_synced(fd, position);
  end_if_killed(fault);
  return result;
}

int changed_rename(const char* from, const char* to, int (*real)(const char*, const char*)) {
  auto source = absolute(from), target = absolute(to);
  if (!is_ours(target)) return real(from, to);
  auto fault = decide(Call::rename, target, 0);
  if (refuses(fault)) return refuse(fault);
  if (fault == Fault::drop) return 0;
  journal_rename(source, target);
  int result = real(from, to);
  end_if_killed(fault);
  return result;
}

template <class Real>
int changed_size(int fd, off_t size, Real real) {
  auto path = path_of(fd);
  if (!is_ours(path)) return real();
  auto fault = decide(Call::size, path, 0);
  if (refuses(fault)) return refuse(fault);
  if (fault == Fault::drop) return 0;
  if (size >= 0) journal_truncate(fd, size);
  int result = real();
  end_if_killed(fault);
  return result;
}

template <class Real>
int changed_open(const char* name, int flags, Real real) {
  auto path = absolute(name);
  if ((flags & (O_CREAT | O_TRUNC)) == 0 || !is_ours(path)) return real();
  struct stat info {};
  bool is_new = stat(path.c_str(), &info) != 0;
  if (!is_new && (flags & O_TRUNC) != 0) {
    int before = next<int(const char*, int, ...)>("open")(name, O_RDWR | O_CLOEXEC);
    if (before >= 0) {
      journal_truncate(before, 0);
      close(before);
    }
  }
  int fd = real();
  if (fd >= 0 && is_new) journal_created(path);
  return fd;
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* data, size_t bytes) {
  static auto* real = next<ssize_t(int, const void*, size_t)>("write");
  return changed_write(fd, position_of(fd), bytes, [&](size_t n) { return real(fd, data, n); });
}
ssize_t pwrite(int fd, const void* data, size_t bytes, off_t offset) {
  static auto* real = next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return changed_write(fd, offset, bytes, [&](size_t n) { return real(fd, data, n, offset); });
}
ssize_t pwrite64(int fd, const void* data, size_t bytes, off64_t offset) { return pwrite(fd, data, bytes, offset); }
ssize_t writev(int fd, const struct iovec* parts, int count) {
  static auto* real = next<ssize_t(int, const struct iovec*, int)>("writev");
  static auto* plain = next<ssize_t(int, const void*, size_t)>("write");
  size_t bytes = 0;
  for (int i = 0; i < count; ++i) bytes += parts[i].iov_len;
  return changed_write(fd, position_of(fd), bytes, [&](size_t n) -> ssize_t {
    if (n == bytes) return real(fd, parts, count);
    ssize_t done = 0;
    for (int i = 0; i < count && n > 0; ++i) {
      auto some = std::min(n, parts[i].iov_len);
      auto result = plain(fd, parts[i].iov_base, some);
      if (result < 0) return done > 0 ? done : result;
      done += result;
      n -= some;
    }
    return done;
  });
}

int fsync(int fd) { return changed_sync("fsync", fd); }
int fdatasync(int fd) { return changed_sync("fdatasync", fd); }

int rename(const char* from, const char* to) noexcept {
  static auto* real = next<int(const char*, const char*)>("rename");
  return changed_rename(from, to, real);
}

int ftruncate(int fd, off_t size) noexcept {
  static auto* real = next<int(int, off_t)>("ftruncate");
  return changed_size(fd, size, [&] { return real(fd, size); });
}
int ftruncate64(int fd, off64_t size) noexcept { return ftruncate(fd, size); }
int fallocate(int fd, int mode, off_t offset, off_t bytes) {
  static auto* real = next<int(int, int, off_t, off_t)>("fallocate");
  return changed_size(fd, -1, [&] { return real(fd, mode, offset, bytes); });
}
int fallocate64(int fd, int mode, off64_t offset, off64_t bytes) { return fallocate(fd, mode, offset, bytes); }

int unlink(const char* name) noexcept {
  static auto* real = next<int(const char*)>("unlink");
  auto path = absolute(name);
  if (is_ours(path)) journal_unlink(path);
  return real(name);
}
int link(const char* from, const char* to) noexcept {
  static auto* real = next<int(const char*, const char*)>("link");
  int result = real(from, to);
  auto path = absolute(to);
  if (result == 0 && is_ours(path)) journal_created(path);
  return result;
}

int open(const char* name, int flags, ...) {
  static auto* real = next<int(const char*, int, ...)>("open");
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return changed_open(name, flags, [&] { return real(name, flags, mode); });
}
int open64(const char* name, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open(name, flags, mode);
}

}  // extern "C"
