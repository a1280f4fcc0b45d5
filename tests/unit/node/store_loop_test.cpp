// The store thread: what a turn promises is said once all of it is durable, however large the turn is.
#include "node/store_loop.hpp"

#include <gtest/gtest.h>

#include <future>

#include "memory_disk.hpp"
#include "node/log_records.hpp"

namespace galen::node {
namespace {

constexpr LogOptions kSmall{64 * 1024, 2};
const std::string kDir = "d";

struct Written {
  MemoryDisk disk;
  Health health;
  std::vector<std::string> fatal;

  std::unique_ptr<Log> open() {
    auto opened = Log::open(kDir, [this](const ReplayedRecord& record) {
      if (record.type == kLogBatch || record.type == kLogCommitted) bodies.push_back({record.seq, to_string(record.payload)});
    }, disk);
    EXPECT_TRUE(opened.has_value());
    return opened ? std::move(opened->log) : nullptr;
  }
  std::vector<std::pair<LogSeq, std::string>> bodies;
};

Turn turn_of(std::size_t count, std::size_t bytes, std::promise<LogSeq>& said) {
  Turn turn;
  for (std::size_t i = 0; i < count; ++i)
    turn.records.push_back({i % 5 == 4 ? kLogCommitted : kLogBatch, false, Bytes(bytes, static_cast<std::uint8_t>(i))});
  turn.durable = [&said](LogSeq first) { said.set_value(first); };
  return turn;
}

// A node that comes back fetches many blocks at once, and their bodies are one turn of the core.
TEST(StoreLoop, WritesATurnLargerThanTheLogTakesAtOnceInPieces) {
  Written world;
  ASSERT_TRUE(Log::create(kDir, kSmall, world.disk).has_value());
  std::promise<LogSeq> large, small;
  {
    auto log = world.open();
    ASSERT_TRUE(log);
    StoreLoop store(*log, consensus::SafetyState(), world.health,
                    [&](const Error& error) { world.fatal.push_back(error.message); });
    const auto next = store.next_seq();
    store.push(turn_of(60, 3'000, large));  // eleven times what the log takes at once
    store.push(turn_of(2, 100, small));
    store.start();
    auto first = large.get_future();
    ASSERT_EQ(first.wait_for(std::chrono::seconds(20)), std::future_status::ready) << (world.fatal.empty() ? "" : world.fatal[0]);
    EXPECT_EQ(first.get(), next);
    auto then = small.get_future();
    ASSERT_EQ(then.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    EXPECT_GE(then.get(), next + 60);
    store.stop();
  }
  EXPECT_TRUE(world.fatal.empty());
  world.bodies.clear();
  ASSERT_TRUE(world.open());
  ASSERT_EQ(world.bodies.size(), 62u);
  for (std::size_t i = 0; i < 60; ++i) EXPECT_EQ(world.bodies[i].second, std::string(3'000, static_cast<char>(i)));
}

// Records of one step of the core are durable together or not at all: where the log is written in pieces, they are in one.
TEST(StoreLoop, KeepsSafetyRecordsThatFollowEachOtherInOnePiece) {
  Written world;
  ASSERT_TRUE(Log::create(kDir, kSmall, world.disk).has_value());
  auto log = world.open();
  ASSERT_TRUE(log);
  std::promise<LogSeq> said;
  StoreLoop store(*log, consensus::SafetyState(), world.health,
                  [&](const Error& error) { world.fatal.push_back(error.message); });
  const auto turns_before = log->stats().turns;
  Turn turn = turn_of(4, 3'000, said);  // fills a piece but for less than a safety record
  for (int i = 0; i < 3; ++i) turn.records.push_back({kLogOutbox, true, Bytes(1'500, 1)});
  store.push(std::move(turn));
  store.start();
  auto first = said.get_future();
  ASSERT_EQ(first.wait_for(std::chrono::seconds(20)), std::future_status::ready) << (world.fatal.empty() ? "" : world.fatal[0]);
  store.stop();
  EXPECT_EQ(log->stats().turns, turns_before + 2);  // the bodies, then the three together
}

}  // namespace
}  // namespace galen::node
