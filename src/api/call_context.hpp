// What a call brings besides its message: who calls (from the verified client certificate), until when, and the trace and
// request ids under which it is logged. Metadata is foreign input: only ids of the right form are taken over.
#pragma once

#include <grpcpp/server_context.h>

#include <chrono>
#include <optional>

#include "api/failure.hpp"
#include "galen/base/bytes.hpp"
#include "galen/socket/method.hpp"

namespace galen::api {

struct CallContext {
  std::optional<PrincipalId> principal;
  std::uint32_t deadline_ms = 0;  ///< from now; 0: already past
  std::string traceparent;        ///< empty or well formed
  std::string request_id;         ///< `x-request-id`, empty or well formed
};

CallContext read_call_context(const grpc::CallbackServerContext& context, std::uint32_t deadline_ms_max);

/// UNAUTHENTICATED or DEADLINE_EXCEEDED if the call must not go on.
std::optional<Failure> check_call_context(const CallContext& context);

/// The principal of "urn:galen:principal:<64 hex>"; nothing for any other text.
std::optional<PrincipalId> principal_of_uri(std::string_view uri);
bool is_traceparent(std::string_view text);
bool is_log_id(std::string_view text);

/// Puts the ids into the error's details, sets the trailers, logs, and returns what to finish with.
grpc::Status refuse_call(grpc::CallbackServerContext& context, const CallContext& ids, std::string_view method,
                         Failure failure);

}  // namespace galen::api
