// The calls in progress: credits, cancels, deadlines, and the end of the channel.
#include "api/gateway.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <random>

#include "front_end.hpp"

namespace galen::api {
namespace {

using galen::node::v1::Reply;
using test::FakeNode;
using test::kPatience;

struct Listener final : Waiter {
  void on_reply(Reply&& reply) override { heard.set_value(std::move(reply)); }
  Reply wait() {
    auto future = heard.get_future();
    if (future.wait_for(kPatience) != std::future_status::ready) {
      ADD_FAILURE() << "the waiter heard nothing";
      return {};
    }
    return future.get();
  }
  ErrorCode code() { return static_cast<ErrorCode>(wait().code()); }
  std::promise<Reply> heard;
};

class GatewayTest : public testing::Test {
 protected:
  GatewayTest() {
    auto pair = socket::make_socket_pair();
    ends_ = *pair;
    gateway_ = std::make_unique<Gateway>(ends_.second, Gateway::Limits{},
                                         Gateway::Handlers{.on_greeted = [this] { greeted_.set_value(); },
                                                           .on_closed = [this](const Error&) { closed_.set_value(); }});
    gateway_->start();
    gateway_->greet({"127.0.0.1:1"});
  }
  void greet(std::uint32_t write_credits, std::uint32_t read_credits, FakeNode::Answer answer = {}) {
    node_ = std::make_unique<FakeNode>(ends_.first, write_credits, read_credits, std::move(answer));
    ASSERT_EQ(greeted_.get_future().wait_for(kPatience), std::future_status::ready);
  }
  Gateway::Begun write(Waiter& waiter, std::uint32_t deadline_ms = 30'000) {
    return gateway_->begin(
        {.method = socket::Method::anchor_record, .writes = true, .deadline_ms = deadline_ms, .body = "w"}, &waiter);
  }
  Gateway::Begun read(Waiter& waiter, std::uint32_t deadline_ms = 30'000) {
    return gateway_->begin(
        {.method = socket::Method::get_head, .writes = false, .deadline_ms = deadline_ms, .body = "r"}, &waiter);
  }

  Listener& listener() { return listeners_.emplace_back(); }

  std::deque<Listener> listeners_;  // outlive the gateway, which may call them to its end
  std::pair<int, int> ends_;
  std::promise<void> greeted_, closed_;
  std::unique_ptr<FakeNode> node_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(GatewayTest, BeforeTheNodeGreetsItIsUnavailable) {
  auto& only = listener();
  auto begun = write(only);
  EXPECT_EQ(begun.call_id, 0u);
  EXPECT_EQ(begun.failure.error.code, ErrorCode::UNAVAILABLE);
  EXPECT_GT(begun.failure.retry_after_ms, 0u);
  greet(1, 1);
}

TEST_F(GatewayTest, WritesAndReadsHaveCreditsApart) {
  greet(2, 1);
  auto& w1 = listener(), &w2 = listener(), &w3 = listener(), &r1 = listener(), &r2 = listener(), &w4 = listener();
  const auto first = write(w1);
  EXPECT_NE(first.call_id, 0u);
  EXPECT_NE(write(w2).call_id, 0u);
  const auto refused = write(w3);
  EXPECT_EQ(refused.call_id, 0u);
  EXPECT_EQ(refused.failure.error.code, ErrorCode::RESOURCE_EXHAUSTED);
  EXPECT_GT(refused.failure.retry_after_ms, 0u);
  EXPECT_NE(read(r1).call_id, 0u);  // writes do not starve reads
  EXPECT_EQ(read(r2).failure.error.code, ErrorCode::RESOURCE_EXHAUSTED);
  node_->reply(first.call_id, "done");
  EXPECT_EQ(w1.wait().response(), "done");
  EXPECT_NE(write(w4).call_id, 0u);
}

TEST_F(GatewayTest, ACancelledCallKeepsItsCreditUntilTheNodeHasAnswered) {
  greet(1, 1);
  auto& first = listener(), &second = listener(), &third = listener();
  const auto begun = write(first);
  EXPECT_TRUE(gateway_->cancel(begun.call_id));
  EXPECT_FALSE(gateway_->cancel(begun.call_id));
  EXPECT_EQ(node_->next_cancel(), begun.call_id);
  EXPECT_EQ(write(second).call_id, 0u);
  node_->fail(begun.call_id, ErrorCode::CANCELLED, "");
  while (gateway_->figures().writes_open > 0) std::this_thread::yield();
  EXPECT_NE(write(third).call_id, 0u);
}

TEST_F(GatewayTest, ANodeThatForgetsACancelledCallCostsItsCreditOnlyForAWhile) {
  greet(1, 1);
  auto& only = listener();
  const auto begun = write(only);
  ASSERT_TRUE(gateway_->cancel(begun.call_id));
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (gateway_->figures().writes_open > 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(gateway_->figures().writes_open, 0u);
  node_->reply(begun.call_id, "too late");  // belongs to nobody
  auto& next = listener();
  const auto again = read(next);
  node_->reply(again.call_id, "fine");
  EXPECT_EQ(next.wait().response(), "fine");
}

TEST_F(GatewayTest, ADeadlineEndsTheCallAndTellsTheNode) {
  greet(1, 1);
  auto& only = listener();
  const auto begun = read(only, 1);
  EXPECT_EQ(only.code(), ErrorCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(node_->next_cancel(), begun.call_id);
  EXPECT_EQ(gateway_->figures().expired, 1u);
}

TEST_F(GatewayTest, TheEndOfTheChannelAnswersEveryone) {
  greet(10, 10);
  for (int i = 0; i < 10; ++i) ASSERT_NE(write(listener()).call_id, 0u);
  node_->close();
  for (auto& each : listeners_) EXPECT_EQ(each.code(), ErrorCode::UNAVAILABLE);
  EXPECT_EQ(closed_.get_future().wait_for(kPatience), std::future_status::ready);
  auto& late = listener();
  EXPECT_EQ(write(late).failure.error.code, ErrorCode::UNAVAILABLE);
}

TEST_F(GatewayTest, AFrontEndStartedLaterNeverUsesAnIdAgain) {
  greet(10, 10);
  std::uint64_t last = 0;
  for (int i = 0; i < 5; ++i) last = write(listener()).call_id;
  auto pair = socket::make_socket_pair();
  Gateway later(pair->second, {}, {});
  later.start();
  FakeNode its_node(pair->first);
  while (!later.greeted()) std::this_thread::yield();
  auto begun = later.begin({.method = socket::Method::get_head, .deadline_ms = 1'000}, &listener());
  EXPECT_GT(begun.call_id, last);
}

TEST_F(GatewayTest, ARequestTooLargeForAFrameIsRefused) {
  greet(1, 1);
  auto& only = listener(), &next = listener();
  auto begun = gateway_->begin({.method = socket::Method::anchor_record,
                                .writes = true,
                                .deadline_ms = 1'000,
                                .body = std::string(9 * 1024 * 1024, 'x')},
                               &only);
  EXPECT_EQ(begun.call_id, 0u);
  EXPECT_EQ(begun.failure.error.code, ErrorCode::TOO_LARGE);
  EXPECT_NE(write(next).call_id, 0u);  // its credit came back
}

TEST_F(GatewayTest, EveryCallIsAnsweredOrTakenBackExactlyOnce) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  greet(50, 50, [](const auto& call) -> std::optional<Reply> {
    Reply reply;
    reply.set_response(call.request());
    return reply;
  });
  struct Counter final : Waiter {
    void on_reply(Reply&&) override { ++heard; }
    std::atomic<int> heard = 0;
  };
  constexpr int kThreads = 4, kEach = 2'000;
  std::vector<Counter> counters(kThreads * kEach);
  std::vector<int> taken_back(kThreads * kEach, 0), begun_ok(kThreads * kEach, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(seed + static_cast<unsigned>(t));
      for (int i = t * kEach; i < (t + 1) * kEach; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const auto begun = random() % 2 == 0 ? write(counters[at]) : read(counters[at]);
        if (begun.call_id == 0) continue;
        begun_ok[at] = 1;
        if (random() % 4 == 0) taken_back[at] = gateway_->cancel(begun.call_id) ? 1 : 0;
      }
    });
  for (auto& thread : threads) thread.join();
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    const auto now = gateway_->figures();
    if (now.writes_open + now.reads_open == 0) break;
    std::this_thread::yield();
  }
  gateway_.reset();  // no waiter is called any more
  for (std::size_t i = 0; i < counters.size(); ++i) ASSERT_EQ(counters[i].heard + taken_back[i], begun_ok[i]) << i;
}

}  // namespace
}  // namespace galen::api
