// What a start takes from ledger and log: batches that may not stand in the chain again, and those still on their way.
#include "node/startup.hpp"

#include <gtest/gtest.h>

#include "node/log_records.hpp"
#include "node/log_replay.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::node {
namespace {

using execution::test::take;

class StartupTest : public execution::test::ExecutionTest {
 protected:
  StartupTest() : identity{chain.genesis, 0, chain.genesis.context(), chain.keys[0]} {}

  /// One anchor, in time for `ttl_ms` from now.
  BatchPtr batch(std::uint64_t ttl_ms) {
    auto draft = chain.draft(service_a, {anchor()});
    draft.valid_until_ms = chain.time_ms + ttl_ms;
    return chain.batch(0, {chain.item(draft)});
  }
  consensus::Recovered load() {
    consensus::Recovered recovered;
    EXPECT_TRUE(load_ledger(identity, node.store(), recovered));
    return recovered;
  }
  void log_batch(const Bytes& bytes) { replay.add({++seq, kLogBatch, false, false, bytes}); }

  const Identity identity;
  LogReplay replay;
  LogSeq seq = 100;
};

TEST_F(StartupTest, KnowsEveryBatchOfTheChainThatIsStillInTime) {
  const auto ttl_max_ms = chain.genesis.parameters.ttl_max_ms;
  for (int i = 0; i < 12; ++i) {
    run({batch(1000), batch(ttl_max_ms / 2), batch(ttl_max_ms)});
    run({});
    chain.time_ms += ttl_max_ms / 5;
  }
  const auto tip_ms = chain.parent.time_ms;
  std::vector<std::pair<Hash, TimestampMs>> expected;
  for (auto block = chain.blocks.rbegin(); block != chain.blocks.rend(); ++block)
    for (const auto& batch : (*block)->batches)
      if (batch->header().valid_until_ms >= tip_ms)
        expected.emplace_back(batch->digest(), batch->header().valid_until_ms);
  EXPECT_GE(expected.size(), 5u);
  EXPECT_LT(expected.size(), chain.blocks.size());
  EXPECT_EQ(load().recent_batches, expected);
}

TEST_F(StartupTest, BodiesOfTheLogAreDecodedOnlyWhenTheyAreNeeded) {
  auto executed = batch(60'000), pending = batch(60'000), expired = batch(50);
  run({executed});
  run({});
  auto damaged = executed->bytes();
  damaged.back() ^= 1;
  log_batch(damaged);
  log_batch(expired->bytes());
  log_batch(pending->bytes());
  log_batch(pending->bytes());
  auto bodies = take(LoggedBatches::index(identity, replay));
  EXPECT_EQ(take(bodies.find(pending->digest()))->bytes(), pending->bytes());
  EXPECT_EQ(take(bodies.find(Hash{})), nullptr);
  EXPECT_EQ(bodies.find(executed->digest()).error().code, ErrorCode::CORRUPT);

  BatchPool pool{4};
  auto recovered = load();
  ASSERT_TRUE(load_pending(bodies, pool, recovered));
  ASSERT_EQ(recovered.pending.size(), 1u);
  EXPECT_EQ(recovered.pending[0].digest, pending->digest());
  EXPECT_EQ(pool.first_needed(), 103u);
  EXPECT_EQ(pool.find(executed->digest()), nullptr);
}

TEST_F(StartupTest, ADamagedBodyThatIsNeededEndsTheStart) {
  auto pending = batch(60'000)->bytes();
  pending.back() ^= 1;
  log_batch(pending);
  auto bodies = take(LoggedBatches::index(identity, replay));
  BatchPool pool{4};
  auto recovered = load();
  EXPECT_EQ(load_pending(bodies, pool, recovered).error().code, ErrorCode::CORRUPT);
  log_batch(Bytes(kBatchHeaderBytes - 1));
  EXPECT_EQ(LoggedBatches::index(identity, replay).error().code, ErrorCode::CORRUPT);
}

TEST_F(StartupTest, CommittedBlocksAboveTheLedgerAreExecutedFromTheLog) {
  auto body = batch(60'000);
  auto block = chain.block({body});
  auto certificate = chain.commit_certificate(block->skeleton.header);
  replay.add({++seq, kLogCommitted, false, false, encode_committed(block->skeleton, certificate)});
  auto without_body = take(LoggedBatches::index(identity, replay));
  ASSERT_TRUE(replay_blocks(identity, replay, without_body, node.executor(), node.store()));
  EXPECT_EQ(node.executor().applied_height(), block->skeleton.header.height - 1);
  log_batch(body->bytes());
  auto bodies = take(LoggedBatches::index(identity, replay));
  ASSERT_TRUE(replay_blocks(identity, replay, bodies, node.executor(), node.store()));
  EXPECT_EQ(node.executor().applied_height(), block->skeleton.header.height);
  EXPECT_EQ(load().recent_batches.front().first, body->digest());
}

}  // namespace
}  // namespace galen::node
