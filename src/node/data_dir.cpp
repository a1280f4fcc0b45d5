// The data directory's shape and its lock: an flock on DIR/lock, which the kernel gives back however the process ends.
#include "galen/node/data_dir.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace galen::node {
namespace {

std::string name_of(uid_t user) {
  const passwd* entry = ::getpwuid(user);
  return entry != nullptr ? entry->pw_name : "user " + std::to_string(user);
}

/// Whose it is, or whose the nearest folder above it is that can be looked at.
std::string whose(std::string path) {
  struct stat info {};
  while (::stat(path.c_str(), &info) != 0) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos || slash == 0) return {};
    path.resize(slash);
  }
  return path + " belongs to " + name_of(info.st_uid) + ", and ";
}

}  // namespace

// Files that root made or copied are the usual reason, and nothing is lost then.
std::string about_rights(const std::string& path, int reason) {
  if (reason != EACCES && reason != EPERM) return {};
  return "; " + whose(path) + "this process runs as " + name_of(::geteuid()) +
         ": run it as the node's user (runuser -u USER -- galend ...), or give all of its files to that user "
         "(chown -R, chmod -R u+rwX)";
}

namespace {

Error failure(const char* what, const std::string& path) {
  const int reason = errno;
  return make_error(ErrorCode::IO_ERROR, std::string("cannot ") + what + " " + path + ": " + std::strerror(reason) +
                                             about_rights(path, reason));
}

/// Any other reason (rights, a link in a circle, the disk) does not say that it is not there.
bool says_missing(int reason) { return reason == ENOENT || reason == ENOTDIR; }

/// What is there, 0: nothing.
Result<mode_t> look_at(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) return info.st_mode;
  if (says_missing(errno)) return mode_t{0};
  return failure("look at", path);
}
Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return failure("create", path);
  GALEN_ASSIGN(const auto present, look_at(path));
  if (S_ISDIR(present)) return {};
  return {ErrorCode::IO_ERROR, "cannot create " + path + ": what has this name is no directory"};
}

/// What is opened first of each part, and what has to be allowed there.
struct Part {
  const char* name;
  int to_read, to_write;
};
constexpr int kList = R_OK | X_OK, kFill = R_OK | W_OK | X_OK, kChange = R_OK | W_OK;
constexpr Part kParts[] = {{"", kList, kFill},
                           {"/wal", kList, kFill},
                           {"/wal/manifest", R_OK, kChange},
                           {"/ledger", kList, kFill},
                           {"/ledger/CURRENT", R_OK, R_OK},
                           {"/ledger/LOCK", F_OK, kChange},
                           {"/vault", kList, kList},
                           {"/vault/index", kList, kFill},
                           {"/vault/index/CURRENT", R_OK, R_OK},
                           {"/vault/index/LOCK", F_OK, kChange},
                           {"/keyring", kList, kList},
                           {"/keyring/keyring.bin", R_OK, kChange}};

/// What is not there is for its own part to say.
Status check_access(const std::string& path, int wanted) {
  if (::access(path.c_str(), wanted) == 0 || says_missing(errno)) return {};
  return failure((wanted & W_OK) != 0 ? "read and write" : "read", path);
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

Status DataDir::check_new(const std::string& path) {
  GALEN_ASSIGN(const auto manifest, look_at(path + "/wal/manifest"));
  if (manifest != 0)
    return {ErrorCode::ALREADY_EXISTS, "the data directory " + path + " was initialised before; it is left as it is"};
  return {};
}

Status DataDir::create(const std::string& path) {
  GALEN_TRY(check_new(path));
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    GALEN_TRY(make_directory(path.substr(0, slash)));
  GALEN_TRY(make_directory(path));
  for (const char* part : {"/ledger", "/keyring", "/vault", "/wal"}) GALEN_TRY(make_directory(path + part));
  return {};
}

Status DataDir::check_parts(const std::string& path, Use use) {
  GALEN_ASSIGN(const auto directory, look_at(path));
  if (!S_ISDIR(directory))
    return {ErrorCode::DATA_DIR_MISSING, "there is no data directory " + path + ", or its volume is not mounted"};
  GALEN_ASSIGN(const auto log, look_at(path + "/wal"));
  if (!S_ISDIR(log))
    return {ErrorCode::DATA_DIR_MISSING, "the data directory " + path +
                                              " holds no log: it was never initialised, or the log is lost; galend repair "
                                              "--log makes a new one for a member that had one"};
  for (const auto& part : kParts)
    GALEN_TRY(check_access(path + part.name, use == Use::write ? part.to_write : part.to_read));
  return {};
}

Result<DataDir> DataDir::open(const std::string& path) {
  GALEN_TRY(check_parts(path, Use::write));
  return lock_to_write(path);
}

Result<DataDir> DataDir::lock_to_write(const std::string& path) {
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
  GALEN_TRY(check_parts(path, Use::read));
  if (::access(path.c_str(), W_OK) == 0 || (errno != EROFS && errno != EACCES)) return lock_to_write(path);
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
