// The end of a leader's time: R4, R8 (docs/spec/consensus.md 3).
#include <gtest/gtest.h>

#include "lone_replica.hpp"

namespace galen::consensus::test {
namespace {

TEST(Rules, R4NothingFollowsATenureEndInItsView) {
  Lone b;
  auto one = b.block(0, nullptr, kTenureEnd);
  auto two = b.block(0, &one);
  b.propose(one);
  b.propose(two);
  EXPECT_TRUE(b.prepared(one));
  EXPECT_FALSE(b.prepared(two));
  EXPECT_TRUE(b.refused(RefusalReason::tenure));
}

TEST(Rules, R8ATenureHasItsEnd) {
  Lone b;
  auto one = b.block(0, nullptr);
  auto two = b.block(0, &one);
  auto three = b.block(0, &two);
  b.propose(one);
  b.propose(two);
  b.propose(three);
  EXPECT_TRUE(b.prepared(two));
  EXPECT_FALSE(b.prepared(three));
  EXPECT_TRUE(b.refused(RefusalReason::tenure));
}

TEST(Rules, R8ALeaderThatCommitsSlowlyIsLeftWhenItsTimeIsOver) {
  Lone b;
  b.config.parameters.tenure_blocks = b.config.parameters.exec_lag_max = 1000;
  b.config.fair_timeouts = 0;  // what it leaves out would end its tenure sooner
  b.start({});
  std::vector<BlockSkeleton> chain;
  const auto began = b.now;
  for (std::uint8_t name = 1; b.asked_for() == 0 && name < 100; ++name) {
    b.work(name);  // there is always more of it
    chain.push_back(b.block(0, chain.empty() ? nullptr : &chain.back(), 0, chain.empty() ? 1 : 500));
    b.propose(chain.back());
    for (MemberIndex from : {0, 2, 3}) b.vote<Prepare>(from, chain.back());
    for (MemberIndex from : {0, 2, 3}) b.vote<Commit>(from, chain.back());
    ASSERT_EQ(b.replica->status().committed, chain.size()) << "no view timer can expire";
    b.tick(500);
  }
  EXPECT_EQ(b.asked_for(), 1u);
  EXPECT_EQ(b.now - began, 3 * b.config.tenure_ms);
}

TEST(Rules, R8ALeaderThatHadNothingToDoIsNotLeftWhenWorkComes) {
  Lone b;
  b.config.parameters.idle_block_interval_ms = 100'000;
  b.start({});
  b.tick(99'000);
  b.work();
  EXPECT_EQ(b.asked_for(), 0u);
}

}  // namespace
}  // namespace galen::consensus::test
