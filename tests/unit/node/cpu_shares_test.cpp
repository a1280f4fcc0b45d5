// Time that is told, not measured: what each member gets of it.
#include "node/cpu_shares.hpp"

#include <gtest/gtest.h>

namespace galen::node {
namespace {

constexpr std::uint64_t kCreditUs = 50'000;

/// One thread, whose members' pieces of work cost what is said here.
struct Thread {
  CpuShares shares{kCreditUs};
  std::map<MemberIndex, std::uint64_t> waiting;  ///< member -> cost of each of its pieces

  void add(MemberIndex member, std::uint64_t cost_us) {
    waiting[member] = cost_us;
    shares.wake(member);
  }
  /// Works for so long; returns what each member got.
  std::map<MemberIndex, std::uint64_t> work(std::uint64_t us) {
    std::map<MemberIndex, std::uint64_t> got;
    for (std::uint64_t now = 0; now < us;) {
      const auto member = shares.take(waiting);
      now += waiting[member];
      got[member] += waiting[member];
      shares.done(member, waiting[member]);
    }
    return got;
  }
};

TEST(CpuSharesTest, ExpensiveWorkGetsNoMoreThanItsShare) {
  Thread thread;
  thread.add(0, 100);
  thread.add(1, 40'000);  // a batch of 4 MiB
  thread.add(2, 70);
  auto got = thread.work(3'000'000);
  for (MemberIndex member : {0, 1, 2}) EXPECT_NEAR(static_cast<double>(got[member]), 1'000'000, 50'000) << member;
}

TEST(CpuSharesTest, WhatNobodyElseWantsIsForAnyone) {
  Thread thread;
  thread.add(1, 5'000);
  EXPECT_EQ(thread.work(10'000'000)[1], 10'000'000u);
  thread.add(0, 100);
  auto got = thread.work(1'000'000);
  EXPECT_NEAR(static_cast<double>(got[1]), 500'000 - kCreditUs / 2.0, 10'000) << "and is not held against it";
}

TEST(CpuSharesTest, AMemberThatWasQuietGoesFirstForABoundedTime) {
  Thread thread;
  thread.add(0, 100);
  thread.add(1, 100);
  thread.work(2'000);
  thread.waiting.erase(1);
  thread.work(60'000'000);
  thread.add(1, 100);
  EXPECT_EQ(thread.work(kCreditUs)[1], kCreditUs);
  auto got = thread.work(1'000'000);
  EXPECT_NEAR(static_cast<double>(got[0]), 500'000, 1'000) << "a minute of rest is no minute of work";
}

TEST(CpuSharesTest, WorkInHandCountsBeforeItsCostIsKnown) {
  CpuShares shares(kCreditUs);
  std::map<MemberIndex, int> waiting = {{0, 0}, {1, 0}};
  for (MemberIndex member : {0, 1}) shares.wake(member);
  for (int i = 0; i < 20; ++i) {
    // As long as nothing is known they come in turn.
    const auto first = shares.take(waiting);
    shares.done(first, first == 1 ? 10'000 : 2'000);
  }
  // Several threads: all that the cheap one is behind by goes to it before the other gets a second one.
  std::map<MemberIndex, int> taken;
  for (int i = 0; i < 12; ++i) ++taken[shares.take(waiting)];
  EXPECT_GE(taken[0], 8);
  EXPECT_GE(taken[1], 1);
}

TEST(CpuSharesTest, EqualsComeInTurnAndTotalsAreKept) {
  CpuShares shares(kCreditUs);
  std::map<MemberIndex, int> waiting = {{0, 0}, {2, 0}, {5, 0}};
  std::vector<MemberIndex> order;
  for (int i = 0; i < 6; ++i) {
    order.push_back(shares.take(waiting));
    shares.done(order.back(), 10);
  }
  EXPECT_EQ(order, (std::vector<MemberIndex>{2, 5, 0, 2, 5, 0}));
  EXPECT_EQ(shares.total_us(2), 20u);
  EXPECT_EQ(shares.total_us(1), 0u);
}

}  // namespace
}  // namespace galen::node
