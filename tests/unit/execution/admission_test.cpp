#include "galen/execution/admission.hpp"

#include "unit/execution/chain_fixture.hpp"

namespace galen::execution::test {
namespace {

class AdmissionTest : public ExecutionTest {
 protected:
  AdmissionTest() : admission(chain.genesis, chain.member(0)) {}

  AdmissionRequest request(const BatchItem& item) const {
    return {item.transaction.bytes(), item.authorization, item.transaction.author(), chain.time_ms + 50};
  }
  ErrorCode admit(const AdmissionRequest& request) const {
    auto admitted = admission.admit(node.view(), request);
    return admitted ? ErrorCode::OK : admitted.error().code;
  }
  ErrorCode admit(const BatchItem& item) const { return admit(request(item)); }

  Admission admission;
};

TEST_F(AdmissionTest, LetsInWhatExecutionWillTake) {
  EXPECT_EQ(admit(chain.item(service_a, {anchor(), anchor()})), ErrorCode::OK);
  auto granted = request(chain.item(patient, {grant(random_id<ConsentId>(chain.rng))}, &patient_key));
  granted.caller = std::nullopt;
  EXPECT_EQ(admit(granted), ErrorCode::OK);
}

TEST_F(AdmissionTest, RefusesEachThingByItsCode) {
  EXPECT_EQ(admit({Bytes{0x0a}, {}, service_a, chain.time_ms}), ErrorCode::MALFORMED);
  auto foreign_chain = chain.draft(service_a, {anchor()});
  foreign_chain.chain_id = random_id<Hash>(chain.rng);
  EXPECT_EQ(admit({Transaction::encode(foreign_chain), {}, service_a, chain.time_ms}), ErrorCode::WRONG_CHAIN);

  auto posed = request(chain.item(service_a, {anchor()}));
  posed.caller = chain.admin(0);
  EXPECT_EQ(admit(posed), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(admit(chain.item(service_b, {ask()})), ErrorCode::NOT_YOUR_MEMBER);
  EXPECT_EQ(admit(chain.item(random_id<PrincipalId>(chain.rng), {anchor()})), ErrorCode::UNKNOWN_PRINCIPAL);

  auto draft = chain.draft(service_a, {anchor()});
  draft.valid_until_ms = chain.time_ms + 10;
  EXPECT_EQ(admit(chain.item(draft)), ErrorCode::EXPIRED);
  draft.valid_until_ms = chain.time_ms + 50 + 999;
  EXPECT_EQ(admit(chain.item(draft)), ErrorCode::EXPIRED) << "its batch would end with it";
  draft.valid_until_ms = chain.time_ms + 50 + 1'000;
  EXPECT_EQ(admit(chain.item(draft)), ErrorCode::OK);
  draft.valid_until_ms = chain.time_ms + 51 + chain.genesis.parameters.ttl_max_ms;
  EXPECT_EQ(admit(chain.item(draft)), ErrorCode::VALID_UNTIL_TOO_FAR);

  const auto consent = grant(random_id<ConsentId>(chain.rng));
  EXPECT_EQ(admit(chain.item(patient, {consent})), ErrorCode::ASSURANCE_TOO_LOW);
  EXPECT_EQ(admit(chain.item(service_a, {consent})), ErrorCode::NOT_THE_PATIENT);
  EXPECT_EQ(admit(chain.item(patient, {anchor()}, &patient_key)), ErrorCode::PERMISSION_DENIED);
  const auto foreign = crypto::PrivateKey::generate(kSuite);
  EXPECT_EQ(admit(chain.item(patient, {consent}, &foreign)), ErrorCode::WRONG_KEY);
  auto altered = request(chain.item(patient, {consent}, &patient_key));
  altered.transaction = chain.item(patient, {consent}).transaction.bytes();
  EXPECT_EQ(admit(altered), ErrorCode::BAD_SIGNATURE);
  auto bad = ask();
  bad.mutable_decide()->set_purpose(60);
  EXPECT_EQ(admit(chain.item(service_a, {bad})), ErrorCode::BAD_PURPOSE);

  const auto keyless = random_id<PrincipalId>(chain.rng);
  ASSERT_EQ(run_one(0, chain.item(service_a, {registration(keyless, pb::PRINCIPAL_KIND_PATIENT)})), ErrorCode::OK);
  EXPECT_EQ(admit(chain.item(keyless, {consent})), ErrorCode::PATIENT_HAS_NO_KEY);
}

TEST_F(AdmissionTest, GivesTheFirstAnswerToARetry) {
  auto item = chain.item(service_a, {anchor()});
  const auto done = run(0, {item});
  auto admitted = take(admission.admit(node.view(), request(item)));
  ASSERT_TRUE(admitted.first);
  EXPECT_EQ(admitted.first->height, done.height);
}

TEST_F(AdmissionTest, ValidateOnlySaysWhatWouldHappenAndWhatToSign) {
  const auto pointer = random_id<PointerId>(chain.rng);
  auto good = take(admission.validate(node.view(), request(chain.item(service_a, {anchor(pointer)}))));
  EXPECT_EQ(good.trial.code, ErrorCode::OK);
  EXPECT_FALSE(node.state<pb::RecordState>(StateKind::record, pointer)) << "nothing is written";
  ASSERT_EQ(run_one(0, chain.item(service_a, {anchor(pointer)})), ErrorCode::OK);
  auto taken = take(admission.validate(node.view(), request(chain.item(service_a, {anchor(pointer)}))));
  EXPECT_EQ(taken.trial.code, ErrorCode::RECORD_EXISTS);
  EXPECT_FALSE(taken.trial.message.empty());

  // The service asks for the patient, who has not signed yet.
  auto unsigned_grant = request(chain.item(patient, {grant(random_id<ConsentId>(chain.rng))}));
  unsigned_grant.caller = service_a;
  auto to_sign = take(admission.validate(node.view(), unsigned_grant));
  EXPECT_EQ(to_sign.trial.code, ErrorCode::OK) << to_sign.trial.message;
  const auto signature = patient_key.sign(to_sign.sign_bytes);
  unsigned_grant.authorization = Authorization::keyed(kSuite, patient_key.public_key(), signature);
  EXPECT_EQ(admit(unsigned_grant), ErrorCode::OK);
}

}  // namespace
}  // namespace galen::execution::test
