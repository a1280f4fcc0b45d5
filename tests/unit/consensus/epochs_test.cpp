// The end of an epoch and the beginning of the next: V4e, R4, R8 (docs/spec/consensus.md 11).
#include <gtest/gtest.h>

#include <algorithm>

#include "lone_replica.hpp"

namespace galen::consensus::test {
namespace {

TEST(Rules, V4eABlockEndsTheEpochIfAndOnlyIfAChangeIsPendingAtItsExecHeight) {
  for (std::uint8_t pending : {0, 9, 10}) {
    Lone b;
    if (pending != 0) b.pending[0] = hash_of(pending);
    b.start({});
    auto plain = b.block(0, nullptr);
    auto end = b.end(0, nullptr, 9);
    for (const auto& one : {plain, end}) {
      Lone each;
      each.pending = b.pending;
      each.start({});
      each.propose(one);
      bool right = one == plain ? pending == 0 : pending == 9;
      EXPECT_EQ(each.prepared(one), right) << "pending " << int{pending} << ", ends " << (one == end);
      EXPECT_EQ(each.refused(RefusalReason::epoch_end), !right);
    }
  }
}

TEST(Rules, V4eWhatIsPendingIsKnownOnlyByWhoHasExecutedThatFar) {
  Lone b;
  b.execute = false;
  auto one = b.block(0, nullptr);
  b.propose(one);
  b.receive(3, Certificate{b.certificate(VotePhase::commit, one)});
  auto end = b.end(0, &one, 9);
  end.header.exec_height = 1;
  b.propose(end);
  EXPECT_FALSE(b.prepared(end));
  b.step(BlockExecuted{{1, one.header.digest(b.config.context.suite), hash_of(50), {}}, hash_of(9)});
  EXPECT_TRUE(b.prepared(end));
}

TEST(Rules, V4eNoBlockHasBothEndFlags) {
  Lone b;
  b.pending[0] = hash_of(9);
  b.start({});
  auto both = b.end(0, nullptr, 9, kEpochEnd | kTenureEnd);
  b.propose(both);
  EXPECT_FALSE(b.prepared(both));
  EXPECT_TRUE(b.refused(RefusalReason::epoch_end));
}

TEST(Rules, V4eTheHashOfTheNextMembersStandsInAnEpochEndAndNowhereElse) {
  for (bool ends : {true, false}) {
    Lone b;
    b.pending[0] = Hash{};
    if (!ends) b.pending.clear();
    b.start({});
    auto one = b.block(0, nullptr, ends ? kEpochEnd : 0);
    if (!ends) one.header.next_members_hash = hash_of(9);
    b.propose(one);
    EXPECT_FALSE(b.prepared(one));
    EXPECT_TRUE(b.refused(RefusalReason::epoch_end));
  }
}

TEST(Rules, V4eAnUncommittedEpochEndIsProposedAgainAndNothingElse) {
  Lone b;
  b.pending[0] = hash_of(9);
  b.start({});
  auto end = b.end(0, nullptr, 9);
  b.propose(end);
  b.work();
  b.receive(0, b.view_change(0, 1));
  b.receive(2, b.view_change(2, 1, &end));
  b.receive(3, b.view_change(3, 1));
  const auto* opening = b.last_proposal();
  ASSERT_NE(opening, nullptr);
  EXPECT_EQ(opening->view, 1u);
  EXPECT_EQ(opening->block, end) << "unchanged";
  EXPECT_TRUE(b.voted<Prepare>(b.subject(end, 1)));
  b.tick(100);
  EXPECT_EQ(b.last_proposal()->block, end) << "though a batch waits";
}

TEST(Rules, R4NothingFollowsAnEpochEndInItsEpochWhateverTheView) {
  for (View view : {0u, 2u}) {
    Lone b;
    b.pending[0] = hash_of(9);
    b.start({});
    auto end = b.end(0, nullptr, 9);
    b.propose(end);
    ASSERT_TRUE(b.prepared(end));
    auto child = b.end(view, &end, 9);
    b.propose(child, view == 0 ? Justification{} : b.new_view(view, &end));
    EXPECT_FALSE(b.prepared(child));
    EXPECT_TRUE(b.refused(RefusalReason::epoch_end));
  }
}

TEST(Rules, R8AnEpochEndEndsATenureAsWell) {
  Lone b;
  b.pending[2] = hash_of(9);
  auto one = b.block(0, nullptr);
  auto two = b.block(0, &one);
  b.propose(one);
  b.propose(two);
  b.receive(3, Certificate{b.certificate(VotePhase::commit, two)});
  auto end = b.end(0, &two, 9);
  end.header.exec_height = 2;
  b.propose(end);
  EXPECT_TRUE(b.prepared(end)) << "the third of three";
}

TEST(Rules, ALeaderEndsTheEpochAsSoonAsAChangeIsPending) {
  Lone b;
  b.pending[1] = hash_of(9);
  auto one = b.block(0, nullptr, kTenureEnd);
  b.propose(one);
  b.receive(3, Certificate{b.certificate(VotePhase::commit, one)});
  const auto* opening = b.last_proposal();
  ASSERT_NE(opening, nullptr) << "without work, too";
  EXPECT_TRUE(opening->block.header.epoch_end());
  EXPECT_FALSE(opening->block.header.tenure_end());
  EXPECT_EQ(opening->block.header.next_members_hash, hash_of(9));
  auto end = opening->block;
  b.work();
  b.tick(1000);
  EXPECT_EQ(b.last_proposal()->block, end) << "and proposes nothing on it";
}

TEST(Rules, AnEndedReplicaPromisesNothingAndHelpsThoseBehind) {
  Lone b;
  b.pending[0] = hash_of(9);
  b.start({});
  auto end = b.end(0, nullptr, 9);
  auto base = b.zero;
  auto context = b.config.context;
  b.end_epoch(end);
  b.config.context = context;
  b.zero = base;
  ASSERT_EQ(std::count_if(b.events.begin(), b.events.end(),
                          [](const Event& e) { return e.kind == EventKind::epoch_ended && e.height == 1; }),
            1);
  b.said.clear();
  b.work();
  for (int i = 0; i < 100; ++i) b.tick(500);
  for (MemberIndex from : {0, 2}) b.receive(from, b.view_change(from, 1));
  b.propose(b.block(2, &end), b.new_view(2, &end));
  EXPECT_EQ(b.said_of<ViewChange>() + b.said_of<Prepare>() + b.said_of<PrePrepare>(), 0u);
  EXPECT_EQ(b.replica->status().view, 0u);
  for (const Message& behind : {Message(b.view_change(3, 1)), Message(StatusRequest{7, 0, 0})}) {
    b.tick(5000);
    b.said.clear();
    b.receive(3, behind);
    ASSERT_GE(b.said_of<Certificate>(), 1u);
    EXPECT_EQ(std::get<Certificate>(*b.said[0]).certificate, b.certificate(VotePhase::commit, end));
  }
  b.tick(5000);
  b.vote<Prepare>(3, end);
  EXPECT_GE(b.said_of<Certificate>(), 2u) << "who votes for it does not know that it is committed";
  b.receive(3, FetchSkeleton{end.header.digest(b.config.context.suite)});
  EXPECT_EQ(b.said_of<Skeleton>(), 1u);
}

TEST(Rules, SomethingCommittedOnAnEpochEndIsAFork) {
  Lone b;
  b.pending[0] = hash_of(9);
  b.start({});
  auto end = b.end(0, nullptr, 9);
  auto child = b.end(0, &end, 9);
  b.propose(end);
  b.receive(3, Certificate{b.certificate(VotePhase::commit, end)});
  b.receive(3, Certificate{b.certificate(VotePhase::commit, child)});
  EXPECT_EQ(b.committed, std::vector<Height>{1});
  EXPECT_EQ(b.replica->status().mode, Mode::diverged);
}

TEST(Rules, AnEpochBeginsOnTheEndOfTheOneBeforeAsTheFirstOnBlockZero) {
  Lone b;
  b.pending[0] = hash_of(9);
  b.start({});
  auto next = b.end_epoch(b.end(0, nullptr, 9));
  b.said.clear();
  b.begin(std::move(next));
  EXPECT_EQ(b.replica->status().mode, Mode::voting);
  EXPECT_EQ(b.replica->status().view, 0u);
  EXPECT_EQ(b.replica->status().high, VoteSubject{}) << "the end's certificate is another epoch's";
  b.receive(2, StatusRequest{7, 0, 1});
  for (const auto& message : b.said) {
    const auto* answer = std::get_if<StatusAnswer>(message.get());
    EXPECT_TRUE(answer == nullptr || (!answer->tip_qc && !answer->high_qc && answer->tip == VoteSubject{}));
  }
  ASSERT_EQ(b.said_of<StatusAnswer>(), 1u);
  auto two = b.block(0, nullptr);
  ASSERT_EQ(two.header.height, 2u);
  b.propose(two);
  EXPECT_TRUE(b.prepared(two)) << "needs no reason";
}

TEST(Rules, ANewViewWithoutACertificateStandsOnTheBaseOfTheEpoch) {
  Lone b;
  b.pending[0] = hash_of(9);
  b.start({});
  b.begin(b.end_epoch(b.end(0, nullptr, 9)));
  auto wrong = b.block(2, nullptr);
  wrong.header.height = wrong.header.history_size = 1;
  b.propose(wrong, b.new_view(2, nullptr));
  EXPECT_EQ(b.replica->status().view, 0u);
  auto two = b.block(2, nullptr);
  b.propose(two, b.new_view(2, nullptr));
  EXPECT_EQ(b.replica->status().view, 2u);
  EXPECT_TRUE(b.prepared(two));
}

TEST(Rules, AParentOfAnotherEpochIsNeverOfTheSameView) {
  Lone b;
  b.pending[2] = hash_of(9);
  auto one = b.block(0, nullptr);
  auto two = b.block(0, &one);
  b.propose(one);
  b.propose(two);
  b.receive(3, Certificate{b.certificate(VotePhase::commit, two)});
  auto end = b.end(0, &two, 9);
  end.header.exec_height = 2;
  b.remember(end, b.histories.at(end.header.parent));
  b.begin(b.end_epoch(end));
  b.pending.clear();
  auto four = b.block(0, nullptr);
  auto five = b.block(0, &four);
  b.propose(four);
  b.propose(five);
  EXPECT_TRUE(b.prepared(five)) << "a tenure of three has begun with four";
}

TEST(Rules, WhatWasPendingBeforeAnEpochDoesNotEndIt) {
  Lone b;
  b.pending[0] = hash_of(9);
  b.start({});
  b.begin(b.end_epoch(b.end(0, nullptr, 9)));
  auto two = b.block(0, nullptr);
  ASSERT_EQ(two.header.exec_height, 0u) << "execution lags behind the end";
  auto again = b.end(0, nullptr, 9);
  b.propose(again);
  EXPECT_FALSE(b.prepared(again));
  b.propose(two);
  Lone c;
  c.pending[0] = hash_of(9);
  c.start({});
  c.begin(c.end_epoch(c.end(0, nullptr, 9)));
  auto plain = c.block(0, nullptr);
  c.propose(plain);
  EXPECT_TRUE(c.prepared(plain));
}

TEST(Rules, OutcomesAreCertifiedByTheMembersOfTheirEpoch) {
  Lone b;
  b.execute = false;
  b.pending[0] = hash_of(9);
  b.start({});
  auto end = b.end(0, nullptr, 9);
  auto next = b.end_epoch(end);
  b.begin(std::move(next));
  b.said.clear();
  b.step(BlockExecuted{{1, end.header.digest(b.config.context.suite), hash_of(50), {}}});
  EXPECT_EQ(b.said_of<Executed>(), 0u) << "the ended one says it";
  auto two = b.block(0, nullptr);
  b.propose(two);
  b.receive(3, Certificate{b.certificate(VotePhase::commit, two)});
  b.step(BlockExecuted{{2, two.header.digest(b.config.context.suite), hash_of(50), {}}});
  EXPECT_EQ(b.said_of<Executed>(), 1u);
}

TEST(Rules, WhatAMemberKnowsOfItselfGoesWithItIntoTheNextEpoch) {
  Lone b;
  auto end = b.end(3, nullptr, 9).header;
  auto suite = b.config.context.suite;
  SafetyState fresh(1, suite);
  auto with = [&](std::initializer_list<SafetyRecord> records) {
    return *recover(1, suite, std::vector<SafetyRecord>(records));
  };
  auto mode = [&](const SafetyState& ended, bool was_member) { return next_epoch(ended, end, was_member).mode(); };
  EXPECT_EQ(mode(with({fresh.mode_record(Mode::voting)}), true), Mode::voting);
  EXPECT_EQ(mode(with({fresh.mode_record(Mode::voting)}), false), Mode::voting);
  EXPECT_EQ(mode(with({fresh.mode_record(Mode::recovering)}), true), Mode::recovering);
  EXPECT_EQ(mode(with({fresh.resumed_record(3, std::nullopt)}), true), Mode::voting) << "the end was born after it";
  EXPECT_EQ(mode(with({fresh.resumed_record(4, std::nullopt)}), true), Mode::recovering)
      << "it may have been in the next epoch before it forgot";
  EXPECT_EQ(mode(with({fresh.mode_record(Mode::fresh)}), false), Mode::fresh) << "was never a member";
  EXPECT_EQ(mode(with({fresh.mode_record(Mode::fresh)}), true), Mode::recovering);
  EXPECT_EQ(mode(fresh, false), Mode::recovering) << "a log that says nothing beside a ledger is a lost one";
}

TEST(Rules, ALogThatEndsWithTheEndOfAnEpochLeadsIntoTheNext) {
  Lone b;
  auto end = b.end(0, nullptr, 9).header;
  auto suite = b.config.context.suite;
  std::vector<SafetyRecord> log{SafetyState(1, suite).mode_record(Mode::voting)};
  EXPECT_EQ(recover_in(suite, log, b.zero, true)->epoch(), 1u);
  auto state = recover_in(suite, log, end, true);
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->epoch(), 2u);
  EXPECT_EQ(state->mode(), Mode::voting);
  ASSERT_EQ(state->records().size(), 1u) << "what must be in the log first";
  log.push_back(SafetyState(2, suite).mode_record(Mode::recovering));
  EXPECT_EQ(recover_in(suite, log, end, true)->mode(), Mode::recovering) << "its own records come first";
}

TEST(Rules, AnEmptyLogBesideTheEndOfAnEpochIsALostOne) {
  Lone b;
  b.pending[0] = hash_of(9);
  b.start({});
  auto next = b.end_epoch(b.end(0, nullptr, 9));
  next.safety = SafetyState(2, b.config.context.suite);
  b.begin(std::move(next));
  EXPECT_EQ(b.replica->status().mode, Mode::recovering);
}

TEST(Rules, WhoIsNoMemberFollowsAndSaysNothing) {
  Lone b;
  b.config.self = kNoMember;
  b.pending[0] = hash_of(9);
  b.log.clear();
  b.said.clear();
  b.start({});
  ASSERT_EQ(b.log.size(), 1u) << "that it never signed anything";
  EXPECT_EQ(recover(1, b.config.context.suite, b.log)->mode(), Mode::fresh);
  b.work();
  auto end = b.end(0, nullptr, 9);
  b.propose(end);
  b.receive(0, Certificate{b.certificate(VotePhase::prepare, end)});
  for (int i = 0; i < 20; ++i) b.tick(500);
  EXPECT_TRUE(b.said.empty());
  ASSERT_GE(b.fetched_from.size(), 5u);
  EXPECT_EQ(b.fetched_from.back(), 1u);
  EXPECT_TRUE(b.committed.empty());
  b.step(BlockFetched{end, b.certificate(VotePhase::commit, end), {}});
  EXPECT_EQ(b.committed, std::vector<Height>{1});
  EXPECT_TRUE(b.replica->status().ended);
  b.zero = end.header;
  ++b.config.context.epoch;
  b.config.self = 1;
  auto next = b.replica->next_epoch();
  EXPECT_EQ(next.safety.mode(), Mode::fresh);
  b.begin(std::move(next));
  EXPECT_EQ(b.replica->status().mode, Mode::voting) << "a member from the beginning of this epoch";
}

}  // namespace
}  // namespace galen::consensus::test
