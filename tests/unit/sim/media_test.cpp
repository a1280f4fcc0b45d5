// The simulated disk and the files below the ledger: what a crash leaves, and what a lie does.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "galen/execution/executor.hpp"
#include "galen/ledger/store.hpp"
#include "sim/whole/ledger_files.hpp"
#include "sim/whole/simulated_disk.hpp"
#include "sim/whole/world.hpp"

namespace galen::sim {
namespace {

Bytes content(SimulatedDisk& disk) { return *disk.read_all("/a", SIZE_MAX); }

class Disk : public testing::Test {
 protected:
  Disk() { EXPECT_TRUE(disk.create_zero_filled("/a", 8192)); file = std::move(*disk.open("/a")); }
  SimulatedDisk disk{7};
  std::unique_ptr<node::File> file;
  const Bytes ones = Bytes(2048, 1);
};

TEST_F(Disk, WhatIsSyncedSurvives) {
  ASSERT_TRUE(file->write_at(0, ones) && file->sync_data());
  disk.crash();
  auto bytes = content(disk);
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), 1), 2048);
}

TEST_F(Disk, WhatIsNotSyncedIsTornAtSectors) {
  std::set<std::ptrdiff_t> seen;
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(disk.replace("/a", Bytes(8192)));
    file = std::move(*disk.open("/a"));
    ASSERT_TRUE(file->write_at(0, ones));
    disk.crash();
    auto bytes = content(disk);
    seen.insert(std::count(bytes.begin(), bytes.end(), 1) / 512);
  }
  EXPECT_TRUE(seen.contains(0) && seen.contains(4)) << "nothing, or all of it";
  EXPECT_GT(seen.size(), 3u) << "and parts";
}

TEST_F(Disk, PowerFailsInTheCallThatWasNamed) {
  disk.fail_power_after(2);
  EXPECT_TRUE(file->write_at(0, ones));
  EXPECT_FALSE(file->sync_data());
  EXPECT_FALSE(disk.has_power());
  EXPECT_FALSE(file->write_at(0, ones));
  EXPECT_FALSE(disk.replace("/b", ones));
  disk.crash();
  EXPECT_TRUE(file->write_at(0, ones) && file->sync_data());
}

TEST_F(Disk, ALostWriteShowsOnlyAfterACrash) {
  disk.lose_next_write();
  ASSERT_TRUE(file->write_at(0, ones) && file->sync_data());
  EXPECT_EQ(content(disk)[0], 1);
  disk.crash();
  EXPECT_EQ(content(disk)[0], 0);
}

TEST_F(Disk, AMisdirectedWriteIsInTheFileAllTheSame) {
  disk.misdirect_next_write();
  ASSERT_TRUE(file->write_at(0, ones) && file->sync_data());
  auto bytes = content(disk);
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), 1), 2048);
}

TEST_F(Disk, OneBitTurns) {
  ASSERT_TRUE(file->write_at(0, ones) && file->sync_data());
  auto before = content(disk);
  ASSERT_TRUE(disk.flip_bit());
  auto after = content(disk);
  int bits = 0;
  for (std::size_t i = 0; i < before.size(); ++i) bits += __builtin_popcount(before[i] ^ after[i]);
  EXPECT_EQ(bits, 1);
}

TEST(LedgerFiles, ALedgerStandsWhereItsLastCheckpointLeftIt) {
  World world(4, 0, 1);
  LedgerFiles files(3);
  ledger::StoreOptions options{.directory = "/node", .context = world.genesis().context(), .environment = &files.environment()};
  {
    auto store = ledger::Store::create(options);
    ASSERT_TRUE(store) << store.error().message;
    execution::Executor executor(world.genesis(), **store);
    ASSERT_TRUE(executor.start());
    files.fail_power_after(1);
    EXPECT_FALSE((*store)->checkpoint());
    EXPECT_FALSE(files.has_power());
  }
  files.crash();
  {
    auto store = ledger::Store::open(options);
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_FALSE((*store)->applied_height().has_value());
    execution::Executor executor(world.genesis(), **store);
    ASSERT_TRUE(executor.start());
    EXPECT_TRUE((*store)->checkpoint());
  }
  files.crash();
  auto store = ledger::Store::open(options);
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ((*store)->applied_height(), 0u);
}

}  // namespace
}  // namespace galen::sim
