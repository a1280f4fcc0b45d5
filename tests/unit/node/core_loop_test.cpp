// The core's thread: what it says of its node's part in the epoch, and that what it finds of others is handed over.
#include "node/core_loop.hpp"

#include <future>

#include "galen/node/log.hpp"
#include "node/log_replay.hpp"
#include "node/participants.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::node {
namespace {

using execution::test::ExecutionTest;
using execution::test::random_id;
using execution::test::take;
using execution::test::TempDir;
using execution::test::TestNode;

class CoreLoopTest : public ExecutionTest {
 protected:
  CoreLoopTest() : identity{chain.genesis, 0, chain.genesis.context(), chain.keys[0]} {
    std::filesystem::create_directories(dir.path() + "/wal");
    EXPECT_TRUE(Log::create(dir.path(), {.segment_bytes = 64 * 1024}));
    log = take(Log::open(dir.path(), [](const ReplayedRecord&) {})).log;
  }
  ~CoreLoopTest() override {
    if (core) core->stop();
    if (store_loop) store_loop->stop();
  }
  void start() {
    store_loop = std::make_unique<StoreLoop>(*log, consensus::SafetyState(), health,
                                             [](const Error& error) { ADD_FAILURE() << error.message; });
    consensus::Recovered recovered;
    ASSERT_TRUE(load_ledger(identity, TestNode(chain).store(), recovered));
    consensus::Replica replica({.context = identity.context,
                                .members = identity.members(),
                                .self = identity.is_voter() ? identity.self : consensus::kNoMember,
                                .parameters = identity.genesis.parameters},
                               std::move(recovered));
    core = std::make_unique<CoreLoop>(identity, std::move(replica), pool, *store_loop, health,
                                      CoreLoop::Ports{.send_vote = [](auto, auto) {},
                                                      .broadcast_bulk = [](auto) {},
                                                      .fetch_batches = [](const auto&) {},
                                                      .fetch_blocks = [](const auto&) {},
                                                      .commit = [](auto, auto) {},
                                                      .executed_certificate = [](auto) {},
                                                      .outbox_logged = [](auto, auto) {},
                                                      .evidence = [this](auto found) { evidence.set_value(found); },
                                                      .diverged = [](Height) {},
                                                      .ready_to_stop = [] {},
                                                      .base_timeout_ms = [] { return std::nullopt; }});
    store_loop->start();
    core->start();
  }
  /// The own member stands behind the four voters of genesis, as one of `learners` or as nobody.
  void stand_behind_the_voters(std::size_t learners) {
    const Participant own{{random_id<PrincipalId>(chain.rng), chain.keys[0].public_key(), {}}, "Newcomer", ""};
    identity.participants = participants_of_genesis(chain.genesis, own);
    identity.participants->learners = learners;
    identity.self = 4;
  }
  bool says(galen::v1::NodeMode mode) {
    for (int i = 0; i < 2000 && health.core().mode != mode; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return health.core().mode == mode;
  }
  consensus::MessageReceived prepare(std::uint8_t fill) {
    consensus::Prepare vote{{3, {0, 1, {}}, {}}};
    vote.subject.digest.data.fill(fill);
    return {3, std::make_shared<const consensus::Message>(vote)};
  }

  TempDir dir;
  Identity identity;
  Health health;
  BatchPool pool{4};
  std::promise<consensus::Effects::Evidence> evidence;
  std::unique_ptr<Log> log;
  std::unique_ptr<StoreLoop> store_loop;
  std::unique_ptr<CoreLoop> core;
};

TEST_F(CoreLoopTest, AVoterIsNoLearner) {
  start();
  EXPECT_TRUE(says(galen::v1::NODE_MODE_FRESH));
}

TEST_F(CoreLoopTest, ALearnerSaysSo) {
  stand_behind_the_voters(1);
  start();
  EXPECT_TRUE(says(galen::v1::NODE_MODE_LEARNER));
  EXPECT_FALSE(health.core().detail.empty());
}

TEST_F(CoreLoopTest, WhoIsNoMemberSaysSo) {
  stand_behind_the_voters(0);
  start();
  EXPECT_TRUE(says(galen::v1::NODE_MODE_NO_MEMBER));
  EXPECT_FALSE(health.core().detail.empty());
}

// A member's batch may be valid for minutes: it waits at the end of the log, not before all that came after it.
TEST_F(CoreLoopTest, ABodyThatWaitsForABlockMovesToTheEndOfTheLog) {
  auto body = chain.batch(1, {chain.item(service_b, {ask()})});
  pool.add(body);
  pool.logged(body->digest(), 1);
  start();
  core->free_log(2);
  for (int i = 0; i < 2000 && pool.first_needed() == 1u; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  core->stop();
  store_loop->stop();
  const auto seq = pool.first_needed().value();
  EXPECT_GT(seq, 1u);
  log.reset();
  LogReplay replay;
  log = take(Log::open(dir.path(), [&](const ReplayedRecord& record) { replay.add(record); })).log;
  ASSERT_EQ(replay.batches.size(), 1u);
  EXPECT_GE(replay.batches[0].seq, seq) << "a lower bound";
  EXPECT_EQ(replay.batches[0].bytes, body->bytes());
}

TEST_F(CoreLoopTest, TwoValuesForOnePlaceAreHandedOver) {
  start();
  core->on_message(prepare(5));
  core->on_message(prepare(7));
  auto found = evidence.get_future();
  ASSERT_EQ(found.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  const auto pair = found.get();
  EXPECT_EQ(pair.member, 3);
  EXPECT_EQ(pair.height, 1u);
  EXPECT_EQ(std::get<consensus::Prepare>(*pair.first).subject.digest.data[0], 5);
  EXPECT_EQ(std::get<consensus::Prepare>(*pair.second).subject.digest.data[0], 7);
}

}  // namespace
}  // namespace galen::node
