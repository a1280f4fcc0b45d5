// Unary calls from a stock client through the front end to a fake node and back.
#include <grpcpp/security/credentials.h>

#include <fmt/format.h>

#include <future>
#include <set>

#include "api/call_context.hpp"
#include "front_end.hpp"
#include "galen/v1/node_service.grpc.pb.h"
#include "galen/v1/record_service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace galen::api::test {
namespace {

using galen::node::v1::Call;
using galen::node::v1::Reply;

std::string path_of(const socket::MethodInfo& info) { return fmt::format("/{}/{}", info.service, info.name); }

std::string reason_of(const CallResult& result) {
  const auto found = result.trailers.find("galen-reason");
  return found == result.trailers.end() ? "" : found->second;
}

Reply echo(const Call& call) {
  Reply reply;
  reply.set_response(fmt::format("{}:{}", call.method(), call.request()));
  return reply;
}

using UnaryTest = FrontEndTest;

TEST_F(UnaryTest, EveryMethodReachesTheNodeUnderItsNumberAndPrincipal) {
  std::mutex mutex;
  std::set<std::string> principals;
  start([&](const Call& call) -> std::optional<Reply> {
    std::lock_guard lock(mutex);
    principals.insert(call.principal());
    return echo(call);
  });
  const auto channel = connect(client_);
  for (const auto& info : socket::kMethods) {
    if (info.streams) continue;  // has a test of its own
    const auto result = call(channel, path_of(info), "hello");
    EXPECT_TRUE(result.status.ok()) << info.name << ": " << result.status.error_message();
    EXPECT_EQ(result.response, fmt::format("{}:hello", static_cast<std::uint32_t>(info.method))) << info.name;
  }
  EXPECT_EQ(principals, std::set<std::string>{principal_.str()});
}

TEST_F(UnaryTest, GeneratedClientsWork) {
  start([](const Call&) -> std::optional<Reply> {
    galen::v1::WhoAmIResponse response;
    response.set_member("A");
    Reply reply;
    reply.set_response(response.SerializeAsString());
    return reply;
  });
  auto stub = galen::v1::NodeService::NewStub(connect(client_));
  grpc::ClientContext context;
  galen::v1::WhoAmIResponse response;
  ASSERT_TRUE(stub->WhoAmI(&context, {}, &response).ok());
  EXPECT_EQ(response.member(), "A");
}

TEST_F(UnaryTest, AMethodWithoutARowIsDeniedWithAReason) {
  start(echo);
  const auto channel = connect(client_);
  for (const char* path : {"/galen.v1.RecordService/DropAll", "/galen.v2.RecordService/GetRecord", "/nonsense"}) {
    const auto result = call(channel, path);
    EXPECT_EQ(result.status.error_code(), grpc::UNIMPLEMENTED) << path;
  }
  EXPECT_EQ(reason_of(call(channel, "/galen.v1.RecordService/DropAll")), "UNIMPLEMENTED");
}

TEST_F(UnaryTest, TheNodesRefusalArrivesWithReasonAdviceAndDetails) {
  start();
  const auto channel = connect(client_);
  auto answered = std::async(std::launch::async, [&] {
    const auto question = node_->next_call();
    node_->fail(question.call_id(), ErrorCode::NO_QUORUM, "2 of 4 members are reachable", 1'000,
                {{"missing_members", "C,D"}});
  });
  grpc::ClientContext context;
  context.AddMetadata("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  context.AddMetadata("x-request-id", "order-17");
  const auto result = call(channel, "/galen.v1.RecordService/AnchorRecord", "", &context);
  EXPECT_EQ(result.status.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(result.status.error_message(),
            "2 of 4 members are reachable. Writes go on when enough members are back; reads still answer.");
  EXPECT_EQ(reason_of(result), "NO_QUORUM");
  EXPECT_EQ(result.trailers.find("retry-after-ms")->second, "1000");
  google::rpc::Status status;
  ASSERT_TRUE(status.ParseFromString(result.status.error_details()));
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(status.details(status.details_size() - 1).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "NO_QUORUM");
  EXPECT_EQ(info.metadata().at("missing_members"), "C,D");
  EXPECT_EQ(info.metadata().at("x-request-id"), "order-17");
  EXPECT_EQ(info.metadata().at("traceparent"), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}

TEST_F(UnaryTest, AnUnknownPrincipalIsRefusedByTheNode) {
  start([&](const Call& call) -> std::optional<Reply> {
    if (call.principal() == principal_.str()) return echo(call);
    Reply reply;
    reply.set_code(static_cast<std::uint32_t>(ErrorCode::UNKNOWN_PRINCIPAL));
    reply.set_message("the certificate's principal is not registered");
    return reply;
  });
  PrincipalId stranger;
  stranger.data.fill(0x22);
  const auto result = call(connect(pki_.issue("stranger", stranger)), "/galen.v1.NodeService/WhoAmI");
  EXPECT_EQ(result.status.error_code(), grpc::PERMISSION_DENIED);
  EXPECT_EQ(reason_of(result), "UNKNOWN_PRINCIPAL");
}

TEST_F(UnaryTest, TheTraceOfTheClientReachesTheNodeAndForeignTextDoesNot) {
  start();
  const auto channel = connect(client_);
  for (const auto& [sent, expected] : std::initializer_list<std::pair<std::string, std::string>>{
           {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
           {"Erika Mustermann, 1964-08-12", ""}}) {
    auto answered = std::async(std::launch::async, [&] {
      const auto question = node_->next_call();
      node_->reply(question.call_id(), "");
      return question.traceparent();
    });
    grpc::ClientContext context;
    context.AddMetadata("traceparent", sent);
    EXPECT_TRUE(call(channel, "/galen.v1.NodeService/WhoAmI", "", &context).status.ok());
    EXPECT_EQ(answered.get(), expected);
  }
}

TEST_F(UnaryTest, TheClientsDeadlineIsHonouredAndTellsTheNode) {
  start();
  const auto channel = connect(client_);
  ASSERT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() + kPatience));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
  const auto result = call(channel, "/galen.v1.RecordService/GetRecord", "", &context);
  EXPECT_EQ(result.status.error_code(), grpc::DEADLINE_EXCEEDED);
  const auto question = node_->next_call();
  EXPECT_GT(question.deadline_ms(), 0u);
  // gRPC sends the time that is left, rounded up to a hundredth of it.
  EXPECT_LE(question.deadline_ms(), 2'000u + 2'000u / 100 + 1);
  EXPECT_EQ(node_->next_cancel(), question.call_id());
}

TEST_F(UnaryTest, WithoutADeadlineTheDefaultApplies) {
  options_.deadline_ms_max = 50;
  start();
  grpc::ClientContext patient;
  const auto result = call(connect(client_), "/galen.v1.RecordService/GetRecord", "", &patient);
  EXPECT_EQ(result.status.error_code(), grpc::DEADLINE_EXCEEDED);
  EXPECT_EQ(reason_of(result), "DEADLINE_EXCEEDED");
  EXPECT_EQ(node_->next_call().deadline_ms(), 50u);
}

TEST_F(UnaryTest, ACancelReachesTheNode) {
  start();
  const auto channel = connect(client_);
  grpc::ClientContext context;
  auto result =
      std::async(std::launch::async, [&] { return call(channel, "/galen.v1.AccessService/Decide", "", &context); });
  const auto question = node_->next_call();
  context.TryCancel();
  EXPECT_EQ(node_->next_cancel(), question.call_id());
  EXPECT_EQ(result.get().status.error_code(), grpc::CANCELLED);
  node_->fail(question.call_id(), ErrorCode::CANCELLED, "");
}

TEST_F(UnaryTest, WithoutCreditsItIsResourceExhaustedWithADelay) {
  start({}, 1, 1);
  const auto channel = connect(client_);
  auto first = std::async(std::launch::async, [&] { return call(channel, "/galen.v1.RecordService/AnchorRecord"); });
  const auto question = node_->next_call();
  const auto refused = call(channel, "/galen.v1.RecordService/AnchorRecord");
  EXPECT_EQ(refused.status.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(reason_of(refused), "RESOURCE_EXHAUSTED");
  EXPECT_GT(std::stoi(refused.trailers.find("retry-after-ms")->second), 0);
  node_->reply(question.call_id(), "first");
  EXPECT_EQ(first.get().response, "first");
}

TEST_F(UnaryTest, TheLargestRequestPassesAndOneByteMoreIsRefusedClearly) {
  start([](const Call& call) -> std::optional<Reply> {
    Reply reply;
    reply.set_response(std::to_string(call.request().size()));
    return reply;
  });
  const auto channel = connect(client_);
  const auto limit = options_.message_bytes_max;
  EXPECT_EQ(call(channel, "/galen.v1.RecordService/AnchorRecord", std::string(limit, 'x')).response,
            std::to_string(limit));
  const auto refused = call(channel, "/galen.v1.RecordService/AnchorRecord", std::string(limit + 1, 'x'));
  EXPECT_EQ(refused.status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(reason_of(refused), "TOO_LARGE");
  // Far beyond, gRPC itself refuses; the connection goes on.
  EXPECT_EQ(call(channel, "/galen.v1.RecordService/AnchorRecord", std::string(3 * limit, 'x')).status.error_code(),
            grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(call(channel, "/galen.v1.RecordService/AnchorRecord", "x").response, "1");
}

TEST_F(UnaryTest, LargeAnswersPass) {
  const std::string large(3'900'000, 'y');
  start([&](const Call&) -> std::optional<Reply> {
    Reply reply;
    reply.set_response(large);
    return reply;
  });
  EXPECT_EQ(call(connect(client_), "/galen.v1.LedgerService/GetBlock").response, large);
}

TEST_F(UnaryTest, WhenTheNodeGoesEveryOpenCallIsUnavailable) {
  start();
  const auto channel = connect(client_);
  auto open = std::async(std::launch::async, [&] { return call(channel, "/galen.v1.RecordService/AnchorRecord"); });
  node_->next_call();
  node_->close();
  const auto result = open.get();
  EXPECT_EQ(result.status.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(reason_of(result), "UNAVAILABLE");
  std::unique_lock lock(closed_mutex_);
  EXPECT_TRUE(closed_changed_.wait_for(lock, kPatience, [&] { return closed_; }));
}

TEST_F(UnaryTest, WorstCaseTrailersStillArrive) {
  start([](const Call&) -> std::optional<Reply> {
    Reply reply;
    reply.set_code(static_cast<std::uint32_t>(ErrorCode::INVALID_ARGUMENT));
    for (int i = 0; i < 100'000; ++i) reply.mutable_message()->append("\xe2\x82\xac");
    for (int i = 0; i < 500; ++i) (*reply.mutable_details())["field" + std::to_string(i)] = std::string(100, '!');
    return reply;
  });
  const auto result = call(connect(client_), "/galen.v1.RecordService/GetRecord");
  EXPECT_EQ(result.status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(reason_of(result), "INVALID_ARGUMENT");
}

TEST_F(UnaryTest, ManyAtOnceFromManyClients) {
  start(echo, 10'000, 10'000);
  std::vector<std::future<int>> clients;
  for (int c = 0; c < 4; ++c)
    clients.push_back(std::async(std::launch::async, [&] {
      const auto channel = connect(client_);
      int good = 0;
      for (int i = 0; i < 200; ++i)
        good += call(channel, "/galen.v1.RecordService/AnchorRecord", std::to_string(i)).response ==
                        "1:" + std::to_string(i)
                    ? 1
                    : 0;
      return good;
    }));
  for (auto& client : clients) EXPECT_EQ(client.get(), 200);
  EXPECT_EQ(server_->gateway().figures().writes_open, 0u);
}

TEST_F(UnaryTest, HealthFollowsTheNode) {
  start(echo);
  const auto channel = connect(client_);
  const std::string serving("\x08\x01", 2);
  EXPECT_EQ(call(channel, "/grpc.health.v1.Health/Check").response, serving);
  EXPECT_EQ(call(channel, "/grpc.health.v1.Health/Check", "\x0a\x16galen.v1.RecordService").response, serving);
  EXPECT_EQ(call(channel, "/grpc.health.v1.Health/Check", "\x0a\x04nope").status.error_code(), grpc::NOT_FOUND);
  node_->close();
  const std::string not_serving("\x08\x02", 2);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  std::string last;
  while (last != not_serving && std::chrono::steady_clock::now() < until)
    last = call(channel, "/grpc.health.v1.Health/Check", "\x0a\x16galen.v1.RecordService").response;
  EXPECT_EQ(last, not_serving);
}

TEST(CallContextTest, TakesOverOnlyIdsOfTheRightForm) {
  EXPECT_TRUE(is_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
  EXPECT_FALSE(is_traceparent("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
  EXPECT_FALSE(is_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"));
  EXPECT_FALSE(is_traceparent(""));
  EXPECT_TRUE(is_log_id("abc-1.2_3:4"));
  EXPECT_FALSE(is_log_id(std::string(65, 'a')));
  EXPECT_FALSE(is_log_id("two words"));
  EXPECT_FALSE(is_log_id("line\nbreak"));
  const std::string uri = "urn:galen:principal:" + std::string(64, 'a');
  EXPECT_TRUE(principal_of_uri(uri));
  EXPECT_FALSE(principal_of_uri(uri + "a"));
  EXPECT_FALSE(principal_of_uri(uri.substr(0, 80)));
  EXPECT_FALSE(principal_of_uri("urn:other:" + std::string(64, 'a')));
}

}  // namespace
}  // namespace galen::api::test
