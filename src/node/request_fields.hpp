// What every call that reads begins with: its request and the ids in it.
#pragma once

#include <fmt/format.h>

#include "galen/base/bytes.hpp"
#include "galen/base/result.hpp"

namespace galen::node {

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

}  // namespace galen::node
