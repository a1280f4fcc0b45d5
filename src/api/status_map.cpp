#include "api/status_map.hpp"

#include <algorithm>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace galen::api {

grpc::StatusCode to_grpc(ErrorCode code) {
  switch (code) {
    case ErrorCode::OK:
      return grpc::OK;
    case ErrorCode::INTERNAL:
    case ErrorCode::IO_ERROR:
    case ErrorCode::CONFIG_INVALID:
    case ErrorCode::IDENTITY_IN_USE:
    case ErrorCode::DATA_DIR_LOCKED:
    case ErrorCode::DATA_DIR_MISSING:
    case ErrorCode::KEY_FILE_READABLE:
    case ErrorCode::BAD_CERTIFICATE:
    case ErrorCode::BAD_PROOF:
      return grpc::INTERNAL;
    case ErrorCode::CORRUPT:
      return grpc::DATA_LOSS;
    case ErrorCode::INVALID_ARGUMENT:
    case ErrorCode::MALFORMED:
    case ErrorCode::UNKNOWN_FIELD:
    case ErrorCode::TOO_LARGE:  // not RESOURCE_EXHAUSTED, which clients repeat
    case ErrorCode::WRONG_CHAIN:
    case ErrorCode::BAD_SIGNATURE:
    case ErrorCode::VALID_UNTIL_TOO_FAR:
    case ErrorCode::BAD_REQUEST_ID:
    case ErrorCode::UNSUPPORTED_VERSION:
    case ErrorCode::BAD_JSON:
    case ErrorCode::BAD_FHIR:
    case ErrorCode::JSON_DUPLICATE_KEY:
    case ErrorCode::JSON_LONE_SURROGATE:
    case ErrorCode::JSON_NUMBER_INEXACT:
    case ErrorCode::JSON_NUMBER_RANGE:
    case ErrorCode::ATTACHMENT_MISMATCH:
    case ErrorCode::BAD_PURPOSE:
    case ErrorCode::BAD_POSSESSION_PROOF:
    case ErrorCode::EVIDENCE_INVALID:
      return grpc::INVALID_ARGUMENT;
    case ErrorCode::NOT_FOUND:
    case ErrorCode::RECORD_NOT_FOUND:
    case ErrorCode::CONSENT_NOT_FOUND:
    case ErrorCode::MEMBER_NOT_FOUND:
    case ErrorCode::PROPOSAL_NOT_FOUND:
      return grpc::NOT_FOUND;
    case ErrorCode::UNAVAILABLE:
    case ErrorCode::SHUTTING_DOWN:
    case ErrorCode::NO_QUORUM:
    case ErrorCode::DIVERGED:
    case ErrorCode::AMNESIA:
    case ErrorCode::CATCHING_UP:
    case ErrorCode::BACKFILLING:
    case ErrorCode::HEIGHT_NOT_REACHED:
    case ErrorCode::TOO_STALE:
    case ErrorCode::DISK_LOW:
      return grpc::UNAVAILABLE;
    case ErrorCode::DEADLINE_EXCEEDED:
      return grpc::DEADLINE_EXCEEDED;
    case ErrorCode::RESOURCE_EXHAUSTED:
      return grpc::RESOURCE_EXHAUSTED;
    case ErrorCode::CANCELLED:
      return grpc::CANCELLED;
    case ErrorCode::UNIMPLEMENTED:
    case ErrorCode::EPOCH_END_REFUSED:
      return grpc::UNIMPLEMENTED;
    case ErrorCode::UNAUTHENTICATED:
      return grpc::UNAUTHENTICATED;
    case ErrorCode::PERMISSION_DENIED:
    case ErrorCode::UNKNOWN_PRINCIPAL:
    case ErrorCode::PRINCIPAL_INACTIVE:
    case ErrorCode::NOT_YOUR_MEMBER:
    case ErrorCode::ASSURANCE_TOO_LOW:
    case ErrorCode::WRONG_KEY:
    case ErrorCode::NOT_CUSTODIAN:
    case ErrorCode::NOT_THE_PATIENT:
    case ErrorCode::NOT_YOURS_TO_READ:
    case ErrorCode::MEMBER_NOT_ACTIVE:
      return grpc::PERMISSION_DENIED;
    case ErrorCode::ALREADY_EXISTS:
    case ErrorCode::PRINCIPAL_EXISTS:
    case ErrorCode::RECORD_EXISTS:
    case ErrorCode::CONSENT_EXISTS:
    case ErrorCode::REQUEST_ID_REUSED:
    case ErrorCode::DUPLICATE:
    case ErrorCode::MEMBER_EXISTS:
    case ErrorCode::MEMBER_KEY_USED:
    case ErrorCode::PROPOSAL_EXISTS:
    case ErrorCode::ALREADY_VOTED:
    case ErrorCode::EVIDENCE_KNOWN:
      return grpc::ALREADY_EXISTS;
    case ErrorCode::EXPIRED:
    case ErrorCode::RECORD_NOT_CURRENT:
    case ErrorCode::SUBJECT_MISMATCH:
    case ErrorCode::COMMITMENT_MISMATCH:
    case ErrorCode::KEY_NOT_HERE:
    case ErrorCode::SUBJECT_UNKNOWN:
    case ErrorCode::CONSENT_NOT_ACTIVE:
    case ErrorCode::PATIENT_HAS_NO_KEY:
    case ErrorCode::TOO_MANY_CONSENTS:
    case ErrorCode::CURSOR_EXPIRED:
    case ErrorCode::MEMBERS_CHANGE_PENDING:
    case ErrorCode::MEMBERS_LIMIT:
    case ErrorCode::LEARNER_NOT_READY:
    case ErrorCode::LEARNER_STATE_UNKNOWN:
    case ErrorCode::LEARNER_STATE_DIFFERS:
    case ErrorCode::PROPOSAL_CLOSED:
    case ErrorCode::TOO_MANY_PROPOSALS:
    case ErrorCode::CANNOT_SIGN:
    case ErrorCode::VAULT_DAMAGED:
      return grpc::FAILED_PRECONDITION;
  }
  return grpc::UNKNOWN;  // a number outside the list; a test keeps the list whole
}

namespace {

// gRPC percent-encodes everything outside printable ASCII, and the percent sign, at three bytes each.
bool is_plain(char c) { return c >= 0x20 && c <= 0x7e && c != '%'; }

std::string bounded_message(std::string text) {
  std::size_t encoded = 0, keep = 0;
  for (; keep < text.size(); ++keep) {
    encoded += is_plain(text[keep]) ? 1 : 3;
    if (encoded > kMessageBytesMax) break;
  }
  if (keep == text.size()) return text;
  while (keep > 0 && (static_cast<unsigned char>(text[keep]) & 0xc0) == 0x80) --keep;  // not inside a UTF-8 character
  text.resize(keep);
  return text;
}

constexpr std::size_t kDetailKeyMax = 64;

// Adds the details that fit; the rest is left out rather than the whole error lost in a client's trailer limit.
void add_details(google::rpc::ErrorInfo& info, const Failure& failure, std::size_t bytes_max) {
  for (const auto& [key, value] : failure.details) {
    if (key.empty() || key.size() > kDetailKeyMax) continue;
    const auto used = info.ByteSizeLong() + key.size() + 16;
    if (used + value.size() > bytes_max) continue;
    (*info.mutable_metadata())[key] = value;
  }
}

std::string details_of(const Failure& failure, grpc::StatusCode code, const std::string& message) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  if (failure.retry_after_ms > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(failure.retry_after_ms / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int>(failure.retry_after_ms % 1000) * 1'000'000);
    status.add_details()->PackFrom(retry);
  }
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(to_reason(failure.error.code)));
  info.set_domain("galen");
  constexpr std::size_t kAnyBytes = 80;  // type URL, tags and lengths around the packed message
  add_details(info, failure, kDetailsBytesMax - status.ByteSizeLong() - kAnyBytes);
  status.add_details()->PackFrom(info);
  return status.SerializeAsString();
}

}  // namespace

std::string full_message(const Error& error) {
  std::string text = error.message.empty() ? std::string(to_reason(error.code)) : error.message;
  if (const auto help = advice(error.code); !help.empty()) {
    if (text.size() > kMessageBytesMax / 2) text = bounded_message(std::move(text)).substr(0, kMessageBytesMax / 2);
    if (text.back() != '.' && text.back() != '?' && text.back() != '!') text += '.';
    text += ' ';
    text += help;
  }
  return bounded_message(std::move(text));
}

WireError to_wire(const Failure& failure) {
  const auto code = to_grpc(failure.error.code);
  const auto message = full_message(failure.error);
  WireError wire{grpc::Status(code, message, details_of(failure, code, message)), {}};
  wire.trailers.emplace_back("galen-reason", to_reason(failure.error.code));
  if (failure.retry_after_ms > 0) {
    wire.trailers.emplace_back("retry-after-ms", std::to_string(failure.retry_after_ms));
    // What gRPC's own retry policy listens to.
    wire.trailers.emplace_back("grpc-retry-pushback-ms", std::to_string(failure.retry_after_ms));
  }
  return wire;
}

}  // namespace galen::api
