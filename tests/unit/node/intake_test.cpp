// The intake with a real vault and a real ledger; the test stands where core, store and exec stand: it takes the
// batches, makes blocks of them and tells what came out. No clock is awaited but for one deadline.
#include "node/intake.hpp"

#include "galen/base/clock.hpp"
#include "galen/socket/method.hpp"
#include "galen/types/state_key.hpp"
#include "galen/v1/access_service.pb.h"
#include "galen/v1/patient_service.pb.h"
#include "galen/v1/record_service.pb.h"
#include "unit/execution/chain_fixture.hpp"
#include "unit/node/told.hpp"

namespace galen::node {
namespace {

using execution::test::ExecutionTest;
using execution::test::random_id;
using execution::test::take;
using execution::test::TempDir;
using node::v1::Call;
using node::v1::Reply;
using socket::Method;
using test::Told;

class IntakeTest : public ExecutionTest {
 protected:
  IntakeTest() : identity{chain.genesis, 0, chain.genesis.context(), chain.keys[0]} {
    // Block time is today's: the intake's transactions are valid for two minutes from now.
    chain.time_ms = system_clock().wall_ms();
    run({});
    std::filesystem::create_directories(dir.path() + "/keyring");
    std::filesystem::create_directories(dir.path() + "/vault");
    vault::RecordVault::Options options{.keyring_directory = dir.path() + "/keyring",
                                        .vault_directory = dir.path() + "/vault",
                                        .master_key_file = dir.path() + "/master.key"};
    EXPECT_TRUE(vault::RecordVault::create(options));
    records.emplace(take(vault::RecordVault::open(options)));
    for (MemberIndex i = 1; i < 4; ++i) health.set_connected(i, true);
    start();
  }

  void start(std::size_t open_bytes_max = Intake::kOpenBytesMax) {
    intake.emplace(identity, node.store(), records ? &*records : nullptr, health, DiskWatch(dir.path(), 0, health),
                   Intake::Ports{.reply = [this](const Reply& reply) { replies.put(reply); },
                                 .submit = [this](OwnBatch batch) { batches.put(std::move(batch)); },
                                 .fatal = [](const Error& error) { ADD_FAILURE() << error.message; }},
                   open_bytes_max);
    intake->resume({});
    intake->start();
  }

  std::uint64_t call(Method method, const PrincipalId& caller, const std::string& request,
                     std::uint32_t deadline_ms = 0) {
    Call out;
    out.set_call_id(++last_call);
    out.set_method(static_cast<std::uint32_t>(method));
    out.set_principal(caller.str());
    out.set_request(request);
    out.set_deadline_ms(deadline_ms);
    EXPECT_TRUE(intake->on_call(std::move(out)));
    return last_call;
  }
  ErrorCode refusal(Method method, const PrincipalId& caller, const std::string& request = {}) {
    auto id = call(method, caller, request);
    auto reply = replies.next();
    EXPECT_EQ(reply.call_id(), id);
    return static_cast<ErrorCode>(reply.code());
  }
  std::string anchor_request(const RequestId& request_id, const std::string& content) {
    galen::v1::AnchorRecordRequest request;
    request.set_request_id(request_id.str());
    auto* item = request.mutable_item();
    item->mutable_source()->set_system("urn:ehr");
    item->mutable_source()->set_type("Observation");
    item->mutable_source()->set_id("o-1");
    item->set_content(content);
    return request.SerializeAsString();
  }
  /// The batch becomes the next block, as if all members had agreed on it.
  void order(const OwnBatch& own) {
    for (const auto& outbox : own.outbox) intake->on_logged({outbox.id}, ++log_seq);
    intake->on_executed(std::make_shared<const execution::ExecutedBlock>(run({own.batch})));
  }
  /// The batch was not ordered, and block time passes the end of what is in it.
  void let_expire(const OwnBatch& own) {
    for (const auto& outbox : own.outbox) intake->on_logged({outbox.id}, ++log_seq);
    chain.time_ms = own.batch->items().at(0).transaction.valid_until_ms() - 99;  // a block is 100 ms after the last one
    intake->on_executed(std::make_shared<const execution::ExecutedBlock>(run({})));
  }
  galen::v1::AnchorRecordResponse anchored(const Reply& reply) {
    EXPECT_EQ(reply.code(), 0u) << reply.message();
    galen::v1::AnchorRecordResponse response;
    EXPECT_TRUE(response.ParseFromString(reply.response()));
    return response;
  }

  galen::v1::RegisterPatientRequest registration_request() {
    galen::v1::RegisterPatientRequest request;
    request.set_request_id(chain.request_id().str());
    request.mutable_source()->set_system("urn:ehr");
    request.mutable_source()->set_type("Patient");
    request.mutable_source()->set_id("p-1");
    return request;
  }
  /// Anchored and executed.
  galen::v1::AnchorRecordResponse anchor_now(const RequestId& request_id, const std::string& content) {
    call(Method::anchor_record, service_a, anchor_request(request_id, content));
    order(batches.next());
    return anchored(replies.next());
  }
  void enter_in_error(const std::string& pointer_id) {
    galen::v1::SetRecordStatusRequest request;
    request.set_request_id(chain.request_id().str());
    request.set_pointer_id(pointer_id);
    request.set_status(ledger::v1::RECORD_STATUS_ENTERED_IN_ERROR);
    call(Method::set_record_status, service_a, request.SerializeAsString());
    order(batches.next());
    EXPECT_EQ(replies.next().code(), 0u);
  }

  void vote_again() { health.set_core({.mode = galen::v1::NODE_MODE_VOTING, .detail = {}}); }
  /// Two PREPAREs of a member for one place, as the core gives them out.
  consensus::Effects::Evidence evidence(MemberIndex member, View view = 4) {
    auto vote = [&](std::uint8_t fill) {
      consensus::Prepare out{{member, {view, 9, {}}, {}}};
      out.subject.digest.data.fill(fill);
      out.signature = chain.keys[member].sign(sign_bytes(chain.genesis.context(), out));
      return std::make_shared<const consensus::Message>(out);
    };
    return {.member = member, .view = view, .height = 9, .first = vote(5), .second = vote(7)};
  }
  bool is_proven(MemberIndex member) {
    return node.state<ledger::v1::EquivocationState>(StateKind::equivocation,
                                                     equivocation_key(1, chain.member(member)))
        .has_value();
  }
  /// Long enough for two sweeps.
  static void let_it_sweep() { std::this_thread::sleep_for(std::chrono::milliseconds(250)); }

  TempDir dir;
  Identity identity;
  Health health;
  std::optional<vault::RecordVault> records;
  Told<Reply> replies;
  Told<OwnBatch> batches;
  std::uint64_t last_call = 0, log_seq = 0;
  std::optional<Intake> intake;
};

TEST_F(IntakeTest, WhatTheCoreFoundIsReportedOnceInTheMembersName) {
  vote_again();
  intake->on_evidence(evidence(3));
  intake->on_evidence(evidence(3, 5));
  const auto own = batches.next();
  ASSERT_EQ(own.batch->items().size(), 1u);
  const auto& transaction = own.batch->items()[0].transaction;
  EXPECT_EQ(transaction.author(), chain.member(0));
  ASSERT_EQ(transaction.operations().size(), 1u);
  EXPECT_EQ(transaction.operations()[0].report_equivocation().member(), 4u);
  EXPECT_TRUE(own.outbox.empty());
  order(own);
  EXPECT_TRUE(is_proven(3));
  intake->on_evidence(evidence(3, 6));
  intake->on_evidence(evidence(2));
  const auto other = batches.next();
  ASSERT_EQ(other.batch->items().size(), 1u) << "of member 3 nothing more";
  EXPECT_EQ(other.batch->items()[0].transaction.operations()[0].report_equivocation().member(), 3u);
  order(other);
  EXPECT_TRUE(is_proven(2));
  EXPECT_FALSE(is_proven(0) || is_proven(1));
  let_it_sweep();
  EXPECT_TRUE(batches.empty());
}

TEST_F(IntakeTest, EvidenceWaitsForTheVoteAndTheQuorum) {
  intake->on_evidence(evidence(3));  // the core has not said yet that it votes
  let_it_sweep();
  EXPECT_TRUE(batches.empty());
  health.set_connected(1, false);
  health.set_connected(2, false);
  vote_again();
  let_it_sweep();
  EXPECT_TRUE(batches.empty());
  health.set_connected(2, true);
  const auto own = batches.next();
  let_expire(own);
  const auto again = batches.next();
  ASSERT_EQ(again.batch->items().size(), 1u) << "made anew";
  EXPECT_NE(again.batch->items()[0].transaction.id(), own.batch->items()[0].transaction.id());
  chain.time_ms -= 99;  // the next block a millisecond after the last: it was made anew hardly later than it was made
  order(again);
  EXPECT_TRUE(is_proven(3));
}

TEST_F(IntakeTest, WhatAnotherMemberReportedFirstIsNotReportedAgain) {
  const auto found = evidence(3);
  run(1, {chain.item(chain.member(1), {*report_of(chain.genesis.context(), found)})});
  ASSERT_TRUE(is_proven(3));
  vote_again();
  intake->on_evidence(found);
  let_it_sweep();
  EXPECT_TRUE(batches.empty());
}

TEST_F(IntakeTest, WhoMayNotWriteIsToldWhy) {
  EXPECT_EQ(refusal(Method::anchor_record, random_id<PrincipalId>(chain.rng)), ErrorCode::UNKNOWN_PRINCIPAL);
  EXPECT_EQ(refusal(Method::anchor_record, service_b), ErrorCode::NOT_YOUR_MEMBER);
  EXPECT_EQ(refusal(Method::anchor_record, patient), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(refusal(Method::anchor_record, chain.member(0)), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(refusal(Method::register_service, service_a), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(refusal(Method::get_head, service_a), ErrorCode::UNIMPLEMENTED) << "a read";
  EXPECT_EQ(refusal(Method::anchor_record, service_a, "\xff\xff"), ErrorCode::MALFORMED);
  EXPECT_TRUE(batches.empty());
}

TEST_F(IntakeTest, WithoutItsVaultTheNodeTakesOnNothingAndSaysWhatIsDamaged) {
  intake.reset();
  records.reset();
  identity.vault_damage = "a file of the vault's index is damaged";
  start();
  call(Method::anchor_record, service_a, anchor_request(chain.request_id(), "content"));
  const auto reply = replies.next();
  EXPECT_EQ(static_cast<ErrorCode>(reply.code()), ErrorCode::VAULT_DAMAGED);
  EXPECT_EQ(reply.message(), *identity.vault_damage);
  EXPECT_EQ(refusal(Method::decide, service_a), ErrorCode::VAULT_DAMAGED) << "of every kind";
  run(1, {chain.item(service_b, {anchor()})});
  EXPECT_TRUE(batches.empty());
}

TEST_F(IntakeTest, WithoutAQuorumNothingIsTakenOnAndTheMissingAreNamed) {
  health.set_connected(1, false);
  EXPECT_EQ(refusal(Method::anchor_record, service_a, "\xff"), ErrorCode::MALFORMED) << "three of four are enough";
  health.set_connected(3, false);
  call(Method::anchor_record, service_a, anchor_request(chain.request_id(), "content"));
  auto reply = replies.next();
  EXPECT_EQ(static_cast<ErrorCode>(reply.code()), ErrorCode::NO_QUORUM);
  EXPECT_EQ(reply.details().at("missing_members"), "member 1,member 3");
  EXPECT_GT(reply.retry_after_ms(), 0u);
}

TEST_F(IntakeTest, ADivergedNodeTakesNothingOn) {
  health.set_core({.mode = galen::v1::NODE_MODE_DIVERGED, .detail = {}});
  EXPECT_EQ(refusal(Method::anchor_record, service_a, anchor_request(chain.request_id(), "content")),
            ErrorCode::DIVERGED);
}

TEST_F(IntakeTest, ARecordIsAnsweredWithItsBlockAndNotAnchoredTwice) {
  auto request_id = chain.request_id();
  auto id = call(Method::anchor_record, service_a, anchor_request(request_id, "content"));
  auto own = batches.next();
  ASSERT_TRUE(own.batch);
  EXPECT_EQ(own.outbox.size(), 1u) << "what would be lost otherwise goes into the log with it";
  EXPECT_TRUE(replies.empty()) << "nothing is promised before the block is executed";
  order(own);
  auto reply = replies.next();
  EXPECT_EQ(reply.call_id(), id);
  auto first = anchored(reply);
  EXPECT_EQ(first.outcome().state(), galen::v1::TRANSACTION_STATE_COMMITTED);
  EXPECT_EQ(first.outcome().height(), node.view().height());
  EXPECT_FALSE(first.outcome().duplicate());

  call(Method::anchor_record, service_a, anchor_request(chain.request_id(), "content"));
  auto again = anchored(replies.next());
  EXPECT_TRUE(again.item().already_anchored());
  EXPECT_EQ(again.item().pointer_id(), first.item().pointer_id());
  EXPECT_TRUE(batches.empty());
}

TEST_F(IntakeTest, ARecordEnteredInErrorDoesNotLockItsSource) {
  auto wrong = anchor_now(chain.request_id(), "wrong");
  enter_in_error(wrong.item().pointer_id());
  auto right_id = chain.request_id();
  auto right = anchor_now(right_id, "right");
  EXPECT_TRUE(right.item().supersedes().empty());
  enter_in_error(right.item().pointer_id());
  // It was not wrong after all: the same bytes get a record that stands.
  auto anew = anchor_now(chain.request_id(), "right");
  EXPECT_FALSE(anew.item().already_anchored());
  EXPECT_NE(anew.item().pointer_id(), right.item().pointer_id());
  // The request that anchored the one in error keeps its answer.
  call(Method::anchor_record, service_a, anchor_request(right_id, "right"));
  auto repeated = anchored(replies.next());
  EXPECT_TRUE(repeated.outcome().duplicate());
  EXPECT_EQ(repeated.item().pointer_id(), right.item().pointer_id());
}

// Two requests for one document: the second relies on the first, which is refused. Its own part is committed by then.
TEST_F(IntakeTest, WhatAnotherRequestDidNotAnchorIsAnchoredAfterAll) {
  const auto before = anchor_now(chain.request_id(), "y1").item().pointer_id();
  const auto first = call(Method::anchor_record, service_a, anchor_request(chain.request_id(), "y2"));
  auto refused = batches.next();
  galen::v1::AnchorRecordBatchRequest request;
  request.set_request_id(chain.request_id().str());
  galen::v1::AnchorRecordRequest y;
  ASSERT_TRUE(y.ParseFromString(anchor_request(chain.request_id(), "y2")));
  *request.add_items() = y.item();
  *request.add_items() = y.item();
  request.mutable_items(0)->mutable_source()->set_id("x");
  const auto second = call(Method::anchor_record_batch, service_a, request.SerializeAsString());
  auto own = batches.next();
  ASSERT_EQ(own.batch->items().at(0).transaction.operations().size(), 1u) << "y is on its way already";
  order(own);
  enter_in_error(before);  // so that y2, which supersedes it, is refused
  order(refused);
  auto reply = replies.next();
  EXPECT_EQ(reply.call_id(), first);
  EXPECT_EQ(static_cast<ErrorCode>(reply.code()), ErrorCode::RECORD_NOT_CURRENT);
  order(batches.next());
  reply = replies.next();
  EXPECT_EQ(reply.call_id(), second);
  ASSERT_EQ(reply.code(), 0u) << reply.message();
  galen::v1::AnchorRecordBatchResponse response;
  ASSERT_TRUE(response.ParseFromString(reply.response()));
  EXPECT_EQ(response.outcome().transaction_id(), own.batch->items().at(0).transaction.id().str());
  EXPECT_FALSE(response.items(0).already_anchored());
  EXPECT_TRUE(response.items(1).already_anchored()) << "in another transaction than the one named";
  EXPECT_TRUE(node.state<ledger::v1::RecordState>(StateKind::record, as_bytes(response.items(1).pointer_id())));
  // And the request keeps this answer.
  call(Method::anchor_record_batch, service_a, request.SerializeAsString());
  galen::v1::AnchorRecordBatchResponse again;
  ASSERT_TRUE(again.ParseFromString(replies.next().response()));
  EXPECT_TRUE(again.outcome().duplicate());
  EXPECT_EQ(again.items(1).pointer_id(), response.items(1).pointer_id());
}

// A client that repeats its batch while another request still holds one of its documents is promised nothing before
// that one's outcome, and gets the document anchored when there is none.
TEST_F(IntakeTest, ARepeatedBatchWaitsForWhatAnotherRequestAnchorsForIt) {
  call(Method::anchor_record, service_a, anchor_request(chain.request_id(), "x"), 50);
  auto lost = batches.next();
  EXPECT_EQ(static_cast<ErrorCode>(replies.next().code()), ErrorCode::DEADLINE_EXCEEDED);
  galen::v1::AnchorRecordBatchRequest request;
  request.set_request_id(chain.request_id().str());
  galen::v1::AnchorRecordRequest x;
  ASSERT_TRUE(x.ParseFromString(anchor_request(chain.request_id(), "x")));
  *request.add_items() = x.item();
  *request.add_items() = x.item();
  request.mutable_items(1)->mutable_source()->set_id("y");
  call(Method::anchor_record_batch, service_a, request.SerializeAsString(), 50);
  auto own = batches.next();
  ASSERT_EQ(own.batch->items().at(0).transaction.operations().size(), 1u) << "x is on its way already";
  EXPECT_EQ(static_cast<ErrorCode>(replies.next().code()), ErrorCode::DEADLINE_EXCEEDED);
  for (bool executed : {false, true}) {
    if (executed) order(own);
    call(Method::anchor_record_batch, service_a, request.SerializeAsString(), 50);
    EXPECT_EQ(static_cast<ErrorCode>(replies.next().code()), ErrorCode::DEADLINE_EXCEEDED) << "of x nothing is known";
  }
  const auto repeated = call(Method::anchor_record_batch, service_a, request.SerializeAsString());
  const auto rest = [&] {
    let_expire(lost);
    return batches.next();
  }();
  ASSERT_TRUE(rest.batch);
  order(rest);
  const auto reply = replies.next();
  EXPECT_EQ(reply.call_id(), repeated);
  ASSERT_EQ(reply.code(), 0u) << reply.message();
  galen::v1::AnchorRecordBatchResponse response;
  ASSERT_TRUE(response.ParseFromString(reply.response()));
  EXPECT_EQ(response.outcome().transaction_id(), own.batch->items().at(0).transaction.id().str());
  for (const auto& item : response.items())
    EXPECT_TRUE(node.state<ledger::v1::RecordState>(StateKind::record, as_bytes(item.pointer_id())));
}

// Its author brought the same id to another member, with another document: what was planned here does not exist.
TEST_F(IntakeTest, WhatAnotherBodyUnderTheSameIdAnchoredIsNotOurs) {
  const auto key = crypto::PrivateKey::generate(chain.genesis.suite);
  const auto service = random_id<PrincipalId>(chain.rng);
  run(0, {chain.item(chain.admin(0),
                     {registration(service, ledger::v1::PRINCIPAL_KIND_SERVICE, key.public_key().str())})});
  intake->on_executed(std::make_shared<const execution::ExecutedBlock>(run({})));
  const auto request_id = chain.request_id();
  call(Method::anchor_record, service, anchor_request(request_id, "content"));
  ASSERT_TRUE(batches.next().batch);
  const auto other = call(Method::anchor_record, service_a, anchor_request(chain.request_id(), "content"));
  auto draft = chain.draft(service, {anchor()});
  draft.request_id = request_id;
  const auto executed = run(1, {chain.item(draft, &key)});
  ASSERT_EQ(codes(executed), std::vector{ErrorCode::OK});
  intake->on_executed(std::make_shared<const execution::ExecutedBlock>(executed));
  EXPECT_EQ(static_cast<ErrorCode>(replies.next().code()), ErrorCode::REQUEST_ID_REUSED);
  // Another request had relied on it, and gets the document anchored.
  order(batches.next());
  const auto reply = replies.next();
  EXPECT_EQ(reply.call_id(), other);
  const auto response = anchored(reply);
  EXPECT_FALSE(response.item().already_anchored());
  EXPECT_TRUE(node.state<ledger::v1::RecordState>(StateKind::record, as_bytes(response.item().pointer_id())));
}

TEST_F(IntakeTest, TheSameBytesAreTheSameRecordOnlyIfAllElseIs) {
  const auto first = anchor_now(chain.request_id(), "content").item().pointer_id();
  galen::v1::AnchorRecordRequest request;
  ASSERT_TRUE(request.ParseFromString(anchor_request(chain.request_id(), "content")));
  request.mutable_item()->set_class_(ledger::v1::RECORD_CLASS_N);
  call(Method::anchor_record, service_a, request.SerializeAsString());
  EXPECT_EQ(anchored(replies.next()).item().pointer_id(), first);
  request.mutable_item()->set_class_(ledger::v1::RECORD_CLASS_R);
  EXPECT_EQ(refusal(Method::anchor_record, service_a, request.SerializeAsString()), ErrorCode::ALREADY_EXISTS);
  request.mutable_item()->clear_class_();
  request.mutable_item()->set_retention(ledger::v1::RETENTION_CLASS_HIPAA_6Y);
  EXPECT_EQ(refusal(Method::anchor_record, service_a, request.SerializeAsString()), ErrorCode::ALREADY_EXISTS);
  request.mutable_item()->clear_retention();
  request.mutable_item()->set_subject(patient.str());
  EXPECT_EQ(refusal(Method::anchor_record, service_a, request.SerializeAsString()), ErrorCode::SUBJECT_MISMATCH);
}

TEST_F(IntakeTest, WhatIsOnlyValidatedHasNoIds) {
  galen::v1::AnchorRecordRequest request;
  ASSERT_TRUE(request.ParseFromString(anchor_request(chain.request_id(), "content")));
  request.set_validate_only(true);
  call(Method::anchor_record, service_a, request.SerializeAsString());
  EXPECT_TRUE(anchored(replies.next()).item().pointer_id().empty());
  EXPECT_EQ(records->in_flight(), 0u);
  const auto first = anchor_now(chain.request_id(), "content").item().pointer_id();
  call(Method::anchor_record, service_a, request.SerializeAsString());
  EXPECT_EQ(anchored(replies.next()).item().pointer_id(), first) << "that one exists";
  request.mutable_item()->set_content("more");
  call(Method::anchor_record, service_a, request.SerializeAsString());
  EXPECT_EQ(anchored(replies.next()).item().supersedes(), first);

  auto registration = registration_request();
  registration.set_validate_only(true);
  call(Method::register_patient, service_a, registration.SerializeAsString());
  galen::v1::RegisterPatientResponse response;
  ASSERT_TRUE(response.ParseFromString(replies.next().response()));
  EXPECT_TRUE(response.pseudonym().empty());
}

TEST_F(IntakeTest, ARequestIdIsAnsweredOnce) {
  galen::v1::DecideRequest request;
  request.set_request_id(chain.request_id().str());
  request.set_patient(patient.str());
  request.set_purpose_code("TREAT");
  galen::v1::DecideResponse first, second;
  call(Method::decide, service_a, request.SerializeAsString());
  order(batches.next());
  EXPECT_TRUE(first.ParseFromString(replies.next().response()));
  EXPECT_FALSE(first.permit());
  EXPECT_EQ(first.reason(), "NO_CONSENT");
  run({});
  call(Method::decide, service_a, request.SerializeAsString());
  EXPECT_TRUE(second.ParseFromString(replies.next().response()));
  EXPECT_TRUE(second.outcome().duplicate());
  EXPECT_EQ(second.height(), first.height());
  EXPECT_EQ(second.entry().SerializeAsString(), first.entry().SerializeAsString());
  EXPECT_TRUE(batches.empty());
}

TEST_F(IntakeTest, WhatIsNotOrderedInTimeIsOpen) {
  call(Method::anchor_record, service_a, anchor_request(chain.request_id(), "content"), 50);
  auto own = batches.next();
  EXPECT_EQ(static_cast<ErrorCode>(replies.next().code()), ErrorCode::DEADLINE_EXCEEDED);
  order(own);  // later all the same: nobody waits, and the source is known
  call(Method::anchor_record, service_a, anchor_request(chain.request_id(), "content"));
  EXPECT_TRUE(anchored(replies.next()).item().already_anchored());
}

// The calls of both ended long before their transactions did: nobody waits to hear that they expired.
TEST_F(IntakeTest, WhatExpiresWithNobodyWaitingLeavesItsSourceFree) {
  call(Method::anchor_record, service_a, anchor_request(chain.request_id(), "lost"), 50);
  auto lost = batches.next();
  EXPECT_EQ(static_cast<ErrorCode>(replies.next().code()), ErrorCode::DEADLINE_EXCEEDED);
  let_expire(lost);
  call(Method::anchor_record, service_a, anchor_request(chain.request_id(), "other bytes"));
  auto own = batches.next();
  ASSERT_TRUE(own.batch) << "the source is taken for ever";
  EXPECT_TRUE(own.batch->items().at(0).transaction.operations().at(0).anchor_record().supersedes().empty());
  EXPECT_EQ(records->in_flight(), 1u);
}

TEST_F(IntakeTest, ARegistrationThatExpiresWithNobodyWaitingIsForgotten) {
  auto request = registration_request();
  call(Method::register_patient, service_a, request.SerializeAsString(), 50);
  auto lost = batches.next();
  EXPECT_EQ(static_cast<ErrorCode>(replies.next().code()), ErrorCode::DEADLINE_EXCEEDED);
  let_expire(lost);
  request.set_request_id(chain.request_id().str());
  call(Method::register_patient, service_a, request.SerializeAsString());
  ASSERT_TRUE(batches.next().batch) << "the patient is on her way for ever";
}

// The ledger keeps a patient as she was registered first: who says otherwise must not be told that all is well.
TEST_F(IntakeTest, AKnownPatientIsWhatTheLedgerHoldsOfHer) {
  const auto key = crypto::PrivateKey::generate(execution::test::kSuite).public_key().str();
  const auto other_key = crypto::PrivateKey::generate(execution::test::kSuite).public_key().str();
  auto register_as = [&](const std::string& id, const std::string& wanted_key, const std::string& pseudonym = {}) {
    auto request = registration_request();
    request.mutable_source()->set_id(id);
    request.set_key(wanted_key);
    request.set_pseudonym(pseudonym);
    return call(Method::register_patient, service_a, request.SerializeAsString());
  };
  auto registered = [&](const Reply& reply) {
    EXPECT_EQ(reply.code(), 0u) << reply.message();
    galen::v1::RegisterPatientResponse response;
    EXPECT_TRUE(response.ParseFromString(reply.response()));
    return response;
  };
  auto refused = [&] { return static_cast<ErrorCode>(replies.next().code()); };
  register_as("keyless", {});
  order(batches.next());
  const auto keyless = registered(replies.next()).pseudonym();
  register_as("keyless", {});
  EXPECT_EQ(registered(replies.next()).pseudonym(), keyless);
  register_as("keyless", {}, keyless);
  EXPECT_TRUE(registered(replies.next()).already_registered());
  register_as("keyless", key);
  EXPECT_EQ(refused(), ErrorCode::ALREADY_EXISTS) << "she has no key, and every grant would fail";
  register_as("keyless", {}, random_id<PrincipalId>(chain.rng).str());
  EXPECT_EQ(refused(), ErrorCode::ALREADY_EXISTS);
  // While the first registration is on its way, the second waits for it and is compared all the same.
  register_as("keyed", key);
  auto own = batches.next();
  register_as("keyed", key);
  register_as("keyed", other_key);
  const auto last = last_call;
  order(own);
  std::map<std::uint64_t, Reply> answers;
  for (int i = 0; i < 3; ++i) {
    auto reply = replies.next();
    answers[reply.call_id()] = reply;
  }
  EXPECT_FALSE(registered(answers[last - 2]).already_registered());
  EXPECT_TRUE(registered(answers[last - 1]).already_registered());
  EXPECT_EQ(static_cast<ErrorCode>(answers[last].code()), ErrorCode::ALREADY_EXISTS);
}

TEST_F(IntakeTest, ACallOfAFrontEndThatIsGoneIsDroppedAndItsTransactionIsNot) {
  const auto request = anchor_request(chain.request_id(), "content");
  call(Method::anchor_record, service_a, request);
  const auto own = batches.next();
  intake->on_front_end_gone();
  order(own);
  const auto again = call(Method::anchor_record, service_a, request);
  const auto reply = replies.next();
  EXPECT_EQ(reply.call_id(), again);
  anchored(reply);
}

TEST_F(IntakeTest, ACancelledCallIsAnsweredOnce) {
  const auto id = call(Method::anchor_record, service_a, anchor_request(chain.request_id(), "content"));
  const auto own = batches.next();
  intake->on_cancel(id);
  auto reply = replies.next();
  EXPECT_EQ(reply.call_id(), id);
  EXPECT_EQ(static_cast<ErrorCode>(reply.code()), ErrorCode::CANCELLED);
  intake->on_cancel(id);
  order(own);
  const auto next = call(Method::anchor_record, service_b, {});
  reply = replies.next();
  EXPECT_EQ(reply.call_id(), next);
}

// A document may have megabytes, and waits here until its transaction is ordered.
TEST_F(IntakeTest, WhatWaitsForItsOutcomeIsBoundedInBytes) {
  start(1'500);
  call(Method::anchor_record, service_a, anchor_request(chain.request_id(), std::string(1'000, 'a')));
  const auto own = batches.next();
  const auto second = anchor_request(chain.request_id(), std::string(1'000, 'b'));
  EXPECT_EQ(refusal(Method::anchor_record, service_a, second), ErrorCode::RESOURCE_EXHAUSTED);
  order(own);
  anchored(replies.next());
  call(Method::anchor_record, service_a, second);
  order(batches.next());
  anchored(replies.next());
}

TEST_F(IntakeTest, StopAnswersWhatIsOpen) {
  call(Method::anchor_record, service_a, anchor_request(chain.request_id(), "content"));
  batches.next();
  intake->stop();
  EXPECT_EQ(static_cast<ErrorCode>(replies.next().code()), ErrorCode::SHUTTING_DOWN);
}

}  // namespace
}  // namespace galen::node
