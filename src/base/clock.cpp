#include "galen/base/clock.hpp"

#include <chrono>

namespace galen {
namespace {

class SystemClock final : public Clock {
 public:
  std::uint64_t wall_ms() const override {
    using namespace std::chrono;
    return static_cast<std::uint64_t>(duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  }
  std::uint64_t monotonic_us() const override {
    using namespace std::chrono;
    return static_cast<std::uint64_t>(duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count());
  }
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace galen
