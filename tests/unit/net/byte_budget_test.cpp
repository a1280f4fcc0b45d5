// Time that is told, not measured: what a peer may send in it.
#include "net/byte_budget.hpp"

#include <gtest/gtest.h>

namespace galen::net {
namespace {

constexpr std::uint64_t kSecond = 1'000'000;

TEST(ByteBudgetTest, SoManyAtOnceAndThenSoManyASecond) {
  ByteBudget budget(1'000, 5'000);
  EXPECT_EQ(budget.left(kSecond), 5'000);
  budget.charge(6'000, kSecond);
  EXPECT_EQ(budget.left(kSecond), -1'000) << "what came, came";
  EXPECT_EQ(budget.left(2 * kSecond), 0);
  EXPECT_EQ(budget.left(3 * kSecond), 1'000);
  EXPECT_EQ(budget.left(3'600 * kSecond), 5'000) << "an hour of rest is no hour of sending";
}

TEST(ByteBudgetTest, WaitingSoLongIsEnough) {
  ByteBudget budget(3'000, 4'000);
  budget.charge(4'500, 0);
  const auto wait = budget.wait_us(1'000, 0);
  EXPECT_NEAR(static_cast<double>(wait), kSecond / 2.0, 2.0);
  EXPECT_GE(budget.left(wait), 1'000);
  EXPECT_EQ(budget.wait_us(1'000, wait), 0u);
}

// Asked a thousand times a second, a budget refills as fast as one that is asked once.
TEST(ByteBudgetTest, NoFractionIsLost) {
  ByteBudget budget(333, 1'000'000);
  budget.charge(1'000'000, 0);
  std::int64_t left = 0;
  for (std::uint64_t now = 0; now <= 10 * kSecond; now += 1'000) left = budget.left(now);
  EXPECT_NEAR(static_cast<double>(left), 3'330, 2.0);
}

TEST(ByteBudgetTest, ZeroIsNoBound) {
  ByteBudget budget(0, 10);
  budget.charge(1'000'000, 0);
  EXPECT_GT(budget.left(0), 1'000'000);
  EXPECT_EQ(budget.wait_us(1'000'000, 0), 0u);
}

TEST(ByteBudgetTest, VotesKeepAQuarterThatBulkCannotUseUp) {
  ReceiveBudget budget(4'000, 10'000, 2'000);
  budget.bulk.charge(1'000'000, 0);
  EXPECT_EQ(budget.rest.left(0), 2'000);
  budget.rest.charge(2'000, 0);
  EXPECT_EQ(budget.rest.left(kSecond), 1'000);
  EXPECT_EQ(budget.bulk.left(kSecond), 10'000 - 1'000'000 + 3'000);
}

}  // namespace
}  // namespace galen::net
