// galend-api: the node's front end. Started by galend, which hands it one end of a socketpair; of no use alone. It ends
// when that channel does, and on SIGTERM after the calls in progress (at most two seconds).
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <atomic>
#include <cstdio>

#include "api/seatbelts.hpp"
#include "api/server.hpp"
#include "galen/base/log.hpp"
#include "galen/socket/front_end_limits.hpp"

namespace {

struct Flags {
  int node_fd = -1;
  galen::api::ServerOptions server;
  galen::log::Options log{.level = "info", .file = "", .name = "galen"};
  std::size_t memory_mb_max = 1024;
};

void declare(CLI::App& app, Flags& flags) {
  app.set_version_flag("--version", "galend-api " GALEN_BUILD);
  app.add_option("--node-fd", flags.node_fd, "connected socket to galend")->required();
  app.add_option("--listen", flags.server.listen, "host:port for gRPC, may be repeated")->required();
  app.add_option("--cert", flags.server.certificate_path, "server certificate chain, PEM")->required();
  app.add_option("--key", flags.server.key_path, "its key, PKCS#8 PEM")->required();
  app.add_option("--client-ca", flags.server.client_ca_path, "CA whose client certificates may connect, PEM")
      ->required();
  app.add_flag("--reflection,!--no-reflection", flags.server.reflection, "server reflection (default: on)");
  app.add_option("--member", flags.log.name, "name in every log line");
  app.add_option("--log-level", flags.log.level, "trace, debug, info, warn or error")->capture_default_str();
  app.add_option("--memory-mb-max", flags.memory_mb_max, "resident memory above which the process ends itself")
      ->check(CLI::Range(galen::socket::kFrontEndMemoryMibMin, galen::socket::kFrontEndMemoryMibMax))
      ->capture_default_str();
}

int run(const Flags& flags) {
  struct stat info {};
  if (::fstat(flags.node_fd, &info) != 0 || !S_ISSOCK(info.st_mode)) {
    std::fprintf(stderr, "galend-api: --node-fd %d is no socket. This program is started by galend.\n", flags.node_fd);
    return 2;
  }
  // Blocked in all threads, and waited for below: the node's end of the channel counts as SIGTERM.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  ::signal(SIGPIPE, SIG_IGN);

  galen::api::fasten_seatbelts();
  galen::api::prepare_grpc();
  static std::atomic<bool> node_gone = false;
  auto server = galen::api::Server::start(flags.node_fd, flags.server, [](const galen::Error& why) {
    galen::log::info("front end ends: {}", why.message);
    node_gone = true;
    ::kill(::getpid(), SIGTERM);
  });
  if (!server) {
    galen::log::critical("front end did not start reason={} {}", galen::to_reason(server.error().code),
                         server.error().message);
    return 1;
  }
  galen::api::start_memory_watchdog(flags.memory_mb_max * 1024 * 1024);
  int signal = 0;
  ::sigwait(&ends, &signal);
  (*server)->stop(node_gone ? 300 : 2'000);
  // Nothing of this process is worth tidying up, and gRPC's threads still run.
  ::_exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("galend-api: gRPC front end of a Galen node; started by galend");
  declare(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    // CLI11 has numbers of its own for each kind of mistake; usage is 2 in all of our programs.
    return app.exit(problem) == 0 ? 0 : 2;
  }
  flags.server.memory_bytes_max = flags.memory_mb_max * 1024 * 1024 / 4 * 3;
  flags.log.name += "/api";  // beside the node's own lines
  galen::log::init(flags.log);
  return run(flags);
}
