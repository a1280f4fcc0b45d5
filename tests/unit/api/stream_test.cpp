// RecordService.AnchorRecords: several messages in flight, answers in order, errors per message.
#include <fmt/format.h>

#include <future>
#include <set>

#include "front_end.hpp"
#include "galen/v1/record_service.grpc.pb.h"

namespace galen::api::test {
namespace {

using galen::node::v1::Call;
using galen::node::v1::Reply;
using galen::v1::AnchorRecordBatchRequest;
using galen::v1::AnchorRecordBatchResponse;

AnchorRecordBatchRequest request(int number) {
  AnchorRecordBatchRequest message;
  message.set_request_id(fmt::format("{:016}", number));
  return message;
}

std::string answer(const std::string& request_bytes) {
  AnchorRecordBatchRequest asked;
  EXPECT_TRUE(asked.ParseFromString(request_bytes));
  AnchorRecordBatchResponse response;
  response.add_items()->set_pointer_id(asked.request_id());
  return response.SerializeAsString();
}

class StreamTest : public FrontEndTest {
 protected:
  void open() {
    stub_ = galen::v1::RecordService::NewStub(connect(client_));
    stream_ = stub_->AnchorRecords(&context_);
  }
  std::unique_ptr<galen::v1::RecordService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<AnchorRecordBatchRequest, AnchorRecordBatchResponse>> stream_;
};

TEST_F(StreamTest, AnswersComeInTheOrderOfTheRequests) {
  start();
  open();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(stream_->Write(request(i)));
  stream_->WritesDone();
  std::vector<Call> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(node_->next_call());  // all at the node at once
  for (auto at : {2, 3, 1, 0}) {
    EXPECT_EQ(calls[static_cast<std::size_t>(at)].method(),
              static_cast<std::uint32_t>(socket::Method::anchor_record_batch));
    node_->reply(calls[static_cast<std::size_t>(at)].call_id(), answer(calls[static_cast<std::size_t>(at)].request()));
  }
  AnchorRecordBatchResponse response;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(stream_->Read(&response));
    EXPECT_EQ(response.items(0).pointer_id(), request(i).request_id());
  }
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(StreamTest, NoMoreThanTheLimitIsAtTheNode) {
  options_.stream_in_flight_max = 2;
  start();
  open();
  auto writer = std::async(std::launch::async, [&] {
    for (int i = 0; i < 10; ++i) stream_->Write(request(i));
    stream_->WritesDone();
  });
  AnchorRecordBatchResponse response;
  auto first = node_->next_call();
  for (int i = 1; i < 10; ++i) {
    auto second = node_->next_call();
    EXPECT_EQ(server_->gateway().figures().writes_open, 2u);
    node_->reply(first.call_id(), answer(first.request()));
    ASSERT_TRUE(stream_->Read(&response));
    EXPECT_EQ(response.items(0).pointer_id(), request(i - 1).request_id());
    first = std::move(second);
  }
  node_->reply(first.call_id(), answer(first.request()));
  ASSERT_TRUE(stream_->Read(&response));
  writer.get();
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(StreamTest, AnErrorConcernsOneMessage) {
  start([](const Call& call) -> std::optional<Reply> {
    Reply reply;
    AnchorRecordBatchRequest asked;
    asked.ParseFromString(call.request());
    if (asked.request_id() == request(1).request_id()) {
      reply.set_code(static_cast<std::uint32_t>(ErrorCode::SUBJECT_UNKNOWN));
      reply.set_message("item 3 names a patient that is not registered");
    } else {
      reply.set_response(answer(call.request()));
    }
    return reply;
  });
  open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(stream_->Write(request(i)));
  stream_->WritesDone();
  AnchorRecordBatchResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.reason(), "");
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.reason(), "SUBJECT_UNKNOWN");
  EXPECT_EQ(response.message(), "item 3 names a patient that is not registered. Register the patient first.");
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.reason(), "");
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(StreamTest, AMessageTooLargeIsRefusedAndTheStreamGoesOn) {
  options_.message_bytes_max = 1'000;
  start([](const Call& call) -> std::optional<Reply> {
    Reply reply;
    reply.set_response(answer(call.request()));
    return reply;
  });
  open();
  auto large = request(0);
  large.add_items()->set_content(std::string(1'200, 'x'));
  ASSERT_TRUE(stream_->Write(large));
  ASSERT_TRUE(stream_->Write(request(1)));
  stream_->WritesDone();
  AnchorRecordBatchResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.reason(), "TOO_LARGE");
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.reason(), "");
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(StreamTest, WithoutCreditsTheMessageSaysSo) {
  start({}, 1, 1);
  open();
  ASSERT_TRUE(stream_->Write(request(0)));
  const auto held = node_->next_call();
  ASSERT_TRUE(stream_->Write(request(1)));
  stream_->WritesDone();
  while (server_->gateway().figures().refused == 0) std::this_thread::yield();
  node_->reply(held.call_id(), answer(held.request()));
  AnchorRecordBatchResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.reason(), "");
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.reason(), "RESOURCE_EXHAUSTED");
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(StreamTest, CancellingTakesEverythingBack) {
  start();
  open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(stream_->Write(request(i)));
  std::set<std::uint64_t> ids, cancelled;
  for (int i = 0; i < 3; ++i) ids.insert(node_->next_call().call_id());
  context_.TryCancel();
  for (int i = 0; i < 3; ++i) cancelled.insert(node_->next_cancel());
  EXPECT_EQ(cancelled, ids);
  AnchorRecordBatchResponse response;
  while (stream_->Read(&response)) {
  }
  EXPECT_EQ(stream_->Finish().error_code(), grpc::CANCELLED);
}

TEST_F(StreamTest, TheNodeGoingEndsEveryMessage) {
  start();
  open();
  ASSERT_TRUE(stream_->Write(request(0)));
  node_->next_call();
  node_->close();
  AnchorRecordBatchResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.reason(), "UNAVAILABLE");
  stream_->WritesDone();
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(StreamTest, AnEmptyStreamEndsWell) {
  start();
  open();
  stream_->WritesDone();
  EXPECT_TRUE(stream_->Finish().ok());
}

// The last answer and the end of the requests arrive on two threads, and either of them may end the stream while the
// other is still in it. With the sanitizers this is what tells.
TEST_F(StreamTest, ManyStreamsEndAsTheirLastAnswerArrives) {
  start([](const Call& call) -> std::optional<Reply> {
    Reply reply;
    reply.set_response(answer(call.request()));
    return reply;
  });
  std::vector<std::future<void>> clients;
  for (int client = 0; client < 4; ++client)
    clients.push_back(std::async(std::launch::async, [&] {
      auto stub = galen::v1::RecordService::NewStub(connect(client_));
      for (int round = 0; round < 300; ++round) {
        grpc::ClientContext context;
        auto stream = stub->AnchorRecords(&context);
        EXPECT_TRUE(stream->Write(request(round)));
        stream->WritesDone();
        AnchorRecordBatchResponse response;
        EXPECT_TRUE(stream->Read(&response));
        EXPECT_TRUE(stream->Finish().ok());
      }
    }));
  for (auto& client : clients) client.get();
  EXPECT_EQ(server_->gateway().figures().writes_open, 0u);
}

TEST_F(StreamTest, ManyMessagesUnderCancelAndCloseRaces) {
  start([](const Call& call) -> std::optional<Reply> {
    Reply reply;
    reply.set_response(answer(call.request()));
    return reply;
  });
  for (int round = 0; round < 30; ++round) {
    grpc::ClientContext context;
    auto stub = galen::v1::RecordService::NewStub(connect(client_));
    auto stream = stub->AnchorRecords(&context);
    auto writer = std::async(std::launch::async, [&] {
      for (int i = 0; i < 100; ++i)
        if (!stream->Write(request(i))) break;
      stream->WritesDone();
    });
    AnchorRecordBatchResponse response;
    int read = 0;
    while (stream->Read(&response)) {
      EXPECT_EQ(response.items(0).pointer_id(), request(read).request_id());
      if (++read == round * 4) context.TryCancel();
    }
    writer.get();
    const auto status = stream->Finish();
    EXPECT_TRUE(!status.ok() || read == 100) << read;
  }
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (server_->gateway().figures().writes_open > 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  EXPECT_EQ(server_->gateway().figures().writes_open, 0u);
}

}  // namespace
}  // namespace galen::api::test
