// The start of a node whose log is damaged: it is begun anew, with what this node still owes and still holds, however
// much that is, and the starts after that find all of it.
#include "unit/node/data_dir_fixture.hpp"

namespace galen::node {
namespace {

using test::take;

constexpr LogRecordType kFiller = 999;  ///< of a kind that the start does not know

using AmnesiaTest = test::DataDirTest;

TEST_F(AmnesiaTest, WhatIsPendingIsFoundByTheStartsAfterIt) {
  live(3, {});
  lose_manifest();
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->recovered.safety.mode(), consensus::Mode::recovering);
  EXPECT_EQ(opened->vault->pending().size(), 3u);
  for (int i = 0; i < 2; ++i) {
    opened = kill_and_open(*opened);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->recovered.safety.mode(), consensus::Mode::recovering);
    EXPECT_EQ(opened->vault->pending().size(), 3u);
    // A checkpoint while nothing has come of them.
    ASSERT_TRUE(opened->vault->flush(opened->log->log_id(), opened->log->stats().next_seq).has_value());
  }
}

TEST_F(AmnesiaTest, MuchMayBePending) {
  live(300, {});
  lose_manifest();
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  opened = kill_and_open(*opened);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->vault->pending().size(), 300u);
}

TEST_F(AmnesiaTest, BodiesAreAsDurableAsTheyWere) {
  const auto own = batch(0), foreign = batch(2);
  live(0, {own, foreign});
  lose_manifest();
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  for (int i = 0; i < 2; ++i) {
    for (const auto& one : {own, foreign})
      EXPECT_NE(opened->pool->find(one->digest()), nullptr) << "life " << i << " origin " << one->header().origin;
    EXPECT_EQ(opened->recovered.pending.size(), 2u) << "what stands in the pool is not logged again";
    opened = kill_and_open(*opened);
    ASSERT_TRUE(opened) << opened.error().message;
  }
}

// The log may hold no outbox record at all when the next one is bound.
TEST_F(AmnesiaTest, ARecordThatIsOnItsWayToTheLogKeepsNoOldPlaceInIt) {
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  for (int turn = 0; turn < 40; ++turn) append(*opened->log, {kFiller, false, Bytes(8'000)});
  const auto stats = opened->log->stats();
  ASSERT_TRUE(opened->vault->flush(opened->log->log_id(), stats.next_seq).has_value());
  opened->log->recycle(stats.next_seq);
  append(*opened->log, {kFiller, true, Bytes(8)});
  opened = kill_and_open(*opened);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto oldest = opened->log->stats().oldest_seq;
  ASSERT_GT(oldest, 1u);
  outbox_record(*opened->vault);
  EXPECT_GE(take(opened->vault->flush(opened->log->log_id(), opened->log->stats().next_seq)), oldest);
  opened = kill_and_open(*opened);
  ASSERT_TRUE(opened) << opened.error().message;
}

}  // namespace
}  // namespace galen::node
