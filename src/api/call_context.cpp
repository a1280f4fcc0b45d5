#include "api/call_context.hpp"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>

#include <algorithm>

#include "api/status_map.hpp"
#include "galen/base/log.hpp"

namespace galen::api {

namespace {

constexpr std::string_view kPrincipalUri = "urn:galen:principal:";

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// Exactly one URI of ours; a certificate that names two principals names none.
std::optional<PrincipalId> principal_of_peer(const grpc::CallbackServerContext& context) {
  std::optional<PrincipalId> found;
  const auto auth = context.auth_context();
  if (!auth || !auth->IsPeerAuthenticated()) return found;
  for (const auto& uri : auth->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
    const std::string_view text(uri.data(), uri.size());
    if (!text.starts_with(kPrincipalUri)) continue;
    if (found) return std::nullopt;
    found = principal_of_uri(text);
    if (!found) return found;
  }
  return found;
}

std::uint32_t remaining_ms(std::chrono::system_clock::time_point deadline, std::uint32_t deadline_ms_max) {
  if (deadline == std::chrono::system_clock::time_point::max()) return deadline_ms_max;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::system_clock::now()).count();
  if (left <= 0) return 0;
  return static_cast<std::uint32_t>(std::min<std::int64_t>(left, deadline_ms_max));
}

std::string metadata_value(const grpc::CallbackServerContext& context, const char* name,
                           bool (*accept)(std::string_view)) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(name);
  if (found == metadata.end()) return {};
  const std::string_view text(found->second.data(), found->second.size());
  return accept(text) ? std::string(text) : std::string();
}

}  // namespace

std::optional<PrincipalId> principal_of_uri(std::string_view uri) {
  if (!uri.starts_with(kPrincipalUri)) return std::nullopt;
  return PrincipalId::parse_hex(uri.substr(kPrincipalUri.size()));
}

// W3C trace context, version 00: 00-<32 hex>-<16 hex>-<2 hex>.
bool is_traceparent(std::string_view text) {
  return text.size() == 55 && text.starts_with("00-") && text[35] == '-' && text[52] == '-' &&
         is_hex(text.substr(3, 32)) && is_hex(text.substr(36, 16)) && is_hex(text.substr(53, 2));
}

bool is_log_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == ':';
  });
}

CallContext read_call_context(const grpc::CallbackServerContext& context, std::uint32_t deadline_ms_max) {
  CallContext ids;
  ids.principal = principal_of_peer(context);
  ids.deadline_ms = remaining_ms(context.deadline(), deadline_ms_max);
  ids.traceparent = metadata_value(context, "traceparent", is_traceparent);
  ids.request_id = metadata_value(context, "x-request-id", is_log_id);
  return ids;
}

std::optional<Failure> check_call_context(const CallContext& context) {
  if (!context.principal)
    return Failure{make_error(ErrorCode::UNAUTHENTICATED,
                              "the client certificate names no principal: it needs exactly one SAN URI "
                              "urn:galen:principal:<64 hex digits>"),
                   0,
                   {}};
  if (context.deadline_ms == 0)
    return Failure{make_error(ErrorCode::DEADLINE_EXCEEDED, "the deadline had passed when the call arrived"), 0, {}};
  return std::nullopt;
}

grpc::Status refuse_call(grpc::CallbackServerContext& context, const CallContext& ids, std::string_view method,
                         Failure failure) {
  if (!ids.traceparent.empty()) failure.details.emplace("traceparent", ids.traceparent);
  if (!ids.request_id.empty()) failure.details.emplace("x-request-id", ids.request_id);
  auto wire = to_wire(failure);
  for (auto& [name, value] : wire.trailers) context.AddTrailingMetadata(name, value);
  const auto reason = to_reason(failure.error.code);
  // A fault of ours is worth an operator's look; what a client did wrong is its own, and may come in floods.
  if (failure.error.code == ErrorCode::INTERNAL || failure.error.code == ErrorCode::CORRUPT)
    log::error("call failed method={} reason={} traceparent={} request_id={}", method, reason, ids.traceparent,
               ids.request_id);
  else
    log::debug("call refused method={} reason={} peer={} traceparent={} request_id={}", method, reason, context.peer(),
               ids.traceparent, ids.request_id);
  return wire.status;
}

}  // namespace galen::api
