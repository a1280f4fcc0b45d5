#include "galen/base/thread_clock.hpp"

#include <time.h>

#include "galen/base/assert.hpp"

namespace galen {

std::uint64_t thread_cpu_us() {
  timespec used{};
  GALEN_ASSERT(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0);
  return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(used.tv_nsec) / 1'000;
}

}  // namespace galen
