#include "galen/contracts/leadership.hpp"
#include "unit/contracts/membership_fixture.hpp"

namespace galen::contracts::test {
namespace {

TEST_F(MembershipTest, WithoutARowTheMembersAreThoseOfGenesis) {
  const auto now = membership();
  EXPECT_EQ(now.epoch, 1u);
  EXPECT_EQ(now.first_height, 1u);
  EXPECT_EQ(now.members.encode(), genesis.member_set.encode());
  EXPECT_FALSE(now.next);
  EXPECT_EQ(now.next_at(1'000), nullptr);
  EXPECT_TRUE(now.learners.empty());
  for (const auto& row : genesis_state(genesis)) EXPECT_LE(row.kind, StateKind::parameters);
}

TEST_F(MembershipTest, RefusesWhatHasNoForm) {
  const auto good = added(kLearner, learner_key);
  auto with = [&](auto alter) {
    auto change = good;
    alter(*change.mutable_add_learner());
    return proposal(90, change);
  };
  const Hash zero;
  const struct {
    const char* name;
    pb::Operation operation;
  } cases[] = {
      {"proposal id", proposal(0, good)},
      {"no change", proposal(90, {})},
      {"member", with([](auto& body) { body.set_member(std::string(31, 'x')); })},
      {"zero member", with([&](auto& body) { body.set_member(zero.str()); })},
      {"key", with([](auto& body) { body.set_consensus_key("key"); })},
      {"compressed key", with([](auto& body) { body.mutable_consensus_key()->front() = 2; })},
      {"ca", with([](auto& body) { body.clear_tls_ca(); })},
      {"admin", with([](auto& body) { body.clear_admin(); })},
      {"admin is the member", with([](auto& body) { body.set_admin(body.member()); })},
      {"admin key", with([](auto& body) { body.clear_admin_key(); })},
      {"no name", with([](auto& body) { body.clear_name(); })},
      {"long name", with([](auto& body) { body.set_name(std::string(limits::kMemberNameBytesMax + 1, 'n')); })},
      {"control character", with([](auto& body) { body.set_name("A\nB"); })},
      {"C1 control", with([](auto& body) { body.set_name("A\xc2\x85"); })},
      {"not UTF-8", with([](auto& body) { body.set_name("A\xff"); })},
      {"proof", with([](auto& body) { body.set_proof("proof"); })},
      {"promote nobody", proposal(90, promoted(0))},
      {"remove nobody", proposal(90, removed(0))},
      {"rotate nobody", proposal(90, rotated(0, learner_key))},
      {"pin nothing", proposal(90, pinned(1, zero))},
      {"vote for nothing", ballot(0)},
      {"no vote", ballot(90, pb::MEMBERS_VOTE_UNSPECIFIED)},
      {"ready at 0", ready(kLearner, 0, make_id<Hash>(9), learner_key)},
      {"ready without a root", ready(kLearner, 5, zero, learner_key)},
      {"ready of nobody", ready(0, 5, make_id<Hash>(9), learner_key)},
  };
  for (const auto& c : cases) {
    auto status = check_operation(c.operation);
    ASSERT_FALSE(status) << c.name;
    EXPECT_EQ(status.error().code, ErrorCode::INVALID_ARGUMENT) << c.name;
    EXPECT_EQ(code(11, c.operation, Assurance::author), ErrorCode::INVALID_ARGUMENT) << c.name;
  }
}

TEST_F(MembershipTest, AdministratorsOfVotersDecideWithTheirOwnKeys) {
  const auto change = added(kLearner, learner_key);
  EXPECT_EQ(code(kServiceA, proposal(90, change), Assurance::author), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(code(kPatient, proposal(90, change), Assurance::author), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(code(11, proposal(90, change), Assurance::node), ErrorCode::ASSURANCE_TOO_LOW);
  ASSERT_EQ(propose(90, change), ErrorCode::OK);
  EXPECT_EQ(code(12, ballot(90), Assurance::node), ErrorCode::ASSURANCE_TOO_LOW);
  EXPECT_EQ(code(kServiceB, ballot(90), Assurance::author), ErrorCode::PERMISSION_DENIED);
  add(13, pb::PRINCIPAL_KIND_ADMIN, kGoneMember, key());
  EXPECT_EQ(vote(13, 90), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(propose(91, change, 13), ErrorCode::PERMISSION_DENIED);
}

TEST_F(MembershipTest, AQuorumLetsALearnerIn) {
  ASSERT_EQ(propose(90, added(kLearner, learner_key)), ErrorCode::OK);
  EXPECT_EQ(state.id_lists.at({ListKind::proposals, Bytes{}}), to_bytes(make_id<Hash>(90)));
  EXPECT_EQ(vote(12, 90), ErrorCode::OK);
  auto row = proposal_row(90);
  EXPECT_EQ(row.status(), pb::PROPOSAL_STATUS_OPEN);
  EXPECT_EQ(row.proposer(), id_text(1));
  EXPECT_EQ(row.author(), id_text(11));
  EXPECT_EQ(row.proposed_height(), height);
  EXPECT_EQ(row.expires_ms(), time_ms + limits::kProposalLifeMs);
  EXPECT_TRUE(membership().learners.empty());
  ++height;
  EXPECT_EQ(vote(14, 90), ErrorCode::OK);
  row = proposal_row(90);
  EXPECT_EQ(row.status(), pb::PROPOSAL_STATUS_APPROVED);
  EXPECT_EQ(row.decided_height(), height);
  ASSERT_EQ(row.approvals_size(), 3);
  EXPECT_EQ(row.approvals(2), id_text(4));

  // It learns at once; the list of voters is what it was.
  const auto now = membership();
  EXPECT_EQ(now.learners, std::vector{make_id<PrincipalId>(kLearner)});
  EXPECT_FALSE(now.next);
  EXPECT_EQ(now.epoch, 1u);
  EXPECT_EQ(now.members.encode(), genesis.member_set.encode());
  EXPECT_EQ(member_row(kLearner).status(), pb::MEMBER_STATUS_LEARNER);
  EXPECT_EQ(member_row(kLearner).name(), name_of(kLearner));
  EXPECT_EQ(principal_row(kLearner).kind(), pb::PRINCIPAL_KIND_MEMBER);
  EXPECT_EQ(principal_row(kLearner).status(), pb::PRINCIPAL_STATUS_LEARNER);
  EXPECT_EQ(principal_row(kLearnerAdmin).kind(), pb::PRINCIPAL_KIND_ADMIN);
  EXPECT_EQ(principal_row(kLearnerAdmin).home_member(), id_text(kLearner));
  EXPECT_EQ(principal_row(kLearnerAdmin).key(), key());
  EXPECT_EQ(principal_row(kLearnerAdmin).registered_height(), height);

  // A learner follows only: nobody consents to it.
  auto consent = grant(40);
  consent.mutable_grant_consent()->set_grantee(id_text(kLearner));
  EXPECT_EQ(code(kPatient, consent, Assurance::author), ErrorCode::PRINCIPAL_INACTIVE);
}

TEST_F(MembershipTest, RefusesALearnerWhoIsSomebodyElse) {
  approve(90, added(kLearner, learner_key));
  const auto other_key = crypto::PrivateKey::generate(kSuite);
  const MemberAdmission good{make_id<PrincipalId>(51), other_key.public_key(),  ca_of(51), make_id<PrincipalId>(61),
                             other_key.public_key(),   name_of(51)};
  auto with = [&](auto alter) {
    auto admission = good;
    alter(admission);
    return added(admission, other_key);
  };
  auto signed_otherwise = added(good, learner_key);
  auto altered = added(good, other_key);
  altered.mutable_add_learner()->set_admin(id_text(62));
  auto off_curve = added(good, other_key);
  off_curve.mutable_add_learner()->mutable_consensus_key()->back() ^= 1;
  auto admin_off_curve = added(good, other_key);
  admin_off_curve.mutable_add_learner()->mutable_admin_key()->back() ^= 1;
  const struct {
    const char* name;
    pb::MembersChange change;
    ErrorCode code;
  } cases[] = {
      {"a voter's id", with([](auto& m) { m.member = make_id<PrincipalId>(1); }), ErrorCode::MEMBER_EXISTS},
      {"a patient's id", with([](auto& m) { m.member = make_id<PrincipalId>(kPatient); }), ErrorCode::MEMBER_EXISTS},
      {"a learner's id", with([](auto& m) { m.member = make_id<PrincipalId>(kLearner); }), ErrorCode::MEMBER_EXISTS},
      {"an administrator's id", with([](auto& m) { m.admin = make_id<PrincipalId>(12); }), ErrorCode::MEMBER_EXISTS},
      {"a voter's CA", with([](auto& m) { m.tls_ca = ca_of(2); }), ErrorCode::MEMBER_EXISTS},
      {"a learner's CA", with([](auto& m) { m.tls_ca = ca_of(kLearner); }), ErrorCode::MEMBER_EXISTS},
      {"a name of genesis", with([](auto& m) { m.name = name_of(4); }), ErrorCode::MEMBER_EXISTS},
      {"a learner's name", with([](auto& m) { m.name = name_of(kLearner); }), ErrorCode::MEMBER_EXISTS},
      {"a voter's key", with([&](auto& m) { m.consensus_key = voter_keys[1].public_key(); }),
       ErrorCode::MEMBER_KEY_USED},
      {"a learner's key", with([&](auto& m) { m.consensus_key = learner_key.public_key(); }),
       ErrorCode::MEMBER_KEY_USED},
      {"another key's proof", signed_otherwise, ErrorCode::BAD_POSSESSION_PROOF},
      {"a proof over something else", altered, ErrorCode::BAD_POSSESSION_PROOF},
      {"a key off the curve", off_curve, ErrorCode::INVALID_ARGUMENT},
      {"an administrator's key off the curve", admin_off_curve, ErrorCode::INVALID_ARGUMENT},
  };
  for (const auto& c : cases) EXPECT_EQ(propose(91, c.change), c.code) << c.name;
  EXPECT_EQ(propose(91, added(good, other_key)), ErrorCode::OK);
  EXPECT_EQ(propose(91, added(good, other_key)), ErrorCode::PROPOSAL_EXISTS);
  // What was free when it was proposed need not be when it is decided.
  auto same_name = good;
  const auto third_key = crypto::PrivateKey::generate(kSuite);
  same_name.member = make_id<PrincipalId>(52);
  same_name.admin = make_id<PrincipalId>(62);
  same_name.tls_ca = ca_of(52);
  same_name.consensus_key = third_key.public_key();
  approve(92, added(same_name, third_key));
  EXPECT_EQ(vote(12, 91), ErrorCode::OK);
  EXPECT_EQ(vote(14, 91), ErrorCode::MEMBER_EXISTS);
  EXPECT_EQ(proposal_row(91).approvals_size(), 2) << "a refused vote was not given";
}

TEST_F(MembershipTest, AMemberVotesOnceAndNeverLate) {
  ASSERT_EQ(propose(90, removed(5)), ErrorCode::MEMBERS_LIMIT) << "four cannot bear the loss of one";
  ASSERT_EQ(propose(90, pinned(1, ca_of(99))), ErrorCode::OK);
  EXPECT_EQ(vote(11, 90), ErrorCode::ALREADY_VOTED) << "the proposal was its vote";
  EXPECT_EQ(vote(12, 90, pb::MEMBERS_VOTE_REJECT), ErrorCode::OK);
  EXPECT_EQ(vote(12, 90), ErrorCode::ALREADY_VOTED);
  EXPECT_EQ(vote(12, 91), ErrorCode::PROPOSAL_NOT_FOUND);
  EXPECT_EQ(proposal_row(90).status(), pb::PROPOSAL_STATUS_OPEN) << "three could still approve";
  EXPECT_EQ(vote(14, 90, pb::MEMBERS_VOTE_REJECT), ErrorCode::OK);
  EXPECT_EQ(proposal_row(90).status(), pb::PROPOSAL_STATUS_REJECTED);
  EXPECT_EQ(proposal_row(90).decided_height(), height);
  EXPECT_EQ(vote(15, 90), ErrorCode::PROPOSAL_CLOSED);

  ASSERT_EQ(propose(91, pinned(1, ca_of(99))), ErrorCode::OK);
  time_ms += limits::kProposalLifeMs;
  EXPECT_EQ(vote(12, 91), ErrorCode::OK);
  ++time_ms;
  EXPECT_EQ(vote(14, 91), ErrorCode::PROPOSAL_CLOSED);
}

TEST_F(MembershipTest, AMemberHasFourOpenProposals) {
  for (std::uint8_t i = 0; i < limits::kOpenProposalsPerMemberMax; ++i)
    ASSERT_EQ(propose(static_cast<std::uint8_t>(90 + i), pinned(1, ca_of(static_cast<std::uint8_t>(60 + i)))),
              ErrorCode::OK);
  EXPECT_EQ(propose(95, pinned(1, ca_of(70))), ErrorCode::TOO_MANY_PROPOSALS);
  EXPECT_EQ(propose(95, pinned(1, ca_of(70)), 12), ErrorCode::OK) << "another member's are counted apart";
  for (std::uint8_t admin : {12, 14}) ASSERT_EQ(vote(admin, 91, pb::MEMBERS_VOTE_REJECT), ErrorCode::OK);
  EXPECT_EQ(propose(96, pinned(1, ca_of(70))), ErrorCode::OK);
  EXPECT_EQ(propose(97, pinned(1, ca_of(70))), ErrorCode::TOO_MANY_PROPOSALS);
  time_ms += limits::kProposalLifeMs + 1;
  EXPECT_EQ(propose(97, pinned(1, ca_of(70))), ErrorCode::OK);
  EXPECT_EQ(member_row(1).open_proposals_size(), 1);
}

TEST_F(MembershipTest, ThereAreEightLearnersAndNobodyWaitsUnbounded) {
  for (std::uint8_t i = 0; i < limits::kLearnersMax; ++i)
    approve(static_cast<std::uint8_t>(90 + i),
            added(static_cast<std::uint8_t>(40 + i), crypto::PrivateKey::generate(kSuite)));
  EXPECT_EQ(propose(110, added(58, crypto::PrivateKey::generate(kSuite))), ErrorCode::MEMBERS_LIMIT);
  approve(111, removed(41));
  // The dearest of all operations still has room: all learners but one, three open proposals before it.
  for (std::uint8_t i = 0; i + 1u < limits::kOpenProposalsPerMemberMax; ++i)
    ASSERT_EQ(propose(static_cast<std::uint8_t>(120 + i), pinned(1, ca_of(static_cast<std::uint8_t>(80 + i)))),
              ErrorCode::OK);
  EXPECT_EQ(propose(112, added(58, crypto::PrivateKey::generate(kSuite))), ErrorCode::OK);
  EXPECT_LE(state.meter().used(), Meter::kUnitsPerOperationMax);
  EXPECT_EQ(member_row(41).status(), pb::MEMBER_STATUS_REMOVED);
  EXPECT_EQ(principal_row(41).status(), pb::PRINCIPAL_STATUS_REVOKED);
  EXPECT_FALSE(membership().next) << "learners come and go within an epoch";
}

TEST_F(MembershipTest, ThereAreAHundredMembersAtMost) {
  auto members = genesis.member_set.all();
  while (members.size() < limits::kMembersMax) {
    const auto id = static_cast<std::uint8_t>(members.size() + 120);
    members.push_back({make_id<PrincipalId>(id), crypto::PrivateKey::generate(kSuite).public_key(), ca_of(id)});
  }
  approve(90, added(kLearner, learner_key));
  ASSERT_EQ(show_ready(kLearner, learner_key), ErrorCode::OK);
  genesis.member_set = MemberSet(members);
  EXPECT_EQ(propose(91, promoted(kLearner)), ErrorCode::MEMBERS_LIMIT);
}

TEST_F(MembershipTest, KeepsRootsWhileSomebodyLearns) {
  BlockHeader header;
  header.height = 10;
  header.exec_height = 9;
  header.time_ms = time_ms;
  header.state_root = make_id<Hash>(9);
  begin_block(membership(), header, state);
  EXPECT_FALSE(state.value<pb::CertifiedRootsState>(StateKind::certified_roots, {}));
  approve(90, added(kLearner, learner_key));
  const auto now = membership();
  auto keep = [&](Height exec_height, TimestampMs at_ms) {
    header.exec_height = exec_height;
    header.time_ms = at_ms;
    header.state_root = make_id<Hash>(static_cast<std::uint8_t>(exec_height));
    begin_block(now, header, state);
    return *state.value<pb::CertifiedRootsState>(StateKind::certified_roots, {});
  };
  EXPECT_EQ(keep(9, time_ms).roots_size(), 1);
  EXPECT_EQ(keep(10, time_ms + limits::kCertifiedRootIntervalMs - 1).roots_size(), 1) << "too soon";
  EXPECT_EQ(keep(9, time_ms + limits::kCertifiedRootIntervalMs).roots_size(), 1) << "no other height";
  EXPECT_EQ(keep(10, time_ms + limits::kCertifiedRootIntervalMs).roots_size(), 2);
  for (Height h = 11; h < 11 + limits::kCertifiedRootsMax; ++h)
    keep(h, time_ms + h * limits::kCertifiedRootIntervalMs);
  const auto full = *state.value<pb::CertifiedRootsState>(StateKind::certified_roots, {});
  ASSERT_EQ(static_cast<std::size_t>(full.roots_size()), limits::kCertifiedRootsMax);
  EXPECT_EQ(full.roots(0).height(), 11u);
}

TEST_F(MembershipTest, WhoIsLeftOutOfTheRotationIsForgottenWithTheEpoch) {
  approve(90, pinned(1, make_id<Hash>(91)));
  ASSERT_TRUE(finish_epoch().has_value());
  EXPECT_FALSE(state.value<pb::LeadershipState>(StateKind::leadership, {})) << "no view has failed, and no row is written";
  BlockHeader parent, block;
  parent.height = 5;
  parent.view = 3;
  block.height = 6;
  block.view = 4;
  note_leaders(4, parent, block, state);
  EXPECT_EQ(state.value<pb::LeadershipState>(StateKind::leadership, {})->failures_size(), 4) << "its tenure had not ended";
  approve(92, pinned(1, make_id<Hash>(93)));
  ASSERT_TRUE(finish_epoch().has_value());
  const auto row = *state.value<pb::LeadershipState>(StateKind::leadership, {});
  EXPECT_EQ(row.failures_size() + row.skips_size(), 0);
  EXPECT_EQ(row.format(), 1u);
}

TEST_F(MembershipTest, ALearnerShowsTheRootThatTheChainCertified) {
  approve(90, added(kLearner, learner_key));
  EXPECT_EQ(code(11, ready(kLearner, 5, make_id<Hash>(5), learner_key)), ErrorCode::LEARNER_STATE_UNKNOWN);
  EXPECT_EQ(show_ready(kLearner, voter_keys[0]), ErrorCode::BAD_POSSESSION_PROOF);
  const auto root = make_id<Hash>(static_cast<std::uint8_t>(height));
  const auto shown = height - 1;
  EXPECT_EQ(code(11, ready(kLearner, shown, make_id<Hash>(200), learner_key)), ErrorCode::LEARNER_STATE_DIFFERS);
  EXPECT_EQ(code(11, ready(kLearner, shown + 1, root, learner_key)), ErrorCode::LEARNER_STATE_UNKNOWN);
  EXPECT_EQ(code(11, ready(1, shown, root, voter_keys[0])), ErrorCode::MEMBER_NOT_FOUND) << "a voter learns nothing";
  EXPECT_EQ(code(kServiceA, ready(kLearner, shown, root, learner_key)), ErrorCode::PERMISSION_DENIED);
  time_ms += limits::kLearnerLagMsMax;
  const auto given_ms = time_ms;
  ++time_ms;
  EXPECT_EQ(code(11, ready(kLearner, shown, root, learner_key)), ErrorCode::LEARNER_STATE_UNKNOWN) << "too old";
  time_ms = given_ms;
  EXPECT_EQ(code(kLearnerAdmin, ready(kLearner, shown, root, learner_key), Assurance::author), ErrorCode::OK);
  EXPECT_EQ(member_row(kLearner).ready_height(), shown);
  EXPECT_EQ(member_row(kLearner).ready_time_ms(), given_ms);
  EXPECT_EQ(code(11, ready(kLearner, shown, root, learner_key)), ErrorCode::LEARNER_STATE_UNKNOWN) << "shown before";

  const auto other_key = crypto::PrivateKey::generate(kSuite);
  approve(91, added(51, other_key));
  EXPECT_EQ(code(kLearnerAdmin, ready(51, shown, root, other_key), Assurance::author), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(code(12, ready(51, shown, root, other_key)), ErrorCode::OK) << "any voter's administrator may bring it";
}

TEST_F(MembershipTest, AReadyLearnerBecomesAVoterWithTheNextEpoch) {
  EXPECT_EQ(propose(91, promoted(kLearner)), ErrorCode::MEMBER_NOT_FOUND);
  approve(90, added(kLearner, learner_key));
  EXPECT_EQ(propose(91, promoted(1)), ErrorCode::MEMBER_EXISTS);
  EXPECT_EQ(propose(91, promoted(kLearner)), ErrorCode::LEARNER_NOT_READY);
  ASSERT_EQ(show_ready(kLearner, learner_key), ErrorCode::OK);
  ASSERT_EQ(propose(91, promoted(kLearner)), ErrorCode::OK);
  ASSERT_EQ(vote(12, 91), ErrorCode::OK);
  time_ms += limits::kLearnerReadyMs + 1;
  EXPECT_EQ(vote(14, 91), ErrorCode::LEARNER_NOT_READY) << "it showed so too long ago";
  ASSERT_EQ(show_ready(kLearner, learner_key), ErrorCode::OK);
  ASSERT_EQ(vote(14, 91), ErrorCode::OK);

  auto now = membership();
  ASSERT_TRUE(now.next);
  EXPECT_EQ(now.next->since, height);
  EXPECT_EQ(now.next->proposal_id, make_id<Hash>(91));
  EXPECT_EQ(now.next_at(height - 1), nullptr);
  ASSERT_NE(now.next_at(height), nullptr);
  ASSERT_EQ(now.next->members.size(), 5u);
  EXPECT_EQ(now.next->members[4],
            (Member{make_id<PrincipalId>(kLearner), learner_key.public_key(), ca_of(kLearner)}));
  EXPECT_EQ(now.members.size(), 4u);

  ASSERT_TRUE(finish_epoch().has_value());
  const auto pending_hash = now.next->members.hash(kSuite);
  now = membership();
  EXPECT_EQ(now.epoch, 2u);
  EXPECT_EQ(now.first_height, height + 1);
  EXPECT_EQ(now.members.hash(kSuite), pending_hash);
  EXPECT_FALSE(now.next);
  EXPECT_TRUE(now.learners.empty());
  EXPECT_EQ(member_row(kLearner).status(), pb::MEMBER_STATUS_VOTER);
  EXPECT_EQ(principal_row(kLearner).status(), pb::PRINCIPAL_STATUS_ACTIVE);
  EXPECT_EQ(vote(14, 91), ErrorCode::PROPOSAL_CLOSED);
  // The new member's administrator votes now, and of five four are a quorum.
  ASSERT_EQ(propose(92, pinned(2, ca_of(99)), kLearnerAdmin), ErrorCode::OK);
  ASSERT_EQ(vote(11, 92), ErrorCode::OK);
  ASSERT_EQ(vote(12, 92), ErrorCode::OK);
  EXPECT_EQ(proposal_row(92).status(), pb::PROPOSAL_STATUS_OPEN);
  ASSERT_EQ(vote(14, 92), ErrorCode::OK);
  EXPECT_EQ(proposal_row(92).status(), pb::PROPOSAL_STATUS_APPROVED);

  auto past = load_epoch(genesis, 2, [&](StateKind kind, ByteSpan key) -> Result<std::optional<Bytes>> {
    return state.get(kind, key);
  });
  ASSERT_TRUE(past && *past);
  EXPECT_EQ((*past)->members.hash(kSuite), pending_hash);
  EXPECT_EQ((*past)->proposal_id, make_id<Hash>(91));
}

TEST_F(MembershipTest, NothingMovesWhileAChangeIsPending) {
  ASSERT_EQ(propose(91, pinned(4, ca_of(98)), 12), ErrorCode::OK);
  approve(90, added(kLearner, learner_key));
  approve(92, pinned(2, ca_of(99)));
  const auto pending = membership().next->members.hash(kSuite);
  EXPECT_EQ(propose(93, pinned(4, ca_of(97))), ErrorCode::MEMBERS_CHANGE_PENDING);
  EXPECT_EQ(propose(93, removed(kLearner)), ErrorCode::MEMBERS_CHANGE_PENDING);
  for (std::uint8_t admin : {11, 14, 15}) EXPECT_EQ(vote(admin, 91), ErrorCode::MEMBERS_CHANGE_PENDING);
  EXPECT_EQ(show_ready(kLearner, learner_key), ErrorCode::OK) << "it changes no list";
  EXPECT_EQ(membership().next->members.hash(kSuite), pending);
  ASSERT_TRUE(finish_epoch().has_value());
  EXPECT_EQ(membership().learners.size(), 1u);
  EXPECT_EQ(vote(11, 91), ErrorCode::OK) << "a proposal lives on";
}

TEST_F(MembershipTest, AnEpochEndsWithThePendingListOnly) {
  BlockHeader header;
  header.height = ++height;
  header.next_members_hash = genesis.member_set.hash(kSuite);
  EXPECT_EQ(end_epoch(genesis, header, state).error().code, ErrorCode::CORRUPT) << "nothing is pending";
  approve(90, pinned(2, ca_of(99)));
  EXPECT_EQ(end_epoch(genesis, header, state).error().code, ErrorCode::CORRUPT) << "another list";
  EXPECT_EQ(membership().epoch, 1u);
  EXPECT_TRUE(finish_epoch().has_value());
  EXPECT_EQ(membership().epoch, 2u);
  EXPECT_EQ(finish_epoch().error().code, ErrorCode::CORRUPT);
}

TEST_F(MembershipTest, ARemovedMemberLeavesItsRows) {
  approve(90, added(kLearner, learner_key));
  ASSERT_EQ(show_ready(kLearner, learner_key), ErrorCode::OK);
  approve(91, promoted(kLearner));
  ASSERT_TRUE(finish_epoch().has_value());
  EXPECT_EQ(propose(92, removed(77)), ErrorCode::MEMBER_NOT_FOUND);
  ASSERT_EQ(propose(92, removed(2)), ErrorCode::OK);
  for (std::uint8_t admin : {14, 15}) ASSERT_EQ(vote(admin, 92), ErrorCode::OK);
  ASSERT_EQ(vote(12, 92), ErrorCode::OK) << "it has a vote about itself";
  ASSERT_TRUE(finish_epoch().has_value());
  const auto now = membership();
  EXPECT_EQ(now.members.size(), 4u);
  EXPECT_FALSE(now.is_voter(id_text(2)));
  EXPECT_EQ(now.members[3].id, make_id<PrincipalId>(kLearner)) << "the others keep their order";
  EXPECT_EQ(member_row(2).status(), pb::MEMBER_STATUS_REMOVED);
  EXPECT_EQ(principal_row(2).status(), pb::PRINCIPAL_STATUS_REVOKED);
  EXPECT_EQ(principal_row(12).status(), pb::PRINCIPAL_STATUS_ACTIVE) << "its author rights end with the list";
  EXPECT_EQ(propose(93, removed(4)), ErrorCode::MEMBERS_LIMIT);
  EXPECT_EQ(propose(93, removed(2)), ErrorCode::MEMBER_NOT_FOUND);
  EXPECT_EQ(code(kPatient, grant(40), Assurance::author), ErrorCode::PRINCIPAL_INACTIVE);
  // Neither its id nor its key comes back.
  EXPECT_EQ(propose(93, added(2, crypto::PrivateKey::generate(kSuite))), ErrorCode::MEMBER_EXISTS);
  EXPECT_EQ(propose(93, added(53, voter_keys[1])), ErrorCode::MEMBER_KEY_USED);
  EXPECT_EQ(propose(93, rotated(1, voter_keys[1])), ErrorCode::MEMBER_KEY_USED);
}

TEST_F(MembershipTest, VotesOfOneWhoLeftCountNoMore) {
  approve(90, added(kLearner, learner_key));
  ASSERT_EQ(show_ready(kLearner, learner_key), ErrorCode::OK);
  approve(91, promoted(kLearner));
  ASSERT_TRUE(finish_epoch().has_value());
  ASSERT_EQ(propose(93, pinned(4, ca_of(98)), 12), ErrorCode::OK);  // member 2 for itself, then it goes
  ASSERT_EQ(propose(92, removed(2)), ErrorCode::OK);
  for (std::uint8_t admin : {14, 15, 12}) ASSERT_EQ(vote(admin, 92), ErrorCode::OK);
  ASSERT_TRUE(finish_epoch().has_value());
  for (std::uint8_t admin : {11, 14}) ASSERT_EQ(vote(admin, 93), ErrorCode::OK);
  EXPECT_EQ(proposal_row(93).status(), pb::PROPOSAL_STATUS_OPEN) << "two of four";
  ASSERT_EQ(vote(15, 93), ErrorCode::OK);
  EXPECT_EQ(proposal_row(93).status(), pb::PROPOSAL_STATUS_APPROVED);
}

TEST_F(MembershipTest, AKeyIsRotatedWithProofAndNeverUsedAgain) {
  const auto next = crypto::PrivateKey::generate(kSuite);
  auto stolen = rotated(1, next);
  stolen.mutable_rotate_key()->set_member(id_text(2));
  EXPECT_EQ(propose(90, stolen), ErrorCode::BAD_POSSESSION_PROOF) << "a proof is one member's";
  EXPECT_EQ(propose(90, rotated(77, next)), ErrorCode::MEMBER_NOT_FOUND);
  EXPECT_EQ(propose(90, rotated(1, voter_keys[0])), ErrorCode::MEMBER_KEY_USED);
  approve(90, rotated(1, next));
  ASSERT_TRUE(finish_epoch().has_value());
  EXPECT_EQ(membership().members[0], (Member{make_id<PrincipalId>(1), next.public_key(), ca_of(1)}));
  EXPECT_EQ(member_row(1).consensus_key(), next.public_key().str());
  EXPECT_EQ(principal_row(1).status(), pb::PRINCIPAL_STATUS_ACTIVE);
  EXPECT_EQ(propose(91, rotated(1, voter_keys[0])), ErrorCode::MEMBER_KEY_USED);
  EXPECT_EQ(propose(91, rotated(2, next)), ErrorCode::MEMBER_KEY_USED);

  // A learner's key changes at once, and what the old one said is void.
  approve(92, added(kLearner, learner_key));
  ASSERT_EQ(show_ready(kLearner, learner_key), ErrorCode::OK);
  const auto learners_next = crypto::PrivateKey::generate(kSuite);
  approve(93, rotated(kLearner, learners_next));
  EXPECT_FALSE(membership().next);
  EXPECT_EQ(propose(94, promoted(kLearner)), ErrorCode::LEARNER_NOT_READY);
  EXPECT_EQ(show_ready(kLearner, learner_key), ErrorCode::BAD_POSSESSION_PROOF);
  EXPECT_EQ(show_ready(kLearner, learners_next), ErrorCode::OK);
  EXPECT_EQ(propose(94, rotated(2, learner_key)), ErrorCode::MEMBER_KEY_USED);
}

TEST_F(MembershipTest, ACaIsPinnedForOneMemberAtATime) {
  EXPECT_EQ(propose(90, pinned(77, ca_of(99))), ErrorCode::MEMBER_NOT_FOUND);
  EXPECT_EQ(propose(90, pinned(1, ca_of(2))), ErrorCode::MEMBER_EXISTS);
  EXPECT_EQ(propose(90, pinned(1, ca_of(1))), ErrorCode::MEMBER_EXISTS);
  approve(90, pinned(1, ca_of(99)));
  ASSERT_TRUE(finish_epoch().has_value());
  EXPECT_EQ(membership().members[0], (Member{make_id<PrincipalId>(1), voter_keys[0].public_key(), ca_of(99)}));
  EXPECT_EQ(member_row(1).tls_ca(), ca_of(99).str());
  approve(91, pinned(1, ca_of(1)));
  ASSERT_TRUE(finish_epoch().has_value()) << "back to the one before";
  approve(92, added(kLearner, learner_key));
  approve(93, pinned(kLearner, ca_of(97)));
  EXPECT_FALSE(membership().next);
  EXPECT_EQ(member_row(kLearner).tls_ca(), ca_of(97).str());
}

TEST_F(MembershipTest, AnAdministratorsFirstKeyIsVouchedForAndSignsForTheNext) {
  add(16, pb::PRINCIPAL_KIND_ADMIN, kMemberA);
  const auto first = crypto::PrivateKey::generate(kSuite), second = crypto::PrivateKey::generate(kSuite);
  auto set_key = [&](const crypto::PrivateKey& shown, const crypto::PrivateKey& signer, std::uint8_t admin = 16) {
    pb::Operation operation;
    auto* body = operation.mutable_set_admin_key();
    body->set_key(shown.public_key().str());
    body->set_proof(
        signer.sign(admin_key_sign_bytes(genesis.chain_id, make_id<PrincipalId>(admin), shown.public_key())).str());
    return operation;
  };
  EXPECT_EQ(code(kServiceA, set_key(first, first, kServiceA)), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(code(kPatient, set_key(first, first, kPatient), Assurance::author), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(code(16, set_key(first, second)), ErrorCode::BAD_POSSESSION_PROOF);
  EXPECT_EQ(code(16, set_key(first, first, 11)), ErrorCode::BAD_POSSESSION_PROOF) << "another's";
  pb::Operation empty;
  empty.mutable_set_admin_key();
  EXPECT_EQ(code(16, empty), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(16, proposal(90, pinned(1, ca_of(99))), Assurance::node), ErrorCode::ASSURANCE_TOO_LOW);
  ASSERT_EQ(code(16, set_key(first, first)), ErrorCode::OK);
  EXPECT_EQ(principal_row(16).key(), first.public_key().str());
  EXPECT_EQ(principal_row(16).key_version(), 1u);
  EXPECT_EQ(code(16, set_key(second, second)), ErrorCode::ASSURANCE_TOO_LOW) << "the node alone replaces no key";
  EXPECT_EQ(code(16, set_key(first, first), Assurance::author), ErrorCode::INVALID_ARGUMENT);
  ASSERT_EQ(code(16, set_key(second, second), Assurance::author), ErrorCode::OK);
  EXPECT_EQ(principal_row(16).key_version(), 2u);
}

}  // namespace
}  // namespace galen::contracts::test
