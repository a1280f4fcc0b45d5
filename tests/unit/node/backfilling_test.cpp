// What callers are told, and what the vault believes, while blocks below a snapshot are on their way: the truth, or
// that it is not known yet.
#include "galen/base/clock.hpp"
#include "galen/node/log.hpp"
#include "galen/socket/method.hpp"
#include "galen/v1/access_service.pb.h"
#include "galen/v1/record_service.pb.h"
#include "node/intake.hpp"
#include "node/scrubber.hpp"
#include "unit/node/joined_ledger.hpp"
#include "unit/node/told.hpp"

namespace galen::node {
namespace {

using execution::test::ExecutionTest;
using execution::test::TempDir;
using galen::node::v1::Call;
using galen::node::v1::Reply;
using socket::Method;
using test::JoinedLedger;
using test::take;
using test::Told;

constexpr std::uint64_t kTtlMs = 250;  // a few blocks' time

class BackfillingTest : public ExecutionTest {
 protected:
  BackfillingTest() : identity{chain.genesis, 0, chain.genesis.context(), chain.keys[0]} {
    chain.time_ms = system_clock().wall_ms();
    executed_ = run({});
    std::filesystem::create_directories(dir.path() + "/keyring");
    std::filesystem::create_directories(dir.path() + "/vault");
    vault::RecordVault::Options options{.keyring_directory = dir.path() + "/keyring",
                                        .vault_directory = dir.path() + "/vault",
                                        .master_key_file = dir.path() + "/master.key"};
    EXPECT_TRUE(vault::RecordVault::create(options));
    records.emplace(take(vault::RecordVault::open(options)));
    for (MemberIndex i = 1; i < 4; ++i) health.set_connected(i, true);
  }

  const execution::ExecutedBlock& advance(std::vector<BatchPtr> batches = {}) {
    executed_ = node.apply(chain.block(std::move(batches), &executed_));
    return executed_;
  }
  void advance_past_ttl() {
    for (int i = 0; i < 6; ++i) advance();
  }
  std::unique_ptr<Intake> intake_on(ledger::Store& store) {
    auto intake =
        std::make_unique<Intake>(identity, store, &*records, health, DiskWatch(dir.path(), 0, health),
                                 Intake::Ports{.reply = [this](const Reply& reply) { replies.put(reply); },
                                               .submit = [this](OwnBatch batch) { batches.put(std::move(batch)); },
                                               .fatal = [](const Error& error) { ADD_FAILURE() << error.message; }});
    intake->resume(records->pending());
    intake->start();
    return intake;
  }
  Reply call(Intake& intake, Method method, const std::string& request) {
    send(intake, method, request);
    return replies.next();
  }
  void send(Intake& intake, Method method, const std::string& request) {
    Call out;
    out.set_call_id(++last_call);
    out.set_method(static_cast<std::uint32_t>(method));
    out.set_principal(service_a.str());
    out.set_request(request);
    EXPECT_TRUE(intake.on_call(std::move(out)));
  }
  static ErrorCode code(const Reply& reply) { return static_cast<ErrorCode>(reply.code()); }
  std::string decide_request(const RequestId& id) const {
    galen::v1::DecideRequest request;
    request.set_request_id(id.str());
    request.set_patient(patient.str());
    request.set_purpose_code("TREAT");
    return request.SerializeAsString();
  }
  BatchItem decide_item(const RequestId& id, std::uint64_t ttl_ms) {
    auto question = ask();
    question.mutable_decide()->set_requester(chain.member(0).str());
    return chain.item({chain.genesis.chain_id, service_a, id, chain.time_ms + 100 + ttl_ms, {question}});
  }
  static std::string anchor_request(const RequestId& request_id) {
    galen::v1::AnchorRecordRequest request;
    request.set_request_id(request_id.str());
    auto* item = request.mutable_item();
    item->mutable_source()->set_system("urn:ehr");
    item->mutable_source()->set_type("Observation");
    item->mutable_source()->set_id("o-1");
    item->set_content("content");
    return request.SerializeAsString();
  }

  TempDir dir;
  Identity identity;
  Health health;
  std::optional<vault::RecordVault> records;
  Told<Reply> replies;
  Told<OwnBatch> batches;
  std::uint64_t last_call = 0;
  execution::ExecutedBlock executed_;
};

TEST_F(BackfillingTest, ARetryIsNotAnsweredWithALaterUseOfItsId) {
  const auto id = chain.request_id();
  const auto first = advance({chain.batch(0, {decide_item(id, 50)})}).height;
  advance_past_ttl();
  const auto again = advance({chain.batch(0, {decide_item(id, 60'000)})}).height;
  advance();
  JoinedLedger joined(chain, node, kTtlMs);
  ASSERT_GT(joined.store().backfill_floor(), first);
  ASSERT_LE(joined.store().backfill_floor(), again);
  auto intake = intake_on(joined.store());
  auto refused = call(*intake, Method::decide, decide_request(id));
  EXPECT_EQ(code(refused), ErrorCode::BACKFILLING) << refused.message();
  EXPECT_TRUE(batches.empty());
  // An id that was not used before is.
  send(*intake, Method::decide, decide_request(chain.request_id()));
  EXPECT_TRUE(batches.next().batch);

  joined.backfill();
  galen::v1::DecideResponse answer;
  EXPECT_TRUE(answer.ParseFromString(call(*intake, Method::decide, decide_request(id)).response()));
  EXPECT_EQ(answer.outcome().height(), first);
  EXPECT_TRUE(answer.outcome().duplicate());
}

TEST_F(BackfillingTest, WhoWaitsForAnIdThatTurnsOutADuplicateIsNotToldTheLaterUse) {
  const auto id = chain.request_id();
  const auto first = advance({chain.batch(0, {decide_item(id, 50)})}).height;
  advance_past_ttl();
  JoinedLedger joined(chain, node, kTtlMs);
  ASSERT_GT(joined.store().backfill_floor(), first);
  execution::Executor executor(chain.genesis, joined.store());
  auto intake = intake_on(joined.store());
  send(*intake, Method::decide, decide_request(id));
  auto own = batches.next();
  ASSERT_TRUE(own.batch);
  // The same id through another batch comes first, so that the own one is a duplicate of it.
  auto block = chain.block({chain.batch(0, {decide_item(id, 60'000)}), own.batch});
  auto executed = std::make_shared<execution::ExecutedBlock>(take(executor.apply(block)));
  ASSERT_EQ(executed->items.at(1).code, ErrorCode::DUPLICATE);
  // Of a block the intake hears item after item; the first one answers it here, so leave that one out.
  executed->items.erase(executed->items.begin());
  intake->on_executed(executed);
  EXPECT_EQ(code(replies.next()), ErrorCode::BACKFILLING);
}

TEST_F(BackfillingTest, ADocumentAnchoredLongAgoIsNotAnsweredByHalf) {
  const auto id = chain.request_id();
  Height first = 0;
  {
    auto intake = intake_on(node.store());
    send(*intake, Method::anchor_record, anchor_request(id));
    auto own = batches.next();
    intake->on_logged({own.outbox.at(0).id}, 1);
    auto executed = std::make_shared<execution::ExecutedBlock>(advance({own.batch}));
    first = executed->height;
    intake->on_executed(executed);
    EXPECT_EQ(code(replies.next()), ErrorCode::OK);
  }
  advance_past_ttl();
  JoinedLedger joined(chain, node, kTtlMs);
  ASSERT_GT(joined.store().backfill_floor(), first);
  auto intake = intake_on(joined.store());
  EXPECT_EQ(code(call(*intake, Method::anchor_record, anchor_request(id))), ErrorCode::BACKFILLING);
  galen::v1::AnchorRecordResponse known;
  EXPECT_TRUE(
      known.ParseFromString(call(*intake, Method::anchor_record, anchor_request(chain.request_id())).response()));
  EXPECT_TRUE(known.item().already_anchored()) << "that much the vault knows";
  joined.backfill();
  galen::v1::AnchorRecordResponse answer;
  EXPECT_TRUE(answer.ParseFromString(call(*intake, Method::anchor_record, anchor_request(id)).response()));
  EXPECT_EQ(answer.outcome().height(), first);
}

TEST_F(BackfillingTest, ARecordExecutedBelowTheSnapshotIsNotAnchoredOnceMore) {
  {
    auto intake = intake_on(node.store());
    send(*intake, Method::anchor_record, anchor_request(chain.request_id()));
    auto own = batches.next();
    advance({own.batch});  // by the others: this node is away, and its vault does not hear of it
    intake->stop();
    EXPECT_EQ(code(replies.next()), ErrorCode::SHUTTING_DOWN);
  }
  ASSERT_EQ(records->pending().size(), 1u);
  const auto pointer = std::get<vault::AnchorEntry>(records->pending().at(0).entries.at(0)).pointer_id;
  advance_past_ttl();
  JoinedLedger joined(chain, node, kTtlMs);
  auto intake = intake_on(joined.store());
  EXPECT_TRUE(records->pending().empty());
  EXPECT_TRUE(records->verify(pointer, as_bytes("content")).has_value()) << "its key is kept";
  galen::v1::AnchorRecordResponse known;
  EXPECT_TRUE(
      known.ParseFromString(call(*intake, Method::anchor_record, anchor_request(chain.request_id())).response()));
  EXPECT_TRUE(known.item().already_anchored());
  EXPECT_EQ(known.item().pointer_id(), pointer.str());
  EXPECT_TRUE(batches.empty());
}

TEST_F(BackfillingTest, ARecordTakenUpAgainIsSettledWhenItsBlockIsHere) {
  {
    auto intake = intake_on(node.store());
    send(*intake, Method::anchor_record, anchor_request(chain.request_id()));
    auto own = batches.next();
    advance({own.batch});
    intake->stop();
    EXPECT_EQ(code(replies.next()), ErrorCode::SHUTTING_DOWN);
  }
  const auto before = records->pending().at(0);
  // The node started in between, far behind, and took it up again under a new id.
  auto decoded = take(Transaction::decode(execution::test::kSuite, chain.genesis.chain_id, before.transaction));
  auto again = chain.item(
      {chain.genesis.chain_id, before.author, chain.request_id(), chain.time_ms + 60'000, decoded.operations()});
  ASSERT_TRUE(records->rebind(before.transaction_id, again.transaction).has_value());
  advance_past_ttl();
  JoinedLedger joined(chain, node, kTtlMs);
  execution::Executor executor(chain.genesis, joined.store());
  auto intake = intake_on(joined.store());
  EXPECT_EQ(records->pending().size(), 1u) << "which of its ids it has is not known yet";
  // That the second request is refused, its pointer being there, says nothing of the record.
  auto executed = take(executor.apply(chain.block({chain.batch(0, {again})})));
  ASSERT_NE(executed.items.at(0).code, ErrorCode::OK);
  intake->on_executed(std::make_shared<execution::ExecutedBlock>(executed));
  EXPECT_EQ(code(call(*intake, Method::anchor_record, "\xff\xff")), ErrorCode::MALFORMED);
  EXPECT_EQ(records->pending().size(), 1u);
  joined.backfill();
  EXPECT_EQ(code(call(*intake, Method::anchor_record, "\xff\xff")), ErrorCode::MALFORMED);
  EXPECT_TRUE(records->pending().empty());
  galen::v1::AnchorRecordResponse known;
  EXPECT_TRUE(
      known.ParseFromString(call(*intake, Method::anchor_record, anchor_request(before.request_id)).response()));
  EXPECT_EQ(known.outcome().transaction_id(), before.transaction_id.str());
  EXPECT_TRUE(batches.empty());
}

TEST_F(BackfillingTest, TheScrubTakesBlocksOnTheirWayForNoDamage) {
  advance_past_ttl();
  advance_past_ttl();
  JoinedLedger joined(chain, node, kTtlMs);
  ASSERT_GT(joined.store().backfill_floor(), 1u);
  std::filesystem::create_directories(joined.directory() + "/wal");
  ASSERT_TRUE(Log::create(joined.directory(), {.segment_bytes = 64 * 1024}));
  Scrubber scrubber(
      identity, joined.store(), health,
      Scrubber::Options{.data_dir = joined.directory(), .period_s = 0, .reader_age_max_ms = 0, .retry_ms = 0},
      Scrubber::Ports{.send = [](MemberIndex, Bytes) { return false; },
                      .checkpoint = [] {},
                      .fatal = [](const Error& error) { ADD_FAILURE() << error.message; }});
  EXPECT_TRUE(scrubber.pass());
  EXPECT_EQ(health.scrub().found, 0u);
  EXPECT_EQ(health.scrub().left, "");
}

}  // namespace
}  // namespace galen::node
