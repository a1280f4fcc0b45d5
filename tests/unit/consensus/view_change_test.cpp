// The view change: V1 to V5 (docs/spec/consensus.md 6).
#include <gtest/gtest.h>

#include <algorithm>

#include "lone_replica.hpp"

namespace galen::consensus::test {
namespace {

TEST(Rules, V1BelowAQuorumNobodyClimbs) {
  Lone b;
  b.work();
  for (int i = 0; i < 40; ++i) b.tick(500);
  EXPECT_EQ(b.asked_for(), 1u);
  b.receive(2, b.view_change(2, 1));
  b.receive(3, b.view_change(3, 5));  // at or above counts
  for (int i = 0; i < 40; ++i) b.tick(500);
  EXPECT_GT(b.asked_for(), 1u);
}

TEST(Rules, V1TimeoutsDoubleToEightTimesAndHalveWithACommit) {
  Lone b;
  const auto base = b.config.parameters.view_timeout_ms;
  b.work();
  for (View target = 2; target < 8; ++target) {  // B leads none of them but 5
    b.tick(10 * base);
    for (MemberIndex from : {0, 3}) b.receive(from, b.view_change(from, target));
    EXPECT_EQ(b.replica->status().view_timeout_ms, std::min(base << (target - 1), base * 8)) << target;
  }
  auto one = b.block(0, nullptr);
  b.propose(one);
  b.receive(3, Skeleton{one});
  b.receive(3, Certificate{b.certificate(VotePhase::commit, one)});
  b.tick(100);
  b.receive(3, Skeleton{one});
  ASSERT_EQ(b.committed, std::vector<Height>{1});
  EXPECT_EQ(b.replica->status().view_timeout_ms, base * 4);
}

TEST(Rules, V1AnIdleReplicaIsQuiet) {
  Lone b;
  b.said.clear();
  for (int i = 0; i < 90; ++i) b.tick(100);
  EXPECT_TRUE(b.said.empty());
  EXPECT_EQ(b.asked_for(), 0u);
  for (int i = 0; i < 90; ++i) b.tick(100);
  EXPECT_EQ(b.asked_for(), 1u) << "the heartbeat is overdue";
}

TEST(Rules, V1aTimersFollowWhatIsMeasuredBetweenTheirBounds) {
  Lone b;
  auto timeout = [&](std::uint64_t measured) {
    b.step(TimingMeasured{measured});
    return b.replica->status().view_timeout_ms;
  };
  EXPECT_EQ(b.replica->status().view_timeout_ms, 1000u);
  EXPECT_EQ(timeout(1), 1000u) << "never below what genesis says";
  EXPECT_EQ(timeout(1'000'000), 3750u);
  EXPECT_EQ(timeout(2000), 2000u);
  b.work();
  b.tick(1900);
  EXPECT_EQ(b.asked_for(), 0u);
  EXPECT_EQ(timeout(1000), 1000u) << "and a wait that has begun gets shorter";
  b.tick(100);
  EXPECT_EQ(b.asked_for(), 0u);
  b.tick(1100);
  EXPECT_EQ(b.asked_for(), 1u);
  EXPECT_EQ(b.replica->status().view_timeout_ms, 2000u);
  EXPECT_EQ(timeout(3000), 6000u) << "what it was doubled stays";
}

TEST(Rules, V2OneMemberMovesNobodyButTwoDo) {
  Lone b;
  b.receive(2, b.view_change(2, 7));
  EXPECT_EQ(b.asked_for(), 0u);
  b.receive(3, b.view_change(3, 4));
  EXPECT_EQ(b.asked_for(), 4u) << "the largest that f+1 want";
}

TEST(Rules, V2ALeaderThatLeavesItsViewHasEndedIt) {
  Lone b;
  b.receive(0, b.view_change(0, 9));
  EXPECT_EQ(b.asked_for(), 1u) << "one view, its own";
}

// All start after a power cut; the fenced leader is through first, and asks for the next view while the others still
// wait.
TEST(Rules, V2WhatCameBeforeAMemberMayVoteMovesItThen) {
  for (bool is_leaders : {true, false}) {
    Lone b;
    auto one = b.block(0, nullptr);
    b.propose(one);
    auto records = b.log;
    Recovered recovered;
    recovered.safety = *recover(1, b.config.context.suite, records);
    recovered.tip = {b.zero, b.zero.digest(b.config.context.suite), std::nullopt, 1};
    recovered.history.append(crypto::merkle_leaf(b.config.context.suite, recovered.tip.digest));
    recovered.executed = {{0, recovered.tip.digest, hash_of(50), {}}};
    b.said.clear();
    b.nonce.reset();
    b.replica.emplace(b.config, std::move(recovered));
    b.tick(0);
    for (MemberIndex from : is_leaders ? std::vector<MemberIndex>{0} : std::vector<MemberIndex>{2, 3})
      b.receive(from, b.view_change(from, 1));
    EXPECT_EQ(b.asked_for(), 0u) << "it has not heard of what it may have forgotten";
    for (MemberIndex from : {0, 2}) b.answer_status(from);
    EXPECT_EQ(b.asked_for(), 1u) << is_leaders;
  }
}

TEST(Rules, V3QuorumsOfDifferentViewsOpenNone) {
  Lone b;
  b.receive(0, b.view_change(0, 1));
  b.receive(2, b.view_change(2, 5));
  ASSERT_EQ(b.asked_for(), 1u);
  EXPECT_EQ(b.last_proposal(), nullptr) << "q members want view 1 or more, but not q of them view 1";
  EXPECT_EQ(b.replica->status().view, 0u);
  b.receive(3, b.view_change(3, 1));
  ASSERT_NE(b.last_proposal(), nullptr);
}

// A member that leads nothing has the quorum one VIEW-CHANGE sooner, its own among it, and tells the leader of nothing
// else.
TEST(Rules, V3ALeaderThatHearsOfItsViewFromAnotherOpensIt) {
  for (bool is_here : {true, false}) {
    Lone b;
    auto one = b.block(0, nullptr);
    if (is_here) b.propose(one);
    b.propose(b.executed(b.block(1, &one), 0, 0), b.new_view(1, &one));
    ASSERT_EQ(b.replica->status().view, 1u);
    if (!is_here) {
      EXPECT_EQ(b.last_proposal(), nullptr) << "it cannot tell yet whether it leads";
      b.tick(40);
      b.receive(2, Skeleton{one});
    }
    const auto* opening = b.last_proposal();
    ASSERT_NE(opening, nullptr) << is_here;
    EXPECT_EQ(opening->view, 1u);
    EXPECT_EQ(opening->block, one);
    EXPECT_TRUE(verify_message(b.config.context, b.config.members, b.keys, 1, *opening).has_value());
  }
}

TEST(Rules, V3And4ALeaderOpensItsViewOnTheMaximum) {
  Lone b;
  auto one = b.block(0, nullptr);
  b.propose(one);
  b.receive(0, b.view_change(0, 1));
  b.receive(2, b.view_change(2, 1, &one));
  b.receive(3, b.view_change(3, 1));
  const auto* opening = b.last_proposal();
  ASSERT_NE(opening, nullptr);
  EXPECT_EQ(opening->view, 1u);
  EXPECT_EQ(opening->block, one) << "not committed: it is proposed again, unchanged";
  EXPECT_TRUE(verify_message(b.config.context, b.config.members, b.keys, 1, *opening).has_value());
  EXPECT_TRUE(b.voted<Prepare>(b.subject(one, 1)));
  b.work();
  b.tick(10);
  EXPECT_EQ(b.last_proposal()->view, 1u);
  EXPECT_EQ(b.last_proposal()->block.header.parent, one.header.digest(b.config.context.suite))
      << "and the next follows";
}

TEST(Rules, V4ACommittedMaximumIsBuiltUpon) {
  Lone b;
  auto one = b.block(0, nullptr);
  b.propose(one);
  b.receive(3, Certificate{b.certificate(VotePhase::commit, one)});
  b.receive(0, b.view_change(0, 1));
  b.receive(2, b.view_change(2, 1, &one));
  b.receive(3, b.view_change(3, 1));
  const auto* opening = b.last_proposal();
  ASSERT_NE(opening, nullptr);
  EXPECT_EQ(opening->view, 1u);
  EXPECT_EQ(opening->block.header.parent, one.header.digest(b.config.context.suite));
}

TEST(Rules, V4ABlockProposedAgainIsPreparedInItsNewViewWhateverItsAge) {
  Lone b;
  auto one = b.block(0, nullptr);
  b.tick(60'000);  // past the clock rule, under which it would be refused as a first proposal
  b.propose_again(2, one, b.new_view(2, &one));
  EXPECT_EQ(b.replica->status().view, 2u);
  EXPECT_TRUE(b.voted<Prepare>(b.subject(one, 2)));
  EXPECT_FALSE(b.prepared(one)) << "not in the view it was born in";
  auto two = b.block(2, &one, 0, 60'000);
  b.propose(two);
  EXPECT_TRUE(b.prepared(two)) << "its parent opened the view: no reason of its own is asked for";
}

TEST(Rules, V4WhoHasCommittedWhatIsProposedAgainVotesForItsChild) {
  Lone b;
  auto one = b.block(0, nullptr);
  b.propose(one);
  b.receive(3, Certificate{b.certificate(VotePhase::commit, one)});
  ASSERT_EQ(b.committed, std::vector<Height>{1});
  b.propose_again(2, one, b.new_view(2, &one));
  EXPECT_EQ(b.replica->status().view, 2u);
  EXPECT_FALSE(b.voted<Prepare>(b.subject(one, 2)));
  auto two = b.block(2, &one);
  b.propose(two);
  EXPECT_TRUE(b.prepared(two));
}

TEST(Rules, V4OnlyTheMaximumItselfIsProposedAgain) {
  Lone b;
  auto one = b.block(0, nullptr);
  auto sibling = b.block(0, nullptr, 0, 2);
  b.propose(one);
  b.propose_again(2, sibling, b.new_view(2, &one));
  EXPECT_EQ(b.replica->status().view, 0u);
  EXPECT_FALSE(b.voted<Prepare>(b.subject(sibling, 2)));
}

TEST(Rules, V4ViewsThatFailNeverUseUpTheLagOfExecution) {
  // Each view adds a block that is PREPAREd and not committed, until no header fits; the leader of the next must not be
  // stuck.
  Lone b;
  b.config.parameters.exec_lag_max = 2;
  b.start({});
  auto one = b.block(0, nullptr);
  auto two = b.block(2, &one);
  b.propose(one);
  b.propose(two, b.new_view(2, &one));
  b.receive(0, b.view_change(0, 5, &two));
  b.receive(2, b.view_change(2, 5));
  b.receive(3, b.view_change(3, 5));
  const auto* opening = b.last_proposal();
  ASSERT_NE(opening, nullptr) << "no child fits, and nothing else is proposed: the chain stands for ever";
  EXPECT_EQ(opening->view, 5u);
  EXPECT_EQ(opening->block, two);
}

TEST(Rules, V3ATenureEndsCertificateOpensTheNextView) {
  Lone b;
  auto one = b.block(0, nullptr, kTenureEnd);
  b.propose(one);
  for (MemberIndex from : {0, 2}) b.vote<Prepare>(from, one);
  EXPECT_EQ(b.replica->status().view, 1u);
  b.work();
  const auto* opening = b.last_proposal();
  ASSERT_NE(opening, nullptr);
  EXPECT_EQ(opening->justification.kind, Justification::Kind::tenure_end);
  EXPECT_EQ(opening->justification.certificate->subject, b.subject(one));
  EXPECT_EQ(opening->block.header.parent, one.header.digest(b.config.context.suite));
}

TEST(Rules, V4AFirstProposalBesideTheMaximumIsNotFollowed) {
  Lone b;
  auto one = b.block(0, nullptr);
  auto sibling = b.block(0, nullptr, 0, 2);
  b.propose(one);
  auto wrong = b.block(2, &sibling);
  b.propose(wrong, b.new_view(2, &one));
  EXPECT_FALSE(b.prepared(wrong));
  EXPECT_EQ(b.replica->status().view, 0u);
}

TEST(Rules, V4AnUnjustifiedProposalDoesNotMaskTheOneThatOpensTheView) {
  Lone b;
  auto one = b.block(2, nullptr);
  auto other = b.block(2, nullptr, 0, 2);
  b.propose(other);
  b.propose(one, b.new_view(2, nullptr));
  EXPECT_EQ(b.replica->status().view, 2u);
  EXPECT_TRUE(b.prepared(one));
  EXPECT_FALSE(b.prepared(other));
}

TEST(Rules, V4TheFirstProposalOfANewViewMayStandBeyondTheWindow) {
  // Its leader has committed more than we have.
  Lone b;
  b.config.parameters.window = 1;
  b.start({});
  auto one = b.block(0, nullptr);
  b.propose(one);
  auto two = b.block(2, &one);
  b.propose(two, b.new_view(2, &one));
  EXPECT_TRUE(b.prepared(two));
  auto three = b.block(2, &two);
  b.propose(three);
  EXPECT_FALSE(b.prepared(three)) << "only the first";
}

TEST(Rules, V5BatchesOfDroppedBlocksWaitAgain) {
  Lone b;
  b.work(88);
  auto one = b.with_batch(b.block(0, nullptr), 88);
  b.propose(one);
  ASSERT_TRUE(b.prepared(one));
  b.receive(0, b.view_change(0, 1));
  b.receive(2, b.view_change(2, 1));
  const auto* opening = b.last_proposal();
  ASSERT_NE(opening, nullptr);
  EXPECT_EQ(opening->block.header.height, 1u) << "nobody showed a certificate for the block of view 0";
  EXPECT_EQ(opening->block.batch_digests, std::vector<Hash>{hash_of(88)});
}

}  // namespace
}  // namespace galen::consensus::test
