#include "api/server.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include "api/certificate_files.hpp"
#include "api/health_schema.hpp"
#include "api/services.hpp"
#include "api/tls_credentials.hpp"
#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"

namespace galen::api {

struct Server::State {
  explicit State(const ServerOptions& given)
      : options(given), certificates({given.certificate_path, given.key_path, given.client_ca_path}) {}

  const ServerOptions options;
  CertificateFiles certificates;
  std::shared_ptr<grpc::ServerCredentials> credentials;  // outlives the server, as do the files
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<Front> front;
  Services services;
  UnknownMethods unknown;
  std::vector<std::string> addresses;
  std::mutex mutex;  // greeting may come before the server stands
  bool greeted = false, closed = false;
  std::unique_ptr<grpc::Server> server;

  void show_health();
  void configure(grpc::ServerBuilder& builder);
  Status build();
};

namespace {

// gRPC's reflection library serves reflection in every process that loads it, so it is loaded only where it is wanted.
void load_reflection() {
  if (::dlopen(GALEN_REFLECTION_LIBRARY, RTLD_NOW | RTLD_GLOBAL) == nullptr)
    log::warn("no server reflection: {}", ::dlerror());
}

std::string with_port(const std::string& address, int port) {
  return address.substr(0, address.rfind(':') + 1) + std::to_string(port);
}

}  // namespace

void Server::State::configure(grpc::ServerBuilder& builder) {
  grpc::ResourceQuota quota("galend-api");
  quota.Resize(options.memory_bytes_max);
  builder.SetResourceQuota(quota);
  // Twice ours, so that a request somewhat too large still hears our reason; beyond, gRPC answers by itself.
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max * 2));
  builder.SetMaxSendMessageSize(-1);  // frames bound the node's answers
  const std::pair<const char*, int> arguments[] = {
      {GRPC_ARG_ALLOW_REUSEPORT, 0},  // a taken port is an error, not a silent share
      {GRPC_ARG_MAX_CONCURRENT_STREAMS, static_cast<int>(options.streams_per_connection_max)},
      {GRPC_ARG_MAX_METADATA_SIZE, 8 * 1024},
      {GRPC_ARG_MAX_CONNECTION_AGE_MS, static_cast<int>(options.connection_age_s_max) * 1000},
      {GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 60'000},
      {GRPC_ARG_KEEPALIVE_TIME_MS, 60'000},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000},
      {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
      {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, static_cast<int>(options.ping_interval_s_min) * 1000},
      {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 5'000},
      {GRPC_ARG_ENABLE_CHANNELZ, 0},  // bookkeeping nobody reads here
  };
  for (const auto& [name, value] : arguments) builder.AddChannelArgument(name, value);
}

Status Server::State::build() {
  GALEN_TRY(certificates.load(static_cast<std::int64_t>(system_clock().wall_ms() / 1000)));
  GALEN_ASSIGN(services, make_services(*front));

  grpc::EnableDefaultHealthCheckService(true);
  if (options.reflection) {
    add_health_schema();
    load_reflection();
  }
  grpc::ServerBuilder builder;
  configure(builder);
  credentials = make_tls_credentials(certificates);
  std::vector<int> ports(options.listen.size(), 0);
  for (std::size_t i = 0; i < options.listen.size(); ++i)
    builder.AddListeningPort(options.listen[i], credentials, &ports[i]);
  for (const auto& service : services.services) builder.RegisterService(service.get());
  builder.RegisterCallbackGenericService(&unknown);
  auto built = builder.BuildAndStart();
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (ports[i] == 0)
      return make_error(ErrorCode::CONFIG_INVALID,
                        fmt::format("cannot listen on {}: the port is taken or the address is not of this host",
                                    options.listen[i]));
    addresses.push_back(with_port(options.listen[i], ports[i]));
  }
  if (!built) return make_error(ErrorCode::CONFIG_INVALID, "gRPC did not start: see the log lines before this one");
  certificates.watch(options.reload_s);
  std::lock_guard lock(mutex);
  server = std::move(built);
  return {};
}

void Server::State::show_health() {
  std::lock_guard lock(mutex);
  if (!server || server->GetHealthCheckService() == nullptr) return;
  const bool serving = greeted && !closed;
  for (const auto& name : services.names) server->GetHealthCheckService()->SetServingStatus(name, serving);
  server->GetHealthCheckService()->SetServingStatus("", serving);
}

Result<std::unique_ptr<Server>> Server::start(int node_fd, const ServerOptions& options,
                                              std::function<void(const Error&)> on_closed) {
  auto made = std::make_unique<State>(options);
  auto* state = made.get();
  Gateway::Handlers handlers;
  handlers.on_greeted = [state] {
    {
      std::lock_guard lock(state->mutex);
      state->greeted = true;
    }
    state->show_health();
  };
  handlers.on_closed = [state, told = std::move(on_closed)](const Error& why) {
    {
      std::lock_guard lock(state->mutex);
      state->closed = true;
    }
    state->show_health();
    if (told) told(why);
  };
  state->gateway = std::make_unique<Gateway>(node_fd, options.gateway, std::move(handlers));
  state->front = std::make_unique<Front>(Front{*state->gateway,
                                               {.deadline_ms_max = options.deadline_ms_max,
                                                .message_bytes_max = options.message_bytes_max,
                                                .stream_in_flight_max = options.stream_in_flight_max}});
  GALEN_TRY(state->build());
  state->show_health();
  state->gateway->start();
  state->gateway->greet(state->addresses);
  for (const auto& address : state->addresses) log::info("front end serves address={}", address);
  return std::unique_ptr<Server>(new Server(std::move(made)));
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() {
  stop(500);
  state_->gateway.reset();  // its threads use the rest
}

void Server::stop(std::uint32_t grace_ms) {
  state_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(grace_ms));
}

const std::vector<std::string>& Server::addresses() const { return state_->addresses; }
Gateway& Server::gateway() { return *state_->gateway; }

}  // namespace galen::api
