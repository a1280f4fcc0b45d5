// Layer 2: whole nodes over simulated media. Many seeds run as the test sim.layer2; here is what must hold of each run.
#include <gtest/gtest.h>

#include "sim/whole/cluster.hpp"

namespace galen::sim {
namespace {

TEST(Cluster, SameSeedSameRun) {
  for (std::uint64_t seed : {1u, 2u, 3u}) {
    auto first = run_whole(draw_whole(seed)), second = run_whole(draw_whole(seed));
    EXPECT_EQ(first.failure, second.failure) << "seed " << seed;
    EXPECT_EQ(first.digest, second.digest) << "seed " << seed;
    EXPECT_EQ(first.tally.events, second.tally.events) << "seed " << seed;
  }
}

TEST(Cluster, NodesAreHurtAndNothingAcknowledgedIsLost) {
  RunOptions run;
  run.layer = 2;
  run.seeds = 12;
  run.run_one = [](std::uint64_t seed) { return run_whole(draw_whole(seed)); };
  auto result = run_seeds(run);
  EXPECT_TRUE(result.failures.empty()) << to_text(run, result);
  EXPECT_GT(result.tally.faults["receipt verified"], 0u);
  EXPECT_GT(result.tally.faults["checkpoint"], 0u);
  EXPECT_GT(result.tally.faults["crash"], 0u);
}

TEST(Cluster, AdministratorsChangeTheMembersAndNodesGoOver) {
  RunOptions run;
  run.layer = 2;
  run.seeds = 8;
  run.run_one = [](std::uint64_t seed) {
    auto options = draw_whole(seed);
    options.changes = 2;
    options.byzantine = 0;
    options.chaos_ms = 4000;
    return run_whole(options);
  };
  auto result = run_seeds(run);
  EXPECT_TRUE(result.failures.empty()) << to_text(run, result);
  EXPECT_GE(result.tally.faults["epoch ended"], 8u);
  EXPECT_GT(result.tally.faults["epoch chain verified"], 0u);
  EXPECT_GT(result.tally.faults["begins an epoch VOTING"], 0u);
}

}  // namespace
}  // namespace galen::sim
