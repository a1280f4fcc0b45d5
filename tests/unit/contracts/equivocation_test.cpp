// Who may show that a member signed two values for one place, what is a proof of it, and what is none.
#include "galen/types/state_key.hpp"
#include "unit/contracts/membership_fixture.hpp"
#include "unit/equivocation_parts.hpp"

namespace galen::contracts::test {
namespace {

using galen::test::make_report;
using galen::test::ReportParts;

class EquivocationTest : public MembershipTest {
 protected:
  /// Of the place in the list of the epoch that the chain is in.
  ReportParts parts(MemberIndex place = 2) {
    const auto now = membership();
    return {.context = {kSuite, genesis.chain_id, now.epoch, now.members.hash(kSuite)}, .member = place};
  }
  pb::Operation report() { return make_report(parts(), voter_keys[2]); }
  pb::Operation altered(auto alter) {
    auto operation = report();
    alter(*operation.mutable_report_equivocation());
    return operation;
  }
  std::optional<pb::EquivocationState> row(Epoch epoch, std::uint8_t member) {
    return state.value<pb::EquivocationState>(StateKind::equivocation,
                                              equivocation_key(epoch, make_id<PrincipalId>(member)));
  }
  static void corrupt(std::string& bytes) { bytes[40] = static_cast<char>(bytes[40] ^ 1); }
};

TEST_F(EquivocationTest, AProofNamesTheMemberItsPlaceAndWhoShowedIt) {
  for (auto kind : {pb::SIGNED_KIND_PREPARE, pb::SIGNED_KIND_COMMIT, pb::SIGNED_KIND_PRE_PREPARE}) {
    const auto place = static_cast<MemberIndex>(kind);
    auto of_kind = parts(place);
    of_kind.kind = kind;
    const std::uint8_t member = std::array<std::uint8_t, 4>{1, 2, 4, 5}[place];
    ASSERT_EQ(code(1, make_report(of_kind, voter_keys[place])), ErrorCode::OK) << kind;
    const auto found = row(1, member);
    ASSERT_TRUE(found.has_value()) << kind;
    EXPECT_EQ(found->format(), 1u);
    EXPECT_EQ(found->kind(), kind);
    EXPECT_EQ(found->view(), 4u);
    EXPECT_EQ(found->place(), 9u);
    EXPECT_EQ(found->transaction_id(), make_id<TransactionId>(99).str());
    EXPECT_EQ(found->reporter(), id_text(1));
    EXPECT_EQ(found->height(), height);
    EXPECT_EQ(found->time_ms(), time_ms);
  }
  EXPECT_FALSE(row(1, 1)) << "nobody else's";
}

TEST_F(EquivocationTest, TheFirstProofOfAnEpochStands) {
  ASSERT_EQ(code(1, report()), ErrorCode::OK);
  const auto first = row(1, 4)->SerializeAsString();
  auto another = parts();
  another.kind = pb::SIGNED_KIND_COMMIT;
  another.view = 5;
  EXPECT_EQ(code(2, make_report(another, voter_keys[2])), ErrorCode::EVIDENCE_KNOWN);
  EXPECT_EQ(code(1, report()), ErrorCode::EVIDENCE_KNOWN);
  EXPECT_EQ(row(1, 4)->SerializeAsString(), first);
  EXPECT_EQ(code(1, make_report(parts(3), voter_keys[3])), ErrorCode::OK) << "another member's is another";
}

TEST_F(EquivocationTest, OnlyAMemberWithAVoteReports) {
  EXPECT_EQ(code(11, report(), Assurance::author), ErrorCode::PERMISSION_DENIED) << "an administrator";
  EXPECT_EQ(code(kServiceA, report()), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(code(kPatient, report(), Assurance::author), ErrorCode::PERMISSION_DENIED);
  approve(90, added(kLearner, learner_key));
  EXPECT_EQ(code(kLearner, report()), ErrorCode::PERMISSION_DENIED) << "a learner";
  EXPECT_EQ(code(kGoneMember, report()), ErrorCode::PERMISSION_DENIED);
  EXPECT_FALSE(row(1, 4));
  EXPECT_EQ(code(4, report()), ErrorCode::OK) << "what is proven needs nobody's word: it may be its own";
  EXPECT_EQ(code(1, anchor(50)), ErrorCode::PERMISSION_DENIED) << "a member authors nothing else";
}

TEST_F(EquivocationTest, RefusesWhatHasNoForm) {
  const struct {
    const char* name;
    pb::Operation operation;
  } cases[] = {
      {"epoch", altered([](auto& body) { body.clear_epoch(); })},
      {"member", altered([](auto& body) { body.clear_member(); })},
      {"no kind", altered([](auto& body) { body.clear_kind(); })},
      {"view", altered([](auto& body) { body.clear_view(); })},
      {"height", altered([](auto& body) { body.clear_height(); })},
      {"no first", altered([](auto& body) { body.clear_first(); })},
      {"no second", altered([](auto& body) { body.clear_second(); })},
      {"digest of 31", altered([](auto& body) { body.mutable_first()->set_digest(std::string(31, 'x')); })},
      {"signature", altered([](auto& body) { body.mutable_second()->set_signature("s"); })},
      {"a vote with a reason",
       altered([](auto& body) { body.mutable_first()->set_justification(std::string(33, '\1')); })},
      {"a proposal without one", altered([](auto& body) { body.set_kind(pb::SIGNED_KIND_PRE_PREPARE); })},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(check_operation(c.operation).error().code, ErrorCode::INVALID_ARGUMENT) << c.name;
    EXPECT_EQ(code(1, c.operation), ErrorCode::INVALID_ARGUMENT) << c.name;
  }
  EXPECT_TRUE(check_operation(report()).has_value());
  EXPECT_EQ(check_operation(report(), 1).error().code, ErrorCode::INVALID_ARGUMENT) << "one in a transaction";
}

TEST_F(EquivocationTest, RefusesWhatProvesNothing) {
  auto made = [&](auto alter, std::size_t key = 2) {
    auto changed = parts();
    alter(changed);
    return make_report(changed, voter_keys[key]);
  };
  const struct {
    const char* name;
    pb::Operation operation;
  } cases[] = {
      {"one value twice", made([](auto& p) { p.second = p.first; })},
      {"the higher digest first", made([](auto& p) { std::swap(p.first, p.second); })},
      {"no such member", made([](auto& p) { p.member = 4; })},
      {"signed by another", made([](auto&) {}, 1)},
      {"said of another", altered([](auto& body) { body.set_member(2); })},
      {"an epoch to come", altered([](auto& body) { body.set_epoch(2); })},
      {"signed for another epoch", made([](auto& p) { p.context.epoch = 2; })},
      {"signed among others", made([](auto& p) { p.context.members_hash = make_id<Hash>(3); })},
      {"signed on another chain", made([](auto& p) { p.context.chain_id = make_id<Hash>(3); })},
      {"another view", altered([](auto& body) { body.set_view(body.view() + 1); })},
      {"another height", altered([](auto& body) { body.set_height(body.height() + 1); })},
      {"another phase", altered([](auto& body) { body.set_kind(pb::SIGNED_KIND_COMMIT); })},
      {"another first digest", altered([](auto& body) { body.mutable_first()->mutable_digest()->back() = 0x20; })},
      {"first signature", altered([](auto& body) { corrupt(*body.mutable_first()->mutable_signature()); })},
      {"second signature", altered([](auto& body) { corrupt(*body.mutable_second()->mutable_signature()); })},
      {"the same signature twice",
       altered([](auto& body) { body.mutable_second()->set_signature(body.first().signature()); })},
  };
  for (const auto& c : cases) {
    auto operation = c.operation;
    // What was signed in another epoch is said to be of this one.
    if (std::string_view(c.name) == "signed for another epoch") operation.mutable_report_equivocation()->set_epoch(1);
    EXPECT_EQ(code(1, operation), ErrorCode::EVIDENCE_INVALID) << c.name;
  }
  EXPECT_FALSE(row(1, 4));
  EXPECT_EQ(code(1, report()), ErrorCode::OK);
}

// A block proposed again keeps its digest, and a leader may give another reason for it: that is one value.
TEST_F(EquivocationTest, OneBlockWithTwoReasonsIsNoFault) {
  auto proposal = parts();
  proposal.kind = pb::SIGNED_KIND_PRE_PREPARE;
  auto same = proposal;
  same.second = same.first;
  const auto operation = make_report(same, voter_keys[2]);
  const auto& body = operation.report_equivocation();
  ASSERT_NE(body.first().justification(), body.second().justification());
  EXPECT_EQ(code(1, operation), ErrorCode::EVIDENCE_INVALID);
  // The reason is signed all the same.
  auto other = make_report(proposal, voter_keys[2]);
  other.mutable_report_equivocation()->mutable_first()->mutable_justification()->front() = 2;
  EXPECT_EQ(code(1, other), ErrorCode::EVIDENCE_INVALID);
  EXPECT_EQ(code(1, make_report(proposal, voter_keys[2])), ErrorCode::OK);
}

TEST_F(EquivocationTest, EachEpochHasItsOwnMembersAndKeys) {
  const auto next = crypto::PrivateKey::generate(kSuite);
  const auto before = parts();
  approve(90, rotated(4, next));
  ASSERT_TRUE(finish_epoch().has_value());
  ASSERT_EQ(membership().epoch, 2u);
  EXPECT_EQ(code(1, make_report(parts(), voter_keys[2])), ErrorCode::EVIDENCE_INVALID)
      << "the old key says nothing now";
  EXPECT_EQ(code(1, make_report(before, next)), ErrorCode::EVIDENCE_INVALID) << "nor the new one of then";
  EXPECT_EQ(code(1, make_report(parts(), next)), ErrorCode::OK);
  EXPECT_EQ(code(1, make_report(before, voter_keys[2])), ErrorCode::OK) << "an epoch that is over stays provable";
  EXPECT_TRUE(row(1, 4) && row(2, 4));
  EXPECT_EQ(code(1, make_report(before, voter_keys[2])), ErrorCode::EVIDENCE_KNOWN);
}

TEST_F(EquivocationTest, AMembershipThatDoesNotDecodeDiscardsTheBlock) {
  auto later = parts();
  pb::MembershipState now;
  now.set_format(1);
  now.set_epoch(3);
  state.put_value(StateKind::membership, {}, now);
  for (Epoch epoch : {2, 3}) {
    pb::EpochState members;
    members.set_members(epoch == 3 ? to_string(genesis.member_set.encode()) : "damaged");
    members.set_proposal(id_text(9));
    state.put_value(StateKind::epoch, epoch_key(epoch), members);
  }
  later.context.epoch = 2;
  EXPECT_NE(code(1, make_report(later, voter_keys[2])), ErrorCode::OK);
  EXPECT_TRUE(state.corrupt);
}

}  // namespace
}  // namespace galen::contracts::test
