// Time at the edges. Consensus, ledger and contracts never read a clock: they get ticks and block time as input.
#pragma once

#include <cstdint>

namespace galen {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Milliseconds since 1970-01-01 UTC.
  virtual std::uint64_t wall_ms() const = 0;
  /// Microseconds of a clock that never goes back; only differences mean anything.
  virtual std::uint64_t monotonic_us() const = 0;
};

/// The operating system's clocks.
const Clock& system_clock();

}  // namespace galen
