// The events thread with a real ledger behind it: calls wait at the head, wake when something is certified, and are
// answered exactly once; a reader that does not ask costs nothing.
#include "node/event_feed.hpp"

#include <gtest/gtest.h>

#include "unit/execution/chain_fixture.hpp"

namespace galen::node {
namespace {

using execution::test::random_id;
using execution::test::take;
using galen::node::v1::EventPage;
using galen::node::v1::Reply;
using galen::v1::StreamEventsRequest;
using galen::v1::StreamEventsResponse;

constexpr auto kPatience = std::chrono::seconds(30);  // only how long a broken build may hang
constexpr std::uint32_t kLongMs = 30'000;

class EventFeedTest : public execution::test::ExecutionTest {
 protected:
  EventFeedTest()
      : identity{chain.genesis, 0, chain.genesis.context(), chain.keys[0]},
        feed(identity, node.store(), health,
             {.reply = [this](const Reply& reply) { on_reply(reply); },
              .fatal = [](const Error& error) { ADD_FAILURE() << error.message; }}) {
    certify();
    feed.start();
  }
  ~EventFeedTest() override { feed.stop(); }

  void certify() {
    execution::ExecutedBlock block;
    const auto& head = node.view().head();
    block.height = head.header.height;
    block.digest = head.digest;
    block.state_root = head.state_root;
    block.results_root = head.results_root;
    EXPECT_TRUE(node.store().put_certificate(chain.executed_certificate(block)));
    feed.wake();
  }
  void anchor_one() {
    run(0, {chain.item(service_a, {anchor()})});
    certify();
  }

  std::uint64_t ask(const std::string& cursor, std::uint32_t wait_ms = kLongMs, const StreamEventsRequest& request = {},
                    std::uint64_t stalled_ms = 0) {
    galen::node::v1::ReadEvents read;
    read.set_request(request.SerializeAsString());
    read.set_cursor(cursor);
    read.set_wait_ms(wait_ms);
    read.set_stalled_ms(stalled_ms);
    galen::node::v1::Call call;
    call.set_call_id(++last_id);
    call.set_principal(caller.value_or(service_a).str());
    call.set_request(read.SerializeAsString());
    EXPECT_TRUE(feed.on_call(call));
    return last_id;
  }
  void on_reply(const Reply& reply) {
    std::lock_guard lock(mutex);
    replies.push_back(reply);
    changed.notify_all();
  }
  Reply next_reply() {
    std::unique_lock lock(mutex);
    if (!changed.wait_for(lock, kPatience, [&] { return !replies.empty(); })) {
      ADD_FAILURE() << "no reply";
      return {};
    }
    auto reply = replies.front();
    replies.pop_front();
    return reply;
  }
  struct Page {
    EventPage page;
    StreamEventsResponse message;
  };
  Page next_page() {
    auto reply = next_reply();
    Page out;
    EXPECT_EQ(reply.code(), 0u) << reply.message();
    EXPECT_TRUE(out.page.ParseFromString(reply.response()));
    EXPECT_TRUE(out.message.ParseFromString(out.page.message()));
    EXPECT_EQ(out.message.cursor(), out.page.cursor());
    return out;
  }
  ErrorCode next_error() { return static_cast<ErrorCode>(next_reply().code()); }
  bool quiet() {
    std::lock_guard lock(mutex);
    return replies.empty();
  }
  std::string head(Height height) { return EventCursor::at_block(chain.genesis.chain_id, height).encode(); }

  Identity identity;
  Health health;
  EventFeed feed;
  std::optional<PrincipalId> caller;
  std::uint64_t last_id = 0;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Reply> replies;
};

TEST_F(EventFeedTest, ACallAtTheHeadIsAnsweredWhenSomethingIsCertified) {
  ask(head(2));
  run(0, {chain.item(service_a, {anchor()})});
  feed.wake();   // executed, not certified
  ask(head(1));  // answered at once, after the first was looked at
  EXPECT_EQ(next_page().message.events_size(), 3);
  EXPECT_TRUE(quiet());
  certify();
  auto page = next_page();
  ASSERT_EQ(page.message.events_size(), 1);
  EXPECT_EQ(page.page.cursor(), head(3));
  EXPECT_TRUE(page.page.at_head());
  EXPECT_FALSE(page.message.has_heartbeat());
}

TEST_F(EventFeedTest, AStreamIsToldAtOnceWhereItStandsAndThenNowAndAgain) {
  StreamEventsRequest request;
  request.set_from_head(true);
  ask("", kLongMs, request);
  auto page = next_page();
  EXPECT_EQ(page.page.cursor(), head(2));
  EXPECT_EQ(page.message.heartbeat().head(), head(2));
  EXPECT_EQ(page.message.heartbeat().read_point().height(), 1u);
  ask(page.page.cursor(), 1, request);
  page = next_page();
  EXPECT_EQ(page.message.events_size(), 0);
  EXPECT_EQ(page.message.heartbeat().head(), head(2));
}

TEST_F(EventFeedTest, ACancelledCallIsAnsweredOnceAndTheRestWaitOn) {
  auto first = ask(head(2)), second = ask(head(2));
  feed.on_cancel(first);
  auto reply = next_reply();
  EXPECT_EQ(reply.call_id(), first);
  EXPECT_EQ(static_cast<ErrorCode>(reply.code()), ErrorCode::CANCELLED);
  feed.on_cancel(first);
  feed.on_cancel(12'345);
  anchor_one();
  reply = next_reply();
  EXPECT_EQ(reply.call_id(), second);
  EXPECT_EQ(reply.code(), 0u);
  EXPECT_TRUE(quiet());
}

TEST_F(EventFeedTest, ACallOfAFrontEndThatIsGoneIsDropped) {
  for (std::size_t i = 0; i < EventFeed::kStreamsMax; ++i) ask(head(2));
  feed.on_front_end_gone();
  galen::node::v1::Call call;
  call.set_call_id(12'345);
  while (!feed.on_call(call)) std::this_thread::yield();  // there is room again
  anchor_one();
  EXPECT_EQ(next_reply().call_id(), 12'345u);
  EXPECT_TRUE(quiet());
}

TEST_F(EventFeedTest, AReaderThatStoodStillGetsEverythingAndIsToldSo) {
  ask(head(1));
  const auto cursor = next_page().page.cursor();
  for (int i = 0; i < 300; ++i) anchor_one();  // nobody asks: nothing is kept for anybody
  EXPECT_TRUE(quiet());
  ask(cursor, kLongMs, {}, 60'000);
  auto page = next_page();
  EXPECT_EQ(page.message.behind().from(), cursor);
  EXPECT_EQ(page.message.behind().to(), head(302));
  EXPECT_EQ(page.message.behind().blocks(), 300u);
  EXPECT_EQ(page.message.behind().transactions(), 300u);
  EXPECT_LE(page.page.message().size(), 64u * 1024);
  std::size_t events = static_cast<std::size_t>(page.message.events_size());
  while (!page.page.at_head()) {
    ask(page.page.cursor());
    page = next_page();
    EXPECT_FALSE(page.message.has_behind());
    events += static_cast<std::size_t>(page.message.events_size());
  }
  EXPECT_EQ(events, 300u);
}

TEST_F(EventFeedTest, ManyStreamsAtTheHeadAllHear) {
  std::set<std::uint64_t> asked, answered;
  for (int i = 0; i < 200; ++i) asked.insert(ask(head(2)));
  anchor_one();
  for (int i = 0; i < 200; ++i) {
    auto reply = next_reply();
    EXPECT_EQ(reply.code(), 0u);
    answered.insert(reply.call_id());
  }
  EXPECT_EQ(answered, asked);
}

TEST_F(EventFeedTest, NoMoreThanTheLimitWait) {
  for (std::size_t i = 0; i < EventFeed::kStreamsMax; ++i) ask(head(2));
  galen::node::v1::Call one_more;
  EXPECT_FALSE(feed.on_call(one_more));
  feed.on_cancel(1);
  EXPECT_EQ(next_error(), ErrorCode::CANCELLED);
  ask(head(2));
}

TEST_F(EventFeedTest, AFilterThatFindsNothingStillMovesOn) {
  for (int i = 0; i < 40; ++i) anchor_one();
  StreamEventsRequest request;
  request.add_types(galen::v1::EVENT_TYPE_CONSENT_REVOKED);
  request.set_until_head(true);
  ask(head(1), kLongMs, request);
  auto page = next_page();
  EXPECT_EQ(page.page.cursor(), head(42));
  EXPECT_TRUE(page.page.at_head());
  EXPECT_TRUE(page.message.has_heartbeat());
}

TEST_F(EventFeedTest, WhatCannotBeAnsweredSaysWhy) {
  ask(EventCursor::at_block(random_id<Hash>(chain.rng), 1).encode());
  EXPECT_EQ(next_error(), ErrorCode::WRONG_CHAIN);
  ask("1:2:3");
  EXPECT_EQ(next_error(), ErrorCode::INVALID_ARGUMENT);
  caller = service_b;
  ask(head(1));
  EXPECT_EQ(next_error(), ErrorCode::NOT_YOUR_MEMBER);
  caller = patient;
  ask(head(1));
  EXPECT_EQ(next_error(), ErrorCode::PERMISSION_DENIED);
  caller = random_id<PrincipalId>(chain.rng);
  ask(head(1));
  EXPECT_EQ(next_error(), ErrorCode::UNKNOWN_PRINCIPAL);
  caller.reset();
  galen::node::v1::Call call;
  call.set_principal(service_a.str());
  call.set_request("\xff");
  EXPECT_TRUE(feed.on_call(call));
  EXPECT_EQ(next_error(), ErrorCode::MALFORMED);
  CoreStatus core;
  core.mode = galen::v1::NODE_MODE_DIVERGED;
  health.set_core(core);
  ask(head(1));
  EXPECT_EQ(next_error(), ErrorCode::DIVERGED);
}

TEST_F(EventFeedTest, StoppingAnswersWhatWaits) {
  ask(head(2));
  ask(head(1));
  EXPECT_EQ(next_page().message.events_size(), 3);
  feed.stop();
  EXPECT_EQ(next_error(), ErrorCode::SHUTTING_DOWN);
}

}  // namespace
}  // namespace galen::node
