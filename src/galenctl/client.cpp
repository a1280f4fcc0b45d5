#include "galenctl/client.hpp"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "galen/crypto/x509.hpp"
#include "galen/v1/access_service.grpc.pb.h"
#include "galen/v1/consent_service.grpc.pb.h"
#include "galen/v1/governance_service.grpc.pb.h"
#include "galen/v1/ledger_service.grpc.pb.h"
#include "galen/v1/node_service.grpc.pb.h"
#include "galen/v1/patient_service.grpc.pb.h"
#include "galen/v1/record_service.grpc.pb.h"
#include "galenctl/files.hpp"

namespace galen::galenctl {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kMessageBytesMax = 64 * 1024 * 1024;

/// What a gRPC code means when the server gave no reason of ours.
ErrorCode code_of(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::UNAVAILABLE:
      return ErrorCode::UNAVAILABLE;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return ErrorCode::DEADLINE_EXCEEDED;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return ErrorCode::RESOURCE_EXHAUSTED;
    case grpc::StatusCode::CANCELLED:
      return ErrorCode::CANCELLED;
    case grpc::StatusCode::UNIMPLEMENTED:
      return ErrorCode::UNIMPLEMENTED;
    case grpc::StatusCode::INVALID_ARGUMENT:
      return ErrorCode::INVALID_ARGUMENT;
    case grpc::StatusCode::NOT_FOUND:
      return ErrorCode::NOT_FOUND;
    case grpc::StatusCode::ALREADY_EXISTS:
      return ErrorCode::ALREADY_EXISTS;
    case grpc::StatusCode::PERMISSION_DENIED:
      return ErrorCode::PERMISSION_DENIED;
    case grpc::StatusCode::UNAUTHENTICATED:
      return ErrorCode::UNAUTHENTICATED;
    default:
      return ErrorCode::INTERNAL;
  }
}

std::string reason_of(const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  auto found = trailers.find("galen-reason");
  return found == trailers.end() ? "" : std::string(found->second.data(), found->second.size());
}

/// The node puts the advice behind its sentence, for clients that show the text only; here it gets a line of its own.
std::string without_advice(std::string text, ErrorCode code) {
  auto help = advice(code);
  if (help.empty() || !text.ends_with(help)) return text;
  text.resize(text.size() - help.size());
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.pop_back();
  return text;
}

Error error_of(const grpc::ClientContext& context, const grpc::Status& status, const std::string& address) {
  auto reason = reason_of(context);
  if (!reason.empty()) {
    auto code = error_code_from_reason(reason);
    auto message = without_advice(status.error_message(), code);
    bool unknown = code == ErrorCode::INTERNAL && reason != "INTERNAL";
    return make_error(code, unknown ? fmt::format("{} ({})", message, reason) : message);
  }
  auto code = code_of(status.error_code());
  // Of what gRPC calls exhausted, too large a message is the one thing that waiting does not cure. It says so in words only.
  if (code == ErrorCode::RESOURCE_EXHAUSTED && status.error_message().find("larger than max") != std::string::npos)
    return make_error(ErrorCode::TOO_LARGE,
                      fmt::format("more than the {} bytes of one request: {}", kRequestBytesMax, status.error_message()));
  if (code == ErrorCode::UNAVAILABLE)
    return make_error(code, fmt::format("no answer from {}: {}", address, status.error_message()));
  if (code == ErrorCode::DEADLINE_EXCEEDED) return make_error(code, fmt::format("{} did not answer in time", address));
  return make_error(code, fmt::format("{} answered: {}", address, status.error_message()));
}

constexpr milliseconds kConnectWait{500};

grpc::ChannelArguments channel_arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  // A node that was restarted is back within a second; gRPC's own pauses grow to two minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 3000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // A follower of events sends nothing: without pings it would hear nothing for ever from a node that fell silent. The
  // node allows one in 5 s (src/api/server.hpp); gRPC by itself stops after two without a message of ours between them.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetUserAgentPrefix("galenctl");
  return arguments;
}

}  // namespace

struct Client::State {
  State(std::shared_ptr<grpc::Channel> channel_in, std::string address_in, const ClientOptions& options_in)
      : channel(std::move(channel_in)),
        address(std::move(address_in)),
        options(options_in),
        RecordService(v1::RecordService::NewStub(channel)),
        PatientService(v1::PatientService::NewStub(channel)),
        ConsentService(v1::ConsentService::NewStub(channel)),
        AccessService(v1::AccessService::NewStub(channel)),
        GovernanceService(v1::GovernanceService::NewStub(channel)),
        LedgerService(v1::LedgerService::NewStub(channel)),
        NodeService(v1::NodeService::NewStub(channel)) {}

  /// Repeats `attempt` while nobody answers at the address: only a status without a reason of ours is repeated, since
  /// with one the server has decided.
  template <class Attempt>
  Status run(Attempt attempt) {
    auto start = SteadyClock::now();
    auto deadline = start + milliseconds(options.timeout_ms);
    auto repeat_until = start + milliseconds(std::min(options.reconnect_for_ms, options.timeout_ms));
    for (milliseconds pause{50};; pause = std::min(pause * 2, milliseconds(500))) {
      // A connection is made only while somebody waits for it: a call on a channel that failed before fails at once.
      if (channel->GetState(true) != GRPC_CHANNEL_READY)
        channel->WaitForConnected(std::chrono::system_clock::now() +
                                  std::min(milliseconds(options.timeout_ms), kConnectWait));
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() +
                           std::chrono::duration_cast<milliseconds>(deadline - SteadyClock::now()));
      grpc::Status status = attempt(context);
      if (status.ok()) return {};
      bool nobody = status.error_code() == grpc::StatusCode::UNAVAILABLE && reason_of(context).empty();
      if (!nobody || SteadyClock::now() + pause >= repeat_until) return error_of(context, status, address);
      std::this_thread::sleep_for(pause);
    }
  }

  std::shared_ptr<grpc::Channel> channel;
  std::string address;
  ClientOptions options;
  std::unique_ptr<v1::RecordService::Stub> RecordService;
  std::unique_ptr<v1::PatientService::Stub> PatientService;
  std::unique_ptr<v1::ConsentService::Stub> ConsentService;
  std::unique_ptr<v1::AccessService::Stub> AccessService;
  std::unique_ptr<v1::GovernanceService::Stub> GovernanceService;
  std::unique_ptr<v1::LedgerService::Stub> LedgerService;
  std::unique_ptr<v1::NodeService::Stub> NodeService;
};

Client::Client(std::shared_ptr<grpc::Channel> channel, std::string address, const ClientOptions& options)
    : state_(std::make_unique<State>(std::move(channel), std::move(address), options)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
const std::string& Client::address() const { return state_->address; }

namespace {

/// gRPC would say it in its own log, and go on trying.
Result<std::string> read_certificates(const std::string& path) {
  GALEN_ASSIGN(auto text, read_text_file(path));
  if (crypto::parse_certificate(text)) return text;
  return make_error(ErrorCode::CONFIG_INVALID, fmt::format("{} begins with no PEM certificate", path));
}

/// Standard error is for our own words, and with --json for JSON. GRPC_VERBOSITY brings gRPC's back.
void silence_grpc() {
  if (std::getenv("GRPC_VERBOSITY") == nullptr) ::gpr_set_log_function([](gpr_log_func_args*) {});
}

}  // namespace

Result<Client> Client::connect(const Endpoint& endpoint, const ClientOptions& options) {
  silence_grpc();
  grpc::SslCredentialsOptions tls;
  GALEN_ASSIGN(tls.pem_root_certs, read_certificates(endpoint.ca_path));
  GALEN_ASSIGN(tls.pem_cert_chain, read_certificates(endpoint.cert_path));
  GALEN_TRY(check_secret_mode(endpoint.key_path));
  GALEN_ASSIGN(tls.pem_private_key, read_text_file(endpoint.key_path));
  auto channel = grpc::CreateCustomChannel(endpoint.address, grpc::SslCredentials(tls), channel_arguments());
  return Client(std::move(channel), endpoint.address, options);
}

namespace {

/// The request as it goes out: a read says how fresh its answer has to be.
template <class Request>
Request with_read_options(Request request, const v1::ReadOptions& options) {
  if constexpr (requires { request.mutable_read_options(); })
    if (options.freshness_case() != v1::ReadOptions::FRESHNESS_NOT_SET) *request.mutable_read_options() = options;
  return request;
}

}  // namespace

#define X(service, method)                                                        \
  Result<v1::method##Response> Client::call(const v1::method##Request& given) {   \
    const auto request = with_read_options(given, state_->options.read_options);  \
    v1::method##Response response;                                                \
    GALEN_TRY(state_->run([&](grpc::ClientContext& context) {                     \
      response.Clear();                                                           \
      return state_->service->method(&context, request, &response);               \
    }));                                                                          \
    return response;                                                              \
  }
GALEN_CLIENT_CALLS(X)
#undef X

struct AnchorStream::State {
  grpc::ClientContext context;
  std::string address;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AnchorRecordBatchRequest, v1::AnchorRecordBatchResponse>> stream;
  bool broken = false;
};

AnchorStream::AnchorStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
AnchorStream::AnchorStream(AnchorStream&&) noexcept = default;
AnchorStream::~AnchorStream() {
  // Without an end of its own the call is cancelled: gRPC then needs no more answers to free it.
  if (state_ && state_->stream) {
    state_->context.TryCancel();
    state_->stream->Finish();
  }
}

AnchorStream Client::open_anchor_stream(std::uint64_t lifetime_ms) {
  auto state = std::make_unique<AnchorStream::State>();
  state->address = state_->address;
  state->context.set_deadline(std::chrono::system_clock::now() + milliseconds(lifetime_ms));
  state->stream = state_->RecordService->AnchorRecords(&state->context);
  return AnchorStream(std::move(state));
}

bool AnchorStream::write(const v1::AnchorRecordBatchRequest& request) {
  if (!state_->broken && !state_->stream->Write(request)) state_->broken = true;
  return !state_->broken;
}
bool AnchorStream::read(v1::AnchorRecordBatchResponse& response) {
  if (!state_->broken && !state_->stream->Read(&response)) state_->broken = true;
  if (!response.reason().empty())
    response.set_message(without_advice(response.message(), error_code_from_reason(response.reason())));
  return !state_->broken;
}
Status AnchorStream::close() {
  if (!state_->broken) state_->stream->WritesDone();
  v1::AnchorRecordBatchResponse unexpected;
  while (state_->stream->Read(&unexpected)) {
  }
  auto status = state_->stream->Finish();
  state_->stream.reset();
  if (status.ok()) return {};
  return error_of(state_->context, status, state_->address);
}

struct EventStream::State {
  grpc::ClientContext context;
  std::string address;
  std::unique_ptr<grpc::ClientReader<v1::StreamEventsResponse>> stream;
  bool ended = false;
};

EventStream::EventStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
EventStream::EventStream(EventStream&&) noexcept = default;
EventStream::~EventStream() {
  if (state_ && state_->stream) {
    state_->context.TryCancel();
    state_->stream->Finish();
  }
}

EventStream Client::open_event_stream(const v1::StreamEventsRequest& request) {
  auto state = std::make_unique<EventStream::State>();
  state->address = state_->address;
  if (state_->channel->GetState(true) != GRPC_CHANNEL_READY)
    state_->channel->WaitForConnected(std::chrono::system_clock::now() + kConnectWait);
  state->stream = state_->LedgerService->StreamEvents(&state->context, request);
  return EventStream(std::move(state));
}

bool EventStream::read(v1::StreamEventsResponse& response) {
  if (!state_->ended) state_->ended = !state_->stream->Read(&response);
  return !state_->ended;
}
Status EventStream::close() {
  if (!state_->ended) state_->context.TryCancel();
  v1::StreamEventsResponse rest;
  while (read(rest)) {
  }
  auto status = state_->stream->Finish();
  state_->stream.reset();
  if (status.ok()) return {};
  return error_of(state_->context, status, state_->address);
}

}  // namespace galen::galenctl
