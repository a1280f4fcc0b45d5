// Many seeds at once: what a run says when the process ends in one of them.
#include "sim/runner.hpp"

#include <gtest/gtest.h>

#include "galen/base/assert.hpp"

namespace galen::sim {
namespace {

TEST(Runner, AnAssertionThatFailsNamesTheSeedThatReplaysIt) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  RunOptions run;
  run.first = 40;
  run.seeds = 10;
  run.layer = 2;
  run.run_one = [](std::uint64_t seed) {
    GALEN_ASSERT(seed != 47);
    return SeedResult{};
  };
  EXPECT_DEATH(run_seeds(run), "assertion failed: seed != 47.*\n.*replay: galen-sim replay 47 --layer 2");
}

}  // namespace
}  // namespace galen::sim
