// galenctl dev: a consortium of hospitals on this machine, for developers, tests and the quickstart.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstring>
#include <thread>

#include "galen/crypto/random.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/context.hpp"
#include "galenctl/dev_make.hpp"
#include "galenctl/dev_process.hpp"
#include "galenctl/files.hpp"
#include "galenctl/modes.hpp"

namespace galen::galenctl {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct UpOptions {
  std::size_t nodes = 0;  // 0: 4 for a new consortium, what there is for an old one
  std::vector<std::string> parameters;
  std::string suite;  // empty: p256-sha256 for a new consortium, what there is for an old one
  std::string bin_dir;
  double wait_s = 60;
};

/// Two `dev up` in the same directory at once would each start the nodes.
class DirectoryLock {
 public:
  static Result<DirectoryLock> take(const std::string& dir) {
    std::string path = dir + "/.lock";
    DirectoryLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (lock.fd_ < 0)
      return make_error(ErrorCode::IO_ERROR, fmt::format("cannot open {}: {}", path, std::strerror(errno)));
    if (::flock(lock.fd_, LOCK_EX) != 0)
      return make_error(ErrorCode::IO_ERROR, fmt::format("cannot lock {}: {}", path, std::strerror(errno)));
    return lock;
  }
  DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~DirectoryLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

/// The nodes that --node names, else all.
Result<std::vector<DevNode>> chosen_nodes(const Context& context, const DevLayout& layout) {
  if (context.options.node.empty()) return layout.nodes;
  GALEN_ASSIGN(auto node, layout.find(context.options.node));
  return std::vector<DevNode>{node};
}

class Up {
 public:
  Up(Context& context, UpOptions options) : context_(context), options_(std::move(options)), output_(context.output) {}

  Result<int> run() {
    if (context_.directory().empty())
      return make_error(ErrorCode::INVALID_ARGUMENT, "dev up needs --dir D: everything it makes lies below it");
    DevLayout layout(context_.directory());
    GALEN_TRY(make_directories(layout.dir(), 0700));
    GALEN_ASSIGN(auto lock, DirectoryLock::take(layout.dir()));
    GALEN_ASSIGN(galend_, find_galend(options_.bin_dir));
    GALEN_ASSIGN(layout, find_or_make(layout));
    GALEN_ASSIGN(auto nodes, chosen_nodes(context_, layout));
    deadline_ = SteadyClock::now() + milliseconds(static_cast<std::int64_t>(options_.wait_s * 1000));
    for (const auto& node : nodes) GALEN_TRY(start(layout, node));
    for (const auto& node : nodes) GALEN_TRY(wait_ready(layout, node));
    // With one node named, the others may be down on purpose, and registering would wait for them.
    if (context_.options.node.empty())
      for (const auto& node : nodes) GALEN_TRY(register_service(layout, node));
    output_.status_line("");
    return report(layout, nodes);
  }

 private:
  Result<DevLayout> find_or_make(const DevLayout& wanted) {
    if (!file_exists(wanted.dir() + "/dev.json")) {
      GenesisParameters parameters;
      for (const auto& assignment : options_.parameters) GALEN_TRY(set_parameter(parameters, assignment));
      GALEN_ASSIGN(auto suite, parse_suite(options_.suite.empty() ? "p256-sha256" : options_.suite));
      output_.status_line("making keys, certificates and genesis");
      GALEN_ASSIGN(auto made, make_consortium(wanted.dir(), options_.nodes == 0 ? kDevNodesMin : options_.nodes,
                                              parameters, suite));
      GALEN_TRY(made.save());
      return made;
    }
    GALEN_ASSIGN(auto layout, DevLayout::load(wanted.dir()));
    if (options_.nodes != 0 && options_.nodes != layout.nodes.size())
      return make_error(
          ErrorCode::INVALID_ARGUMENT,
          fmt::format("{} holds a consortium of {} nodes, not {}: its members stand in genesis; use another directory",
                      layout.dir(), layout.nodes.size(), options_.nodes));
    if (!options_.parameters.empty())
      return make_error(
          ErrorCode::INVALID_ARGUMENT,
          fmt::format("--param belongs to genesis, and {} has one already; use another directory", layout.dir()));
    GALEN_ASSIGN(auto suite, context_.suite());
    if (!options_.suite.empty() && options_.suite != crypto::to_name(suite))
      return make_error(ErrorCode::INVALID_ARGUMENT,
                        fmt::format("{} holds a chain of suite {}, not {}: it stands in genesis; use another directory",
                                    layout.dir(), crypto::to_name(suite), options_.suite));
    return layout;
  }

  Status start(const DevLayout& layout, const DevNode& node) {
    if (auto pid = running_pid(layout, node)) {
      pids_[node.number] = *pid;
      return {};
    }
    if (!file_exists(layout.data_dir(node))) {
      output_.status_line(fmt::format("{}: making its data directory", node.name));
      GALEN_TRY(
          run_to_end({galend_, "init", "--config", layout.config_path(node)}, layout.node_dir(node) + "/log/init.log"));
    }
    output_.status_line(fmt::format("{}: starting", node.name));
    GALEN_ASSIGN(pids_[node.number], start_node(layout, node, galend_));
    started_.push_back(node.number);
    return {};
  }

  Status wait_ready(const DevLayout& layout, const DevNode& node) {
    ClientOptions quick;
    quick.timeout_ms = 2'000;
    quick.reconnect_for_ms = 0;
    std::string last = "it did not answer";
    bool alone = !context_.options.node.empty();
    GALEN_ASSIGN(auto client, Client::connect(layout.client_endpoint(node, "admin"), quick));
    for (;;) {
      if (!still_runs(pids_[node.number]))
        return make_error(ErrorCode::INTERNAL, fmt::format("node {} has ended; the end of {}:\n{}", node.name,
                                                           layout.log_path(node), log_tail(layout.log_path(node), 8)));
      auto status = client.call(v1::GetStatusRequest{});
      if (status) {
        bool follows = status->height() > 0 && status->mode() != v1::NODE_MODE_STARTING;
        if (status->mode() == v1::NODE_MODE_DIVERGED)
          return make_error(ErrorCode::DIVERGED, fmt::format("node {} says: {}", node.name, status->mode_detail()));
        if (alone || (status->quorum_reachable() && (status->mode() == v1::NODE_MODE_VOTING || follows))) return {};
        last = fmt::format("it says {}, {} of {} members reachable. {}", mode_name(status->mode()), status->reachable(),
                           status->members(), status->mode_detail());
      } else {
        last = status.error().message;
      }
      if (SteadyClock::now() >= deadline_)
        return make_error(ErrorCode::DEADLINE_EXCEEDED,
                          fmt::format("node {} is not ready after {} s: {}. Its log: {}", node.name, options_.wait_s,
                                      last, layout.log_path(node)));
      output_.status_line(fmt::format("{}: waiting until it is ready ({})", node.name, last.substr(0, 60)));
      std::this_thread::sleep_for(milliseconds(50));
    }
  }

  /// The certificate "galenctl" of each member becomes a principal of the ledger, once.
  Status register_service(const DevLayout& layout, const DevNode& node) {
    output_.status_line(fmt::format("{}: registering its client", node.name));
    GALEN_ASSIGN(auto id, principal_of_certificate(layout.client_endpoint(node, "galenctl").cert_path));
    GALEN_ASSIGN(auto client, context_.connect_to(node, "admin"));
    v1::GetPrincipalRequest lookup;
    lookup.set_id(id.str());
    if (client.call(lookup)) return {};
    v1::RegisterServiceRequest request;
    request.set_request_id(crypto::random_request_id().str());
    request.set_id(id.str());
    for (;;) {
      auto done = client.call(request);
      if (done || done.error().code == ErrorCode::PRINCIPAL_EXISTS) return {};
      if (exit_code_of(done.error().code) != kExitWaiting || SteadyClock::now() >= deadline_)
        return make_error(done.error().code,
                          fmt::format("node {} did not register its client: {}", node.name, done.error().message));
      std::this_thread::sleep_for(milliseconds(100));
    }
  }

  Result<int> report(const DevLayout& layout, const std::vector<DevNode>& nodes) {
    GALEN_ASSIGN(auto genesis, Genesis::load(layout.genesis_path()));
    std::string names;
    JsonWriter writer;
    writer.begin_object().field("dir", layout.dir()).field("chain_id", genesis.chain_id.hex());
    writer.field("chain", genesis.short_chain_id()).key("nodes").begin_array();
    for (const auto& node : nodes) {
      names += (names.empty() ? "" : " ") + node.name;
      bool started = std::find(started_.begin(), started_.end(), node.number) != started_.end();
      writer.begin_object().field("number", std::uint64_t{node.number}).field("name", node.name);
      writer.field("api", fmt::format("127.0.0.1:{}", node.api_port))
          .field("pid", static_cast<std::uint64_t>(pids_[node.number]));
      writer.field("started", started).end_object();
    }
    writer.end_array().end_object();
    output_.say(fmt::format("{} hospital{} up: {}, one ledger (chain {})", nodes.size(), nodes.size() == 1 ? "" : "s",
                            names, genesis.short_chain_id()));
    output_.result(writer);
    return kExitOk;
  }

  Context& context_;
  const UpOptions options_;
  Output& output_;
  std::string galend_;
  SteadyClock::time_point deadline_;
  std::map<std::size_t, pid_t> pids_;
  std::vector<std::size_t> started_;
};

Result<int> down(Context& context, bool now, double grace_s) {
  GALEN_ASSIGN(auto layout, context.dev_layout());
  GALEN_ASSIGN(auto lock, DirectoryLock::take(layout.dir()));
  GALEN_ASSIGN(auto nodes, chosen_nodes(context, layout));
  std::vector<Result<StopResult>> results(nodes.size(), StopResult{});
  // All at once: the last of them would otherwise wait for members that are gone already.
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    threads.emplace_back(
        [&, i] { results[i] = stop_node(layout, nodes[i], now, static_cast<std::uint64_t>(grace_s * 1000)); });
  for (auto& thread : threads) thread.join();
  JsonWriter writer;
  writer.begin_object().key("nodes").begin_array();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!results[i]) return results[i].error();
    const char* state = !results[i]->was_running ? "was not running" : results[i]->killed ? "killed" : "stopped";
    context.output.say(fmt::format("{}  {}", nodes[i].name, state));
    writer.begin_object().field("name", nodes[i].name).field("was_running", results[i]->was_running);
    writer.field("killed", results[i]->killed).end_object();
  }
  writer.end_array().end_object();
  context.output.result(writer);
  return kExitOk;
}

Result<int> show_status(Context& context) {
  GALEN_TRY(context.check_all_nodes(true));
  GALEN_ASSIGN(auto layout, context.dev_layout());
  GALEN_ASSIGN(auto nodes, chosen_nodes(context, layout));
  std::vector<std::vector<std::string>> table = {{"NODE", "PID", "STATE", "API", "PEERS", "LOG"}};
  JsonWriter writer;
  writer.begin_object().field("dir", layout.dir()).key("nodes").begin_array();
  bool all = true;
  for (const auto& node : nodes) {
    auto pid = running_pid(layout, node);
    all = all && pid.has_value();
    table.push_back({node.name, pid ? std::to_string(*pid) : "-", pid ? "running" : "down",
                     fmt::format("127.0.0.1:{}", node.api_port), fmt::format("127.0.0.1:{}", node.peer_port),
                     layout.log_path(node)});
    writer.begin_object().field("number", std::uint64_t{node.number}).field("name", node.name);
    writer.field("running", pid.has_value()).field("pid", static_cast<std::uint64_t>(pid.value_or(0)));
    writer.field("api", fmt::format("127.0.0.1:{}", node.api_port)).field("dir", layout.node_dir(node)).end_object();
  }
  writer.end_array().end_object();
  context.output.say(format_table(table));
  context.output.result(writer);
  return all ? kExitOk : kExitError;
}

std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

Result<int> print_environment(Context& context) {
  GALEN_ASSIGN(auto layout, context.dev_layout());
  GALEN_ASSIGN(auto node, layout.find(context.options.node));
  auto endpoint = layout.client_endpoint(node, context.options.client);
  const std::pair<const char*, std::string> variables[] = {{"GALEN_DIR", layout.dir()},
                                                           {"GALEN_ENDPOINT", endpoint.address},
                                                           {"GALEN_CA", endpoint.ca_path},
                                                           {"GALEN_CERT", endpoint.cert_path},
                                                           {"GALEN_KEY", endpoint.key_path}};
  if (context.output.json) {
    JsonWriter writer;
    writer.begin_object();
    for (const auto& [name, value] : variables) writer.field(name, value);
    context.output.result(writer.end_object());
    return kExitOk;
  }
  for (const auto& [name, value] : variables)
    context.output.raw(fmt::format("export {}={}\n", name, shell_quoted(value)));
  context.output.raw(fmt::format("export PATH={}:\"$PATH\"\n", shell_quoted(own_directory())));
  return kExitOk;
}

}  // namespace

void add_dev(CLI::App& app, Context& context) {
  auto up_options = std::make_shared<UpOptions>();
  auto* up = add_verb(app, "dev", "up", "Make a consortium below --dir, or start what is down of it");
  up->add_option("--nodes", up_options->nodes, "Number of hospitals, 4 to 10 (default 4)");
  up->add_option("--suite", up_options->suite, "Cryptographic suite of the chain: p256-sha256 (default) or sm2-sm3")
      ->envname("GALEN_SUITE");
  up->add_option("--param", up_options->parameters, "Genesis parameter NAME=NUMBER, for tests (repeatable)");
  up->add_option("--bin-dir", up_options->bin_dir, "Where galend and galend-api are (default: beside galenctl)");
  up->add_option("--wait", up_options->wait_s, "Seconds to wait until all nodes are ready (default 60)")
      ->check(seconds_from(0));
  up->callback(
      [&context, up_options] { context.action = [&context, up_options] { return Up(context, *up_options).run(); }; });

  auto now = std::make_shared<bool>(false);
  auto grace_s = std::make_shared<double>(15);
  auto* stop = add_verb(app, "dev", "down", "Stop all nodes, or the one named with --node");
  stop->add_flag("--now", *now, "SIGKILL at once: what a power cut does");
  stop->add_option("--grace", *grace_s, "Seconds before SIGKILL follows SIGTERM (default 15)")
      ->check(seconds_from(0));
  stop->callback([&context, now, grace_s] {
    context.action = [&context, now, grace_s] { return down(context, *now, *grace_s); };
  });

  add_verb(app, "dev", "status", "Which processes run, and where; of all nodes, or the one named with --node")
      ->callback([&context] { context.action = [&context] { return show_status(context); }; });
  add_verb(app, "dev", "env", "Print export lines for a shell: eval \"$(galenctl dev env --dir D)\"")
      ->callback([&context] { context.action = [&context] { return print_environment(context); }; });
  app.get_subcommand("dev")->description("A consortium on this machine, for development and tests");
}

}  // namespace galen::galenctl
