// galend-byzantine --config F --lies equivocates,votes_for_all [--seed N]: a node that is `galend` in all but its words to the others;
// --lies ignores_origin --victim NAME: and leaves a member's batches out of its blocks.
// For tests/cluster/test_byzantine.py; never installed.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "byzantine/liar.hpp"
#include "galen/base/log.hpp"
#include "galen/node/node.hpp"
#include "node/startup.hpp"

namespace {

int complain(const galen::Error& error) {
  fmt::print(stderr, "galend-byzantine: {} ({})\n", error.message, to_reason(error.code));
  return 1;
}

/// Bits by sim::Lie, or nothing for an unknown name.
std::optional<std::uint32_t> lies_named(const std::vector<std::string>& names) {
  std::uint32_t out = 0;
  for (const auto& name : names) {
    unsigned bit = 0;
    while (bit < static_cast<unsigned>(galen::sim::Lie::count) && to_name(static_cast<galen::sim::Lie>(bit)) != name) ++bit;
    if (bit == static_cast<unsigned>(galen::sim::Lie::count)) return std::nullopt;
    out |= 1U << bit;
  }
  return out;
}

/// What the simulator does itself, beside its adversary: a process that is told to would lie of nothing.
constexpr galen::sim::Lie kOnlySimulated[] = {galen::sim::Lie::twins, galen::sim::Lie::whispers, galen::sim::Lie::errs};

std::string only_simulated(std::uint32_t lies) {
  std::string out;
  for (auto lie : kOnlySimulated)
    if ((lies >> static_cast<unsigned>(lie) & 1U) != 0) out += (out.empty() ? "" : ", ") + std::string(to_name(lie));
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace galen;
  CLI::App app{"galend-byzantine runs a member's node that lies to the others"};
  std::string config_path;
  std::vector<std::string> names;
  std::string victim;
  std::uint64_t seed = 1;
  app.add_option("--config", config_path, "node.toml")->required()->check(CLI::ExistingFile);
  app.add_option("--lies", names, "names of sim::Lie, with commas")->required()->delimiter(',');
  app.add_option("--victim", victim, "the member that ignores_origin leaves out");
  app.add_option("--seed", seed, "what it draws its lies from");
  CLI11_PARSE(app, argc, argv);
  auto lies = lies_named(names);
  if (!lies) return complain({ErrorCode::INVALID_ARGUMENT, "an unknown lie"});
  if (auto none = only_simulated(*lies); !none.empty())
    return complain({ErrorCode::INVALID_ARGUMENT, "only the simulator knows this lie: " + none});
  auto config = node::load_config(config_path);
  if (!config) return complain(config.error());
  log::init({.level = config->log_level, .file = config->log_file, .name = config->member});
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  auto identity = node::load_identity(*config);
  if (!identity) return complain(identity.error());
  MemberIndex ignored = 0;
  while (!victim.empty() && ignored < identity->members().size() && identity->member_name(ignored) != victim) ++ignored;
  if (ignored == identity->members().size()) return complain({ErrorCode::INVALID_ARGUMENT, "no such member: " + victim});
  auto node = node::Node::make(*config, std::make_unique<byzantine::Liar>(std::move(*identity), seed, *lies, ignored));
  if (!node) return complain(node.error());
  (*node)->on_fatal([](const Error& error) {
    log::critical("the node stops at once reason={} error=\"{}\"", to_reason(error.code), error.message);
    _exit(1);
  });
  if (auto started = (*node)->start(); !started) return complain(started.error());
  int received = 0;
  sigwait(&signals, &received);
  (*node)->stop();
  return 0;
}
