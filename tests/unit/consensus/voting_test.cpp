// PREPARE and COMMIT: R1 to R7 (docs/spec/consensus.md 3, 4).
#include <gtest/gtest.h>

#include "lone_replica.hpp"

namespace galen::consensus::test {
namespace {

TEST(Rules, R1OneVoteAtAHeightAndOnlyUpwards) {
  Lone b;
  auto one = b.block(0, nullptr);
  auto other = b.block(0, nullptr, 0, 2);
  b.propose(one);
  b.propose(other);
  EXPECT_TRUE(b.prepared(one));
  EXPECT_FALSE(b.prepared(other));
}

// Nothing but its log tells a member that has started again of its vote: the certificate would justify another one.
TEST(Rules, R1OneVoteAtAHeightOverARestart) {
  Lone b;
  auto one = b.block(0, nullptr);
  auto two = b.block(0, &one);
  b.propose(one);
  b.propose(two);
  ASSERT_TRUE(b.prepared(two));
  b.start(std::vector<SafetyRecord>(b.log));
  b.said.clear();
  b.receive(3, Certificate{b.certificate(VotePhase::prepare, one)});
  auto sibling = b.block(0, &one, 0, 2);
  b.propose(sibling);
  EXPECT_FALSE(b.prepared(sibling));
  auto three = b.block(0, &two, kTenureEnd);
  b.propose(three);
  EXPECT_TRUE(b.prepared(three));
}

TEST(Rules, R1NoVoteAfterAViewChange) {
  Lone b;
  b.work();
  b.tick(3000);
  ASSERT_EQ(b.asked_for(), 1u);
  auto one = b.block(0, nullptr);
  b.propose(one);
  EXPECT_FALSE(b.prepared(one));
}

TEST(Rules, R2TheFirstVoteInAViewNeedsAJustification) {
  Lone b;
  auto stray = b.block(2, nullptr);
  stray.header.proposer = 0;  // A does not lead it, and its NEW-VIEW opens it
  b.propose(stray, b.new_view(2, nullptr));
  ASSERT_EQ(b.replica->status().view, 2u);
  auto one = b.block(2, nullptr);
  b.propose(one);
  EXPECT_FALSE(b.prepared(one)) << "it is in the view, and its leader gave no reason";
  b.propose(one, b.new_view(2, nullptr));
  EXPECT_TRUE(b.prepared(one));
}

TEST(Rules, R2AProposalOfAViewThatIsNotEnteredWaits) {
  Lone b;
  auto one = b.block(0, nullptr);
  b.propose(one);
  for (MemberIndex from : {0, 2}) b.vote<Prepare>(from, one);
  b.receive(2, b.view_change(2, 2, &one));
  b.receive(3, b.view_change(3, 2, &one));
  auto two = b.block(2, &one);
  b.propose(two);
  EXPECT_FALSE(b.prepared(two));
  b.propose(two, b.new_view(2, &one));
  EXPECT_TRUE(b.prepared(two));
}

TEST(Rules, R3VotesOfAViewAreOneChain) {
  Lone b;
  auto one = b.block(0, nullptr);
  auto sibling = b.block(0, nullptr, 0, 2);
  auto child = b.block(0, &sibling);
  b.propose(one);
  b.propose(sibling);
  b.propose(child);
  ASSERT_TRUE(b.prepared(one));
  b.tick(40);
  b.receive(0, Skeleton{sibling});  // asked for as the child's parent
  b.tick(1);
  EXPECT_FALSE(b.prepared(child));
  b.receive(3, Certificate{b.certificate(VotePhase::prepare, sibling)});
  EXPECT_TRUE(b.prepared(child)) << "a quorum stands behind its parent";
}

TEST(Rules, R5ALateCommitIsAllowedUnlessAViewChangeReportedLess) {
  for (bool certificate_first : {true, false}) {
    Lone b;
    auto one = b.block(0, nullptr);
    b.propose(one);
    b.vote<Prepare>(0, one);
    if (certificate_first) b.vote<Prepare>(2, one);
    b.receive(0, b.view_change(0, 1));
    b.receive(2, b.view_change(2, 1));
    ASSERT_EQ(b.asked_for(), 1u);
    if (!certificate_first) b.vote<Prepare>(2, one);
    EXPECT_EQ(b.voted<Commit>(one), certificate_first);
  }
  // The certificate was known when the view was left, the COMMIT is made only then: allowed.
  Lone b;
  auto one = b.block(0, nullptr);
  b.propose(one);
  b.receive(0, b.view_change(0, 1, &one));
  b.receive(2, b.view_change(2, 1, &one));
  ASSERT_EQ(b.asked_for(), 1u);
  EXPECT_TRUE(b.voted<Commit>(one));
}

TEST(Rules, R5AnEarlierViewChangeThatReportedLessStillForbidsTheCommit) {
  Lone b;
  auto one = b.block(0, nullptr);
  b.propose(one);
  b.receive(0, b.view_change(0, 1));
  b.receive(2, b.view_change(2, 1));
  ASSERT_EQ(b.asked_for(), 1u);
  b.receive(0, b.view_change(0, 2, &one));
  b.receive(2, b.view_change(2, 2, &one));
  ASSERT_EQ(b.asked_for(), 2u);
  EXPECT_EQ(b.replica->status().high, b.subject(one)) << "and this one reported it";
  EXPECT_FALSE(b.voted<Commit>(one));
}

TEST(Rules, R5AViewChangeCountsBeforeItIsSigned) {
  Lone b;
  auto one = b.block(0, nullptr);
  b.propose(one);
  b.receive(3, b.view_change(3, 1));
  auto asked = b.replica->step(Lone::received(2, b.view_change(2, 1)));
  ASSERT_EQ(asked.sign_requests.size(), 1u) << "its own VIEW-CHANGE";
  auto after = b.replica->step(Lone::received(3, Certificate{b.certificate(VotePhase::prepare, one)}));
  EXPECT_TRUE(after.sign_requests.empty());
}

TEST(Rules, R6ACommitCertificateCountsInAnyMode) {
  Lone b;
  auto one = b.block(0, nullptr);
  auto two = b.block(0, &one);
  b.propose(one);
  b.propose(two);
  b.receive(0, b.view_change(0, 1));
  b.receive(2, b.view_change(2, 1));
  ASSERT_EQ(b.asked_for(), 1u);
  b.receive(3, Certificate{b.certificate(VotePhase::commit, two)});
  EXPECT_EQ(b.committed, (std::vector<Height>{1, 2})) << "the block and its ancestors, in order";
}

TEST(Rules, R7HighQcNeverFallsAndSurvives) {
  Lone b;
  auto one = b.block(0, nullptr);
  auto two = b.block(0, &one);
  b.propose(one);
  b.propose(two);
  b.receive(3, Certificate{b.certificate(VotePhase::prepare, two)});
  b.receive(3, Certificate{b.certificate(VotePhase::prepare, one)});
  EXPECT_EQ(b.replica->status().high, b.subject(two));
  ASSERT_TRUE(b.voted<Commit>(two));
  auto records = b.log;
  b.start(records);
  EXPECT_EQ(b.replica->status().high, b.subject(two)) << "a promise rests on it";
}

TEST(Rules, R1TheFirstProposalIsNearOurClock) {
  for (std::int64_t off : {-6000, 0, 6000}) {
    Lone b;
    auto one = b.block(0, nullptr);
    one.header.time_ms = static_cast<std::uint64_t>(static_cast<std::int64_t>(kWall + b.now) + off);
    b.propose(one);
    EXPECT_EQ(b.prepared(one), off == 0);
    EXPECT_EQ(b.refused(RefusalReason::clock), off != 0);
  }
}

// It waited for its parent here: that is no fault of its time.
TEST(Rules, R1AProposalsTimeIsJudgedByTheClockAtItsReceipt) {
  Lone b;
  b.config.parameters.view_timeout_ms = 60'000;
  b.start({});
  auto one = b.block(0, nullptr);
  auto two = b.block(0, &one);
  b.propose(two);
  b.tick(b.config.parameters.clock_skew_max_ms + 1'000);
  b.receive(0, Skeleton{one});
  b.receive(3, Certificate{b.certificate(VotePhase::prepare, one)});
  EXPECT_FALSE(b.refused(RefusalReason::clock));
  EXPECT_TRUE(b.prepared(two));
}

TEST(Rules, WhatIsRefusedWakesNobody) {
  Lone b;
  auto one = b.with_batch(b.block(0, nullptr, 0, 100'000), 99);
  b.propose(one);
  ASSERT_TRUE(b.refused(RefusalReason::clock));
  b.tick(b.config.fetch_delay_ms + 1);
  EXPECT_TRUE(b.fetches.empty()) << "its batches are nothing to us";
  EXPECT_TRUE(!b.wake_at_ms || *b.wake_at_ms > b.now) << *b.wake_at_ms << " " << b.now;
}

TEST(Rules, R1AVoteWaitsForTheBatchesAndJudgesThem) {
  for (auto valid_ms : {60'000, -5, 3'600'000}) {
    Lone b;
    auto one = b.block(0, nullptr);
    one.batch_digests = {hash_of(88)};
    one.header.batch_count = 1;
    one.header.body_root = body_root(b.config.context.suite, one.batch_digests);
    b.propose(one);
    EXPECT_FALSE(b.prepared(one)) << "the batch has not arrived";
    b.step(BatchArrived{{hash_of(88), 2, kWall + b.now + static_cast<std::uint64_t>(valid_ms), 100}});
    EXPECT_EQ(b.prepared(one), valid_ms == 60'000);
    EXPECT_EQ(b.refused(RefusalReason::expired_batch), valid_ms == -5);
    EXPECT_EQ(b.refused(RefusalReason::far_batch), valid_ms == 3'600'000);
  }
}

TEST(Rules, R1NoBatchTwice) {
  Lone b;
  b.work(88);
  auto one = b.with_batch(b.block(0, nullptr), 88);
  auto two = b.with_batch(b.block(0, &one), 88);
  b.propose(one);
  b.propose(two);
  EXPECT_TRUE(b.prepared(one));
  EXPECT_FALSE(b.prepared(two));
  EXPECT_TRUE(b.refused(RefusalReason::duplicate_batch));
}

TEST(Rules, WhatABlockThatWasFetchedHoldsIsNotProposedAgain) {
  Lone b;
  b.work(88);
  auto one = b.with_batch(b.block(0, nullptr, kTenureEnd), 88);
  auto certificate = b.certificate(VotePhase::commit, one);
  EXPECT_DEATH(b.step(BlockFetched{one, certificate, {}}), "batches") << "without them the pool could not know";
  b.step(BlockFetched{one, certificate, {{hash_of(88), 2, kWall + b.now + 60'000, 100}}});
  ASSERT_EQ(b.replica->status().view, 1u) << "ours to lead";
  EXPECT_EQ(b.last_proposal(), nullptr);
  b.work(90);
  ASSERT_NE(b.last_proposal(), nullptr);
  EXPECT_EQ(b.last_proposal()->block.batch_digests, std::vector<Hash>{hash_of(90)});
}

TEST(Rules, R1WrongRootsGetNoVoteAndAQuorumOfThemMeansDiverged) {
  Lone b;
  auto one = b.block(0, nullptr);
  one.header.state_root = hash_of(51);
  b.propose(one);
  EXPECT_FALSE(b.prepared(one));
  EXPECT_EQ(b.replica->status().mode, Mode::voting);
  b.receive(3, Certificate{b.certificate(VotePhase::commit, one)});
  EXPECT_EQ(b.committed, std::vector<Height>{1}) << "the order is what it is";
  EXPECT_EQ(b.replica->status().mode, Mode::diverged);
}

TEST(Rules, R1AVoteWaitsForOurOwnExecution) {
  Lone b;
  b.execute = false;
  auto one = b.block(0, nullptr);
  b.propose(one);
  b.receive(3, Certificate{b.certificate(VotePhase::commit, one)});
  auto two = b.block(0, &one);
  two.header.exec_height = 1;
  b.propose(two);
  EXPECT_FALSE(b.prepared(two));
  b.step(BlockExecuted{{1, one.header.digest(b.config.context.suite), hash_of(50), {}}});
  EXPECT_TRUE(b.prepared(two));
}

TEST(Rules, S4APromiseCountsOnlyWhenItIsDurable) {
  Lone b;
  auto one = b.block(0, nullptr);
  b.sync = false;
  b.propose(one);
  b.vote<Prepare>(0, one);
  b.vote<Prepare>(2, one);
  EXPECT_FALSE(b.voted<Commit>(one));
  b.sync = true;
  b.step(Durable{b.last_token});
  EXPECT_TRUE(b.voted<Commit>(one));
}

}  // namespace
}  // namespace galen::consensus::test
