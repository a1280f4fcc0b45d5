// D20: where admission and voting end, for volumes of every size, and that a level does not flicker at its edge.
#include "node/disk_watch.hpp"

#include <gtest/gtest.h>

#include "galen/base/failure_bell.hpp"

namespace galen::node {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20;
constexpr std::uint64_t kGiB = 1ULL << 30;

TEST(DiskWatchTest, SmallerOfPercentAndBytes) {
  // 1 TiB: 5 GiB and 1 GiB are smaller than 10 % and 2 %.
  EXPECT_EQ(disk_level({5 * kGiB, 1024 * kGiB}, 0, DiskLevel::enough), DiskLevel::enough);
  EXPECT_EQ(disk_level({5 * kGiB - 1, 1024 * kGiB}, 0, DiskLevel::enough), DiskLevel::low);
  EXPECT_EQ(disk_level({1 * kGiB, 1024 * kGiB}, 0, DiskLevel::low), DiskLevel::low);
  EXPECT_EQ(disk_level({1 * kGiB - 1, 1024 * kGiB}, 0, DiskLevel::low), DiskLevel::full);
  // 10 GiB: 10 % and 2 % are.
  EXPECT_EQ(disk_level({1 * kGiB, 10 * kGiB}, 0, DiskLevel::enough), DiskLevel::enough);
  EXPECT_EQ(disk_level({1 * kGiB - 1, 10 * kGiB}, 0, DiskLevel::enough), DiskLevel::low);
  EXPECT_EQ(disk_level({10 * kGiB / 50 - 1, 10 * kGiB}, 0, DiskLevel::low), DiskLevel::full);
}

TEST(DiskWatchTest, ReserveDecidesOnSmallVolumes) {
  EXPECT_EQ(disk_level({128 * kMiB - 1, kGiB}, 128 * kMiB, DiskLevel::enough), DiskLevel::full);
  EXPECT_EQ(disk_level({128 * kMiB, kGiB}, 128 * kMiB, DiskLevel::enough), DiskLevel::low);
  EXPECT_EQ(disk_level({256 * kMiB, kGiB}, 128 * kMiB, DiskLevel::enough), DiskLevel::enough);
}

TEST(DiskWatchTest, LevelEndsAnEighthAbove) {
  EXPECT_EQ(disk_level({kGiB + kGiB / 8 - 1, 1024 * kGiB}, 0, DiskLevel::full), DiskLevel::full);
  EXPECT_EQ(disk_level({kGiB + kGiB / 8, 1024 * kGiB}, 0, DiskLevel::full), DiskLevel::low);
  auto edge = 5 * kGiB + 5 * kGiB / 8;
  EXPECT_EQ(disk_level({edge - 1, 1024 * kGiB}, 0, DiskLevel::low), DiskLevel::low);
  EXPECT_EQ(disk_level({edge, 1024 * kGiB}, 0, DiskLevel::low), DiskLevel::enough);
}

TEST(DiskWatchTest, LookSetsTheFlags) {
  Health health;
  // More than any volume has: the node must think it full.
  DiskWatch full("/", ~0ULL / 4, health);
  full.look();
  EXPECT_TRUE(health.disk_low);
  EXPECT_TRUE(health.disk_full);
}

TEST(FailureBellTest, ToldOnceAndAlsoToWhoComesLate) {
  FailureBell bell;
  bell.ring({ErrorCode::IO_ERROR, "first"});
  bell.ring({ErrorCode::IO_ERROR, "second"});
  std::vector<std::string> told;
  bell.listen([&](const Error& error) { told.push_back(error.message); });
  bell.ring({ErrorCode::IO_ERROR, "third"});
  EXPECT_EQ(told, std::vector<std::string>{"first"});
}

}  // namespace
}  // namespace galen::node
