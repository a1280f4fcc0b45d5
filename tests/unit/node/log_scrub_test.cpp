// Damage in segments that are no longer written is found while others are; what a crash or a recycling left is none.
#include "node/log_scrub.hpp"

#include <gtest/gtest.h>

#include "galen/node/log.hpp"
#include "memory_disk.hpp"

namespace galen::node {
namespace {

constexpr LogOptions kSmall{64 * 1024, 2};
const std::string kFirst = "d/wal/segment-000001";

class LogScrubTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Log::create("d", kSmall, disk));
    open();
    fill(40);
    ASSERT_GE(log->stats().segments, 3u);
  }
  void open() {
    auto opened = Log::open(
        "d", [](const ReplayedRecord&) {}, disk);
    ASSERT_TRUE(opened);
    log = std::move(opened->log);
  }
  void fill(int turns) {
    for (int i = 0; i < turns; ++i) {
      const std::vector<OwnedLogRecord> records{{16, false, Bytes(1500, 0x61)}, {17, true, Bytes(900, 0x62)}};
      ASSERT_TRUE(log->append_turn(records));
    }
  }
  std::vector<std::string> damage() {
    auto found = find_log_damage(disk, "d/wal");
    EXPECT_TRUE(found);
    return found ? *found : std::vector<std::string>{"unreadable"};
  }
  void flip(const std::string& path, std::size_t offset) {
    disk.contents[path]->medium[offset] ^= 4;
    disk.contents[path]->cache[offset] ^= 4;
  }

  MemoryDisk disk;
  std::unique_ptr<Log> log;
};

TEST_F(LogScrubTest, AWholeLogHasNothingToSay) {
  EXPECT_EQ(damage(), std::vector<std::string>());
  open();
  fill(3);
  EXPECT_EQ(damage(), std::vector<std::string>());
}

TEST_F(LogScrubTest, EveryByteOfAnOldSegmentThatMeansSomethingIsCovered) {
  const auto whole = disk.contents[kFirst]->cache;
  std::size_t found = 0;
  for (std::size_t offset = 0; offset < whole.size(); offset += 97) {
    flip(kFirst, offset);
    auto said = damage();
    found += said.size();
    EXPECT_LE(said.size(), 1u);
    for (const auto& one : said) EXPECT_NE(one.find("segment-000001"), std::string::npos);
    const bool in_payload = whole[offset] == 0x61 || whole[offset] == 0x62;
    EXPECT_TRUE(!in_payload || said.size() == 1u) << offset;
    flip(kFirst, offset);
  }
  EXPECT_GT(found, 100u);
  EXPECT_EQ(damage(), std::vector<std::string>());
}

TEST_F(LogScrubTest, TheSegmentThatIsWrittenIsLeftAlone) {
  std::string newest;
  for (const auto& [path, content] : disk.contents)
    if (path.find("segment-") != std::string::npos) newest = path;
  const auto& bytes = disk.contents[newest]->cache;
  const auto at = static_cast<std::size_t>(std::find(bytes.begin(), bytes.end(), 0x61) - bytes.begin());
  ASSERT_LT(at, bytes.size());
  flip(newest, at);
  EXPECT_EQ(damage(), std::vector<std::string>());
}

TEST_F(LogScrubTest, ASegmentThatIsGivenUpIsNoDamage) {
  const auto& bytes = disk.contents[kFirst]->cache;
  flip(kFirst, static_cast<std::size_t>(std::find(bytes.begin(), bytes.end(), 0x61) - bytes.begin()));
  ASSERT_EQ(damage().size(), 1u);
  log->recycle(log->stats().segment_first_seq);
  fill(1);  // names the new oldest generation
  EXPECT_EQ(damage(), std::vector<std::string>());
}

TEST_F(LogScrubTest, ATurnThatACrashCutOffIsNoDamage) {
  Rng rng(3);
  for (int round = 0; round < 20; ++round) {
    disk.power_off_at_sync = disk.syncs;
    const std::vector<OwnedLogRecord> records{{16, false, Bytes(6000, 0x61)}, {17, true, Bytes(900, 0x62)}};
    log->append_turn(records).ignore("the power goes");
    disk.power_off_at_sync = UINT64_MAX;
    disk.crash(rng);
    open();
    fill(2);
    EXPECT_EQ(damage(), std::vector<std::string>()) << "round " << round;
  }
}

}  // namespace
}  // namespace galen::node
