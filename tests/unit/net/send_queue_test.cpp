// The two lanes: votes overtake, bounds hold, and a half-sent message is never torn.
#include "net/send_queue.hpp"

#include <gtest/gtest.h>

#include "net/credit_gate.hpp"
#include "net/wire.hpp"

namespace galen::net {
namespace {

std::shared_ptr<const Bytes> payload(std::size_t size, std::uint8_t fill = 0) {
  return std::make_shared<const Bytes>(size, fill);
}

constexpr std::uint64_t kWide = 1ULL << 40;

std::vector<wire::Decoder::Event> events_of(wire::Decoder& decoder, const Bytes& stream) {
  std::vector<wire::Decoder::Event> out;
  EXPECT_TRUE(decoder.consume(stream, [&](auto&& event) {
    out.push_back(std::move(event));
    return true;
  }));
  return out;
}

TEST(SendQueue, AVoteWaitsForAtMostOneChunkOfBulk) {
  SendQueue queue{MeshLimits{}};
  queue.connected();
  queue.push(Lane::bulk, payload(3'000'000));
  wire::Decoder decoder;
  decoder.admit_messages();
  auto window = kWide;
  Bytes write;
  queue.gather(write, 65536, window);
  EXPECT_LE(write.size(), 65536u + 12);
  EXPECT_TRUE(events_of(decoder, write).empty());
  queue.push(Lane::votes, payload(500, 1));
  write.clear();
  queue.gather(write, 65536, window);
  auto events = events_of(decoder, write);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].lane, Lane::votes);
  EXPECT_EQ(events[0].payload, Bytes(500, 1));
}

TEST(SendQueue, SmallMessagesShareOneWrite) {
  SendQueue queue{MeshLimits{}};
  queue.connected();
  for (int i = 0; i < 50; ++i) queue.push(Lane::votes, payload(300));
  for (int i = 0; i < 50; ++i) queue.push(Lane::bulk, payload(300));
  auto window = kWide;
  Bytes write;
  queue.gather(write, 65536, window);
  wire::Decoder decoder;
  decoder.admit_messages();
  EXPECT_EQ(events_of(decoder, write).size(), 100u);
}

TEST(SendQueue, FullVotesDropTheOldestFullBulkTheNewest) {
  MeshLimits limits;
  limits.votes_items_max = limits.bulk_items_max = 3;
  SendQueue queue{limits};
  queue.connected();
  for (std::uint8_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(queue.push(Lane::votes, payload(1, i)).queued);
    EXPECT_EQ(queue.push(Lane::bulk, payload(1, i)).queued, i < 3);
  }
  auto window = kWide;
  Bytes write;
  queue.gather(write, 65536, window);
  wire::Decoder decoder;
  decoder.admit_messages();
  std::string got;
  for (auto& event : events_of(decoder, write))
    got += (event.lane == Lane::votes ? 'v' : 'b') + std::to_string(event.payload[0]);
  EXPECT_EQ(got, "v2v3v4b0b1b2");
  LaneStatus votes, bulk;
  queue.status(votes, bulk);
  EXPECT_EQ(votes.dropped_frames, 2u);
  EXPECT_EQ(bulk.dropped_frames, 2u);
}

TEST(SendQueue, BytesAreBoundedAndAHalfSentVoteIsFinished) {
  MeshLimits limits;
  limits.votes_bytes_max = 300'000;
  SendQueue queue{limits};
  queue.connected();
  queue.push(Lane::votes, payload(250'000, 1));
  auto window = kWide;
  Bytes stream;
  queue.gather(stream, 65536, window);
  EXPECT_FALSE(queue.push(Lane::votes, payload(100'000, 2)).queued) << "only the half-sent one could make room";
  EXPECT_TRUE(queue.push(Lane::votes, payload(40'000, 3)).queued);
  EXPECT_TRUE(queue.push(Lane::votes, payload(50'000, 4)).queued) << "drops the one of 40,000";
  for (Bytes part;; part.clear()) {
    queue.gather(part, 65536, window);
    if (part.empty()) break;
    stream.insert(stream.end(), part.begin(), part.end());
  }
  wire::Decoder decoder;
  decoder.admit_messages();
  auto events = events_of(decoder, stream);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].payload, Bytes(250'000, 1));
  EXPECT_EQ(events[1].payload, Bytes(50'000, 4));
}

TEST(SendQueue, BulkObeysTheWindowAndVotesDoNot) {
  SendQueue queue{MeshLimits{}};
  queue.connected();
  queue.push(Lane::bulk, payload(10'000));
  std::uint64_t window = 0;
  Bytes write;
  queue.gather(write, 65536, window);
  EXPECT_TRUE(write.empty());
  EXPECT_TRUE(queue.push(Lane::votes, payload(10)).wake) << "the writer went to sleep";
  queue.gather(write, 65536, window);
  EXPECT_EQ(write.size(), 18u);
  window = 5'000 + wire::kMessageCost;
  queue.gather(write, 65536, window);
  EXPECT_EQ(window, 0u);
  LaneStatus votes, bulk;
  queue.status(votes, bulk);
  EXPECT_EQ(bulk.queued_items, 1u);
}

TEST(SendQueue, KeepsNothingForAPeerThatIsAway) {
  SendQueue queue{MeshLimits{}};
  EXPECT_FALSE(queue.push(Lane::votes, payload(1)).queued);
  queue.connected();
  EXPECT_TRUE(queue.push(Lane::votes, payload(1)).queued);
  EXPECT_FALSE(queue.push(Lane::bulk, payload(limits::kFrameBytesMax + 1)).queued);
  queue.disconnected();
  LaneStatus votes, bulk;
  queue.status(votes, bulk);
  EXPECT_EQ(votes.queued_items, 0u);
  EXPECT_EQ(votes.dropped_frames, 2u);
}

TEST(SendQueue, SaysWhetherALargeMessageWouldFindRoom) {
  SendQueue queue{MeshLimits{.bulk_bytes_max = 2 * limits::kFrameBytesMax}};
  EXPECT_FALSE(queue.has_room()) << "nobody is there";
  queue.connected();
  EXPECT_TRUE(queue.has_room());
  EXPECT_TRUE(queue.push(Lane::bulk, payload(limits::kFrameBytesMax)).queued);
  EXPECT_TRUE(queue.has_room());
  EXPECT_TRUE(queue.push(Lane::bulk, payload(1)).queued);
  EXPECT_FALSE(queue.has_room());
  EXPECT_TRUE(queue.push(Lane::bulk, payload(1)).queued) << "a small one still would";
}

TEST(Credit, ReleasesOnceAndTellsAtEachStep) {
  int told = 0;
  auto gate = std::make_shared<Credit::Gate>(100, [&] { ++told; });
  gate->acquire(Lane::bulk, 90);
  gate->acquire(Lane::bulk, 90);
  gate->acquire(Lane::votes, 50);
  {
    Credit first(gate, Lane::bulk, 90);
    Credit moved = std::move(first);
    moved.release();
    EXPECT_EQ(gate->unprocessed(Lane::bulk), 90u);
    EXPECT_EQ(told, 0);
  }
  EXPECT_EQ(gate->unprocessed(Lane::bulk), 90u);
  { Credit second(gate, Lane::bulk, 90); }
  EXPECT_EQ(told, 1);
  EXPECT_FALSE(gate->notify_when_votes_below(50));
  EXPECT_TRUE(gate->notify_when_votes_below(10));
  gate->detach();
  { Credit third(gate, Lane::votes, 50); }
  EXPECT_EQ(told, 1);
  EXPECT_EQ(gate->unprocessed(Lane::votes), 0u);
}

}  // namespace
}  // namespace galen::net
