// FileAccess over POSIX calls. Every failed call becomes one IO_ERROR that names the path and the system's reason; an
// interrupted or short write goes on where it stopped, anything else is final.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "galen/node/file_access.hpp"

namespace galen::node {
namespace {

Error io_error(const char* what, const std::string& path, int reason) {
  return make_error(reason == ENOENT ? ErrorCode::NOT_FOUND : ErrorCode::IO_ERROR,
                    std::string("cannot ") + what + " " + path + ": " + std::strerror(reason));
}
Error hard_error(const char* what, const std::string& path, int reason) {
  auto error = io_error(what, path, reason);
  error.code = ErrorCode::IO_ERROR;
  return error;
}

Status write_all(int fd, const std::string& path, std::uint64_t offset, ByteSpan bytes) {
  while (!bytes.empty()) {
    const auto count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return hard_error("write", path, errno);
    if (count == 0) return hard_error("write", path, ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Status write_at(std::uint64_t offset, ByteSpan bytes) override { return write_all(fd_, path_, offset, bytes); }
  Status read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
    while (!out.empty()) {
      const auto count = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return hard_error("read", path_, errno);
      if (count == 0) return {ErrorCode::IO_ERROR, "cannot read " + path_ + ": the file ends too early"};
      out = out.subspan(static_cast<std::size_t>(count));
      offset += static_cast<std::uint64_t>(count);
    }
    return {};
  }
  Status sync_data() override {
    if (::fdatasync(fd_) != 0) return hard_error("sync", path_, errno);
    return {};
  }
  void drop_cache() override { (void)::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED); }
  Result<std::uint64_t> size() override {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return hard_error("stat", path_, errno);
    return static_cast<std::uint64_t>(info.st_size);
  }

 private:
  int fd_;
  std::string path_;
};

Status sync_directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash);
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return hard_error("open", directory, errno);
  const int failed = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  if (failed != 0) return hard_error("sync", directory, failed);
  return {};
}

/// Syncs, closes, and moves a complete temporary file to its name.
Status publish(int fd, const std::string& temporary, const std::string& path, Status written) {
  const int failed = written && ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  if (written && failed == 0 && ::rename(temporary.c_str(), path.c_str()) == 0) return sync_directory_of(path);
  const int reason = failed != 0 ? failed : errno;
  ::unlink(temporary.c_str());
  if (!written) return written;
  return hard_error(failed != 0 ? "sync" : "rename", path, reason);
}

class PosixFileAccess final : public FileAccess {
 public:
  explicit PosixFileAccess(int open_flags) : open_flags_(open_flags) {}

  Result<std::unique_ptr<File>> open(const std::string& path) override {
    const int fd = ::open(path.c_str(), open_flags_ | O_CLOEXEC);
    if (fd < 0) return io_error("open", path, errno);
    return std::unique_ptr<File>(new PosixFile(fd, path));
  }

  Status create_zero_filled(const std::string& path, std::uint64_t size) override {
    const std::string temporary = path + ".tmp";
    const int fd = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return hard_error("create", temporary, errno);
    const Bytes zeros(1 << 20);
    Status written;
    for (std::uint64_t offset = 0; written && offset < size; offset += zeros.size()) {
      const auto count = std::min<std::uint64_t>(zeros.size(), size - offset);
      written = write_all(fd, temporary, offset, ByteSpan(zeros).first(count));
    }
    return publish(fd, temporary, path, std::move(written));
  }

  Status replace(const std::string& path, ByteSpan bytes) override {
    const std::string temporary = path + ".tmp";
    const int fd = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return hard_error("create", temporary, errno);
    auto written = write_all(fd, temporary, 0, bytes);
    return publish(fd, temporary, path, std::move(written));
  }

  Result<Bytes> read_all(const std::string& path, std::size_t bytes_max) override {
    GALEN_ASSIGN(auto file, open(path));
    GALEN_ASSIGN(const auto size, file->size());
    if (size > bytes_max) return {ErrorCode::IO_ERROR, "cannot read " + path + ": larger than it can be"};
    Bytes out(size);
    GALEN_TRY(file->read_at(0, out));
    return out;
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    DIR* handle = ::opendir(directory.c_str());
    if (handle == nullptr) return io_error("open", directory, errno);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(handle)) {
      struct stat info {};
      const std::string name = entry->d_name;
      if (::stat((directory + "/" + name).c_str(), &info) == 0 && S_ISREG(info.st_mode)) names.push_back(name);
    }
    ::closedir(handle);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return io_error("remove", path, errno);
    return sync_directory_of(path);
  }

 private:
  const int open_flags_;
};

}  // namespace

FileAccess& posix_file_access() {
  static PosixFileAccess access(O_RDWR);
  return access;
}
FileAccess& posix_read_access() {
  static PosixFileAccess access(O_RDONLY);
  return access;
}

}  // namespace galen::node
