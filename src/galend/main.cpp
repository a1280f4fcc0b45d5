// galend: one hospital's node. `galend init` makes the data directory, `galend --config F` runs, `galend verify` checks
// a stopped node's directory, `galend repair` makes lost parts of it anew. Exit codes: 0 fine, 1 error or damage found,
// 2 usage, CONFIG_INVALID or no room to verify in, 3 unsafe and refused (docs/operations.md).

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>

#include "galen/base/log.hpp"
#include "galen/node/init.hpp"
#include "galen/node/node.hpp"
#include "galen/node/repair.hpp"
#include "galend/complain.hpp"
#include "galend/verify_command.hpp"

namespace galen {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 stopped in order, or fine; 1 an error, a failed write, damage found; 2 usage, CONFIG_INVALID, or\n"
    "verify cannot check here (TMPDIR); 3 refused: DATA_DIR_LOCKED, IDENTITY_IN_USE, KEY_FILE_READABLE, "
    "ALREADY_EXISTS.";

// Until SIGTERM or SIGINT, or until the node is to be opened again (SIGUSR1, from itself). A renewed TLS certificate is found within a minute, or at once by SIGHUP.
int wait_for_end(node::Node& node, const sigset_t& signals) {
  constexpr timespec kLook{.tv_sec = 60, .tv_nsec = 0};
  for (;;) {
    int received = sigtimedwait(&signals, nullptr, &kLook);
    if (received == SIGTERM || received == SIGINT || received == SIGUSR1) return received;
    if (received == SIGHUP || errno == EAGAIN) node.renew_certificate(received == SIGHUP);
  }
}

/// With what was changed in node.toml since: for a change of members the next key and new addresses stand there. A file that somebody
/// has not finished must not end a node because others changed their members: then what was read before stands.
Result<std::unique_ptr<node::Node>> make_again(node::Config& config) {
  auto fresh = node::load_config(config.path);
  auto node = fresh ? node::Node::make(*fresh) : Result<std::unique_ptr<node::Node>>(fresh.error());
  if (node) {
    config = std::move(*fresh);
    return node;
  }
  log::error("node.toml is not usable as it stands, what was read before stays reason={} error=\"{}\"", to_reason(node.error().code),
             node.error().message);
  return node::Node::make(config);
}

/// What became of config.log_file, as what is wrong with that setting.
Status of_log_file(const node::Config& config, const Status& status) {
  if (status) return {};
  return {ErrorCode::CONFIG_INVALID, fmt::format("{}: log_file: {}", config.path, status.error().message)};
}

int run(node::Config config) {
  const auto opened = log::try_init({.level = config.log_level, .file = config.log_file, .name = config.member});
  if (auto ready = of_log_file(config, opened); !ready) return complain(ready.error());
  // Threads inherit the mask; only this one waits for the signals.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // protobuf writes to stderr what it thinks of a client's request, as often as the client likes.
  google::protobuf::SetLogHandler(nullptr);

  if (auto looked = node::look_at_suspected(config); !looked) return complain(looked.error());
  int received = 0;
  do {
    auto node = received == SIGUSR1 ? make_again(config) : node::Node::make(config);
    if (!node) return complain(node.error());
    (*node)->on_fatal([](const Error& error) {
      // Fail-stop: nothing may be promised after a failed write or beside another node of this member, so nothing is tidied
      // up either.
      log::critical("the node stops at once reason={} error=\"{}\"", to_reason(error.code), error.message);
      spdlog::shutdown();
      const int code = complain(error);
      std::fflush(stderr);
      _exit(code);
    });
    (*node)->on_reopen([] { kill(getpid(), SIGUSR1); });
    if (auto started = (*node)->start(); !started) return complain(started.error());
    received = wait_for_end(**node, signals);
    log::info("stopping signal={}", received);
    (*node)->stop();
    log::info("stopped");
  } while (received == SIGUSR1);
  return 0;
}

struct RepairArguments {
  bool ledger = false, log = false, older_vault = false;
};

int repair(const node::Config& config, const RepairArguments& wanted) {
  if (wanted.ledger) {
    if (auto made = node::repair_ledger(config); !made) return complain(made.error());
    fmt::print("the ledger is empty again; the node fetches the chain from the others when it starts. The old one lies in {}\n",
               config.data_dir + "/ledger.damaged");
  }
  if (wanted.log) {
    if (auto made = node::repair_log(config); !made) return complain(made.error());
    fmt::print("made a new log; the node follows without voting until it has recovered\n");
  }
  if (wanted.older_vault) {
    if (auto made = node::accept_older_vault(config); !made) return complain(made.error());
    fmt::print("the vault's index is accepted as it is; keys of later records are given up\n");
  }
  return 0;
}

}  // namespace
}  // namespace galen

int main(int argc, char** argv) {
  using namespace galen;
  CLI::App app{"galend runs one member's node of a Galen consortium"};
  std::string config_path;
  bool check = false, print = false;
  app.add_option("--config", config_path, "node.toml")->check(CLI::ExistingFile);
  auto* check_flag = app.add_flag("--check-config", check, "check configuration, genesis and keys, then exit");
  app.add_flag("--print-config", print, "print every setting with its source, then exit")->excludes(check_flag);
  app.footer(kFooter);
  app.set_version_flag("--version", "galend 0.1.0");
  auto* init = app.add_subcommand("init", "make the data directory of a member, once");
  init->add_option("--config", config_path, "node.toml")->required()->check(CLI::ExistingFile);
  auto* repair_command = app.add_subcommand("repair", "make anew what is lost of a stopped node's files");
  RepairArguments repair_arguments;
  repair_command->add_option("--config", config_path, "node.toml")->required()->check(CLI::ExistingFile);
  auto* repair_what = repair_command->add_option_group("What to make anew", "one of these");
  repair_what->add_flag("--ledger", repair_arguments.ledger,
                        "an empty ledger, to be fetched again; the old one is put aside");
  repair_what->add_flag("--log", repair_arguments.log, "a new log where there is none");
  repair_what->add_flag("--older-vault", repair_arguments.older_vault, "go on with an older copy of the vault's index");
  repair_what->require_option(1);
  VerifyArguments verify_arguments;
  auto* verify_command = app.add_subcommand("verify", "check the data directory of a stopped node");
  verify_command->add_option("--data", verify_arguments.data_dir, "the node's data directory")->required();
  verify_command->add_option("--genesis", verify_arguments.genesis, "genesis.json (default: the copy in the directory)");
  verify_command
      ->add_option("--from", verify_arguments.from,
                   "first height; what is below is taken as it is, and nothing is executed")
      ->check(CLI::NonNegativeNumber);
  verify_command->add_option("--jobs", verify_arguments.jobs, "threads (default 1)")->check(CLI::Range(1u, 64u));
  verify_command->add_flag("--json", verify_arguments.json, "one JSON object; progress as one object a line on standard error");
  verify_command->add_flag("--quick", verify_arguments.quick, "do not execute the blocks again");
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  // Either would be done and the other forgotten, with exit code 0.
  if (const auto commands = app.get_subcommands(); !commands.empty() && (check || print)) {
    fmt::print(stderr, "galend: {} and {} cannot be given together: it does one thing, then exits\n",
               check ? "--check-config" : "--print-config", commands.front()->get_name());
    return 2;
  }
  if (verify_command->parsed()) return verify(verify_arguments);
  if (config_path.empty()) {
    fmt::print(stderr, "galend: --config is missing\n  Give the path of node.toml; galend init makes the data directory once.\n");
    return 2;
  }
  auto config = node::load_config(config_path);
  if (!config) return complain(config.error());
  if (print) {
    auto values = node::explain_config(config_path);
    for (const auto& value : *values) fmt::print("{:<28} = {:<48} # {}\n", value.key, value.value, value.source);
    return 0;
  }
  // For a person at a terminal: log_file is the running node's.
  if (check || init->parsed() || repair_command->parsed())
    log::init({.level = config->log_level, .file = "", .name = config->member});
  if (check) {
    auto checked = node::check_config(*config);
    if (!checked) return complain(checked.error());
    if (!config->log_file.empty())
      if (auto usable = of_log_file(*config, log::check_file(config->log_file)); !usable)
        return complain(usable.error());
    fmt::print("{}: fine; member {} of chain {} \"{}\"\n", config_path, config->member, checked->genesis.short_chain_id(),
               checked->genesis.name);
    return 0;
  }
  if (init->parsed()) {
    auto made = node::init_data_dir(*config);
    if (!made) return complain(made.error());
    fmt::print("made {}\n", config->data_dir);
    return 0;
  }
  if (repair_command->parsed()) return repair(*config, repair_arguments);
  return run(*config);
}
