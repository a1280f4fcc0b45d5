// What one member can make another keep or do has a bound (docs/spec/consensus.md 3, 6, 9).
#include <gtest/gtest.h>

#include "lone_replica.hpp"

namespace galen::consensus::test {
namespace {

// While nothing is decided a leader that lies could bring other batches in each of its views, and all would be kept.
TEST(Rules, R1cALeaderWhoseBatchesStandHereBringsNoMore) {
  for (const bool crowds : {false, true}) {
    Lone b;
    b.config.room.guest_bytes = crowds ? 100 : 101;
    b.start({});
    const auto one = b.with_batch(b.block(0, nullptr), 9);
    b.propose(one);
    b.step(BatchArrived{{hash_of(9), 2, kWall + b.now + 60'000, 100}});
    EXPECT_TRUE(b.prepared(one)) << "the first ones are kept, whosever they are";
    const auto two = b.with_batch(b.block(0, &one), 10);
    b.propose(two);
    EXPECT_EQ(b.refused(RefusalReason::crowding), crowds);
    EXPECT_EQ(b.replica->wants_batch(hash_of(10)), !crowds);
  }
}

TEST(Rules, R1cWhatIsHereOrDecidedCrowdsNobody) {
  for (const bool decided : {false, true}) {
    Lone b;
    b.config.room.guest_bytes = 100;
    b.start({});
    const auto one = b.with_batch(b.block(0, nullptr), 9);
    b.propose(one);
    b.step(BatchArrived{{hash_of(9), 2, kWall + b.now + 60'000, 100}});
    if (decided)
      b.receive(0, Certificate{b.certificate(VotePhase::commit, one)});
    else
      b.step(BatchArrived{{hash_of(10), 2, kWall + b.now + 60'000, 100}});
    const auto two = b.with_batch(b.block(0, &one), 10);
    b.propose(two);
    EXPECT_FALSE(b.refused(RefusalReason::crowding));
    EXPECT_EQ(b.replica->wants_batch(hash_of(10)), decided) << "the batch of the first is in the chain";
    EXPECT_EQ(b.prepared(two), !decided) << "its batch is here";
  }
}

TEST(Rules, ALeaderThatNamesMoreThanABlockHoldsIsRefusedBeforeAllOfItIsFetched) {
  Lone b;
  auto one = b.block(0, nullptr);
  for (std::uint8_t name = 100; name < 110; ++name) one.batch_digests.push_back(hash_of(name));
  one.header.batch_count = 10;
  one.header.body_root = body_root(b.config.context.suite, one.batch_digests);
  b.remember(one, b.history);
  b.propose(one);
  EXPECT_TRUE(b.replica->wants_batch(hash_of(109)));
  auto arrives = [&](std::uint8_t name, MemberIndex origin, std::uint64_t bytes) {
    b.step(BatchArrived{{hash_of(name), origin, kWall + b.now + 60'000, bytes}});
  };
  arrives(100, 0, b.config.parameters.member_block_bytes_max);
  EXPECT_FALSE(b.refused(RefusalReason::bytes));
  arrives(101, 0, 1);
  EXPECT_TRUE(b.refused(RefusalReason::bytes));
  EXPECT_FALSE(b.replica->wants_batch(hash_of(109))) << "nobody votes for it";
}

TEST(Rules, ABatchThatIsValidForTooLongDoesNotWaitInThePool) {
  Lone b;
  auto one = b.with_batch(b.block(0, nullptr), 9);
  b.propose(one);
  b.step(BatchArrived{{hash_of(9), 2, UINT64_MAX, 100}});
  EXPECT_TRUE(b.refused(RefusalReason::far_batch));
  EXPECT_EQ(b.replica->status().pending_batches, 0u);
}

// A leader fills the tree with blocks that nobody can vote for: the next leaders must find room all the same.
TEST(Rules, V5ALeaderCannotFillTheTree) {
  Lone b;
  std::vector<BlockSkeleton> chain;
  for (int i = 0; i < 300; ++i) {
    chain.push_back(b.block(0, chain.empty() ? nullptr : &chain.back(), 0x80));
    b.propose(chain.back());
  }
  EXPECT_TRUE(b.refused(RefusalReason::flags));
  EXPECT_LE(b.replica->status().in_flight, 2 * limits::kWindowMax);
  auto honest = b.block(2, nullptr);
  b.propose(honest, b.new_view(2, nullptr));
  EXPECT_TRUE(b.prepared(honest));
  EXPECT_EQ(b.replica->status().in_flight, 1u) << "what the last leader left is gone (V5)";
}

TEST(Rules, ABlockThatComesWithAnotherHeightThanWantedIsNotTaken) {
  Lone b;
  auto one = b.block(0, nullptr);
  auto two = b.block(0, &one);
  auto lie = one;
  lie.header.height = 1'000'000;
  two.header.parent = lie.header.digest(b.config.context.suite);
  b.remember(two, b.history);
  b.propose(two);
  b.tick(100);
  ASSERT_EQ(b.said_of<FetchSkeleton>(), 1u);
  b.receive(0, Skeleton{lie});
  b.tick(1'000);
  EXPECT_EQ(b.said_of<FetchSkeleton>(), 2u) << "still wanted at its height, and nothing at 999,999";
}

TEST(Rules, AMemberThatAsksWithoutEndIsAnsweredNowAndThen) {
  Lone b;
  for (int i = 0; i < 100; ++i) b.receive(3, StatusRequest{7, 0, 0});
  auto answers = b.said_of<StatusAnswer>();
  EXPECT_GT(answers, 1u) << "one that starts twice in a row asks twice";
  EXPECT_LT(answers, 20u);
  b.tick(1'000);
  b.receive(3, StatusRequest{7, 0, 0});
  EXPECT_EQ(b.said_of<StatusAnswer>(), answers + 1);
}

}  // namespace
}  // namespace galen::consensus::test
