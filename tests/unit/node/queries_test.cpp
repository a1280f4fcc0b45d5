// The reading calls on a real ledger, as the front end asks them: what callers are shown, page by page, and what is
// waited for.
#include "galen/v1/access_service.pb.h"
#include "galen/v1/consent_service.pb.h"
#include "galen/v1/ledger_service.pb.h"
#include "galen/v1/node_service.pb.h"
#include "galen/v1/record_service.pb.h"
#include "unit/node/queries_fixture.hpp"

namespace galen::node {
namespace {

TEST_F(QueriesTest, TheHistoryOfARecordHoldsTheRecord) {
  const auto first = random_id<PointerId>(chain.rng), second = random_id<PointerId>(chain.rng),
             other = random_id<PointerId>(chain.rng), newest = random_id<PointerId>(chain.rng);
  commit(0, chain.item(service_a, {anchor(first), superseding(second, first)}));
  commit(0, chain.item(service_a, {anchor(other), superseding(newest, other)}));
  auto history_of = [&](const PointerId& id) {
    galen::v1::ListRecordVersionsRequest request;
    request.set_pointer_id(id.str());
    std::vector<PointerId> out;
    auto response =
        decode<galen::v1::ListRecordVersionsResponse>(wait(ask_for(0, Method::list_record_versions, request)));
    for (const auto& version : response.versions()) out.push_back(*PointerId::from(version.pointer_id()));
    return out;
  };
  for (const auto& id : {first, second}) EXPECT_EQ(history_of(id), (std::vector{first, second}));
  // Superseded by a record that was there already: that one does not lead back.
  pb::Operation status;
  status.mutable_set_record_status()->set_pointer_id(second.str());
  status.mutable_set_record_status()->set_status(pb::RECORD_STATUS_SUPERSEDED);
  status.mutable_set_record_status()->set_superseded_by(newest.str());
  commit(0, chain.item(service_a, {status}));
  for (const auto& id : {first, second}) EXPECT_EQ(history_of(id), (std::vector{first, second, other, newest}));
  for (const auto& id : {other, newest}) EXPECT_EQ(history_of(id), (std::vector{other, newest}));
}

TEST_F(QueriesTest, TheStatusCountsWhatTheScrubFound) {
  ScrubStatus scrub;
  scrub.found = 5;
  scrub.repaired = 3;
  health.set_scrub(scrub);
  auto status =
      decode<galen::v1::GetStatusResponse>(wait(ask_for(0, Method::get_status, galen::v1::GetStatusRequest())));
  EXPECT_EQ(status.counters().at("scrub_found"), 5u);
  EXPECT_EQ(status.counters().at("scrub_repaired"), 3u);
}

TEST_F(QueriesTest, TheStatusSaysWhatEachPeerCosts) {
  auto status = decode<galen::v1::GetStatusResponse>(wait(ask_for(0, Method::get_status, galen::v1::GetStatusRequest())));
  EXPECT_EQ(status.counters().at("peer_cpu_ms.B"), 7u);
  EXPECT_EQ(status.counters().at("peer_throttled_ms.B"), 4u);
}

TEST_F(QueriesTest, PagesAndTokensSayNothingOfWhatIsHidden) {
  for (MemberIndex grantee : {2, 3}) grant_to(grantee);
  const auto one = grant_to(1);
  grant_to(2);
  const auto two = grant_to(1);
  const auto height_of_two = node.view().height();
  grant_to(3);
  auto consents = [&](MemberIndex member, std::uint32_t size, const std::string& token) {
    galen::v1::ListConsentsRequest request;
    request.set_patient(patient.str());
    request.set_page_size(size);
    request.set_page_token(token);
    return decode<galen::v1::ListConsentsResponse>(wait(ask_for(member, Method::list_consents, request)));
  };
  auto page = consents(1, 1, {});
  ASSERT_EQ(page.consents_size(), 1);
  EXPECT_TRUE(page.narrowed());
  EXPECT_EQ(page.consents(0).consent_id(), one.str());
  EXPECT_EQ(page.next_page_token(), std::to_string(height_of_two)) << "the place of one that is shown";
  page = consents(1, 1, page.next_page_token());
  ASSERT_EQ(page.consents_size(), 1);
  EXPECT_EQ(page.consents(0).consent_id(), two.str());
  EXPECT_EQ(page.next_page_token(), "") << "what follows is not for member 1";
  int seen = 0;
  std::string token;
  do {
    page = consents(0, 2, token);
    EXPECT_LE(page.consents_size(), 2);
    seen += page.consents_size();
    token = page.next_page_token();
  } while (!token.empty());
  EXPECT_EQ(seen, 6) << "her own member sees all";

  for (MemberIndex requester : {0, 1, 0, 0}) decide_for(requester);
  galen::v1::ListAccessesRequest accesses;
  accesses.set_patient(patient.str());
  accesses.set_page_size(1);
  auto list = decode<galen::v1::ListAccessesResponse>(wait(ask_for(1, Method::list_accesses, accesses)));
  EXPECT_EQ(list.entries_size(), 1);
  EXPECT_EQ(list.next_page_token(), "");
}

// D19: never an answer older than was asked for.
TEST_F(QueriesTest, ALinearizableReadWaitsForWhatAQuorumKnows) {
  for (MemberIndex i = 1; i < 4; ++i) health.set_connected(i, true);
  commit(0, chain.item(service_a, {anchor()}));
  const auto height = node.view().height();
  auto request = head_request();
  request.mutable_read_options()->set_linearizable(true);
  auto reply = ask_for(0, Method::get_head, request);
  BlockHeader next;
  next.height = height + 1;
  tell(1, chain.commit_certificate(next));
  tell(2, std::nullopt);
  EXPECT_EQ(reply.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout) << "block " << next.height << " is missing";
  run({});
  auto head = decode<galen::v1::GetHeadResponse>(wait(std::move(reply)));
  EXPECT_EQ(head.height(), height + 1);
  EXPECT_EQ(head.read_point().height(), height + 1);
  EXPECT_EQ(head.read_point().block_time_ms(), chain.time_ms);
}

TEST_F(QueriesTest, ALinearizableReadWithoutAQuorumSaysWhoIsMissing) {
  health.set_connected(1, true);
  auto request = head_request();
  request.mutable_read_options()->set_linearizable(true);
  auto reply = ask_for(0, Method::get_head, request);
  tell(1, std::nullopt);
  auto refused = wait(std::move(reply));
  EXPECT_EQ(refused.code(), static_cast<std::uint32_t>(ErrorCode::NO_QUORUM));
  EXPECT_NE(refused.message().find("3 of 4"), std::string::npos) << refused.message();
  EXPECT_NE(refused.message().find("member 2, member 3"), std::string::npos) << refused.message();
  // With enough connections, but no answers, the deadline decides.
  for (MemberIndex i = 1; i < 4; ++i) health.set_connected(i, true);
  refused = wait(ask_for(0, Method::get_head, request, 300));
  EXPECT_EQ(refused.code(), static_cast<std::uint32_t>(ErrorCode::NO_QUORUM)) << refused.message();
  EXPECT_EQ(decode<galen::v1::GetHeadResponse>(wait(ask_for(0, Method::get_head, head_request()))).height(),
            node.view().height())
      << "a local read is answered all the same";
}

TEST_F(QueriesTest, AReadFromAHeightOnWaitsForIt) {
  commit(0, chain.item(service_a, {anchor()}));
  const auto height = node.view().height();
  auto request = head_request();
  request.mutable_read_options()->set_min_height(height);
  EXPECT_EQ(decode<galen::v1::GetHeadResponse>(wait(ask_for(0, Method::get_head, request))).height(), height);
  request.mutable_read_options()->set_min_height(height + 1);
  auto refused = wait(ask_for(0, Method::get_head, request, 200));
  EXPECT_EQ(refused.code(), static_cast<std::uint32_t>(ErrorCode::HEIGHT_NOT_REACHED));
  EXPECT_NE(refused.message().find("up to " + std::to_string(height) + ","), std::string::npos) << refused.message();
  auto reply = ask_for(0, Method::get_head, request);
  EXPECT_EQ(reply.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  run({});
  EXPECT_EQ(decode<galen::v1::GetHeadResponse>(wait(std::move(reply))).height(), height + 1);
}

// What waits to be asked again has left the queue; it is bounded all the same, and goes when nobody waits for it.
TEST_F(QueriesTest, CallsThatWaitForAHeightCountUntilTheyAreAnsweredOrDropped) {
  const auto missing = node.view().height() + 1;
  const auto bounded = make_bounded(3, 1u << 20);
  for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_TRUE(bounded->on_call(head_call(id, missing)));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // they wait now
  EXPECT_FALSE(bounded->on_call(head_call(4, missing)));
  bounded->on_cancel(2);
  bounded->on_cancel(12'345);
  auto reply = replies.next();
  EXPECT_EQ(reply.call_id(), 2u);
  EXPECT_EQ(static_cast<ErrorCode>(reply.code()), ErrorCode::CANCELLED);
  EXPECT_TRUE(bounded->on_call(head_call(5, missing)));
  bounded->on_front_end_gone();
  while (!bounded->on_call(head_call(6, missing))) std::this_thread::yield();
  run({});
  reply = replies.next();
  EXPECT_EQ(reply.call_id(), 6u) << "nobody waits for the others";
  EXPECT_EQ(reply.code(), 0u);
  EXPECT_TRUE(bounded->on_call(head_call(7, 0)));
  EXPECT_EQ(replies.next().call_id(), 7u);
}

TEST_F(QueriesTest, StoppingAnswersWhatWaits) {
  const auto bounded = make_bounded(100, 1u << 20);
  for (std::uint64_t id = 1; id <= 70; ++id)  // more than are taken at once: some may still be queued
    EXPECT_TRUE(bounded->on_call(head_call(id, node.view().height() + 1)));
  bounded->stop();
  std::set<std::uint64_t> answered_ids;
  for (int i = 0; i < 70; ++i) {
    const auto reply = replies.next();
    EXPECT_EQ(static_cast<ErrorCode>(reply.code()), ErrorCode::SHUTTING_DOWN);
    answered_ids.insert(reply.call_id());
  }
  EXPECT_EQ(answered_ids.size(), 70u);
  EXPECT_FALSE(bounded->on_call(head_call(71, 0)));
}

TEST_F(QueriesTest, CallsThatWaitForAHeightAreBoundedInBytes) {
  const auto missing = node.view().height() + 1;
  const auto bounded = make_bounded(100, 600);
  for (std::uint64_t id = 1; id <= 2; ++id) EXPECT_TRUE(bounded->on_call(head_call(id, missing)));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(bounded->on_call(head_call(3, missing)));
  run({});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(replies.next().code(), 0u);
  EXPECT_TRUE(bounded->on_call(head_call(4, 0)));
}

TEST_F(QueriesTest, AReadThatIsTooOldIsRefusedWithItsAge) {
  const auto done = run(0, {chain.item(service_a, {anchor()})});
  run({});
  auto request = head_request();
  const auto age_ms = system_clock().wall_ms() - chain.time_ms;  // the test's chain lives in the past
  request.mutable_read_options()->set_max_staleness_ms(age_ms - 60'000);
  auto refused = wait(ask_for(0, Method::get_head, request));
  EXPECT_EQ(refused.code(), static_cast<std::uint32_t>(ErrorCode::TOO_STALE));
  EXPECT_NE(refused.message().find("is " + std::to_string(age_ms / 10'000'000)), std::string::npos) << refused.message();
  // What counts is the newest certified block, not the head.
  ASSERT_TRUE(node.store().put_certificate(chain.executed_certificate(done)));
  refused = wait(ask_for(0, Method::get_head, request));
  EXPECT_NE(refused.message().find("here, " + std::to_string(done.height) + ","), std::string::npos) << refused.message();
  request.mutable_read_options()->set_max_staleness_ms(2 * age_ms);
  EXPECT_EQ(decode<galen::v1::GetHeadResponse>(wait(ask_for(0, Method::get_head, request))).height(), done.height + 1);
}

TEST_F(QueriesTest, ADivergedNodeReadsNothingAndAsksNobody) {
  CoreStatus core;
  core.mode = galen::v1::NODE_MODE_DIVERGED;
  health.set_core(core);
  auto request = head_request();
  request.mutable_read_options()->set_linearizable(true);
  EXPECT_EQ(wait(ask_for(0, Method::get_head, request)).code(), static_cast<std::uint32_t>(ErrorCode::DIVERGED));
  EXPECT_EQ(asked, 0u);
  // Nor does a stranger's call cost the others anything.
  health.set_core({});
  Call call;
  call.set_method(static_cast<std::uint32_t>(Method::get_head));
  call.set_principal(service_b.str());
  call.set_request(request.SerializeAsString());
  answered = {};
  auto reply = answered.get_future();
  ASSERT_TRUE(queries[0]->on_call(std::move(call)));
  EXPECT_NE(wait(std::move(reply)).code(), 0u);
  EXPECT_EQ(asked, 0u);
}

// Right after a write, and as long as blocks come, the head is not certified yet.
TEST_F(QueriesTest, AProofIsWaitedForAndNeedsNotTheHead) {
  const auto pointer = random_id<PointerId>(chain.rng);
  auto question = ask();
  question.mutable_decide()->set_requester(chain.member(0).str());
  const auto done = run(0, {chain.item(service_a, {question, anchor(pointer)})});
  galen::v1::ListAccessesRequest accesses;
  accesses.set_patient(patient.str());
  auto reply = ask_for(0, Method::list_accesses, accesses);
  EXPECT_EQ(reply.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  run({});
  ASSERT_TRUE(node.store().put_certificate(chain.executed_certificate(done)));
  run({});
  auto list = decode<galen::v1::ListAccessesResponse>(wait(std::move(reply)));
  EXPECT_EQ(list.entries_size(), 1);
  EXPECT_EQ(list.head().height(), done.height);
  galen::v1::GetRecordRequest record;
  record.set_pointer_id(pointer.str());
  record.set_with_proof(true);
  auto proved = decode<galen::v1::GetRecordResponse>(wait(ask_for(0, Method::get_record, record)));
  EXPECT_EQ(proved.proof().height(), done.height);
  const auto certificate = take(ExecutedCertificate::decode(as_bytes(proved.proof().executed_certificate())));
  EXPECT_TRUE(verify_state_proof(execution::test::kSuite, certificate.subject.state_root,
                                 static_cast<std::uint8_t>(StateKind::record), pointer,
                                 to_bytes(proved.proof().value()), as_bytes(proved.proof().proof())));
}

TEST_F(QueriesTest, WithoutItsVaultTheNodeAnswersFromTheLedgerAlone) {
  const auto pointer = random_id<PointerId>(chain.rng);
  commit(0, chain.item(service_a, {anchor(pointer)}));
  vaults[0].reset();
  identities[0]->vault_damage = "a file of the vault's index is damaged";
  const auto without = make_bounded(10, 1u << 20);
  const auto code_of = [&](Method method, const google::protobuf::Message& request) {
    auto call = head_call(1, 0);
    if (method == Method::open_record) call.set_principal(chain.admin(0).str());
    call.set_method(static_cast<std::uint32_t>(method));
    call.set_request(request.SerializeAsString());
    EXPECT_TRUE(without->on_call(std::move(call)));
    return static_cast<ErrorCode>(replies.next().code());
  };
  EXPECT_EQ(code_of(Method::get_head, head_request()), ErrorCode::OK);
  const auto foreign = random_id<PointerId>(chain.rng);
  auto anchored = anchor(foreign);
  anchored.mutable_anchor_record()->set_custodian(chain.member(1).str());
  commit(1, chain.item(service_b, {anchored}));
  galen::v1::GetRecordRequest by_source, by_pointer, of_another;
  of_another.set_pointer_id(foreign.str());
  EXPECT_EQ(code_of(Method::get_record, of_another), ErrorCode::OK);
  by_source.mutable_source()->set_system("urn:ehr");
  by_pointer.set_pointer_id(pointer.str());
  EXPECT_EQ(code_of(Method::get_record, by_source), ErrorCode::VAULT_DAMAGED);
  EXPECT_EQ(code_of(Method::get_record, by_pointer), ErrorCode::VAULT_DAMAGED)
      << "whether numbers were changed is not known";
  galen::v1::ListRecordVersionsRequest versions;
  versions.set_pointer_id(pointer.str());
  EXPECT_EQ(code_of(Method::list_record_versions, versions), ErrorCode::OK);
  galen::v1::VerifyRecordRequest verified;
  verified.set_pointer_id(pointer.str());
  verified.set_content("content");
  EXPECT_EQ(code_of(Method::verify_record, verified), ErrorCode::VAULT_DAMAGED);
  galen::v1::OpenRecordRequest opened;
  opened.set_pointer_id(pointer.str());
  EXPECT_EQ(code_of(Method::open_record, opened), ErrorCode::VAULT_DAMAGED);
}

TEST_F(QueriesTest, AnEndBeforeTheChainBeganIsAMistake) {
  auto asked = chain.item(service_a, {anchor()});
  commit(0, asked);
  galen::v1::GetTransactionRequest request;
  request.set_transaction_id(asked.transaction.id().str());
  request.set_valid_until_ms(120'000);  // a span, not a time: everything would have expired by it
  auto reply = wait(ask_for(0, Method::get_transaction, request));
  EXPECT_EQ(static_cast<ErrorCode>(reply.code()), ErrorCode::INVALID_ARGUMENT);
  for (const std::uint64_t until : {std::uint64_t{0}, asked.transaction.valid_until_ms()}) {
    request.set_valid_until_ms(until);
    auto response = decode<galen::v1::GetTransactionResponse>(wait(ask_for(0, Method::get_transaction, request)));
    EXPECT_EQ(response.outcome().state(), galen::v1::TRANSACTION_STATE_COMMITTED);
  }
}

}  // namespace
}  // namespace galen::node
