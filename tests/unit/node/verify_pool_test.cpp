// What peers send on its way to the core: where it is refused, and that the net thread never waits for anybody.
#include "node/verify_pool.hpp"

#include <future>

#include "galen/node/log.hpp"
#include "node/log_replay.hpp"
#include "node/peer_messages.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::node {
namespace {

using execution::test::ExecutionTest;
using execution::test::take;
using execution::test::TempDir;
using execution::test::TestNode;

class VerifyPoolTest : public ExecutionTest {
 protected:
  VerifyPoolTest() : identity{chain.genesis, 0, chain.genesis.context(), chain.keys[0]} {
    std::filesystem::create_directories(dir.path() + "/wal");
    EXPECT_TRUE(Log::create(dir.path(), {.segment_bytes = 64 * 1024}));
    log = take(Log::open(dir.path(), [](const ReplayedRecord&) {})).log;
    store_loop = std::make_unique<StoreLoop>(*log, consensus::SafetyState(), health, fail);
    consensus::Recovered recovered;
    EXPECT_TRUE(load_ledger(identity, TestNode(chain).store(), recovered));
    consensus::Replica replica({.context = identity.context,
                                .members = identity.members(),
                                .self = identity.self,
                                .parameters = identity.genesis.parameters},
                               std::move(recovered));
    core = std::make_unique<CoreLoop>(identity, std::move(replica), pool, *store_loop, health,
                                      CoreLoop::Ports{.send_vote = [this](auto to, auto) { spoken(to); },
                                                      .broadcast_bulk = [](auto) {},
                                                      .fetch_batches =
                                                          [this](const auto& fetch) {
                                                            std::lock_guard lock(mutex);
                                                            fetched.push_back(fetch);
                                                          },
                                                      .fetch_blocks = [](const auto&) {},
                                                      .commit = [](auto, auto) {},
                                                      .executed_certificate = [](auto) {},
                                                      .outbox_logged = [](auto, auto) {},
                                                      .evidence = [](auto) {},
                                                      .diverged = [](Height) {},
                                                      .ready_to_stop = [] {},
                                                      .base_timeout_ms = [this] { return measured; }});
    verify = make_verify(identity);
  }
  std::unique_ptr<VerifyPool> make_verify(const Identity& who) {
    return std::make_unique<VerifyPool>(who, *core, pool, sync, node.store(), health,
                                     VerifyPool::Ports{.send =
                                                           [this](MemberIndex to, net::Lane, Bytes bytes) {
                                                             spoken(to);
                                                             std::lock_guard lock(mutex);
                                                             said.push_back(std::move(bytes));
                                                             return true;
                                                           },
                                                       .has_room = [this](MemberIndex to) { return to != deaf; },
                                                       .repair_answer = [](MemberIndex, ByteSpan) {},
                                                       .high = [](std::uint64_t nonce) { return HighAnswer{.nonce = nonce}; },
                                                       .high_answer = [](MemberIndex, ByteSpan) { return Status(); },
                                                       .shut_out = [this](MemberIndex member) { ++shut_out[member]; },
                                                       .fatal = fail},
                                     1);
  }
  static void fail(const Error& error) { ADD_FAILURE() << error.message; }
  void spoken(consensus::Target to) {
    std::lock_guard lock(mutex);
    if (to) spoken_to.insert(*to);
  }
  bool wait_for(const std::function<bool()>& done) {
    for (int i = 0; i < 2000; ++i) {
      if (std::lock_guard lock(mutex); done()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
  static net::Frame frame(MemberIndex from, net::Lane lane, Bytes payload) {
    net::Frame out;
    out.from = from;
    out.lane = lane;
    out.payload = std::move(payload);
    return out;
  }

  TempDir dir;
  Identity identity;
  Health health;
  BatchPool pool{2};
  const MemberIndex deaf = 3;  ///< takes no answers
  BlockSync sync{identity,
                 health,
                 {.send =
                      [this](MemberIndex to, Bytes bytes) {
                        std::lock_guard lock(mutex);
                        asked.emplace_back(to, std::move(bytes));
                        return true;
                      },
                  .deliver = [](FetchedBlock) {},
                  .may_fetch = [](Height) { return true; }}};
  std::mutex mutex;
  std::set<MemberIndex> spoken_to;
  std::vector<Bytes> said;
  std::vector<consensus::Effects::FetchBatches> fetched;
  std::optional<std::uint64_t> measured;
  std::vector<std::pair<MemberIndex, Bytes>> asked;  ///< for blocks
  std::array<std::atomic<int>, 4> shut_out{};
  std::unique_ptr<Log> log;
  std::unique_ptr<StoreLoop> store_loop;
  std::unique_ptr<CoreLoop> core;
  std::unique_ptr<VerifyPool> verify;
};

TEST_F(VerifyPoolTest, APeerThatComesUpNeverMakesTheNetThreadWait) {
  auto net = std::async(std::launch::async, [&] {
    for (int i = 0; i < 50'000; ++i) core->on_peer(static_cast<MemberIndex>(1 + i % 3));
  });
  const bool through = net.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  EXPECT_TRUE(through) << "the core takes nothing, and its queue is full";
  store_loop->start();
  core->start();
  EXPECT_TRUE(wait_for([&] { return spoken_to.contains(1) && spoken_to.contains(2) && spoken_to.contains(3); }))
      << "and none of them is forgotten";
}

TEST_F(VerifyPoolTest, WhatAMemberOffersIsAskedOfItAndNotOfOneInAnotherEpoch) {
  Hash digest;
  digest.data.fill(7);
  health.set_peer_epoch(1, identity.context.epoch + 1);
  store_loop->start();
  core->start();
  verify->start();
  verify->on_frame(frame(1, net::Lane::bulk, encode_offer({digest})));
  verify->on_frame(frame(2, net::Lane::bulk, encode_offer({digest})));
  EXPECT_TRUE(wait_for([&] { return !fetched.empty(); }));
  std::lock_guard lock(mutex);
  ASSERT_EQ(fetched.size(), 1u);
  EXPECT_EQ(fetched[0].hint, 2);
  EXPECT_EQ(fetched[0].digests, std::vector{digest});
  EXPECT_EQ(health.counters.offers_fetched, 1u);
}

TEST_F(VerifyPoolTest, TheCoreSetsItsTimersByWhatIsMeasured) {
  measured = 2'500;
  store_loop->start();
  core->start();
  EXPECT_TRUE(wait_for([&] { return health.core().view_timeout_ms == 2'500; }));
}

TEST_F(VerifyPoolTest, OnlyVotesTravelAmongTheVotes) {
  const auto question = encode_fetch_blocks({.from = 1, .count_max = 1});
  EXPECT_TRUE(node.store().put_certificate(chain.commit_certificate(chain.blocks[0]->skeleton.header)));
  verify->start();
  verify->on_frame(frame(2, net::Lane::votes, question));
  EXPECT_TRUE(wait_for([&] { return health.counters.frames_invalid == 1; }));
  EXPECT_TRUE(spoken_to.empty());
  verify->on_frame(frame(2, net::Lane::bulk, question));
  EXPECT_TRUE(wait_for([&] { return spoken_to.contains(2); }));
}

Bytes consensus_of(Epoch epoch, const consensus::Message& message) {
  return peer_message(PeerMessageKind::consensus, consensus::encode_in(epoch, message));
}

TEST_F(VerifyPoolTest, AWordOfALaterEpochMakesThisNodeAskItsSenderForBlocks) {
  verify->start();
  consensus::Executed executed;
  executed.sender = 2;
  executed.subject.height = 40;
  verify->on_frame(frame(2, net::Lane::votes, consensus_of(2, executed)));
  ASSERT_TRUE(wait_for([&] { return !asked.empty(); }));
  EXPECT_EQ(asked[0].first, 2);
  const auto request = take(decode_fetch_blocks(ByteSpan(asked[0].second).subspan(1)));
  EXPECT_EQ(request.from, core->committed_height() + 1);
  EXPECT_EQ(health.peer_height(2), 40u);
  executed.sender = 1;
  executed.subject.height = 5'000;
  verify->on_frame(frame(2, net::Lane::votes, consensus_of(2, executed)));
  verify->on_frame(frame(2, net::Lane::bulk, {}));
  ASSERT_TRUE(wait_for([&] { return health.counters.frames_invalid == 1; }));
  EXPECT_EQ(health.peer_height(2), 40u) << "a word of somebody else says nothing of who hands it on";
  EXPECT_EQ(health.peer_height(1), 0u);
  EXPECT_EQ(health.counters.frames_invalid, 1u) << "the empty one: nothing here can judge the others";
}

TEST_F(VerifyPoolTest, WhoIsInAnEarlierEpochIsToldNowAndThen) {
  auto later = identity;
  later.context.epoch = 2;
  auto pool_of_two = make_verify(later);
  pool_of_two->start();
  for (int i = 0; i < 50; ++i)
    pool_of_two->on_frame(frame(1, net::Lane::votes, consensus_of(1, consensus::StatusRequest{})));
  auto own = chain.batch(1, {chain.item(service_b, {ask()})});
  pool_of_two->on_frame(frame(1, net::Lane::bulk, peer_message(PeerMessageKind::batch, own->bytes())));
  pool_of_two->on_frame(frame(1, net::Lane::bulk, {}));
  ASSERT_TRUE(wait_for([&] { return health.counters.frames_invalid == 1; })) << "the last one alone";
  pool_of_two->stop();
  ASSERT_FALSE(said.empty());
  EXPECT_LE(said.size(), 4u);
  EXPECT_EQ(take(consensus::decode_of_epoch(identity.context.suite, ByteSpan(said[0]).subspan(1))).epoch, 2u);
  EXPECT_EQ(pool.find(own->digest()), nullptr);
  EXPECT_TRUE(asked.empty());
}

TEST_F(VerifyPoolTest, NoAnswerIsMadeForWhoTakesNone) {
  const auto question = encode_fetch_blocks({.from = 1, .count_max = 1});
  verify->on_frame(frame(deaf, net::Lane::bulk, question));
  verify->on_frame(frame(deaf, net::Lane::bulk, {}));
  verify->start();
  EXPECT_TRUE(wait_for([&] { return health.counters.frames_invalid == 1; })) << "what came behind it is handled";
  EXPECT_TRUE(spoken_to.empty());
}

TEST_F(VerifyPoolTest, WhoSendsNothingButInvalidFramesIsShutOutAndAFewAreNothing) {
  verify->start();
  for (int i = 0; i < 1000; ++i) verify->on_frame(frame(2, net::Lane::bulk, {0x7f}));
  for (int i = 0; i < 20; ++i) verify->on_frame(frame(3, net::Lane::votes, {}));
  EXPECT_TRUE(wait_for([&] { return health.counters.frames_invalid == 1020; }));
  EXPECT_TRUE(wait_for([&] { return shut_out[2] > 0; }));
  EXPECT_EQ(shut_out[1], 0);
  EXPECT_EQ(shut_out[3], 0);
}

}  // namespace
}  // namespace galen::node
