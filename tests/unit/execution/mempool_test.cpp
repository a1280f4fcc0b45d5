#include "galen/execution/mempool.hpp"

#include <set>

#include "unit/execution/chain_fixture.hpp"

namespace galen::execution::test {
namespace {

class MempoolTest : public testing::Test {
 protected:
  MempoolTest() : chain(3) {}

  BatchItem item(TimestampMs valid_for_ms = 60'000) {
    pb::Operation operation;
    operation.mutable_revoke_consent()->set_consent_id(random_id<ConsentId>(chain.rng).str());
    auto draft = chain.draft(chain.admin(0), {operation});
    draft.valid_until_ms = chain.time_ms + valid_for_ms;
    return chain.item(draft);
  }
  BatchPtr fly(Mempool& pool) {
    auto batch = chain.batch(0, pool.take_batch());
    pool.batch_in_flight(batch);
    return batch;
  }
  /// The block that answers these items, as the executor reports it.
  ExecutedBlock executed(const std::vector<BatchPtr>& batches, ErrorCode code = ErrorCode::OK, bool answers = true) {
    ExecutedBlock block;
    block.height = ++height;
    block.time_ms = chain.time_ms += 100;
    for (std::uint32_t b = 0; b < batches.size(); ++b)
      for (std::uint32_t i = 0; i < batches[b]->items().size(); ++i) {
        ExecutedItem done;
        done.id = batches[b]->items()[i].transaction.id();
        done.code = code;
        done.batch = b;
        done.item = i;
        done.origin = batches[b]->header().origin;
        done.answers = answers;
        block.items.push_back(done);
      }
    return block;
  }

  TestChain chain;
  Height height = 0;
};

TEST_F(MempoolTest, ABatchLeavesAtOnceWhenIdleElseGathers) {
  Mempool pool({.batch_items_max = 3, .gather_us = 1000}, 0);
  EXPECT_FALSE(pool.next_due_us());
  take(pool.add(item(), 10));
  EXPECT_TRUE(pool.batch_due(10));
  auto first = fly(pool);
  EXPECT_FALSE(pool.next_due_us());

  take(pool.add(item(), 100));
  take(pool.add(item(), 500));
  EXPECT_FALSE(pool.batch_due(1099));
  EXPECT_EQ(pool.next_due_us(), 1100u);
  EXPECT_TRUE(pool.batch_due(1100));
  take(pool.add(item(), 600));
  EXPECT_TRUE(pool.batch_due(600)) << "full";
  EXPECT_EQ(fly(pool)->items().size(), 3u);
  EXPECT_EQ(pool.batches_in_flight(), 2u);

  take(pool.add(item(), 700));
  pool.on_executed(executed({first}));
  EXPECT_EQ(pool.batches_in_flight(), 1u);
  EXPECT_FALSE(pool.batch_due(701));
}

TEST_F(MempoolTest, IsBoundedInItemsBytesAndWaiters) {
  const auto one = item();
  const auto size = one.transaction.bytes().size() + 7;
  Mempool few({.items_max = 2}, 0);
  take(few.add(item(), 0));
  take(few.add(item(), 0));
  EXPECT_EQ(few.add(item(), 0).error().code, ErrorCode::RESOURCE_EXHAUSTED);
  Mempool small({.bytes_max = 2 * size}, 0);
  take(small.add(item(), 0));
  take(small.add(item(), 0));
  EXPECT_EQ(small.bytes(), 2 * size);
  EXPECT_EQ(small.add(item(), 0).error().code, ErrorCode::RESOURCE_EXHAUSTED);
  Mempool waiting({.waiters_max = 1}, 0);
  EXPECT_TRUE(waiting.wait(one.transaction.id(), 1));
  EXPECT_EQ(waiting.wait(one.transaction.id(), 2).error().code, ErrorCode::RESOURCE_EXHAUSTED);
  waiting.forget(one.transaction.id(), 1);
  EXPECT_TRUE(waiting.wait(one.transaction.id(), 2));
}

TEST_F(MempoolTest, BatchesKeepTheOrderAndTheByteLimit) {
  const auto size = item().transaction.bytes().size() + 7;
  Mempool pool({.batch_bytes_max = 2 * size + 1}, 0);
  std::vector<TransactionId> order;
  for (int i = 0; i < 5; ++i) {
    auto next = item();
    order.push_back(next.transaction.id());
    take(pool.add(std::move(next), static_cast<std::uint64_t>(i)));
  }
  std::vector<TransactionId> seen;
  while (pool.queued() > 0) {
    auto batch = fly(pool);
    EXPECT_LE(batch->items().size(), 2u);
    for (const auto& done : batch->items()) seen.push_back(done.transaction.id());
  }
  EXPECT_EQ(seen, order);
}

TEST_F(MempoolTest, TellsEveryWaiterOnce) {
  Mempool pool({}, 0);
  auto pending = item();
  const auto id = pending.transaction.id();
  EXPECT_EQ(take(pool.add(pending, 0)), Mempool::Added::queued);
  EXPECT_EQ(take(pool.add(pending, 5)), Mempool::Added::already_pending);
  ASSERT_TRUE(pool.wait(id, 7));
  ASSERT_TRUE(pool.wait(id, 8));
  ASSERT_TRUE(pool.wait(id, 9));
  pool.forget(id, 8);
  auto batch = fly(pool);
  auto block = executed({batch}, ErrorCode::RECORD_EXISTS);
  auto notices = pool.on_executed(block);
  ASSERT_EQ(notices.size(), 2u);
  EXPECT_EQ(notices[0].token, 7u);
  EXPECT_EQ(notices[1].token, 9u);
  EXPECT_EQ(notices[0].outcome->fate, Fate::rejected);
  EXPECT_EQ(notices[0].outcome->code, ErrorCode::RECORD_EXISTS);
  EXPECT_EQ(notices[0].outcome->height, block.height);
  EXPECT_TRUE(pool.on_executed(block).empty());
  EXPECT_EQ(pool.items() + pool.bytes() + pool.waiters() + pool.batches_in_flight(), 0u);
}

TEST_F(MempoolTest, AStrangersRefusedCopySaysNothing) {
  Mempool pool({}, 0);
  auto pending = item();
  const auto id = pending.transaction.id();
  take(pool.add(pending, 0));
  ASSERT_TRUE(pool.wait(id, 1));
  auto batch = fly(pool);
  auto copy = chain.batch(2, {pending});
  EXPECT_TRUE(pool.on_executed(executed({copy}, ErrorCode::NOT_YOUR_MEMBER, false)).empty());
  EXPECT_EQ(pool.items(), 1u);
  EXPECT_EQ(pool.on_executed(executed({batch})).size(), 1u);
}

TEST_F(MempoolTest, AnAnswerThroughAnotherMemberSettlesWhatIsStillQueued) {
  Mempool pool({}, 0);
  auto pending = item();
  take(pool.add(pending, 0));
  take(pool.add(item(), 1));
  ASSERT_TRUE(pool.wait(pending.transaction.id(), 1));
  auto notices = pool.on_executed(executed({chain.batch(2, {pending})}));
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].outcome->fate, Fate::committed);
  EXPECT_EQ(pool.items(), 1u);
  EXPECT_EQ(pool.queued(), 1u);
}

TEST_F(MempoolTest, ADuplicateWaitsForTheFirstAnswer) {
  Mempool pool({}, 0);
  auto pending = item();
  const auto id = pending.transaction.id();
  take(pool.add(pending, 0));
  ASSERT_TRUE(pool.wait(id, 1));
  auto batch = fly(pool);
  EXPECT_TRUE(pool.on_executed(executed({batch}, ErrorCode::DUPLICATE, false)).empty());
  auto notices = pool.on_answer({.fate = Fate::committed, .id = id, .height = 1});
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(pool.items(), 0u);
}

TEST_F(MempoolTest, ExpiresByBlockTimeAndGivesTheRestBack) {
  Mempool pool({}, 0);
  auto brief = item(150), lasting = item(), queued = item();
  ASSERT_TRUE(pool.wait(brief.transaction.id(), 1));
  ASSERT_TRUE(pool.wait(lasting.transaction.id(), 2));
  take(pool.add(brief, 10));
  take(pool.add(lasting, 20));
  auto batch = fly(pool);
  EXPECT_EQ(batch->header().valid_until_ms, brief.transaction.valid_until_ms());
  take(pool.add(queued, 30));
  EXPECT_TRUE(pool.on_executed(executed({})).empty());
  auto notices = pool.on_executed(executed({}));
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].token, 1u);
  EXPECT_EQ(notices[0].outcome->fate, Fate::expired);
  EXPECT_EQ(pool.batches_in_flight(), 0u);
  auto again = fly(pool);
  ASSERT_EQ(again->items().size(), 2u);
  EXPECT_EQ(again->items()[0].transaction.id(), lasting.transaction.id()) << "what arrived first goes first";
  notices = pool.on_executed(executed({again}));
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].token, 2u);
  EXPECT_EQ(pool.items() + pool.bytes() + pool.queued(), 0u);
}

TEST_F(MempoolTest, AReplayedBlockGivesNoNotice) {
  Mempool pool({}, 0);
  auto pending = item(10);
  take(pool.add(pending, 0));
  ASSERT_TRUE(pool.wait(pending.transaction.id(), 1));
  auto block = executed({});
  block.replayed = true;
  EXPECT_TRUE(pool.on_executed(block).empty());
  EXPECT_EQ(pool.items(), 1u);
}

TEST_F(MempoolTest, TheBooksBalanceWhateverHappens) {
  Mempool pool({.items_max = 50, .batch_items_max = 4, .gather_us = 50}, 0);
  std::set<WaiterToken> open;
  std::vector<BatchPtr> flying;
  WaiterToken token = 0;
  for (std::uint64_t now = 0; now < 3000; ++now) {
    if (chain.rng.chance(1, 2)) {
      auto next = item(chain.rng.below(1500));
      const auto id = next.transaction.id();
      if (pool.add(std::move(next), now)) {
        ASSERT_TRUE(pool.wait(id, ++token));
        open.insert(token);
      }
    }
    if (pool.batch_due(now)) flying.push_back(fly(pool));
    if (!chain.rng.chance(1, 8)) continue;
    std::vector<BatchPtr> ordered;
    for (auto& batch : flying)
      if (batch->header().valid_until_ms >= chain.time_ms + 100 && chain.rng.chance(1, 2)) ordered.push_back(batch);
    std::erase_if(flying, [&](const auto& batch) {
      return batch->header().valid_until_ms < chain.time_ms + 100 ||
             std::find(ordered.begin(), ordered.end(), batch) != ordered.end();
    });
    for (const auto& notice : pool.on_executed(executed(ordered)))
      ASSERT_EQ(open.erase(notice.token), 1u) << "told twice";
    ASSERT_EQ(open.size(), pool.items());
    ASSERT_EQ(pool.waiters(), pool.items());
  }
  chain.time_ms += 10'000;
  for (const auto& notice : pool.on_executed(executed({}))) open.erase(notice.token);
  EXPECT_TRUE(open.empty());
  EXPECT_EQ(pool.items() + pool.bytes() + pool.queued() + pool.batches_in_flight(), 0u);
}

}  // namespace
}  // namespace galen::execution::test
