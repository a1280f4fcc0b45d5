#include "galenctl/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace galen::galenctl {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Error io_error(std::string_view doing, const std::string& path) {
  return make_error(ErrorCode::IO_ERROR, fmt::format("cannot {} {}: {}", doing, path, std::strerror(errno)));
}

Status write_new(const std::string& path, int flags, std::string_view content, unsigned mode) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, static_cast<mode_t>(mode)));
  if (file.get() < 0) return io_error("create", path);
  while (!content.empty()) {
    auto count = ::write(file.get(), content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return io_error("write", path);
    content.remove_prefix(static_cast<std::size_t>(count));
  }
  // A device or pipe has nothing to sync.
  if (::fsync(file.get()) != 0 && errno != EINVAL) return io_error("sync", path);
  return {};
}

}  // namespace

Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max) {
  GALEN_ASSIGN(auto out, read_beginning(path, bytes_max + 1));
  if (out.size() <= bytes_max) return out;
  return make_error(ErrorCode::TOO_LARGE, fmt::format("{} is larger than {} bytes", path, bytes_max));
}

Result<std::string> read_beginning(const std::string& path, std::size_t bytes_max) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return io_error("open", path);
  std::string out;
  char buffer[64 * 1024];
  while (out.size() < bytes_max) {
    auto count = ::read(file.get(), buffer, std::min(sizeof buffer, bytes_max - out.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return io_error("read", path);
    if (count == 0) break;
    out.append(buffer, static_cast<std::size_t>(count));
  }
  return out;
}

Status write_file(const std::string& path, std::string_view content, unsigned mode) {
  struct stat facts;
  if (::lstat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode))
    return make_error(ErrorCode::IO_ERROR, fmt::format("{} is a directory: name a file", path));
  if (is_written_through(path)) return write_new(path, O_TRUNC, content, mode);
  std::string beside = fmt::format("{}.new-{}", path, ::getpid());
  ::unlink(beside.c_str());
  auto written = write_new(beside, O_EXCL, content, mode);
  if (written && ::rename(beside.c_str(), path.c_str()) != 0) written = io_error("rename to", path);
  if (!written) ::unlink(beside.c_str());
  return written;
}

bool is_written_through(const std::string& path) {
  struct stat facts;
  return ::lstat(path.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode);
}

Status make_directories(const std::string& path, unsigned mode) {
  std::error_code failure;
  bool made = std::filesystem::create_directories(path, failure);
  if (failure) return make_error(ErrorCode::IO_ERROR, fmt::format("cannot make {}: {}", path, failure.message()));
  if (made && ::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0) return io_error("set the mode of", path);
  return {};
}

Status check_secret_mode(const std::string& path) {
  struct stat facts;
  if (::stat(path.c_str(), &facts) != 0) return io_error("find", path);
  if ((facts.st_mode & 0007) == 0) return {};
  return make_error(ErrorCode::KEY_FILE_READABLE, fmt::format("everyone on this machine can read the key {}", path));
}

std::uint64_t file_size(const std::string& path) {
  struct stat facts;
  return ::stat(path.c_str(), &facts) == 0 ? static_cast<std::uint64_t>(facts.st_size) : 0;
}

bool file_exists(const std::string& path) {
  struct stat ignored;
  return ::stat(path.c_str(), &ignored) == 0;
}

std::string absolute_path(const std::string& path) {
  std::error_code failure;
  auto out = std::filesystem::absolute(path, failure).lexically_normal().string();
  return failure ? path : out;
}

}  // namespace galen::galenctl
