// The seed of a randomised test: another one at every run, printed when the test fails; GALEN_TEST_SEED replays one.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>

namespace galen::test {

inline std::uint64_t test_seed() {
  if (const char* text = std::getenv("GALEN_TEST_SEED")) return std::strtoull(text, nullptr, 10);
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace galen::test
