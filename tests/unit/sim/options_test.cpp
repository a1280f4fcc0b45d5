#include "sim/options.hpp"

#include <gtest/gtest.h>

#include <array>
#include <tuple>

namespace galen::sim {
namespace {

/// Two kinds of little room in one run would hide each other: what does not fit into one never comes to the other.
TEST(Options, LittleRoomIsOfOneKind) {
  std::size_t blocks = 0, votes = 0, strays = 0, both = 0;
  const consensus::Room ample;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    const auto room = draw(seed, Group::mixed).room;
    const int kinds = (room.blocks != ample.blocks) + (room.votes_per_member != ample.votes_per_member) +
                      (room.strays != ample.strays);
    blocks += room.blocks != ample.blocks;
    votes += room.votes_per_member != ample.votes_per_member;
    strays += room.strays != ample.strays;
    both += kinds > 1;
  }
  EXPECT_EQ(both, 0u);
  EXPECT_GT(blocks, votes) << "a log with votes for more blocks than there is room for is one more reason";
  EXPECT_GT(votes, 100u);
  EXPECT_GT(strays, 100u);
}

/// Or every seed would have all of them, and one would hide what another leads to.
TEST(Options, SomeSeedsLeaveOutEachKindOfFault) {
  constexpr unsigned kSeeds = 2'000;
  std::array<unsigned, static_cast<std::size_t>(Fault::amnesia)> left_out{};  // the others are off in most seeds
  unsigned all = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto without = draw(seed, Group::mixed).without;
    all += without == 0;
    for (unsigned fault = 0; fault < left_out.size(); ++fault) left_out[fault] += without >> fault & 1U;
  }
  EXPECT_GT(all, kSeeds / 3);
  EXPECT_LT(all, kSeeds * 2 / 3);
  for (auto count : left_out) EXPECT_GT(count, kSeeds / 10);
}

/// What `replay --plan` does not say is drawn from the seed: for whichever group that was.
TEST(Options, LimitsAreThoseOfTheSeedInEveryGroup) {
  for (std::uint64_t seed = 0; seed < 200; ++seed)
    for (auto group : {Group::crashes, Group::amnesia, Group::byzantine}) {
      const auto plan = draw(seed, group);
      const auto again = with_drawn_limits(plan);
      EXPECT_EQ(std::tuple(plan.window, plan.exec_lag_max, plan.pool_batches, plan.restores, plan.settle_ms),
                std::tuple(again.window, again.exec_lag_max, again.pool_batches, again.restores, again.settle_ms))
          << seed;
    }
}

}  // namespace
}  // namespace galen::sim
