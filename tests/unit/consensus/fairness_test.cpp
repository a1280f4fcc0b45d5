// What waits for long, and leaders that leave an origin out: F1, F2 (docs/spec/consensus.md 6a).
#include <gtest/gtest.h>

#include <algorithm>

#include "lone_replica.hpp"

namespace galen::consensus::test {
namespace {

TEST(Rules, F1WhatWaitsForLongIsOfferedToAllAndAgainLater) {
  auto b = in_a_long_tenure();
  std::optional<BlockSkeleton> tip;
  b.goes_on(0, 100, tip);
  b.work();
  b.goes_on(0, 200, tip);
  EXPECT_TRUE(b.offered.empty()) << "most are in a block by then";
  b.goes_on(0, 300, tip);
  EXPECT_EQ(b.offered, std::vector{hash_of(77)});
  b.goes_on(0, 2000, tip);
  EXPECT_EQ(b.offered.size(), 2u) << "at a bounded rate";
  b.goes_on(0, 100, tip, [](Height) { return 77; });
  b.goes_on(0, 3000, tip);
  EXPECT_EQ(b.offered.size(), 2u);
}

TEST(Rules, F1WhatNoLeaderCouldOrderIsNotOffered) {
  auto b = in_a_long_tenure();
  std::optional<BlockSkeleton> tip;
  b.goes_on(0, 100, tip);
  auto far = kWall + b.now + b.config.parameters.ttl_max_ms + 5000;
  b.step(BatchArrived{{hash_of(77), 2, far, 100}});
  b.step(BatchArrived{{hash_of(78), 2, kWall + b.now + 200, 100}});
  b.goes_on(0, 3000, tip);
  EXPECT_TRUE(b.offered.empty());
}

TEST(Rules, F1WhatIsOfferedAndMissingIsAskedOfOneMemberAfterTheOther) {
  auto b = in_a_long_tenure();
  b.work(77);
  b.step(BatchesOffered{2, {hash_of(77), hash_of(88)}});
  ASSERT_EQ(b.fetches.size(), 1u);
  EXPECT_EQ(b.fetches[0].digests, std::vector{hash_of(88)}) << "the other is here";
  EXPECT_EQ(b.fetches[0].hint, 2);
  EXPECT_TRUE(b.fetches[0].offered);
  b.step(BatchesOffered{3, {hash_of(88)}});
  EXPECT_EQ(b.fetches.size(), 1u) << "it may be on its way";
  b.tick(250);
  ASSERT_EQ(b.fetches.size(), 2u);
  EXPECT_EQ(b.fetches[1].hint, 3);
  b.tick(2000);
  EXPECT_EQ(b.fetches.size(), 2u) << "whoever does not give it offers it again";
}

TEST(Rules, F1OffersWithoutEndAreNotListenedTo) {
  auto b = in_a_long_tenure();
  for (std::uint64_t i = 0; i < 100; ++i) {
    std::vector<Hash> digests(kOfferedMax);
    for (std::size_t k = 0; k < digests.size(); ++k) digests[k] = sim::small_hash(i, k);
    b.step(BatchesOffered{2, digests});
  }
  EXPECT_LE(b.fetches.size(), 5u);
  b.tick(10'000);
  b.step(BatchesOffered{2, std::vector<Hash>(kOfferedMax + 1, hash_of(9))});
  b.step(BatchesOffered{9, {hash_of(9)}});
  EXPECT_LE(b.fetches.size(), 5u) << "too many, and nobody";
}

TEST(Rules, F2ALeaderThatLeavesOutAnOriginIsLeft) {
  auto b = in_a_long_tenure();
  std::optional<BlockSkeleton> tip;
  b.goes_on(0, 100, tip);
  b.work();
  b.goes_on(0, 6200, tip);  // T_fair after the offer is 6,250 at the earliest
  EXPECT_EQ(b.asked_for(), 0u);
  b.goes_on(0, 1000, tip);
  EXPECT_EQ(b.asked_for(), 1u);
  EXPECT_EQ(b.replica->status().view_timeout_ms, 1000u) << "it makes progress: no timeout is doubled";
  auto found = std::find_if(b.events.begin(), b.events.end(), [](auto& e) { return e.kind == EventKind::passed_over; });
  ASSERT_NE(found, b.events.end());
  EXPECT_EQ(std::tuple(found->member, found->value), std::tuple(2, 0u));
  auto sent =
      std::find_if(b.events.begin(), b.events.end(), [](auto& e) { return e.kind == EventKind::view_change_sent; });
  EXPECT_EQ(sent->value, static_cast<std::uint64_t>(ViewChangeCause::fairness));
}

TEST(Rules, F2AnOriginThatIsInSomeBlockIsNotLeftOut) {
  auto b = in_a_long_tenure();
  std::optional<BlockSkeleton> tip;
  b.goes_on(0, 100, tip);
  b.work();
  std::uint8_t name = 100;
  b.goes_on(0, 12'000, tip, [&](Height height) -> std::optional<std::uint8_t> {
    if (height % 20 != 0) return std::nullopt;
    b.work(++name);
    return name;
  });
  EXPECT_EQ(b.asked_for(), 0u);
}

TEST(Rules, F2ABlockThatIsFullBeforeAnOriginsTurnBlamesNobody) {
  for (bool in_turn : {true, false}) {
    auto b = in_a_long_tenure();
    b.config.parameters.block_bytes_max = b.config.parameters.member_block_bytes_max = 100;  // one batch
    b.start({});
    std::optional<BlockSkeleton> tip;
    b.goes_on(0, 100, tip);
    b.work();
    std::uint8_t name = 100;
    // Of one who comes before C or, at every fourth height, C's own turn, when C is in; else of D, who mostly comes
    // after C.
    b.goes_on(0, 12'000, tip, [&](Height height) {
      b.work(++name, in_turn ? static_cast<MemberIndex>(height % 4) : 3);
      return name;
    });
    EXPECT_EQ(b.asked_for(), in_turn ? 0u : 1u);
  }
}

TEST(Rules, F2NothingIsHeldAgainstALeaderThatNobodyOfferedIt) {
  auto b = in_a_long_tenure();
  b.config.fair_timeouts = 0;
  b.start({});
  std::optional<BlockSkeleton> tip;
  b.goes_on(0, 100, tip);
  b.work();
  b.goes_on(0, 15'000, tip);
  EXPECT_TRUE(b.offered.empty());
  EXPECT_EQ(b.asked_for(), 0u);
}

TEST(Rules, F2EveryLeaderHasTheWholeTime) {
  auto b = in_a_long_tenure();
  std::optional<BlockSkeleton> tip;
  b.goes_on(0, 100, tip);
  b.work(77, 3);
  b.goes_on(0, 6000, tip);
  ASSERT_EQ(b.asked_for(), 0u);
  auto first = b.block(2, &*tip, 0, 100);
  b.receive(0, Certificate{b.certificate(VotePhase::prepare, first)});
  ASSERT_EQ(b.replica->status().view, 2u);
  b.goes_on(2, 5900, tip);
  EXPECT_EQ(b.asked_for(), 0u);
  b.goes_on(2, 1000, tip);
  EXPECT_EQ(b.asked_for(), 3u);
}

TEST(Rules, F2FarDatedBatchesKeepOutNoneThatALeaderCouldOrder) {
  auto b = in_a_long_tenure();
  b.config.pool_batches_per_origin = 4;
  b.start({});
  auto far = kWall + b.now + b.config.parameters.ttl_max_ms + 5000;
  for (std::uint8_t i = 1; i <= 4; ++i) b.step(BatchArrived{{hash_of(i), 2, far, 100}});
  EXPECT_EQ(b.replica->status().pending_batches, 2u);
  for (std::uint8_t i = 5; i <= 9; ++i) b.work(i);
  EXPECT_EQ(b.replica->status().pending_batches, 4u);
}

}  // namespace
}  // namespace galen::consensus::test
