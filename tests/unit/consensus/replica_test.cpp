// A step of the replica takes time and an input at once (docs/spec/consensus.md 2).
#include <gtest/gtest.h>

#include "lone_replica.hpp"

namespace galen::consensus::test {
namespace {

TEST(Rules, ATickAndAnInputInOneStepGiveWhatBothGiveInTurn) {
  Lone apart, together;
  const auto one = apart.block(0, nullptr);
  ASSERT_EQ(together.block(0, nullptr).header, one.header);
  apart.tick(100);
  apart.propose(one);
  together.pass(100, Lone::received(0, together.proposal(one)));
  ASSERT_TRUE(apart.prepared(one));
  ASSERT_EQ(together.said.size(), apart.said.size());
  for (std::size_t i = 0; i < apart.said.size(); ++i) EXPECT_EQ(encode(*together.said[i]), encode(*apart.said[i])) << i;
}

TEST(Rules, TheTickOfAStepCountsBeforeItsInput) {
  Lone b;
  b.work();
  const auto late = b.block(0, nullptr);
  b.pass(3000, Lone::received(0, b.proposal(late)));
  EXPECT_EQ(b.asked_for(), 1u) << "the view's time was over when the proposal came";
  EXPECT_FALSE(b.prepared(late));
}

}  // namespace
}  // namespace galen::consensus::test
