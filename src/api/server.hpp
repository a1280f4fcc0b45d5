// The gRPC server of the front end: listeners with mutual TLS 1.3, limits, health and reflection, over one Gateway.
// start() from the main thread; everything else may be called from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/gateway.hpp"
#include "galen/base/result.hpp"

namespace galen::api {

struct ServerOptions {
  std::vector<std::string> listen;  ///< "host:port", port 0 for any; at least one
  std::string certificate_path;     ///< PEM chain; what changes in it and in the next two is used if it is good
  std::string key_path;             ///< PKCS#8 PEM
  std::string client_ca_path;       ///< PEM, the member's CA: only its certificates may connect
  bool reflection = true;
  std::uint32_t reload_s = 60;  ///< how often the three files are looked at
  Gateway::Limits gateway;
  std::uint32_t deadline_ms_max = 30'000;
  std::size_t message_bytes_max = 4 * 1024 * 1024;
  std::size_t stream_in_flight_max = 8;
  std::size_t memory_bytes_max = 768 * 1024 * 1024;  ///< what gRPC may hold; the watchdog's limit lies above
  std::uint32_t streams_per_connection_max = 1'024;
  std::uint32_t connection_age_s_max = 30 * 60;
  std::uint32_t ping_interval_s_min = 5;  ///< clients that ping more often are cut off
};

class Server {
 public:
  /// Serves on all addresses, then greets the node. `on_closed`: the node's channel ended, the process should too.
  /// CONFIG_INVALID or KEY_FILE_READABLE names the file that cannot be used, or the address.
  static Result<std::unique_ptr<Server>> start(int node_fd, const ServerOptions& options,
                                               std::function<void(const Error&)> on_closed);
  ~Server();  ///< stop(500)

  /// Lets calls in progress end for so long, then cancels them.
  void stop(std::uint32_t grace_ms);
  /// As given, with the port really bound.
  const std::vector<std::string>& addresses() const;
  Gateway& gateway();

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Before anything of gRPC is used, once per process: refuses TLS 1.2 (no public setting of gRPC 1.51 does) and sends
/// gRPC's log lines through ours, refused handshakes as warnings.
void prepare_grpc();

}  // namespace galen::api
