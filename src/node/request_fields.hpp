// What every call begins with: its request and the ids in it.
#pragma once

#include <fmt/format.h>

#include "galen/base/bytes.hpp"
#include "galen/base/result.hpp"
#include "galen/node/v1/socket.pb.h"
#include "galen/v1/types.pb.h"

namespace galen::node {

constexpr std::size_t kSourceSystemBytesMax = 256;
constexpr std::size_t kSourceTypeBytesMax = 64;
constexpr std::size_t kSourceIdBytesMax = 256;

inline Error invalid(std::string message) { return make_error(ErrorCode::INVALID_ARGUMENT, std::move(message)); }

/// From receipt on; a call that sets none has half a minute.
inline std::uint64_t deadline_us(const galen::node::v1::Call& call) {
  constexpr std::uint32_t kDeadlineMs = 30'000;
  return (call.deadline_ms() == 0 ? kDeadlineMs : call.deadline_ms()) * 1000ULL;
}

template <class Request>
Result<Request> parse(const std::string& bytes) {
  Request request;
  if (!request.ParseFromString(bytes)) return Error{ErrorCode::MALFORMED, "the request does not parse"};
  return request;
}

template <class Fixed>
Result<Fixed> parse_id(const std::string& bytes, const char* field) {
  auto id = Fixed::from(std::string_view(bytes));
  if (!id) return Error{ErrorCode::INVALID_ARGUMENT, fmt::format("{} must be {} bytes", field, Fixed::kSize)};
  return *id;
}

inline Result<RequestId> parse_request_id(const std::string& bytes) {
  auto id = RequestId::from(std::string_view(bytes));
  if (!id) return Error{ErrorCode::BAD_REQUEST_ID, "request_id must be 16 bytes"};
  return *id;
}

inline Status check_source(const galen::v1::SourceId& source) {
  if (source.system().empty() || source.type().empty() || source.id().empty())
    return invalid("source needs system, type and id");
  if (source.system().size() > kSourceSystemBytesMax || source.type().size() > kSourceTypeBytesMax ||
      source.id().size() > kSourceIdBytesMax)
    return Error{ErrorCode::TOO_LARGE, fmt::format("source: system has at most {} bytes, type {}, id {}",
                                                   kSourceSystemBytesMax, kSourceTypeBytesMax, kSourceIdBytesMax)};
  return {};
}

}  // namespace galen::node
