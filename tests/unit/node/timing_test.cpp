// What the view timer rests on: high percentiles of what happened lately, and the answers of a quorum.
#include "node/timing.hpp"

#include <gtest/gtest.h>

namespace galen::node {
namespace {

TEST(Timing, OfAHundredTimesTheLongestIsLeftOutOfFewerNone) {
  RecentTimes times;
  EXPECT_EQ(times.high(0), 0u);
  for (std::uint64_t i = 1; i < 100; ++i) times.add(i, i == 50 ? 9'000 : 10);
  EXPECT_EQ(times.high(100), 9'000u);
  times.add(100, 20);
  EXPECT_EQ(times.high(100), 20u);
}

TEST(Timing, WhatIsOldOrManyTimesAgoDoesNotCount) {
  RecentTimes times;
  times.add(0, 5'000);
  EXPECT_EQ(times.high(RecentTimes::kAgeUs), 5'000u);
  EXPECT_EQ(times.high(RecentTimes::kAgeUs + 1), 0u);
  for (std::size_t i = 0; i < RecentTimes::kCount; ++i) times.add(1, 7);
  EXPECT_EQ(times.high(1), 7u);
}

TEST(Timing, TheBaseIsFourRoundTripsToAQuorumAndASyncAndAnExecution) {
  EXPECT_EQ(base_timeout_ms({40'000, 10'000, 20'000}, 3, 6'000, 4'000), 90u);
  EXPECT_EQ(base_timeout_ms({90'000'000, 10'000, 20'000}, 3, 6'000, 4'000), 90u) << "one that answers late changes nothing";
  EXPECT_EQ(base_timeout_ms({10'000}, 3, 6'000, 4'000), std::nullopt) << "a quorum has not answered";
}

}  // namespace
}  // namespace galen::node
