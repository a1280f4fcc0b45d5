// The log over the end of an epoch: wherever the power fails, what was promised in either epoch is still there
// (docs/spec/log.md 3).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <future>

#include "memory_disk.hpp"
#include "node/log_records.hpp"
#include "node/log_replay.hpp"
#include "node/store_loop.hpp"

namespace galen::node {
namespace {

constexpr LogOptions kSmall{64 * 1024, 2};
constexpr auto kSuite = crypto::Suite::p256_sha256;
constexpr View kFirstVotes = 25, kSecondVotes = 60, kRecycledAt = 30;
const std::string kDir = "d";

BlockHeader end_of_the_first() {
  BlockHeader end;
  end.epoch = 1;
  end.height = 40;
  end.flags = kEpochEnd;
  return end;
}

/// A node that asks for one view after the other, in epoch 1 and, once that has ended, in epoch 2.
struct Asking {
  explicit Asking(bool with_recycling) : recycles(with_recycling) {}

  MemoryDisk disk;
  const bool recycles;  ///< after a checkpoint in the second epoch
  Health health;
  Identity identity{{}, 0, {}, crypto::PrivateKey::generate(kSuite)};
  std::array<View, 3> durable{};  ///< the highest that may have left, by epoch
  bool recycled = false;

  struct Opened {
    std::unique_ptr<Log> log;
    LogReplay replay;
    LogVerdict verdict;
  };
  Result<Opened> open() {
    Opened out;
    GALEN_ASSIGN(auto opened, Log::open(kDir, [&](const ReplayedRecord& record) { out.replay.add(record); }, disk));
    out.log = std::move(opened.log);
    out.verdict = opened.verdict;
    return out;
  }

  /// False when the power failed.
  bool say(StoreLoop& store, std::future<void>& failed, const consensus::SafetyState& state, View target) {
    consensus::ViewChange message;
    message.header.target = target;
    auto said = std::make_shared<std::promise<LogSeq>>();
    Turn turn;
    turn.records.push_back({kLogBatch, false, Bytes(2'000, static_cast<std::uint8_t>(target))});
    turn.records.push_back({kLogConsensus, true, state.view_change_record(message).payload});
    turn.durable = [said](LogSeq first) { said->set_value(first); };
    auto future = said->get_future();
    store.push(std::move(turn));
    while (future.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready)
      if (failed.wait_for(std::chrono::seconds(0)) == std::future_status::ready) return false;
    durable[state.epoch()] = target;
    if (recycles && state.epoch() == 2 && target == kRecycledAt) {
      store.recycle(future.get());
      recycled = true;
    }
    return true;
  }

  bool live(Log& log, const consensus::SafetyState& state, View votes) {
    std::promise<void> broken;
    auto failed = broken.get_future();
    StoreLoop store(log, state, health, [&](const Error&) { broken.set_value(); });
    store.start();
    for (View target = state.max_view_change() + 1; target <= votes; ++target)
      if (!say(store, failed, state, target)) return false;
    return true;
  }

  /// As a node goes through it: the epoch, its end, and the next one after opening again. False when the power failed.
  bool run() {
    if (!Log::create(kDir, kSmall, disk)) return false;
    identity.context.suite = kSuite;
    {
      auto opened = open();
      if (!opened) return false;
      consensus::SafetyState first(1, kSuite);
      const auto begin = first.mode_record(consensus::Mode::voting);
      EXPECT_TRUE(first.apply(begin));
      if (!opened->log->append_turn(std::vector<OwnedLogRecord>{{kLogConsensus, true, begin.payload}})) return false;
      if (!live(*opened->log, first, kFirstVotes)) return false;
    }
    return go_over();
  }
  bool go_over() {
    auto opened = open();
    if (!opened) return false;
    identity.context.epoch = 2;
    auto second = consensus::recover_in(kSuite, opened->replay.safety, end_of_the_first(), true);
    EXPECT_TRUE(second);
    if (!begin_epoch(identity, opened->replay, *second, *opened->log)) return false;
    return live(*opened->log, *second, kSecondVotes);
  }
};

void check_after_the_crash(Asking& node) {
  auto opened = node.open();
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_NE(opened->verdict.kind, LogVerdict::Kind::amnesia) << opened->verdict.reason;
  if (node.durable[1] == 0) return;  // hardly begun
  const auto first = consensus::recover(1, kSuite, opened->replay.safety);
  ASSERT_TRUE(first);
  if (!node.recycled) {
    EXPECT_GE(first->max_view_change(), node.durable[1]) << "the ledger may be before the end still";
    EXPECT_EQ(first->mode(), consensus::Mode::voting);
  }
  if (node.durable[1] < kFirstVotes) return;  // the end came later
  const auto second = consensus::recover_in(kSuite, opened->replay.safety, end_of_the_first(), true);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->mode(), consensus::Mode::voting) << "forgotten, it would have to recover";
  EXPECT_GE(second->max_view_change(), node.durable[2]);
  // And it goes on from there.
  node.disk.power_off_at_sync = UINT64_MAX;
  opened->log.reset();
  EXPECT_TRUE(node.go_over());
}

class EpochLogTest : public testing::TestWithParam<bool> {};

TEST_P(EpochLogTest, PowerFailsAtEverySyncAndNoPromiseIsLost) {
  Asking whole(GetParam());
  ASSERT_TRUE(whole.run());
  const auto syncs = whole.disk.syncs;
  ASSERT_GT(syncs, kFirstVotes + kSecondVotes);
  const auto files = std::count_if(whole.disk.contents.begin(), whole.disk.contents.end(),
                                   [](const auto& entry) { return entry.first.find("segment-") != std::string::npos; });
  EXPECT_GT(files, 2) << "segments were to be full in both epochs";
  for (std::uint64_t at = 0; at < syncs; ++at) {
    SCOPED_TRACE(testing::Message() << "the power fails at sync " << at);
    Asking node(GetParam());
    node.disk.power_off_at_sync = at;
    EXPECT_FALSE(node.run());
    Rng rng(at);
    node.disk.crash(rng);
    node.disk.power_off_at_sync = UINT64_MAX;
    if (at > 1) check_after_the_crash(node);  // before, there is no log
    if (HasFatalFailure()) return;
  }
}

// What the order above rests on: segments go only once the ledger is durable in the second epoch. One that is made anew all the
// same does not trust a log that begins behind it.
TEST(EpochLogRecyclingTest, AfterACheckpointOnlyThePresentEpochIsKept) {
  Asking node(true);
  ASSERT_TRUE(node.run());
  auto opened = node.open();
  ASSERT_TRUE(opened);
  const auto first = consensus::recover(1, kSuite, opened->replay.safety);
  ASSERT_TRUE(first);
  EXPECT_LT(first->max_view_change(), kFirstVotes);
  EXPECT_EQ(consensus::recover(2, kSuite, opened->replay.safety)->max_view_change(), kSecondVotes);
}

INSTANTIATE_TEST_SUITE_P(Recycling, EpochLogTest, testing::Bool());

}  // namespace
}  // namespace galen::node
