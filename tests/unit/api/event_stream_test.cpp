// LedgerService.StreamEvents as a client sees it: pages become messages, one at a time, whatever the reader does.
#include <fmt/format.h>

#include "front_end.hpp"
#include "galen/v1/ledger_service.grpc.pb.h"

namespace galen::api::test {
namespace {

using galen::node::v1::Call;
using galen::node::v1::Reply;
using galen::v1::StreamEventsRequest;
using galen::v1::StreamEventsResponse;

galen::node::v1::ReadEvents asked(const Call& call) {
  galen::node::v1::ReadEvents read;
  EXPECT_EQ(call.method(), static_cast<std::uint32_t>(socket::Method::stream_events));
  EXPECT_TRUE(read.ParseFromString(call.request()));
  return read;
}

std::string page(int number, std::size_t bytes = 0, bool at_head = false) {
  StreamEventsResponse message;
  message.set_cursor(fmt::format("cursor {}", number));
  if (bytes > 0) message.add_events()->mutable_detail()->set_reason(std::string(bytes, 'x'));
  galen::node::v1::EventPage out;
  out.set_message(message.SerializeAsString());
  out.set_cursor(message.cursor());
  out.set_at_head(at_head);
  return out.SerializeAsString();
}

class EventStreamTest : public FrontEndTest {
 protected:
  void open(const StreamEventsRequest& request = {}) {
    stub_ = galen::v1::LedgerService::NewStub(connect(client_));
    stream_ = stub_->StreamEvents(&context_, request);
  }
  grpc::Status refused(const StreamEventsRequest& request) {
    open(request);
    StreamEventsResponse response;
    EXPECT_FALSE(stream_->Read(&response));
    return stream_->Finish();
  }
  std::string reason() const {
    const auto& trailers = context_.GetServerTrailingMetadata();
    const auto found = trailers.find("galen-reason");
    return found == trailers.end() ? "" : std::string(found->second.data(), found->second.size());
  }
  std::unique_ptr<galen::v1::LedgerService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<StreamEventsResponse>> stream_;
};

TEST_F(EventStreamTest, EachPageIsAskedForWhereTheLastOneEnded) {
  start();
  StreamEventsRequest request;
  request.set_from("the client's");
  request.set_heartbeat_ms(2'000);
  open(request);
  auto call = node_->next_call();
  EXPECT_EQ(asked(call).request(), request.SerializeAsString());
  EXPECT_EQ(asked(call).cursor(), "");
  EXPECT_EQ(asked(call).wait_ms(), 2'000u);
  EXPECT_GT(call.deadline_ms(), 2'000u);
  StreamEventsResponse response;
  for (int i = 0; i < 5; ++i) {
    node_->reply(call.call_id(), page(i));
    ASSERT_TRUE(stream_->Read(&response));
    EXPECT_EQ(response.cursor(), fmt::format("cursor {}", i));
    call = node_->next_call();
    EXPECT_EQ(asked(call).cursor(), response.cursor());
    EXPECT_EQ(asked(call).stalled_ms(), 0u);
    EXPECT_EQ(server_->gateway().figures().reads_open, 1u);
  }
  context_.TryCancel();
  EXPECT_EQ(node_->next_cancel(), call.call_id());
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_EQ(stream_->Finish().error_code(), grpc::CANCELLED);
}

TEST_F(EventStreamTest, UntilHeadEndsThere) {
  start();
  StreamEventsRequest request;
  request.set_until_head(true);
  open(request);
  node_->reply(node_->next_call().call_id(), page(0));
  node_->reply(node_->next_call().call_id(), page(1, 0, true));
  StreamEventsResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(EventStreamTest, WhatTheNodeRefusesEndsTheStreamWithItsReason) {
  start();
  open();
  node_->reply(node_->next_call().call_id(), page(0));
  node_->fail(node_->next_call().call_id(), ErrorCode::CURSOR_EXPIRED, "the earliest cursor is …");
  StreamEventsResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_EQ(stream_->Finish().error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_EQ(reason(), "CURSOR_EXPIRED");
}

TEST_F(EventStreamTest, TheNodeGoingEndsTheStream) {
  start();
  open();
  node_->reply(node_->next_call().call_id(), page(0));
  StreamEventsResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  node_->next_call();
  node_->close();
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_EQ(stream_->Finish().error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(reason(), "UNAVAILABLE");
}

TEST_F(EventStreamTest, AHeartbeatOutOfBoundsIsRefused) {
  start();
  StreamEventsRequest request;
  request.set_heartbeat_ms(999);
  EXPECT_EQ(refused(request).error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(EventStreamTest, WithoutACreditTheStreamIsRefused) {
  start({}, 100, 1);
  open();
  node_->next_call();
  grpc::ClientContext context;
  auto second = stub_->StreamEvents(&context, {});
  StreamEventsResponse response;
  EXPECT_FALSE(second->Read(&response));
  EXPECT_EQ(second->Finish().error_code(), grpc::RESOURCE_EXHAUSTED);
  context_.TryCancel();
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_EQ(stream_->Finish().error_code(), grpc::CANCELLED);
}

TEST_F(EventStreamTest, ManyStreamsUnderCancelAndCloseRaces) {
  start([](const Call&) -> std::optional<Reply> {
    Reply reply;
    reply.set_response(page(1, 100));
    return reply;
  });
  for (int round = 0; round < 60; ++round) {
    grpc::ClientContext context;
    auto stub = galen::v1::LedgerService::NewStub(connect(client_));
    auto stream = stub->StreamEvents(&context, {});
    StreamEventsResponse response;
    for (int i = 0; i < round; ++i) ASSERT_TRUE(stream->Read(&response));
    context.TryCancel();
    while (stream->Read(&response)) {
    }
    EXPECT_EQ(stream->Finish().error_code(), grpc::CANCELLED);
  }
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (server_->gateway().figures().reads_open > 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  EXPECT_EQ(server_->gateway().figures().reads_open, 0u);
}

}  // namespace
}  // namespace galen::api::test
