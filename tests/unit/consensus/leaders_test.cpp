// Who leads a view: V6 (docs/spec/consensus.md 6).
#include <gtest/gtest.h>

#include <algorithm>

#include "lone_replica.hpp"

namespace galen::consensus::test {
namespace {

TEST(Rules, V6TheLeaderFollowsFromTheViewAndNobodyElseProposes) {
  Lone b;
  auto one = b.block(0, nullptr);
  PrePrepare m{2, 0, one, {}, {}, one.header.digest(b.config.context.suite)};
  m.signature = b.keys.sign(2, pre_prepare_sign_bytes(b.config.context, m));
  EXPECT_FALSE(verify_message(b.config.context, b.config.members, b.keys, 2, m).has_value()) << "another's block";
  m.sender = 9;
  EXPECT_FALSE(verify_message(b.config.context, b.config.members, b.keys, 2, m).has_value()) << "no such member";
  one.header.proposer = 2;
  b.propose(one);
  EXPECT_FALSE(b.prepared(one));
  EXPECT_TRUE(b.refused(RefusalReason::not_leader));
  EXPECT_EQ(b.events.back().member, 2);
}

/// Height 1 is committed, and its execution leaves out C (or another) from view 2 on. `on_old` stands on it with
/// exec_height 0, as if nobody were left out; `on_new` has executed it.
struct LeftOut {
  explicit LeftOut(MemberIndex member = 2, bool execute = true) {
    b.execute = execute;
    b.skips = {{member, 2, 34, 1}};
    b.propose(one);
    b.receive(3, Certificate{b.certificate(VotePhase::commit, one)});
    b.propose(two);
    b.events.clear();
  }
  Lone b;
  BlockSkeleton one = b.block(0, nullptr);
  BlockSkeleton two = b.executed(b.block(0, &one), 1);
  std::size_t not_leader() const {
    return static_cast<std::size_t>(std::count_if(b.events.begin(), b.events.end(), [](const Event& event) {
      return event.kind == EventKind::proposal_refused &&
             event.value == static_cast<std::uint64_t>(RefusalReason::not_leader);
    }));
  }
};

TEST(Rules, V6TheBlockThatAViewStandsOnSaysWhoIsLeftOut) {
  for (bool on_new : {false, true}) {
    LeftOut at;
    auto& b = at.b;
    const auto& base = on_new ? at.two : at.one;
    // 2 mod 3 of A, B, D is D.
    for (MemberIndex sender : {0, 2, 3}) {
      auto block = b.executed(b.block(2, &base), 1, sender);
      if (on_new)
        b.propose_again(2, base, b.new_view(2, &base), sender);
      else
        b.propose(block, b.new_view(2, &base));
      bool leads = sender == (on_new ? 3 : 2);
      EXPECT_EQ(on_new ? b.voted<Prepare>(b.subject(base, 2)) : b.prepared(block), leads) << sender << on_new;
      if (leads) break;
    }
    EXPECT_EQ(at.not_leader(), on_new ? 2u : 1u);
    EXPECT_EQ(b.replica->status().leader, on_new ? 3 : 2);
    EXPECT_EQ(b.replica->status().skipped, on_new ? std::vector<MemberIndex>{2} : std::vector<MemberIndex>{});
  }
}

TEST(Rules, V6WithinAViewTheLeaderStaysTheSame) {
  LeftOut at;
  auto& b = at.b;
  auto first = b.executed(b.block(2, &at.one), 0, 2);
  b.propose(first, b.new_view(2, &at.one));
  auto second = b.executed(b.block(2, &first), 1, 2);  // its exec_height is where C is left out, its view's base is not
  b.propose(second);
  EXPECT_TRUE(b.prepared(second));
  EXPECT_EQ(at.not_leader(), 0u);
}

TEST(Rules, V6AProposalWaitsUntilItsLeaderIsKnown) {
  LeftOut at(2, false);
  auto& b = at.b;
  for (MemberIndex sender : {2, 3}) b.propose_again(2, at.two, b.new_view(2, &at.two), sender);
  EXPECT_EQ(b.replica->status().view, 2u) << "q members want it, whoever leads it";
  EXPECT_EQ(b.events.back().member, kNoMember);
  EXPECT_EQ(at.not_leader(), 0u);
  b.step(BlockExecuted{{1, at.one.header.digest(b.config.context.suite), hash_of(50), {}}, std::nullopt, b.skips});
  EXPECT_TRUE(b.voted<Prepare>(b.subject(at.two, 2)));
  EXPECT_EQ(at.not_leader(), 1u);
}

TEST(Rules, V6TwoLeadersOfOneViewAreNoEvidenceAgainstEither) {
  LeftOut at;
  auto& b = at.b;
  auto by_c = b.executed(b.block(2, &at.one), 1, 2);
  b.propose(by_c, b.new_view(2, &at.one));
  b.propose_again(2, at.two, b.new_view(2, &at.two), 3);
  EXPECT_EQ(at.not_leader(), 0u) << "each by the block that its NEW-VIEW stands on";
  EXPECT_TRUE(b.evidence.empty());
  EXPECT_TRUE(b.prepared(by_c));
  EXPECT_FALSE(b.voted<Prepare>(b.subject(at.two, 2))) << "one vote at a height (R1), whoever proposes";
}

TEST(Rules, V6WhoHasAQuorumOfViewChangesTellsFromTheirMaximumWhetherItLeads) {
  for (bool on_new : {false, true}) {
    LeftOut at;  // of A, B, D it is B's turn in view 10, which was C's
    auto& b = at.b;
    b.said.clear();
    for (MemberIndex from : {0, 2, 3}) b.receive(from, b.view_change(from, 10, on_new ? &at.two : &at.one));
    const auto* opening = b.last_proposal();
    ASSERT_EQ(opening != nullptr, on_new);
    if (on_new) {
      EXPECT_EQ(opening->view, 10u);
    }
  }
}

TEST(Rules, V6WhoIsLeftOutDoesNotProposeAndTheLeaderInItsPlaceMayEndTheView) {
  LeftOut at(1);
  auto& b = at.b;
  auto end = b.executed(b.block(4, &at.one, kTenureEnd), 1);
  b.propose(end, b.new_view(4, &at.one));
  b.said.clear();
  b.work();
  b.receive(3, Certificate{b.certificate(VotePhase::prepare, end)});
  EXPECT_EQ(b.replica->status().view, 5u);
  EXPECT_EQ(b.replica->status().leader, 3) << "5 mod 3 of A, C, D";
  EXPECT_EQ(b.last_proposal(), nullptr);
  b.receive(2, b.view_change(2, 6));
  EXPECT_EQ(b.asked_for(), 0u);
  b.receive(3, b.view_change(3, 6));
  EXPECT_EQ(b.asked_for(), 6u);
}

TEST(Rules, V6WhoDoesNotLeadAViewMakesNobodyAskForItsBlocks) {
  for (MemberIndex sender : {0, 3}) {
    Lone b;
    auto unknown = b.block(0, nullptr);
    b.propose(b.executed(b.block(0, &unknown), 0, sender));
    b.tick(500);
    EXPECT_EQ(b.said_of<FetchSkeleton>() > 0, sender == 0);
    EXPECT_EQ(b.replica->status().in_flight, 0u);
  }
}

TEST(Rules, V6AMemberThatStartsAgainKnowsTheLeaderFromTheChain) {
  for (bool base_is_known : {true, false}) {
    LeftOut at(1);
    auto& b = at.b;
    auto end = b.executed(b.block(4, &at.one, kTenureEnd), 1);
    b.propose(end, b.new_view(4, &at.one));
    b.receive(3, Certificate{b.certificate(VotePhase::commit, end)});
    auto next = b.executed(b.block(5, &end), 1, 3);
    b.propose(next, {Justification::Kind::tenure_end, {}, b.certificate(VotePhase::prepare, end)});
    b.receive(3, Certificate{b.certificate(VotePhase::commit, next)});
    ASSERT_EQ(b.committed.back(), 3u);
    Recovered recovered;
    recovered.safety = *recover(1, b.config.context.suite, b.log);
    recovered.tip = {next.header, next.header.digest(b.config.context.suite), b.certificate(VotePhase::commit, next),
                     1};
    if (base_is_known) recovered.tip.base_exec_height = end.header.exec_height;
    recovered.history = b.histories.at(recovered.tip.digest);
    for (Height height : {1, 2, 3}) recovered.executed.push_back({height, recovered.tip.digest, hash_of(50), {}});
    recovered.leader_skips = b.skips;
    b.begin(std::move(recovered));
    EXPECT_EQ(b.replica->status().leader, 3);
    auto more = b.executed(b.block(5, &next), 1, 3);
    b.propose(more);
    EXPECT_EQ(b.prepared(more), base_is_known) << "else from the next view on";
    EXPECT_EQ(at.not_leader(), 0u);
  }
}

}  // namespace
}  // namespace galen::consensus::test
