#include "galenctl/dev_make.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <set>

#include "galen/base/clock.hpp"
#include "galen/crypto/random.hpp"
#include "galen/crypto/x509.hpp"
#include "galenctl/files.hpp"

namespace galen::galenctl {
namespace {

// Certificates are P-256 whatever the suite: no TLS library here speaks SM2 (D5).
constexpr auto kCertificateSuite = crypto::Suite::p256_sha256;

bool is_free(std::uint16_t port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && ::listen(fd, 1) == 0;
  ::close(fd);
  return free;
}

/// Below the range from which the system takes ports of outgoing connections, so that a port stays free over restarts.
Result<std::uint16_t> next_free_port(std::uint16_t& candidate) {
  for (int tries = 0; tries < 10'000; ++tries) {
    if (++candidate >= 32'000) candidate = 20'000;
    if (is_free(candidate)) return candidate;
  }
  return make_error(ErrorCode::RESOURCE_EXHAUSTED, "no free port between 20000 and 32000 on 127.0.0.1");
}

Status assign_ports(DevLayout& layout) {
  std::array<std::uint8_t, 2> random{};
  crypto::fill_random(random);
  auto candidate = static_cast<std::uint16_t>(20'000 + (random[0] << 8 | random[1]) % 11'000);
  for (auto& node : layout.nodes) {
    GALEN_ASSIGN(node.peer_port, next_free_port(candidate));
    GALEN_ASSIGN(node.api_port, next_free_port(candidate));
  }
  return {};
}

struct Issuer {
  crypto::PrivateKey key;
  std::string certificate;
};

/// A key and its certificate, as NAME.key and NAME.pem.
Status issue(const Issuer& issuer, const std::string& base, const std::string& common_name,
             const PrincipalId& principal) {
  auto key = crypto::PrivateKey::generate(kCertificateSuite);
  crypto::CertificateRequest request;
  request.common_name = common_name;
  request.principal = principal;
  request.dns_names = {"localhost", "127.0.0.1"};
  GALEN_TRY(write_file(base + ".key", key.to_pem(), 0600));
  return write_file(base + ".pem", crypto::make_certificate(key.public_key(), request, issuer.key, issuer.certificate));
}

std::string node_toml(const DevLayout& layout, const DevNode& node) {
  std::string addresses;
  for (const auto& peer : layout.nodes) addresses += fmt::format("{} = \"127.0.0.1:{}\"\n", peer.name, peer.peer_port);
  return fmt::format(
      R"(# Node {0} of a development consortium; made by galenctl dev up. Paths are relative to this file.
member = "{0}"
genesis = "../genesis.json"
data_dir = "data"
log_level = "info"

[keys]
consensus = "keys/consensus.pem"
tls_cert = "keys/tls.pem"
tls_key = "keys/tls.key"
master = "keys/master.key"

[peers]
listen = "127.0.0.1:{1}"

[peers.addresses]
{2}
[api]
listen = "127.0.0.1:{3}"
cert = "keys/api.pem"
key = "keys/api.key"
client_ca = "keys/client-ca.pem"
reflection = true
)",
      node.name, node.peer_port, addresses, node.api_port);
}

/// Keys, certificates and node.toml of one member; fills its line of genesis.
Result<GenesisMember> make_member(const DevLayout& layout, const DevNode& node, crypto::Suite suite) {
  GenesisMember member;
  member.name = node.name;
  member.id = crypto::random_fixed<PrincipalId>();
  member.admin = crypto::random_fixed<PrincipalId>();
  auto service = crypto::random_fixed<PrincipalId>();

  GALEN_TRY(make_directories(layout.pki_dir(node), 0700));
  GALEN_TRY(make_directories(layout.clients_dir(node), 0700));
  GALEN_TRY(make_directories(layout.node_dir(node)));
  std::string keys = layout.node_dir(node) + "/keys";
  GALEN_TRY(make_directories(keys, 0700));
  GALEN_TRY(make_directories(layout.node_dir(node) + "/log"));

  auto ca_key = crypto::PrivateKey::generate(kCertificateSuite);
  crypto::CertificateRequest ca;
  ca.common_name = fmt::format("Hospital {} development CA", node.name);
  ca.is_ca = true;
  Issuer issuer{ca_key, crypto::make_ca_certificate(ca_key, ca)};
  member.ca_pem = issuer.certificate;
  GALEN_TRY(write_file(layout.pki_dir(node) + "/ca.key", ca_key.to_pem(), 0600));
  GALEN_TRY(write_file(layout.pki_dir(node) + "/ca.pem", issuer.certificate));

  auto consensus_key = crypto::PrivateKey::generate(suite);
  member.consensus_key = consensus_key.public_key();
  GALEN_TRY(write_file(keys + "/consensus.pem", consensus_key.to_pem(), 0600));
  GALEN_TRY(write_file(keys + "/client-ca.pem", issuer.certificate));
  GALEN_TRY(issue(issuer, keys + "/tls", fmt::format("{} node", node.name), member.id));
  GALEN_TRY(issue(issuer, keys + "/api", fmt::format("{} API", node.name), member.id));
  GALEN_TRY(issue(issuer, layout.clients_dir(node) + "/admin", fmt::format("{} admin", node.name), member.admin));
  GALEN_TRY(write_file(layout.admin_key_path(node), crypto::PrivateKey::generate(suite).to_pem(), 0600));
  GALEN_TRY(issue(issuer, layout.clients_dir(node) + "/galenctl", fmt::format("{} galenctl", node.name), service));
  GALEN_TRY(write_file(layout.config_path(node), node_toml(layout, node)));
  return member;
}

using Field32 = std::uint32_t GenesisParameters::*;
using Field64 = std::uint64_t GenesisParameters::*;
constexpr std::pair<std::string_view, Field32> kFields32[] = {
    {"window", &GenesisParameters::window},
    {"tenure_blocks", &GenesisParameters::tenure_blocks},
    {"exec_lag_max", &GenesisParameters::exec_lag_max},
    {"block_bytes_max", &GenesisParameters::block_bytes_max},
    {"member_block_bytes_max", &GenesisParameters::member_block_bytes_max},
};
constexpr std::pair<std::string_view, Field64> kFields64[] = {
    {"idle_block_interval_ms", &GenesisParameters::idle_block_interval_ms},
    {"ttl_max_ms", &GenesisParameters::ttl_max_ms},
    {"clock_skew_max_ms", &GenesisParameters::clock_skew_max_ms},
    {"view_timeout_ms", &GenesisParameters::view_timeout_ms},
    {"period_ms", &GenesisParameters::period_ms},
};

}  // namespace

Status set_parameter(GenesisParameters& parameters, const std::string& assignment) {
  auto equals = assignment.find('=');
  auto name = std::string_view(assignment).substr(0, equals);
  auto text = equals == std::string::npos ? std::string_view{} : std::string_view(assignment).substr(equals + 1);
  std::uint64_t value = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool is_number = !text.empty() && failure == std::errc() && end == text.data() + text.size();
  if (!is_number)
    return make_error(ErrorCode::INVALID_ARGUMENT, fmt::format("--param {}: write NAME=NUMBER", assignment));
  std::string known;
  for (const auto& [field, member] : kFields32) {
    if (field == name) return parameters.*member = static_cast<std::uint32_t>(value), Status{};
    known += fmt::format(" {}", field);
  }
  for (const auto& [field, member] : kFields64) {
    if (field == name) return parameters.*member = value, Status{};
    known += fmt::format(" {}", field);
  }
  return make_error(ErrorCode::INVALID_ARGUMENT,
                    fmt::format("--param {}: no such parameter; there are:{}", assignment, known));
}

Result<DevLayout> make_consortium(const std::string& dir, std::size_t node_count, const GenesisParameters& parameters,
                                  crypto::Suite suite) {
  if (node_count < kDevNodesMin || node_count > kDevNodesMax)
    return make_error(
        ErrorCode::INVALID_ARGUMENT,
        fmt::format("a consortium here has {} to {} nodes, not {}: fewer than 4 cannot bear the loss of one",
                    kDevNodesMin, kDevNodesMax, node_count));
  DevLayout layout(dir);
  for (std::size_t i = 0; i < node_count; ++i)
    layout.nodes.push_back({i + 1, std::string(1, static_cast<char>('A' + i))});
  GALEN_TRY(make_directories(layout.dir(), 0700));
  GALEN_TRY(assign_ports(layout));
  Genesis genesis;
  genesis.name = "development";
  genesis.created_ms = system_clock().wall_ms();
  genesis.suite = suite;
  genesis.parameters = parameters;
  for (const auto& node : layout.nodes) {
    GALEN_ASSIGN(auto member, make_member(layout, node, suite));
    genesis.members.push_back(std::move(member));
  }
  GALEN_TRY(write_file(layout.genesis_path(), Genesis::to_json(genesis)));
  // What does not load now would only be found by every node.
  GALEN_TRY(Genesis::load(layout.genesis_path()));
  return layout;
}

Result<PrincipalId> principal_of_certificate(const std::string& cert_path) {
  GALEN_ASSIGN(auto pem, read_text_file(cert_path));
  GALEN_ASSIGN(auto info, crypto::parse_certificate(pem));
  if (!info.principal) return make_error(ErrorCode::CORRUPT, fmt::format("{} names no principal", cert_path));
  return *info.principal;
}

}  // namespace galen::galenctl
