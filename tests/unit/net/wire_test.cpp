// The frame decoder against every way of cutting the stream, and against each lie a header can tell.
#include "net/wire.hpp"

#include <gtest/gtest.h>

#include <random>

#include "galen/base/rng.hpp"
#include "net/send_queue.hpp"

namespace galen::net {
namespace {

using wire::Decoder;
using wire::Type;

struct Collected {
  std::vector<Decoder::Event> events;
  Status status;
};

Collected decode(ByteSpan stream, std::size_t piece, bool admit = true) {
  Decoder decoder;
  if (admit) decoder.admit_messages();
  Collected out;
  while (!stream.empty() && out.status) {
    auto take = std::min(piece, stream.size());
    out.status = decoder.consume(stream.first(take), [&](Decoder::Event&& event) {
      out.events.push_back(std::move(event));
      return true;
    });
    stream = stream.subspan(take);
  }
  return out;
}

Bytes pattern(std::size_t size, std::uint64_t seed) {
  Rng rng(seed);
  Bytes out(size);
  for (auto& byte : out) byte = static_cast<std::uint8_t>(rng.next());
  return out;
}

/// The stream a peer would send for these payloads, taken out in writes of 64 KiB.
Bytes stream_of(const std::vector<std::pair<Lane, Bytes>>& messages) {
  SendQueue queue{MeshLimits{}};
  queue.connected();
  for (const auto& [lane, payload] : messages)
    EXPECT_TRUE(queue.push(lane, std::make_shared<const Bytes>(payload)).queued);
  Bytes out;
  std::uint64_t window = 1ULL << 40;
  for (;;) {
    Bytes part;
    queue.gather(part, 64 * 1024, window);
    if (part.empty()) return out;
    EXPECT_LE(part.size(), 64 * 1024 + 1024);
    out.insert(out.end(), part.begin(), part.end());
  }
}

TEST(Wire, MessagesSurviveAnyCutOfTheStream) {
  std::vector<std::pair<Lane, Bytes>> messages;
  for (std::size_t size : {0u, 1u, 100u, 65535u, 65536u, 65537u, 200000u})
    messages.emplace_back(size % 2 == 0 ? Lane::bulk : Lane::votes, pattern(size, size));
  auto stream = stream_of(messages);
  for (std::size_t piece : {1ul, 7ul, 8ul, 13ul, 4096ul, stream.size()}) {
    auto got = decode(stream, piece);
    ASSERT_TRUE(got.status) << got.status.error().message;
    ASSERT_EQ(got.events.size(), messages.size()) << "piece " << piece;
    for (Lane lane : {Lane::votes, Lane::bulk}) {
      std::vector<Bytes> sent, received;
      for (auto& [to, payload] : messages)
        if (to == lane) sent.push_back(payload);
      for (auto& event : got.events)
        if (event.lane == lane) received.push_back(event.payload);
      EXPECT_EQ(sent, received);
    }
  }
}

TEST(Wire, LargestMessagePasses) {
  auto payload = pattern(limits::kFrameBytesMax, 1);
  auto got = decode(stream_of({{Lane::bulk, payload}}), 65536);
  ASSERT_TRUE(got.status);
  ASSERT_EQ(got.events.size(), 1u);
  EXPECT_EQ(got.events[0].payload, payload);
}

TEST(Wire, LiesAreRefusedBeforeTheyCostMemory) {
  auto frame = [](std::uint16_t magic, std::uint8_t lane, std::uint8_t type, std::uint32_t length, Bytes body = {}) {
    return ByteWriter().u16(magic).u8(lane).u8(type).u32(length).raw(ByteSpan(body)).bytes();
  };
  auto first = [&](std::uint32_t total, std::size_t bytes) {
    return frame(wire::kMagic, 2, 8, static_cast<std::uint32_t>(bytes + 4),
                 ByteWriter().u32(total).raw(Bytes(bytes)).bytes());
  };
  auto then = [](Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  const std::vector<std::pair<const char*, Bytes>> lies = {
      {"magic", frame(0x4702, 1, 7, 0)},
      {"http", to_bytes(std::string_view("GET / HTTP/1.1\r\n\r\n"))},
      {"type zero", frame(wire::kMagic, 1, 0, 0)},
      {"type beyond", frame(wire::kMagic, 1, 10, 0)},
      {"message on lane 0", frame(wire::kMagic, 0, 7, 0)},
      {"message on lane 3", frame(wire::kMagic, 3, 7, 0)},
      {"control on lane 1", frame(wire::kMagic, 1, 3, 8)},
      {"long control", frame(wire::kMagic, 0, 3, wire::kControlBytesMax + 1)},
      {"long message", frame(wire::kMagic, 1, 7, wire::kChunkBytesMax + 1)},
      {"huge message", frame(wire::kMagic, 1, 7, 0xffffffff)},
      {"first without total", frame(wire::kMagic, 2, 8, 3, Bytes(8))},
      {"total beyond the limit", first(limits::kFrameBytesMax + 1, 100)},
      {"total of 4 GiB", first(0xffffffff, 100)},
      {"first that is whole", first(100, 100)},
      {"empty first", first(100, 0)},
      {"more of nothing", frame(wire::kMagic, 2, 9, 1, Bytes(1))},
      {"empty more", then(first(100, 10), frame(wire::kMagic, 2, 9, 0))},
      {"more than total", then(first(100, 10), frame(wire::kMagic, 2, 9, 91, Bytes(91)))},
      {"message inside another", then(first(100, 10), frame(wire::kMagic, 2, 7, 1, Bytes(1)))},
      {"first inside another", then(first(100, 10), first(100, 10))},
  };
  for (const auto& [name, stream] : lies) {
    auto got = decode(stream, 3);
    ASSERT_FALSE(got.status) << name;
    EXPECT_EQ(got.status.error().code, ErrorCode::MALFORMED) << name;
    EXPECT_TRUE(got.events.empty()) << name;
  }
  EXPECT_FALSE(decode(frame(wire::kMagic, 1, 7, 1, Bytes(1)), 64, false).status) << "message before activation";
}

TEST(Wire, RandomBytesNeverCrashTheDecoder) {
  std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  Rng rng(seed);
  for (int round = 0; round < 2000; ++round) {
    auto stream =
        stream_of({{Lane::votes, pattern(rng.below(300), round)}, {Lane::bulk, pattern(rng.below(70000), round)}});
    for (auto flips = rng.below(4); flips > 0; --flips)
      stream[rng.below(std::min<std::size_t>(stream.size(), 64))] ^= static_cast<std::uint8_t>(1 + rng.below(255));
    std::size_t total = 0;
    for (auto& event : decode(stream, 1 + rng.below(70000)).events) total += event.payload.size();
    EXPECT_LE(total, stream.size());
  }
}

TEST(Wire, HelloAndByeRoundTripAndIgnoreWhatLaterVersionsAdd) {
  wire::Hello hello;
  hello.chain_id.data[5] = 9;
  hello.epoch = 3;
  hello.start_nonce = 17;
  hello.last_connection = 99;
  auto bytes = hello.encode();
  bytes.push_back(1);
  auto back = wire::Hello::decode(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->encode(), hello.encode());
  bytes.resize(59);
  EXPECT_FALSE(wire::Hello::decode(bytes));
  auto bye = wire::Bye::decode(wire::Bye{Refusal::WRONG_CHAIN, "a\nb\""}.encode());
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->reason, Refusal::WRONG_CHAIN);
  EXPECT_EQ(bye->text, "a?b?");
  EXPECT_FALSE(wire::Bye::decode({}));
}

}  // namespace
}  // namespace galen::net
