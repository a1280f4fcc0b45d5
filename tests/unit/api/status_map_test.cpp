// The one mapping from our codes to gRPC, and its bounds.
#include "api/status_map.hpp"

#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace galen::api {
namespace {

google::rpc::ErrorInfo info_of(const grpc::Status& status) {
  google::rpc::Status parsed;
  EXPECT_TRUE(parsed.ParseFromString(status.error_details()));
  EXPECT_EQ(parsed.code(), status.error_code());
  EXPECT_EQ(parsed.message(), status.error_message());
  google::rpc::ErrorInfo info;
  for (const auto& detail : parsed.details())
    if (detail.Is<google::rpc::ErrorInfo>()) detail.UnpackTo(&info);
  return info;
}

// A refusal carries no receipt; the advice must lead to what it does carry (Intake::reply_mismatch).
TEST(StatusMapTest, TheAdviceOnAReusedIdLeadsToTheFirstRequest) {
  const auto text = advice(ErrorCode::REQUEST_ID_REUSED);
  EXPECT_NE(text.find("first_transaction_id"), std::string_view::npos) << text;
  EXPECT_NE(text.find("GetReceipt"), std::string_view::npos) << text;
}

// As gRPC and its clients count: name, value (base64 of -bin, percent-encoded message) and 32 bytes an entry.
std::size_t trailer_bytes(const WireError& wire) {
  auto encoded = [](const std::string& text) {
    std::size_t bytes = 0;
    for (char c : text) bytes += c >= 0x20 && c <= 0x7e && c != '%' ? 1 : 3;
    return bytes;
  };
  std::size_t bytes = 32 + std::string("grpc-status16").size() + 32 + std::string("grpc-message").size() +
                      encoded(wire.status.error_message()) + 32 + std::string("grpc-status-details-bin").size() +
                      (wire.status.error_details().size() + 2) / 3 * 4;
  for (const auto& [name, value] : wire.trailers) bytes += 32 + name.size() + value.size();
  return bytes;
}

TEST(StatusMapTest, EveryCodeHasItsPlace) {
#define X(name, number, advice_text)                                                                       \
  EXPECT_NE(to_grpc(ErrorCode::name), grpc::UNKNOWN) << #name << " has no gRPC code";                      \
  if (ErrorCode::name != ErrorCode::OK) {                                                                  \
    const auto wire = to_wire({make_error(ErrorCode::name, "what happened"), 0, {}});                      \
    EXPECT_NE(wire.status.error_code(), grpc::OK) << #name;                                                \
    EXPECT_EQ(wire.trailers.front(), (std::pair<std::string, std::string>("galen-reason", #name)));        \
    EXPECT_EQ(info_of(wire.status).reason(), #name);                                                       \
    EXPECT_EQ(info_of(wire.status).domain(), "galen");                                                     \
    EXPECT_NE(wire.status.error_message().find(advice(ErrorCode::name)), std::string::npos);               \
  }
  GALEN_ERROR_CODES(X)
#undef X
}

TEST(StatusMapTest, ANumberOutsideTheListIsStillAnError) {
  const auto wire = to_wire({make_error(static_cast<ErrorCode>(9999), "from the future"), 0, {}});
  EXPECT_EQ(wire.status.error_code(), grpc::UNKNOWN);
  EXPECT_EQ(wire.trailers.front().second, "UNKNOWN");
}

TEST(StatusMapTest, SaysWhatHappenedAndWhatToDo) {
  EXPECT_EQ(full_message(make_error(ErrorCode::RECORD_NOT_FOUND, "no record has this pointer_id")),
            "no record has this pointer_id. Check the pointer_id.");
  EXPECT_EQ(full_message(make_error(ErrorCode::CANCELLED, "")), "CANCELLED");
}

TEST(StatusMapTest, TellsWhenToComeBack) {
  const auto wire = to_wire({make_error(ErrorCode::RESOURCE_EXHAUSTED, "full"), 1'500, {}});
  google::rpc::Status parsed;
  ASSERT_TRUE(parsed.ParseFromString(wire.status.error_details()));
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(parsed.details(0).UnpackTo(&retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
  std::map<std::string, std::string> trailers(wire.trailers.begin(), wire.trailers.end());
  EXPECT_EQ(trailers.at("retry-after-ms"), "1500");
  EXPECT_EQ(trailers.at("grpc-retry-pushback-ms"), "1500");
}

TEST(StatusMapTest, TheWorstErrorStaysBelowTheTrailerLimit) {
  for (const std::string& unit : {std::string("x"), std::string("\xc3\xa4"), std::string("%"), std::string("\n")}) {
    std::string text;
    while (text.size() < 200'000) text += unit;
    Failure failure{make_error(ErrorCode::EXPIRED, text), 4'000'000'000u, {{"short", "kept"}}};
    for (int i = 0; i < 1'000; ++i) failure.details["key" + std::to_string(i)] = std::string(700, 'v');
    failure.details[std::string(5'000, 'k')] = "v";
    const auto wire = to_wire(failure);
    EXPECT_LE(wire.status.error_details().size(), 4u * 1024);
    EXPECT_LT(trailer_bytes(wire), kTrailersBytesMax) << "unit of " << unit.size();
    EXPECT_EQ(info_of(wire.status).reason(), "EXPIRED");
    EXPECT_FALSE(info_of(wire.status).metadata().empty());
    EXPECT_NE(wire.status.error_message().find(unit), std::string::npos);
  }
}

}  // namespace
}  // namespace galen::api
