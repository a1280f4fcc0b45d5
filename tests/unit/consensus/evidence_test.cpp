// Who signs two values for one place is proven faulty, once (docs/spec/consensus.md 9).
#include <gtest/gtest.h>

#include "lone_replica.hpp"

namespace galen::consensus::test {
namespace {

TEST(Rules, ALeaderThatProposesTwoBlocksForOnePlaceIsProvenFaultyOnce) {
  for (bool known : {true, false}) {  // the first may still wait for its parent
    Lone b;
    auto parent = b.block(0, nullptr);
    auto one = b.block(0, &parent);
    auto other = b.block(0, &parent, 0, 2);
    if (known) b.propose(parent);
    for (int i = 0; i < 3; ++i)
      for (const auto& block : {one, other}) b.propose(block);
    ASSERT_EQ(b.evidence.size(), 1u);
    const auto& found = b.evidence[0];
    EXPECT_EQ(std::tuple(found.member, found.view, found.height), std::tuple(0, 0u, 2u));
    EXPECT_EQ(std::get<PrePrepare>(*found.first).block, one);
    EXPECT_EQ(std::get<PrePrepare>(*found.second).block, other);
    for (const auto& message : {found.first, found.second})
      EXPECT_TRUE(verify_message(b.config.context, b.config.members, b.keys, 0, *message).has_value());
  }
}

TEST(Rules, AMemberThatVotesForTwoBlocksInOnePlaceIsProvenFaultyOnce) {
  Lone b;
  auto one = b.block(0, nullptr);
  auto other = b.block(0, nullptr, 0, 2);
  for (int i = 0; i < 3; ++i) {
    b.vote<Prepare>(3, one);
    b.vote<Prepare>(3, other);
    b.vote<Commit>(2, other);
    b.vote<Commit>(2, one);
  }
  ASSERT_EQ(b.evidence.size(), 2u);
  EXPECT_EQ(std::get<Prepare>(*b.evidence[0].first).subject, b.subject(one));
  EXPECT_EQ(std::get<Prepare>(*b.evidence[0].second).subject, b.subject(other));
  EXPECT_EQ(std::get<Commit>(*b.evidence[1].first).subject, b.subject(other));
  for (const auto& found : b.evidence)
    for (const auto& message : {found.first, found.second})
      EXPECT_TRUE(verify_message(b.config.context, b.config.members, b.keys, found.member, *message).has_value());
}

TEST(Rules, AMemberThatContradictsItselfWithoutEndFillsNothing) {
  Lone b;
  for (View view = 0; view < 200; ++view) {
    auto one = b.block(view, nullptr);
    auto other = b.block(view, nullptr, 0, 2);
    b.vote<Prepare>(3, one);
    b.vote<Prepare>(3, other);
  }
  EXPECT_EQ(b.evidence.size(), 64u);
}

}  // namespace
}  // namespace galen::consensus::test
