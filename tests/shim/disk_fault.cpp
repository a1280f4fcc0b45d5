// Which call goes wrong, and how. Set by environment variables, read once:
//   GALEN_SHIM_DIR       absolute path of the data directory; without it nothing is counted
//   GALEN_SHIM_CLASS     files that count: log rocksdb vault keyring config, with commas; default all
//   GALEN_SHIM_CALL      calls that count: write sync rename size, with commas; default all
//   GALEN_SHIM_FAULT     eio enospc short torn delay drop kill
//   GALEN_SHIM_AT        the fault hits the first call from this number on that it fits; counted from 1
//   GALEN_SHIM_EVERY     1: and every later one, for a disk that stays slow
//   GALEN_SHIM_DELAY_MS  for delay
//   GALEN_SHIM_TRACE     a file; one line a counted call: number, class, call, bytes, name; FIRED and CLOCK_MONOTONIC at the fault
//   GALEN_SHIM_STATVFS   a file with "free total" in bytes, read anew at each statvfs
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "disk_shim.hpp"

namespace galen::shim {
namespace {

std::string text_of(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}
long number_of(const char* name) { return std::strtol(text_of(name).c_str(), nullptr, 10); }

bool names(const std::string& list, const char* word) {
  return list.empty() || ("," + list + ",").find("," + std::string(word) + ",") != std::string::npos;
}

Fault fault_of(const std::string& name) {
  if (name == "eio") return Fault::eio;
  if (name == "enospc") return Fault::enospc;
  if (name == "short") return Fault::short_write;
  if (name == "torn") return Fault::torn;
  if (name == "delay") return Fault::delay;
  if (name == "drop") return Fault::drop;
  if (name == "kill") return Fault::kill;
  return Fault::none;
}

struct Settings {
  std::string directory = text_of("GALEN_SHIM_DIR");
  std::string classes = text_of("GALEN_SHIM_CLASS");
  std::string calls = text_of("GALEN_SHIM_CALL");
  Fault fault = fault_of(text_of("GALEN_SHIM_FAULT"));
  long at = number_of("GALEN_SHIM_AT");
  bool every = number_of("GALEN_SHIM_EVERY") != 0;
  long delay_ms = number_of("GALEN_SHIM_DELAY_MS");
  int trace = -1;

  Settings() {
    auto path = text_of("GALEN_SHIM_TRACE");
    if (!path.empty())
      trace = static_cast<int>(
          syscall(SYS_openat, AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  }
};
const Settings& settings() {
  static const Settings settings;
  return settings;
}

constexpr const char* kCallNames[] = {"write", "sync", "rename", "size"};

const char* class_of(const std::string& path) {
  auto rest = path.substr(settings().directory.size());
  if (rest.rfind("/wal", 0) == 0) return "log";
  if (rest.rfind("/ledger", 0) == 0) return "rocksdb";
  if (rest.rfind("/vault", 0) == 0) return "vault";
  if (rest.rfind("/keyring", 0) == 0) return "keyring";
  return "config";
}

bool fits(Fault fault, Call call, std::size_t bytes) {
  bool is_write = call == Call::write;
  if (fault == Fault::short_write || fault == Fault::torn) return is_write && bytes > 1;
  return fault != Fault::none;
}

std::mutex mutex;
long count = 0;
bool fired = false;

}  // namespace

void* next_function(const char* name) {
  void* found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) abort();
  return found;
}

std::string path_of(int fd) {
  char link[64], target[PATH_MAX];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  auto length = readlink(link, target, sizeof target);
  return length <= 0 || target[0] != '/' ? "" : std::string(target, static_cast<std::size_t>(length));
}

std::string absolute(const char* path) {
  if (path == nullptr || path[0] == '\0') return "";
  if (path[0] == '/') return path;
  char here[PATH_MAX];
  return getcwd(here, sizeof here) == nullptr ? "" : std::string(here) + "/" + path;
}

bool is_ours(const std::string& path) {
  const auto& directory = settings().directory;
  return !directory.empty() && path.rfind(directory, 0) == 0 &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

Fault decide(Call call, const std::string& path, std::size_t bytes) {
  const auto& set = settings();
  const char* kind = class_of(path);
  const char* call_name = kCallNames[static_cast<int>(call)];
  if (!names(set.classes, kind) || !names(set.calls, call_name)) return Fault::none;
  Fault out = Fault::none;
  {
    std::lock_guard lock(mutex);
    ++count;
    if ((!fired || set.every) && set.at > 0 && count >= set.at && fits(set.fault, call, bytes)) {
      fired = true;
      out = set.fault;
    }
    if (set.trace >= 0) {
      timespec now{};
      clock_gettime(CLOCK_MONOTONIC, &now);
      char line[PATH_MAX + 128];
      auto name = path.substr(set.directory.size());
      auto length = std::snprintf(line, sizeof line, "%ld %s %s %zu %s%s %lld.%06ld\n", count, kind, call_name, bytes,
                                  name.c_str(), out == Fault::none ? "" : " FIRED", static_cast<long long>(now.tv_sec),
                                  now.tv_nsec / 1000);
      (void)syscall(SYS_write, set.trace, line, static_cast<std::size_t>(length));
    }
  }
  if (out == Fault::delay) {
    timespec wait{set.delay_ms / 1000, (set.delay_ms % 1000) * 1'000'000};
    while (nanosleep(&wait, &wait) != 0) {
    }
    return Fault::none;
  }
  return out;
}

void end_if_killed(Fault fault) {
  if (fault == Fault::kill) syscall(SYS_kill, getpid(), SIGKILL);
}

}  // namespace galen::shim

using namespace galen::shim;

namespace {

template <class Stat>
int faked_statvfs(const char* function, const char* path, Stat* out) {
  int result = next<int(const char*, Stat*)>(function)(path, out);
  const char* file = std::getenv("GALEN_SHIM_STATVFS");
  if (result != 0 || file == nullptr) return result;
  char text[64] = {};
  int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0));
  if (fd < 0) return result;
  (void)syscall(SYS_read, fd, text, sizeof text - 1);
  syscall(SYS_close, fd);
  unsigned long long free_bytes = 0, total = 0;
  if (std::sscanf(text, "%llu %llu", &free_bytes, &total) != 2) return result;
  out->f_frsize = out->f_bsize = 4096;
  out->f_blocks = total / 4096;
  out->f_bfree = out->f_bavail = free_bytes / 4096;
  return 0;
}

}  // namespace

extern "C" int statvfs(const char* path, struct statvfs* out) noexcept { return faked_statvfs("statvfs", path, out); }
extern "C" int statvfs64(const char* path, struct statvfs64* out) noexcept {
  return faked_statvfs("statvfs64", path, out);
}
