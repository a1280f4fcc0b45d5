// The only place where galen::ErrorCode becomes gRPC: code, message, google.rpc.Status details and trailers. Pure
// functions. Bounds: details at most kDetailsBytesMax, all trailers of an error below kTrailersBytesMax as clients count
// them (name + value + 32 each), since common clients drop trailers from 8 KiB on.
#pragma once

#include <grpcpp/support/status.h>

#include <utility>
#include <vector>

#include "api/failure.hpp"

namespace galen::api {

inline constexpr std::size_t kDetailsBytesMax = 3 * 1024;  // 4 KiB in base64
inline constexpr std::size_t kMessageBytesMax = 1024;      // percent-encoded
inline constexpr std::size_t kTrailersBytesMax = 8 * 1024;

grpc::StatusCode to_grpc(ErrorCode code);

struct WireError {
  grpc::Status status;
  std::vector<std::pair<std::string, std::string>> trailers;  ///< beside those gRPC makes of status
};
WireError to_wire(const Failure& failure);

/// What happened, and what to do: the error's sentence followed by the code's advice, bounded as above.
std::string full_message(const Error& error);

}  // namespace galen::api
