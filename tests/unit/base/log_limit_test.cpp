#include "galen/base/log_limit.hpp"

#include <gtest/gtest.h>

namespace galen {
namespace {

TEST(LogLimitTest, SomeAtOnceThenOneAfterEachIntervalWhichSaysHowManyWereLeftOut) {
  LogLimit limit;
  const std::uint64_t start = 5'000'000'000;
  for (std::uint32_t i = 0; i < LogLimit::kBurst; ++i) EXPECT_EQ(limit.admit(3, "lie", start), "");
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(limit.admit(3, "lie", start + 1));
  EXPECT_EQ(limit.admit(3, "lie", start + LogLimit::kIntervalUs), " suppressed=1000");
  EXPECT_FALSE(limit.admit(3, "lie", start + LogLimit::kIntervalUs + 1));
  EXPECT_EQ(limit.admit(3, "lie", start + 100 * LogLimit::kIntervalUs), " suppressed=1");
  for (std::uint32_t i = 1; i < LogLimit::kBurst; ++i)
    EXPECT_EQ(limit.admit(3, "lie", start + 100 * LogLimit::kIntervalUs), "") << "as patient as at first, not more";
  EXPECT_FALSE(limit.admit(3, "lie", start + 100 * LogLimit::kIntervalUs));
}

TEST(LogLimitTest, OneMembersLinesSuppressNoOthers) {
  LogLimit limit;
  for (int i = 0; i < 1000; ++i) (void)limit.admit(3, "lie", 1);
  EXPECT_TRUE(limit.admit(2, "lie", 1));
  EXPECT_TRUE(limit.admit(3, "another", 1));
  EXPECT_TRUE(limit.admit(LogLimit::kNobody, "lie", 1));
}

}  // namespace
}  // namespace galen
