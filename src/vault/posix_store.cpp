#include "posix_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace galen::vault {
namespace {

Error failure(const char* what, const std::string& path) {
  const auto code = errno == ENOENT ? ErrorCode::NOT_FOUND : ErrorCode::IO_ERROR;
  return make_error(code, std::string("cannot ") + what + " " + path + ": " + std::strerror(errno));
}

bool write_all(int fd, std::uint64_t offset, ByteSpan bytes) {
  while (!bytes.empty()) {
    const auto count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return true;
}

Status sync_directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash);
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failure("open", directory);
  const bool synced = ::fsync(fd) == 0;
  auto error = synced ? Error{} : failure("sync", directory);
  ::close(fd);
  if (!synced) return error;
  return {};
}

}  // namespace

Status create_private_file(const std::string& path, ByteSpan bytes) {
  if (::access(path.c_str(), F_OK) == 0)
    return {ErrorCode::ALREADY_EXISTS, "the file " + path + " is there already; it is left as it is"};
  const std::string temporary = path + ".tmp";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failure("create", temporary);
  const bool written = write_all(fd, 0, bytes) && ::fsync(fd) == 0;
  auto error = written ? Error{} : failure("write", temporary);
  ::close(fd);
  if (!written) return error;
  // link, not rename: it never replaces a key that appeared in between.
  if (::link(temporary.c_str(), path.c_str()) != 0) return failure("create", path);
  ::unlink(temporary.c_str());
  return sync_directory_of(path);
}

Result<Bytes> read_file(const std::string& path, std::size_t bytes_max) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failure("open", path);
  struct stat info {};
  Bytes out;
  bool read = ::fstat(fd, &info) == 0 && static_cast<std::uint64_t>(info.st_size) <= bytes_max;
  if (read) {
    out.resize(static_cast<std::size_t>(info.st_size));
    for (std::size_t at = 0; read && at < out.size();) {
      const auto count = ::pread(fd, out.data() + at, out.size() - at, static_cast<off_t>(at));
      if (count < 0 && errno == EINTR) continue;
      read = count > 0;
      if (read) at += static_cast<std::size_t>(count);
    }
  }
  ::close(fd);
  if (!read) return {ErrorCode::IO_ERROR, "cannot read " + path + ", or it is larger than it can be"};
  return out;
}

Status check_not_world_readable(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return failure("open", path);
  if ((info.st_mode & S_IROTH) != 0)
    return {ErrorCode::KEY_FILE_READABLE, "everyone on this machine can read the key file " + path};
  return {};
}

Result<InPlaceFile> InPlaceFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return failure("open", path);
  return InPlaceFile(fd, path);
}
InPlaceFile::InPlaceFile(InPlaceFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}
InPlaceFile& InPlaceFile::operator=(InPlaceFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}
InPlaceFile::~InPlaceFile() {
  if (fd_ >= 0) ::close(fd_);
}
Status InPlaceFile::overwrite(std::uint64_t offset, ByteSpan bytes) {
  if (!write_all(fd_, offset, bytes) || ::fdatasync(fd_) != 0) return failure("write", path_);
  return {};
}

}  // namespace galen::vault
