// The channel between node and front end: both ends live, over a real socketpair. Bad bytes are written by hand.
#include "galen/socket/channel.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <random>
#include <set>
#include <thread>

#include "socket/frame.hpp"

namespace galen::socket {
namespace {

using galen::node::v1::Call;
using galen::node::v1::Cancel;
using galen::node::v1::Hello;
using galen::node::v1::Reply;
using namespace std::chrono_literals;

constexpr auto kPatience = 30s;  // only how long a broken build may hang

Hello hello(std::uint32_t from = kProtocolVersion, std::uint32_t to = kProtocolVersion) {
  Hello message;
  message.set_version_min(from);
  message.set_version_max(to);
  return message;
}

Call call(std::uint64_t id, std::string request = "") {
  Call message;
  message.set_call_id(id);
  message.set_request(std::move(request));
  return message;
}

template <class Message>
std::string frame(FrameType type, const Message& message) {
  std::string out;
  append_frame(out, type, message, message.ByteSizeLong());
  return out;
}

/// A channel on one end; the test holds the other end's bare descriptor.
struct HalfOpen {
  explicit HalfOpen(Channel::Limits limits = {}, std::function<void(Call&&)> on_call = {}) {
    auto pair = make_socket_pair();
    peer = pair->second;
    Channel::Handlers handlers;
    handlers.on_call = std::move(on_call);
    handlers.on_closed = [this](const Error& why) { closed.set_value(why); };
    channel = std::make_unique<Channel>(pair->first, std::move(handlers), limits);
  }
  ~HalfOpen() {
    channel.reset();
    if (peer >= 0) ::close(peer);
  }
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = ::send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // refused in the middle: what the test is about
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  Error wait_closed() {
    auto future = closed.get_future();
    if (future.wait_for(kPatience) != std::future_status::ready) return make_error(ErrorCode::OK, "still open");
    return future.get();
  }
  int peer = -1;
  std::promise<Error> closed;
  std::unique_ptr<Channel> channel;
};

TEST(ChannelTest, CarriesEveryMessageBothWays) {
  auto pair = make_socket_pair();
  ASSERT_TRUE(pair);
  std::promise<Hello> node_hello, front_hello;
  std::promise<Call> got_call;
  std::promise<Cancel> got_cancel;
  std::promise<Reply> got_reply;
  Channel::Handlers at_node, at_front;
  at_node.on_hello = [&](Hello&& m) { node_hello.set_value(m); };
  at_node.on_call = [&](Call&& m) { got_call.set_value(m); };
  at_node.on_cancel = [&](Cancel&& m) { got_cancel.set_value(m); };
  at_front.on_hello = [&](Hello&& m) { front_hello.set_value(m); };
  at_front.on_reply = [&](Reply&& m) { got_reply.set_value(m); };
  Channel node(pair->first, at_node, {}), front(pair->second, at_front, {});
  node.start();
  front.start();
  auto greeting = hello();
  greeting.set_write_credits(7);
  ASSERT_TRUE(node.send(greeting));
  ASSERT_TRUE(front.send(hello()));
  auto question = call(42, "bytes");
  question.set_traceparent("00-1-2-03");
  ASSERT_TRUE(front.send(question));
  Cancel cancel;
  cancel.set_call_id(42);
  ASSERT_TRUE(front.send(cancel));
  Reply reply;
  reply.set_call_id(42);
  (*reply.mutable_details())["missing_members"] = "D";
  ASSERT_TRUE(node.send(reply));

  EXPECT_EQ(front_hello.get_future().get().write_credits(), 7u);
  node_hello.get_future().get();
  EXPECT_EQ(got_call.get_future().get().SerializeAsString(), question.SerializeAsString());
  EXPECT_EQ(got_cancel.get_future().get().call_id(), 42u);
  EXPECT_EQ(got_reply.get_future().get().details().at("missing_members"), "D");
}

TEST(ChannelTest, KeepsTheOrderOfEachSenderUnderManySenders) {
  constexpr int kSenders = 4, kEach = 5'000;
  auto pair = make_socket_pair();
  std::vector<std::uint64_t> last(kSenders, 0);
  std::atomic<int> received = 0;
  std::promise<void> all;
  std::atomic<bool> ordered = true;
  Channel::Handlers at_node;
  at_node.on_call = [&](Call&& m) {
    const auto sender = m.call_id() % kSenders, number = m.call_id() / kSenders;
    if (number != last[sender] + 1) ordered = false;
    last[sender] = number;
    if (++received == kSenders * kEach) all.set_value();
  };
  Channel node(pair->first, at_node, {}), front(pair->second, {}, {});
  node.start();
  front.start();
  ASSERT_TRUE(front.send(hello()));
  std::vector<std::thread> senders;
  for (int s = 0; s < kSenders; ++s)
    senders.emplace_back([&, s] {
      for (std::uint64_t i = 1; i <= kEach; ++i)
        while (!front.send(call(i * kSenders + static_cast<std::uint64_t>(s), std::string(i % 300, 'x'))))
          std::this_thread::yield();
    });
  for (auto& thread : senders) thread.join();
  ASSERT_EQ(all.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(ordered);
}

TEST(ChannelTest, ReadsFramesThatArriveByteByByte) {
  std::vector<std::uint64_t> ids;
  std::promise<void> two;
  HalfOpen end({}, [&](Call&& m) {
    ids.push_back(m.call_id());
    if (ids.size() == 2) two.set_value();
  });
  end.channel->start();
  const auto bytes = frame(FrameType::hello, hello()) + frame(FrameType::call, call(1, std::string(500, 'a'))) +
                     frame(FrameType::call, call(2));
  for (char byte : bytes) end.write({&byte, 1});
  ASSERT_EQ(two.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(ids, (std::vector<std::uint64_t>{1, 2}));
}

TEST(ChannelTest, CarriesTheLargestFrameAndRefusesOneByteMore) {
  Channel::Limits limits;
  limits.frame_bytes_max = 1'000'000;
  std::promise<std::size_t> got;
  HalfOpen end(limits, [&](Call&& m) { got.set_value(m.request().size()); });
  end.channel->start();
  auto largest = call(1, std::string(1'000'000 - 64, 'x'));
  while (largest.ByteSizeLong() + 1 < limits.frame_bytes_max) largest.mutable_request()->push_back('x');
  ASSERT_EQ(largest.ByteSizeLong() + 1, limits.frame_bytes_max);
  end.write(frame(FrameType::hello, hello()) + frame(FrameType::call, largest));
  EXPECT_EQ(got.get_future().get(), largest.request().size());

  largest.mutable_request()->push_back('x');
  auto refused = end.channel->send(largest);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::TOO_LARGE);
  end.write(frame(FrameType::call, largest).substr(0, 16));  // its header suffices
  EXPECT_EQ(end.wait_closed().code, ErrorCode::TOO_LARGE);
}

struct BadBytes {
  const char* name;
  std::string bytes;
  ErrorCode code;
};
class BadBytesTest : public testing::TestWithParam<BadBytes> {};

TEST_P(BadBytesTest, CloseTheChannelWithAReason) {
  int calls = 0;
  HalfOpen end({}, [&](Call&&) { ++calls; });
  end.channel->start();
  end.write(GetParam().bytes);
  const auto why = end.wait_closed();
  EXPECT_EQ(why.code, GetParam().code) << why.message;
  EXPECT_FALSE(why.message.empty());
  EXPECT_EQ(calls, 0);
  auto after = end.channel->send(hello());
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().code, ErrorCode::UNAVAILABLE);
}

const std::string kHello = frame(FrameType::hello, hello());
INSTANTIATE_TEST_SUITE_P(
    All, BadBytesTest,
    testing::Values(BadBytes{"text", "GET / HTTP/1.1\r\n\r\n", ErrorCode::TOO_LARGE},
                    BadBytes{"no_type", std::string(4, '\0'), ErrorCode::MALFORMED},
                    BadBytes{"unknown_type", kHello + std::string("\0\0\0\1\7", 5), ErrorCode::MALFORMED},
                    BadBytes{"type_zero", kHello + std::string("\0\0\0\1\0", 5), ErrorCode::MALFORMED},
                    BadBytes{"length_4GiB", kHello + "\xff\xff\xff\xff", ErrorCode::TOO_LARGE},
                    BadBytes{"not_protobuf", kHello + std::string("\0\0\0\3\2\xff\xff", 7), ErrorCode::MALFORMED},
                    BadBytes{"call_before_hello", frame(FrameType::call, call(1)), ErrorCode::MALFORMED},
                    BadBytes{"older_release", frame(FrameType::hello, hello(0, 0)), ErrorCode::UNSUPPORTED_VERSION},
                    BadBytes{"newer_release", frame(FrameType::hello, hello(2, 9)), ErrorCode::UNSUPPORTED_VERSION}),
    [](const auto& test) { return test.param.name; });

TEST(ChannelTest, SurvivesRandomGarbage) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    HalfOpen end;
    end.channel->start();
    auto bytes = kHello + frame(FrameType::call, call(1, std::string(100, 'q')));
    for (int flips = 0; flips < 3; ++flips) bytes[random() % bytes.size()] = static_cast<char>(random());
    end.write(bytes.substr(0, random() % bytes.size()));
    ::close(std::exchange(end.peer, -1));
    EXPECT_NE(end.wait_closed().code, ErrorCode::OK);
  }
}

TEST(ChannelTest, RefusesWhenTheQueueIsFullAndGoesOnWhenItIsDrained) {
  Channel::Limits limits;
  limits.queue_items_max = 1'000'000;
  limits.queue_bytes_max = 1024 * 1024;
  HalfOpen end(limits);
  end.channel->start();
  ASSERT_TRUE(end.channel->send(hello()));
  // Nobody reads: the kernel's buffer fills, then the queue, then sending is refused.
  const auto payload = call(1, std::string(16 * 1024, 'x'));
  Status last;
  std::size_t sent = kHello.size();
  for (int i = 0; i < 10'000 && last; ++i)
    if (last = end.channel->send(payload); last) sent += payload.ByteSizeLong() + kFrameHeaderBytes;
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, ErrorCode::RESOURCE_EXHAUSTED);
  // Drained, it takes messages again, and every accepted byte arrives.
  std::vector<char> sink(64 * 1024);
  std::size_t drained = 0;
  while (drained < sent) {
    const auto n = ::recv(end.peer, sink.data(), sink.size(), 0);
    ASSERT_GT(n, 0);
    drained += static_cast<std::size_t>(n);
  }
  EXPECT_EQ(drained, sent);
  while (!end.channel->send(payload)) std::this_thread::yield();
}

TEST(ChannelTest, FlushWaitsUntilEverythingHasLeft) {
  HalfOpen end;
  end.channel->start();
  EXPECT_TRUE(end.channel->flush(kPatience)) << "there is nothing";
  ASSERT_TRUE(end.channel->send(call(1, std::string(4u << 20, 'x'))));  // more than the kernel takes
  EXPECT_FALSE(end.channel->flush(20ms));
  auto drained = std::async(std::launch::async, [&] {
    std::vector<char> sink(64 * 1024);
    while (::recv(end.peer, sink.data(), sink.size(), 0) > 0) {
    }
  });
  EXPECT_TRUE(end.channel->flush(kPatience));
  end.channel->close();
  drained.get();
}

TEST(ChannelTest, FlushEndsWithTheChannel) {
  HalfOpen end;  // not started: nothing ever leaves
  ASSERT_TRUE(end.channel->send(call(1)));
  auto flushed = std::async(std::launch::async, [&] { return end.channel->flush(kPatience); });
  end.channel->close();
  EXPECT_TRUE(flushed.get());
}

TEST(ChannelTest, QueueIsBoundedInItems) {
  Channel::Limits limits;
  limits.queue_items_max = 3;
  HalfOpen end(limits);  // not started: nothing drains the queue
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(end.channel->send(call(1)));
  auto refused = end.channel->send(call(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::RESOURCE_EXHAUSTED);
}

TEST(ChannelTest, ASmallMessageNeedsNoRoomInBytes) {
  Channel::Limits limits;
  limits.queue_items_max = 4;
  limits.queue_bytes_max = 1'000;
  HalfOpen end(limits);
  EXPECT_TRUE(end.channel->send(call(1, std::string(990, 'x'))));
  EXPECT_FALSE(end.channel->send(call(2, std::string(kSmallFrameBytes, 'x'))));
  for (std::uint64_t id = 3; id <= 5; ++id) EXPECT_TRUE(end.channel->send(call(id, std::string(400, 'x'))));
  EXPECT_FALSE(end.channel->send(call(6))) << "it needs room for an item";
}

TEST(ChannelTest, PeerGoneIsToldOnce) {
  HalfOpen end;
  end.channel->start();
  ::close(std::exchange(end.peer, -1));
  EXPECT_EQ(end.wait_closed().code, ErrorCode::UNAVAILABLE);
  while (end.channel->send(call(1))) std::this_thread::yield();
  end.channel->close();  // a second call of on_closed would throw from the promise
}

TEST(ChannelTest, CloseRacesWithSendersAndWithThePeer) {
  for (int round = 0; round < 50; ++round) {
    auto pair = make_socket_pair();
    std::atomic<int> closed_calls = 0;
    Channel::Handlers handlers;
    handlers.on_closed = [&](const Error&) { ++closed_calls; };
    auto a = std::make_unique<Channel>(pair->first, handlers, Channel::Limits{});
    auto b = std::make_unique<Channel>(pair->second, handlers, Channel::Limits{});
    a->start();
    b->start();
    ASSERT_TRUE(a->send(hello()));
    ASSERT_TRUE(b->send(hello()));
    std::vector<std::thread> threads;
    for (auto* channel : {a.get(), b.get()})
      threads.emplace_back([channel] {
        for (int i = 0; i < 500; ++i)
          if (!channel->send(call(1, std::string(1000, 'x')))) break;
      });
    threads.emplace_back([&] { a->close(); });
    threads.emplace_back([&] { b->close(); });
    for (auto& thread : threads) thread.join();
    a.reset();
    b.reset();
    EXPECT_EQ(closed_calls, 2);
  }
}

TEST(ChannelTest, ReplyFromTheReaderThreadIsAllowed) {
  auto pair = make_socket_pair();
  std::unique_ptr<Channel> node;
  Channel::Handlers at_node, at_front;
  at_node.on_call = [&](Call&& m) {
    Reply reply;
    reply.set_call_id(m.call_id());
    EXPECT_TRUE(node->send(reply));
  };
  std::promise<std::uint64_t> got;
  at_front.on_reply = [&](Reply&& m) { got.set_value(m.call_id()); };
  node = std::make_unique<Channel>(pair->first, at_node, Channel::Limits{});
  Channel front(pair->second, at_front, {});
  node->start();
  front.start();
  ASSERT_TRUE(node->send(hello()));
  ASSERT_TRUE(front.send(hello()));
  ASSERT_TRUE(front.send(call(9)));
  EXPECT_EQ(got.get_future().get(), 9u);
}

TEST(FrameBufferTest, MemoryFollowsTheBytesNotTheLength) {
  FrameBuffer buffer(8 * 1024 * 1024);
  const auto before = buffer.capacity();
  const std::uint8_t header[] = {0, 0x7f, 0xff, 0xff, 2};  // announces 8 MiB
  auto room = buffer.writable();
  std::memcpy(room.data(), header, sizeof header);
  buffer.received(sizeof header);
  auto frame = buffer.next();
  ASSERT_TRUE(frame);
  EXPECT_FALSE(frame->has_value());
  buffer.writable();
  EXPECT_EQ(buffer.capacity(), before);
}

}  // namespace
}  // namespace galen::socket
