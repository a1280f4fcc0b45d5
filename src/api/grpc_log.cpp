// What has to be settled before gRPC starts. gRPC 1.51 tells nobody of refused handshakes but its own log, so that log is
// read here: one line of ours per refused handshake, the rest of gRPC's chatter only where it is an error.
#include <absl/synchronization/mutex.h>
#include <grpc/support/log.h>

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string_view>

#include "api/server.hpp"
#include "galen/base/log.hpp"

namespace galen::api {

namespace {

// A client that cannot connect tries again and again, and anyone may knock: lines beyond this are counted, not written.
constexpr int kLinesPerSecond = 10;

class LineBudget {
 public:
  /// How many lines were dropped before this one; nothing if this one is dropped too.
  std::optional<std::uint64_t> take() {
    const auto now = std::chrono::steady_clock::now();
    std::lock_guard lock(mutex_);
    if (now - second_ >= std::chrono::seconds(1)) {
      second_ = now;
      written_ = 0;
    }
    if (written_ >= kLinesPerSecond) {
      dropped_ += 1;
      return std::nullopt;
    }
    written_ += 1;
    return std::exchange(dropped_, 0);
  }

 private:
  std::mutex mutex_;
  std::chrono::steady_clock::time_point second_;
  int written_ = 0;
  std::uint64_t dropped_ = 0;
};

// gRPC says "Security handshake failed: UNKNOWN:<why> {<where in its source>}" once per refused client, beside other
// lines of the same event.
constexpr std::string_view kRefused = "Security handshake failed: ";

struct Cause {
  std::string_view openssl;
  const char* reason;
};
constexpr Cause kCauses[] = {
    {"no shared cipher", "TLS_1_2: the client offers no TLS 1.3"},
    {"unsupported protocol", "TLS_TOO_OLD: the client offers no TLS 1.3"},
    {"wrong version number", "NOT_TLS: the client does not speak TLS on this port"},
    {"http request", "NOT_TLS: the client speaks plain HTTP on this port"},
    {"did not return a certificate", "NO_CERTIFICATE: the client showed no certificate"},
    {"certificate verify failed", "BAD_CERTIFICATE: the client's certificate is not of this member's CA, or has expired"},
    {"missing selected ALPN", "ALPN: the client does not speak HTTP/2"},
};

void on_refused(std::string_view why) {
  const auto says = [&why](std::string_view text) { return why.find(text) != std::string_view::npos; };
  const bool timed_out = says("Handshake timed out");  // stands only among the causes, which are cut off now
  why = why.substr(0, why.find(" {"));
  for (std::string_view prefix : {"UNKNOWN:", "UNAVAILABLE:", "Tls handshake failed: "})
    if (why.starts_with(prefix)) why.remove_prefix(prefix.size());
  // Whoever only opens a connection and closes it, as TCP probes do, was not refused; who holds it open was.
  if (!timed_out && (says("Socket closed") || says("read failed"))) {
    log::debug("client left during the handshake why={}", why);
    return;
  }
  static LineBudget budget;
  const auto dropped = budget.take();
  if (!dropped) return;
  const char* reason = "TLS_ERROR: the TLS handshake failed";
  for (const auto& cause : kCauses)
    if (says(cause.openssl)) reason = cause.reason;
  if (timed_out) reason = "TIMEOUT: the client did not finish its handshake";
  log::warn("client refused at the TLS handshake reason={} openssl=\"{}\" dropped_lines={}", reason, why, *dropped);
}

void on_grpc_log(gpr_log_func_args* line) {
  const std::string_view text(line->message);
  if (text.starts_with(kRefused)) {
    on_refused(text.substr(kRefused.size()));
  } else if (text.find("factory creation failed") != std::string_view::npos) {
    // What certificate_files.cpp found good: gRPC goes on with what it had, if there was anything.
    log::error("gRPC does not take the API certificate, key or client CA that were read grpc=\"{}\"", text);
  } else if (line->severity == GPR_LOG_SEVERITY_ERROR && text.find("andshak") == std::string_view::npos) {
    static LineBudget budget;
    if (auto dropped = budget.take()) log::warn("grpc dropped_lines={} {}", *dropped, text);
  } else {
    log::debug("grpc {}", text);
  }
}

}  // namespace

void prepare_grpc() {
  // TLS 1.2 needs a suite of this list; this one needs a pre-shared key, which gRPC cannot have, so no 1.2 handshake can
  // succeed whatever the certificate's key is. The suites of TLS 1.3 are not subject to the list.
  ::setenv("GRPC_SSL_CIPHER_SUITES", "PSK-AES128-GCM-SHA256", 1);
  // Debian builds abseil with its search for lock cycles on; it costs gRPC a tenth of its time per call.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // gRPC's threads outlive main; at exit they must not find a logger that is gone. Exit handlers run in the reverse order,
  // so the logger has to be used once before ours is registered.
  log::debug("grpc log lines come through this log");
  std::atexit([] { gpr_set_log_function([](gpr_log_func_args*) {}); });
  gpr_set_log_function(&on_grpc_log);
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_DEBUG);
}

}  // namespace galen::api
