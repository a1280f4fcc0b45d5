#include "galen/base/rng.hpp"
#include "galen/contracts/decision.hpp"
#include "unit/contracts/memory_state.hpp"
#include "unit/test_seed.hpp"

namespace galen::contracts::test {
namespace {

using ConsentsTest = ContractTest;
constexpr auto kAuthor = Assurance::author;

TEST_F(ConsentsTest, OnlyThePatientGrantsAndOnlyWithHerOwnKey) {
  EXPECT_EQ(code(kPatient, grant(100), Assurance::node), ErrorCode::ASSURANCE_TOO_LOW);
  EXPECT_EQ(code(kKeyless, grant(100), Assurance::node), ErrorCode::PATIENT_HAS_NO_KEY);
  EXPECT_EQ(code(kServiceA, grant(100), kAuthor), ErrorCode::NOT_THE_PATIENT);
  EXPECT_EQ(code(kKeyless, grant(100), kAuthor), ErrorCode::NOT_THE_PATIENT);
  EXPECT_TRUE(state.id_lists.empty());
  EXPECT_EQ(code(kPatient, grant(100), kAuthor), ErrorCode::OK);
  EXPECT_EQ(code(kPatient, grant(100), kAuthor), ErrorCode::CONSENT_EXISTS);
}

TEST_F(ConsentsTest, RefusesGrantsThatMeanNothing) {
  auto with = [](auto change) {
    auto operation = grant(100);
    change(*operation.mutable_grant_consent());
    return operation;
  };
  EXPECT_EQ(code(kPatient, with([](auto& b) { b.set_purposes(0); }), kAuthor), ErrorCode::BAD_PURPOSE);
  EXPECT_EQ(code(kPatient, with([](auto& b) { b.set_purposes(1ULL << 59); }), kAuthor), ErrorCode::BAD_PURPOSE);
  EXPECT_EQ(code(kPatient, with([](auto& b) { b.set_grantee(id_text(77)); }), kAuthor), ErrorCode::UNKNOWN_PRINCIPAL);
  EXPECT_EQ(code(kPatient, with([](auto& b) { b.set_grantee(id_text(kServiceB)); }), kAuthor),
            ErrorCode::UNKNOWN_PRINCIPAL);
  EXPECT_EQ(code(kPatient, with([](auto& b) { b.set_grantee(id_text(kGoneMember)); }), kAuthor),
            ErrorCode::PRINCIPAL_INACTIVE);
  EXPECT_EQ(code(kPatient, with([](auto& b) { b.set_consent_id("x"); }), kAuthor), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(kPatient, grant(100, "TREAT", 50, 50), kAuthor), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(kPatient, grant(100, "TREAT", 0, time_ms), kAuthor), ErrorCode::CONSENT_NOT_ACTIVE);
  EXPECT_EQ(code(kPatient, grant(100, "TREAT", 0, time_ms + 1), kAuthor), ErrorCode::OK);
}

TEST_F(ConsentsTest, RevokesOnceAndOnlyOnesOwn) {
  ASSERT_EQ(code(kPatient, grant(100, "TREAT", 0, time_ms + 10), kAuthor), ErrorCode::OK);
  EXPECT_EQ(code(kPatient, revoke(77), kAuthor), ErrorCode::CONSENT_NOT_FOUND);
  EXPECT_EQ(code(kPatient, revoke(100), Assurance::node), ErrorCode::ASSURANCE_TOO_LOW);
  EXPECT_EQ(code(kServiceA, revoke(100), kAuthor), ErrorCode::NOT_THE_PATIENT);
  add(60, pb::PRINCIPAL_KIND_PATIENT, kMemberA, key());
  EXPECT_EQ(code(60, revoke(100), kAuthor), ErrorCode::NOT_THE_PATIENT);
  height = 9;
  EXPECT_EQ(code(kPatient, revoke(100), kAuthor), ErrorCode::OK);
  auto consent = state.value<pb::ConsentState>(StateKind::consent, make_id<ConsentId>(100));
  EXPECT_TRUE(consent->revoked());
  EXPECT_EQ(consent->revoked_height(), 9u);
  EXPECT_EQ(consent->granted_height(), 7u);
  EXPECT_EQ(code(kPatient, revoke(100), kAuthor), ErrorCode::CONSENT_NOT_ACTIVE);
  ASSERT_EQ(code(kPatient, grant(101, "TREAT", 0, time_ms + 10), kAuthor), ErrorCode::OK);
  time_ms += 10;
  EXPECT_EQ(code(kPatient, revoke(101), kAuthor), ErrorCode::CONSENT_NOT_ACTIVE);
}

TEST_F(ConsentsTest, APairHoldsAtMostSixteenAndLetsTheDeadOnesGo) {
  for (std::uint8_t i = 0; i < 16; ++i)
    ASSERT_EQ(code(kPatient, grant(static_cast<std::uint8_t>(100 + i)), kAuthor), ErrorCode::OK);
  EXPECT_EQ(code(kPatient, grant(120), kAuthor), ErrorCode::TOO_MANY_CONSENTS);
  ASSERT_EQ(code(kPatient, revoke(105), kAuthor), ErrorCode::OK);
  EXPECT_EQ(code(kPatient, grant(120), kAuthor), ErrorCode::OK);
  EXPECT_LE(state.meter().used(), Meter::kUnitsPerOperationMax);
  auto index = state.value<pb::GrantIndexState>(
      StateKind::grant_index, grant_index_key(make_id<PrincipalId>(kPatient), make_id<PrincipalId>(kMemberB)));
  ASSERT_EQ(index->consent_ids_size(), 16);
  EXPECT_EQ(index->consent_ids(15), id_text(120));
  for (const auto& id : index->consent_ids()) EXPECT_NE(id, id_text(105));
  EXPECT_EQ(decide(ask()).consent_id(), id_text(120));
  EXPECT_LE(state.meter().used(), Meter::kUnitsPerOperationMax);
  EXPECT_FALSE(state.corrupt);
}

struct DecisionRow {
  const char* name;
  std::vector<pb::ConsentState> consents;
  TimestampMs time_ms;
  const char* purpose;
  pb::DecisionReason reason;
  int consent;  // position, -1 = none
};

pb::ConsentState consent(const char* purpose, TimestampMs not_before_ms = 0, TimestampMs not_after_ms = 0,
                         bool revoked = false) {
  pb::ConsentState value;
  value.set_purposes(purpose_bit(*purpose_from_code(purpose)));
  value.set_not_before_ms(not_before_ms);
  value.set_not_after_ms(not_after_ms);
  value.set_revoked(revoked);
  return value;
}

std::vector<ConsentView> views(const std::vector<pb::ConsentState>& consents) {
  std::vector<ConsentView> out;
  for (const auto& state : consents)
    out.push_back({make_id<ConsentId>(static_cast<std::uint8_t>(out.size() + 1)), state});
  return out;
}

TEST(DecisionTest, FollowsTheTable) {
  const auto live = consent("TREAT"), dead = consent("TREAT", 0, 0, true), past = consent("TREAT", 0, 100),
             future = consent("TREAT", 200), payment = consent("HPAYMT");
  const std::vector<DecisionRow> table = {
      {"nothing was granted", {}, 100, "TREAT", pb::DECISION_REASON_NO_CONSENT, -1},
      {"it holds", {live}, 100, "TREAT", pb::DECISION_REASON_CONSENT, 0},
      {"the newest that holds is named", {live, live, dead}, 100, "TREAT", pb::DECISION_REASON_CONSENT, 1},
      {"revoked", {dead}, 100, "TREAT", pb::DECISION_REASON_REVOKED, 0},
      {"the end is exclusive", {past}, 100, "TREAT", pb::DECISION_REASON_EXPIRED, 0},
      {"a moment before the end", {past}, 99, "TREAT", pb::DECISION_REASON_CONSENT, 0},
      {"a moment before the start", {future}, 199, "TREAT", pb::DECISION_REASON_NOT_YET_VALID, 0},
      {"the start is inclusive", {future}, 200, "TREAT", pb::DECISION_REASON_CONSENT, 0},
      {"another purpose", {payment}, 100, "TREAT", pb::DECISION_REASON_PURPOSE, 0},
      {"treatment is not break the glass", {live}, 100, "BTG", pb::DECISION_REASON_PURPOSE, 0},
      {"revoked is asked before the end",
       {consent("TREAT", 0, 50, true)},
       100,
       "TREAT",
       pb::DECISION_REASON_REVOKED,
       0},
      {"the end is asked before the purpose", {consent("HPAYMT", 0, 50)}, 100, "TREAT", pb::DECISION_REASON_EXPIRED, 0},
      {"the nearest to a permit answers", {payment, past, dead}, 100, "TREAT", pb::DECISION_REASON_PURPOSE, 0},
      {"expired is nearer than revoked", {past, dead}, 100, "TREAT", pb::DECISION_REASON_EXPIRED, 0},
      {"of equals the newer", {dead, dead}, 100, "TREAT", pb::DECISION_REASON_REVOKED, 1},
  };
  for (const auto& row : table) {
    auto decision = contracts::decide(views(row.consents), row.time_ms, *purpose_from_code(row.purpose));
    EXPECT_EQ(decision.reason, row.reason) << row.name;
    EXPECT_EQ(decision.permit, row.reason == pb::DECISION_REASON_CONSENT) << row.name;
    EXPECT_EQ(decision.consent.has_value(), row.consent >= 0) << row.name;
    if (decision.consent && row.consent >= 0) {
      EXPECT_EQ(*decision.consent, make_id<ConsentId>(static_cast<std::uint8_t>(row.consent + 1))) << row.name;
    }
  }
}

/// The same question, asked the slow way: one question at a time over all consents, the last first.
pb::DecisionReason slow_reason(const std::vector<pb::ConsentState>& consents, TimestampMs now, std::uint64_t bit) {
  auto any = [&](auto test) {
    for (const auto& c : consents)
      if (test(c)) return true;
    return false;
  };
  auto ended = [&](const auto& c) { return c.not_after_ms() != 0 && now >= c.not_after_ms(); };
  auto begun = [&](const auto& c) { return now >= c.not_before_ms(); };
  if (any([&](const auto& c) { return !c.revoked() && !ended(c) && begun(c) && (c.purposes() & bit) != 0; }))
    return pb::DECISION_REASON_CONSENT;
  if (any([&](const auto& c) { return !c.revoked() && !ended(c) && begun(c); })) return pb::DECISION_REASON_PURPOSE;
  if (any([&](const auto& c) { return !c.revoked() && !ended(c); })) return pb::DECISION_REASON_NOT_YET_VALID;
  if (any([&](const auto& c) { return !c.revoked(); })) return pb::DECISION_REASON_EXPIRED;
  return consents.empty() ? pb::DECISION_REASON_NO_CONSENT : pb::DECISION_REASON_REVOKED;
}

TEST(DecisionTest, AgreesWithASlowModel) {
  const std::uint64_t seed = galen::test::test_seed();
  SCOPED_TRACE("GALEN_TEST_SEED=" + std::to_string(seed));
  Rng rng(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<pb::ConsentState> consents;
    for (auto n = rng.below(5); n > 0; --n) {
      pb::ConsentState value;
      value.set_purposes(1 + rng.below(7));
      value.set_not_before_ms(rng.below(4));
      value.set_not_after_ms(rng.below(6));
      value.set_revoked(rng.chance(1, 3));
      consents.push_back(value);
    }
    const auto now = rng.below(7);
    const auto purpose = static_cast<std::uint32_t>(1 + rng.below(3));
    const auto decision = contracts::decide(views(consents), now, purpose);
    ASSERT_EQ(decision.reason, slow_reason(consents, now, purpose_bit(purpose)));
    ASSERT_EQ(decision.permit, decision.reason == pb::DECISION_REASON_CONSENT);
  }
}

using AccessTest = ContractTest;

TEST_F(AccessTest, EveryAnswerStandsUnderThePatientsHead) {
  EXPECT_EQ(decide(ask()).reason(), pb::DECISION_REASON_NO_CONSENT);
  ASSERT_EQ(code(kPatient, grant(100), kAuthor), ErrorCode::OK);
  auto permitted = decide(ask());
  EXPECT_TRUE(permitted.permit());
  EXPECT_EQ(permitted.consent_id(), id_text(100));
  EXPECT_EQ(permitted.sequence(), 2u);
  EXPECT_EQ(permitted.requester(), id_text(kMemberB));
  EXPECT_EQ(permitted.author(), id_text(kServiceB));
  EXPECT_EQ(permitted.time_ms(), time_ms);
  ASSERT_EQ(code(kPatient, revoke(100), kAuthor), ErrorCode::OK);
  EXPECT_EQ(decide(ask()).reason(), pb::DECISION_REASON_REVOKED);

  const auto key = access_head_key(make_id<PrincipalId>(kPatient));
  auto head = state.value<pb::AccessHeadState>(StateKind::access_head, key);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->count(), 3u);
  Hash running;
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence)
    running = next_access_hash(kSuite, running, state.list_rows.at({key, sequence}));
  EXPECT_EQ(head->running_hash(), running.str());
}

TEST_F(AccessTest, RefusesQuestionsThatAreNoQuestions) {
  auto with = [](auto change) {
    auto operation = ask();
    change(*operation.mutable_decide());
    return operation;
  };
  ASSERT_EQ(code(kServiceA, anchor(100, kKeyless)), ErrorCode::OK);
  EXPECT_EQ(code(kServiceA, ask()), ErrorCode::NOT_YOUR_MEMBER);
  EXPECT_EQ(code(kPatient, ask()), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(code(kServiceB, with([](auto& b) { b.set_purpose(0); })), ErrorCode::BAD_PURPOSE);
  EXPECT_EQ(code(kServiceB, with([](auto& b) { b.set_purpose(60); })), ErrorCode::BAD_PURPOSE);
  EXPECT_EQ(code(kServiceB, ask("TREAT", 0, 77)), ErrorCode::SUBJECT_UNKNOWN);
  EXPECT_EQ(code(kServiceB, ask("TREAT", 0, kGonePatient)), ErrorCode::PRINCIPAL_INACTIVE);
  EXPECT_EQ(code(kServiceB, ask("TREAT", 77)), ErrorCode::RECORD_NOT_FOUND);
  EXPECT_EQ(code(kServiceB, ask("TREAT", 100)), ErrorCode::SUBJECT_MISMATCH);
  EXPECT_TRUE(state.list_rows.empty());
  EXPECT_EQ(decide(ask("TREAT", 100, kKeyless)).pointer_id(), id_text(100));
}

TEST_F(AccessTest, ARowThatDoesNotDecodeDiscardsTheBlock) {
  state.put(StateKind::grant_index, grant_index_key(make_id<PrincipalId>(kPatient), make_id<PrincipalId>(kMemberB)),
            as_bytes("\xff\xff"));
  run(kServiceB, ask()).ignore("the mark counts, not the answer");
  EXPECT_TRUE(state.corrupt);
}

}  // namespace
}  // namespace galen::contracts::test
