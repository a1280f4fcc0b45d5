// The data directory's shape and its lock: an flock on DIR/lock, which the kernel gives back however the process ends.
#include "galen/node/data_dir.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace galen::node {
namespace {

Error failure(const char* what, const std::string& path) {
  return make_error(ErrorCode::IO_ERROR, std::string("cannot ") + what + " " + path + ": " + std::strerror(errno));
}
bool is_directory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}
Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || (errno == EEXIST && is_directory(path))) return {};
  return failure("create", path);
}
std::string holder_of(int fd) {
  char text[32] = {};
  const auto count = ::pread(fd, text, sizeof(text) - 1, 0);
  std::string out;
  for (ssize_t i = 0; i < count && text[i] >= '0' && text[i] <= '9'; ++i) out += text[i];
  return out.empty() ? "another process" : "process " + out;
}

Status take_lock(int fd, const std::string& path) {
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return failure("lock", path + "/lock");
  return {ErrorCode::DATA_DIR_LOCKED, "the data directory " + path + " is in use by " + holder_of(fd)};
}

}  // namespace

Status DataDir::create(const std::string& path) {
  if (is_directory(path + "/wal"))
    return {ErrorCode::ALREADY_EXISTS, "the data directory " + path + " was initialised before; it is left as it is"};
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    GALEN_TRY(make_directory(path.substr(0, slash)));
  GALEN_TRY(make_directory(path));
  for (const char* part : {"/ledger", "/keyring", "/vault", "/wal"}) GALEN_TRY(make_directory(path + part));
  return {};
}

Status DataDir::check_parts(const std::string& path) {
  if (!is_directory(path))
    return {ErrorCode::DATA_DIR_MISSING, "there is no data directory " + path + ", or its volume is not mounted"};
  if (!is_directory(path + "/wal"))
    return {ErrorCode::DATA_DIR_MISSING, "the data directory " + path +
                                              " holds no log: it was never initialised, or the log is lost; galend repair "
                                              "--log makes a new one for a member that had one"};
  return {};
}

Result<DataDir> DataDir::open(const std::string& path) {
  GALEN_TRY(check_parts(path));
  const std::string lock = path + "/lock";
  const int fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return failure("open", lock);
  DataDir out(path, fd);
  GALEN_TRY(take_lock(fd, path));
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    return failure("write", lock);
  return out;
}

Result<DataDir> DataDir::open_to_read(const std::string& path) {
  GALEN_TRY(check_parts(path));
  if (::access(path.c_str(), W_OK) == 0 || (errno != EROFS && errno != EACCES)) return open(path);
  const std::string lock = path + "/lock";
  const int fd = ::open(lock.c_str(), O_RDONLY | O_CLOEXEC);
  // Where none can be made no node runs either.
  if (fd < 0 && errno == ENOENT) return DataDir(path, -1);
  if (fd < 0) return failure("open", lock);
  DataDir out(path, fd);
  GALEN_TRY(take_lock(fd, path));
  return out;
}

DataDir::DataDir(DataDir&& other) noexcept
    : path_(std::move(other.path_)), lock_fd_(std::exchange(other.lock_fd_, -1)) {}
DataDir& DataDir::operator=(DataDir&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_fd_, other.lock_fd_);
  return *this;
}
DataDir::~DataDir() {
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

}  // namespace galen::node
