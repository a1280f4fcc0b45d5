// Records what the host process gives to TLS: the plaintext of every frame it sends, in the order in which it leaves.
// It takes the place of a recording proxy, which could not read inside TLS 1.3. GALEN_RECORD_DIR names the folder of
// the records, galend-PID.wire; without it nothing is done. A record: u64 CLOCK_MONOTONIC in microseconds ‖ u64
// connection ‖ u32 length ‖ bytes; length 0: the connection is new. It is written after TLS took the bytes and before
// they can reach the socket, so a kill may leave a record of what never left, but nothing leaves without a record.
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "disk_shim.hpp"

namespace {

int record_file() {
  static const int fd = [] {
    const char* folder = std::getenv("GALEN_RECORD_DIR");
    // The front end inherits the environment; what it says to clients is no matter of consensus.
    if (folder == nullptr || std::strcmp(program_invocation_short_name, "galend") != 0) return -1;
    auto path = std::string(folder) + "/galend-" + std::to_string(getpid()) + ".wire";
    return static_cast<int>(
        syscall(SYS_openat, AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  }();
  return fd;
}

void record(const SSL* connection, const void* data, std::size_t bytes) {
  if (record_file() < 0) return;
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  auto time_us = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
  auto id = reinterpret_cast<std::uint64_t>(connection);
  auto length = static_cast<std::uint32_t>(bytes);
  std::vector<char> out(20 + bytes);
  std::memcpy(&out[0], &time_us, 8);
  std::memcpy(&out[8], &id, 8);
  std::memcpy(&out[16], &length, 4);
  if (bytes > 0) std::memcpy(&out[20], data, bytes);
  if (syscall(SYS_write, record_file(), out.data(), out.size()) != static_cast<long>(out.size())) abort();
}

}  // namespace

extern "C" SSL* SSL_new(SSL_CTX* context) {
  static auto* real = galen::shim::next<SSL*(SSL_CTX*)>("SSL_new");
  auto* connection = real(context);
  record(connection, nullptr, 0);
  return connection;
}
extern "C" int SSL_write(SSL* connection, const void* data, int bytes) {
  static auto* real = galen::shim::next<int(SSL*, const void*, int)>("SSL_write");
  int result = real(connection, data, bytes);
  if (result > 0) record(connection, data, static_cast<std::size_t>(result));
  return result;
}
extern "C" int SSL_write_ex(SSL* connection, const void* data, size_t bytes, size_t* written) {
  static auto* real = galen::shim::next<int(SSL*, const void*, size_t, size_t*)>("SSL_write_ex");
  int result = real(connection, data, bytes, written);
  if (result == 1) record(connection, data, *written);
  return result;
}
