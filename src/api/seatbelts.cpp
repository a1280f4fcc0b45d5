#include "api/seatbelts.hpp"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "galen/base/log.hpp"
#include "galen/base/thread_name.hpp"

namespace galen::api {

void fasten_seatbelts() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);  // a core file would hold the TLS key and clients' requests
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

Result<std::size_t> resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t total_pages = 0, resident_pages = 0;
  if (!(file >> total_pages >> resident_pages))
    return make_error(ErrorCode::IO_ERROR, "/proc/self/statm cannot be read");
  return resident_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

void start_memory_watchdog(std::size_t resident_bytes_max) {
  // Detached: it lives as long as the process and owns nothing.
  std::thread([resident_bytes_max] {
    name_this_thread("memory watch");
    for (;;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      auto now = resident_bytes();
      if (!now) return;
      if (*now <= resident_bytes_max) continue;
      ::malloc_trim(0);  // perhaps it is only free memory that was kept
      now = resident_bytes();
      if (!now || *now <= resident_bytes_max) continue;
      log::critical("front end ends itself: resident_bytes={} limit={}", *now, resident_bytes_max);
      ::_exit(kMemoryExit);
    }
  }).detach();
}

}  // namespace galen::api
