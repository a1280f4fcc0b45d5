#include "node/batch_pool.hpp"

#include "unit/execution/chain_fixture.hpp"

namespace galen::node {
namespace {

using execution::test::ExecutionTest;

class BatchPoolTest : public ExecutionTest {
 protected:
  BatchPtr one(MemberIndex origin = 0) {
    return chain.batch(origin, {chain.item(origin == 0 ? service_a : service_b, {origin == 0 ? anchor() : ask()})});
  }
};

TEST_F(BatchPoolTest, HoldsEachOnceAndNoMoreThanItsBytes) {
  auto first = one(), second = one();
  BatchPool pool(1, first->bytes().size() + second->bytes().size() - 1);
  using enum BatchPool::Added;
  EXPECT_EQ(pool.add(first), yes);
  EXPECT_EQ(pool.add(first), known);
  EXPECT_EQ(pool.add(second), full) << "one byte too many";
  EXPECT_EQ(pool.find(first->digest()), first);
  EXPECT_EQ(pool.find(second->digest()), nullptr);
  pool.expire(first->header().valid_until_ms + 1);
  EXPECT_EQ(pool.add(second), yes) << "what expired has made room";
}

TEST_F(BatchPoolTest, OthersGetOurOwnOnlyOnceItMayLeave) {
  auto own = one(), other = one(1);
  BatchPool pool(2);
  pool.add_own(own);
  pool.add(other);
  EXPECT_EQ(pool.find(own->digest()), own);
  EXPECT_EQ(pool.find_for_others(own->digest()), nullptr);
  EXPECT_EQ(pool.find_for_others(other->digest()), other);
  EXPECT_TRUE(pool.unused(0, 10).empty());
  pool.may_leave(own->digest());
  EXPECT_EQ(pool.find_for_others(own->digest()), own);
  EXPECT_EQ(pool.unused(0, 10).size(), 1u);
}

TEST_F(BatchPoolTest, ABodyThatIsLoggedAgainHoldsUpNothingBefore) {
  auto first = one(), second = one(), done = one();
  BatchPool pool(1);
  for (const auto& [batch, seq] : {std::pair{first, LogSeq{5}}, {second, LogSeq{50}}, {done, LogSeq{2}}}) {
    pool.add(batch);
    pool.logged(batch->digest(), seq);
  }
  EXPECT_EQ(pool.used(done->digest()), 2u);
  EXPECT_EQ(pool.waiting_bytes(), first->bytes().size() + second->bytes().size());
  EXPECT_EQ(pool.logged_below(50, 1u << 20), std::vector<BatchPtr>{first});
  EXPECT_EQ(pool.logged_below(51, 1u << 20), (std::vector<BatchPtr>{first, second})) << "lowest first";
  EXPECT_EQ(pool.logged_below(51, first->bytes().size()), std::vector<BatchPtr>{first});
  EXPECT_EQ(pool.first_needed(), 5u) << "as long as nothing else holds it";
  pool.logged_again(first->digest(), 90);
  EXPECT_EQ(pool.first_needed(), 50u);
  EXPECT_EQ(pool.used(first->digest()), 90u);
}

TEST_F(BatchPoolTest, AMemberThatFloodsTakesItsOwnShareOnly) {
  auto first = one(0), second = one(0), other = one(1);
  ASSERT_GE(first->bytes().size(), other->bytes().size());
  BatchPool pool(2, 2 * first->bytes().size());
  using enum BatchPool::Added;
  EXPECT_EQ(pool.add(first), yes);
  EXPECT_EQ(pool.add(second), full);
  EXPECT_EQ(pool.add(other), yes) << "of another member";
  pool.used(first->digest());
  EXPECT_EQ(pool.add(second), yes) << "what a block has used does not count any more";
  pool.expire(second->header().valid_until_ms + 1);
  EXPECT_EQ(pool.add(one(0)), yes) << "nor what has expired";
}

TEST_F(BatchPoolTest, WhatNoBlockCouldHoldYetTakesHalfOfAShareOnly) {
  auto far = one(), farther = one(), near = one();
  BatchPool pool(1, far->bytes().size() + farther->bytes().size() + near->bytes().size());
  using enum BatchPool::Added;
  EXPECT_EQ(pool.add(far, false, true), yes);
  EXPECT_EQ(pool.add(farther, false, true), full);
  EXPECT_EQ(pool.add(near), yes);
  EXPECT_EQ(pool.add(farther, true, true), yes) << "of a block that stands";
}

TEST_F(BatchPoolTest, WhatBlocksHaveUsedMakesRoomAndWhatIsNeededIsTakenAnyway) {
  auto old = one(), next = one(), another = one();
  BatchPool pool(1, old->bytes().size() + next->bytes().size() - 1);
  using enum BatchPool::Added;
  EXPECT_EQ(pool.add(old), yes);
  pool.used(old->digest());
  EXPECT_EQ(pool.add(next), yes);
  EXPECT_EQ(pool.find(old->digest()), nullptr) << "a body that is only kept for others gives way";
  EXPECT_EQ(pool.add(another), full);
  EXPECT_EQ(pool.add(another, true), yes) << "of a block that stands";
  EXPECT_NE(pool.find(next->digest()), nullptr);
}

TEST_F(BatchPoolTest, KeepsOfWhatBlocksHaveUsedTheNewestBytesOnly) {
  auto waiting = one(), old = one(), next = one(), last = one();
  BatchPool pool(1, 1 << 20, next->bytes().size() + last->bytes().size());
  for (const auto& batch : {waiting, old, next, last}) pool.add(batch);
  for (const auto& batch : {old, next, last}) pool.used(batch->digest());
  EXPECT_EQ(pool.find(old->digest()), nullptr);
  for (const auto& batch : {waiting, next, last}) EXPECT_EQ(pool.find(batch->digest()), batch);
}

TEST_F(BatchPoolTest, OnlyWhatNoBlockCanHoldAnyMoreExpires) {
  auto ordered = one(), waiting = one();
  BatchPool pool(2);
  pool.add(ordered);
  pool.add(waiting);
  pool.used(ordered->digest());
  pool.expire(waiting->header().valid_until_ms);
  EXPECT_NE(pool.find(waiting->digest()), nullptr) << "valid up to and with that time";
  pool.expire(waiting->header().valid_until_ms + 1);
  EXPECT_EQ(pool.find(waiting->digest()), nullptr);
  EXPECT_NE(pool.find(ordered->digest()), nullptr) << "kept for members that are a little behind";
}

TEST_F(BatchPoolTest, TheLogIsNeededFromTheOldestBodyThatNoBlockUsed) {
  auto first = one(), second = one(), unlogged = one();
  BatchPool pool(2);
  EXPECT_EQ(pool.first_needed(), std::nullopt);
  for (const auto& batch : {first, second, unlogged}) pool.add(batch);
  EXPECT_EQ(pool.first_needed(), std::nullopt);
  pool.logged(second->digest(), 9);
  pool.logged(first->digest(), 4);
  pool.logged(first->digest(), 12);  // said again: the first record is the one that is needed
  pool.logged(Hash{}, 1);            // of nobody
  EXPECT_EQ(pool.first_needed(), 4u);
  EXPECT_EQ(pool.used(first->digest()), 4u);
  EXPECT_EQ(pool.used(first->digest()), 4u) << "told twice";
  EXPECT_EQ(pool.first_needed(), 9u);
  EXPECT_EQ(pool.used(unlogged->digest()), 0u);
  EXPECT_EQ(pool.used(Hash{}), 0u);
}

TEST_F(BatchPoolTest, SendsAgainOnlyOnesOwnThatNoBlockUsed) {
  auto mine = one(0), used = one(0), other = one(1);
  BatchPool pool(2);
  for (const auto& batch : {mine, used, other}) pool.add(batch);
  pool.used(used->digest());
  EXPECT_EQ(pool.unused(0, 10), std::vector{mine});
  EXPECT_EQ(pool.unused(1, 10), std::vector{other});
  EXPECT_TRUE(pool.unused(0, 0).empty());
}

}  // namespace
}  // namespace galen::node
