#include "galenctl/context.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "galen/types/genesis.hpp"
#include "galenctl/files.hpp"

namespace galen::galenctl {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string first_of(const std::string& a, const std::string& b) { return a.empty() ? b : a; }

}  // namespace

std::string Context::directory() const { return first_of(options.dir, environment("GALEN_DIR")); }

ClientOptions Context::client_options() const {
  ClientOptions out;
  out.timeout_ms = static_cast<std::uint64_t>(options.timeout_s * 1000);
  out.read_options = read_options;
  return out;
}

Result<DevLayout> Context::dev_layout() const {
  auto dir = directory();
  if (dir.empty())
    return make_error(ErrorCode::INVALID_ARGUMENT, "no directory is named: give --dir D, or set GALEN_DIR");
  return DevLayout::load(dir);
}

Result<Endpoint> Context::endpoint() const {
  // What is asked for on the command line goes before what `dev env` put into the environment.
  bool dir_on_command_line = !options.dir.empty() || !options.node.empty() || !options.client.empty();
  auto address = options.endpoint;
  if (address.empty() && !dir_on_command_line) address = environment("GALEN_ENDPOINT");
  if (!address.empty()) {
    if (!options.node.empty() || !options.client.empty())
      return make_error(
          ErrorCode::INVALID_ARGUMENT,
          fmt::format("{} chooses below --dir, but --endpoint names the node: its certificate is that of --cert",
                      options.node.empty() ? "--as" : "--node"));
    Endpoint out{address, first_of(options.ca, environment("GALEN_CA")),
                 first_of(options.cert, environment("GALEN_CERT")), first_of(options.key, environment("GALEN_KEY"))};
    if (out.ca_path.empty() || out.cert_path.empty() || out.key_path.empty())
      return make_error(ErrorCode::INVALID_ARGUMENT,
                        "an endpoint needs --ca, --cert and --key (or GALEN_CA, GALEN_CERT, GALEN_KEY) beside it");
    return out;
  }
  for (const auto& [name, value] : {std::pair("--ca", options.ca), {"--cert", options.cert}, {"--key", options.key}})
    if (!value.empty())
      return make_error(
          ErrorCode::INVALID_ARGUMENT,
          fmt::format("{} goes with --endpoint; below --dir the certificate is the one that --as names", name));
  if (directory().empty())
    return make_error(ErrorCode::INVALID_ARGUMENT,
                      "no node is named: give --dir D [--node K], or --endpoint host:port --ca --cert --key");
  GALEN_ASSIGN(auto layout, dev_layout());
  GALEN_ASSIGN(auto node, layout.find(options.node));
  return layout.client_endpoint(node, options.client);
}

Status Context::check_all_nodes(bool node_applies) const {
  const bool bad_node = !node_applies && !options.node.empty();
  for (const auto& [name, given] : {std::pair("--node", bad_node), {"--endpoint", !options.endpoint.empty()}})
    if (given)
      return make_error(ErrorCode::INVALID_ARGUMENT,
                        fmt::format("{} names one node, and this asks all below --dir", name));
  return {};
}

Result<Client> Context::connect() const {
  GALEN_ASSIGN(auto target, endpoint());
  return Client::connect(target, client_options());
}

Result<Client> Context::connect_to(const DevNode& node, std::string_view client) const {
  GALEN_ASSIGN(auto layout, dev_layout());
  return Client::connect(layout.client_endpoint(node, client), client_options());
}

Result<std::string> Context::genesis_path(const std::string& argument) const {
  if (!argument.empty()) return argument;
  if (directory().empty())
    return make_error(ErrorCode::INVALID_ARGUMENT, "no genesis is named: give --genesis FILE, or --dir D");
  return directory() + "/genesis.json";
}

Result<crypto::Suite> Context::suite() const {
  if (directory().empty()) return crypto::Suite::p256_sha256;
  GALEN_ASSIGN(auto genesis, Genesis::load(directory() + "/genesis.json"));
  return genesis.suite;
}

std::function<std::string(const std::string&)> seconds_from(double least) {
  return [least](const std::string& text) {
    constexpr double most = 8'640'000;
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (!text.empty() && *end == '\0' && value >= least && value <= most) return std::string();
    return fmt::format("{}: write seconds, from {} to {}", text, least, most);
  };
}

CLI::App* add_verb(CLI::App& app, const std::string& noun, const std::string& verb, const std::string& text) {
  CLI::App* parent = nullptr;
  for (auto* known : app.get_subcommands([&](CLI::App* candidate) { return candidate->get_name() == noun; }))
    parent = known;
  if (parent == nullptr) parent = app.add_subcommand(noun, "");
  parent->fallthrough()->require_subcommand(1);
  return parent->add_subcommand(verb, text)->fallthrough();
}

}  // namespace galen::galenctl
