#include "node/mesh_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "galen/base/log.hpp"
#include "galen/crypto/x509_tls.hpp"

namespace galen::node {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

net::MeshMember member_of(const Config& config, const Identity& identity, const Participant& one) {
  net::MeshMember out;
  out.id = one.member.id;
  out.name = one.name;
  out.ca_pem = one.ca_pem;
  out.ca_fingerprint = one.member.tls_ca;
  out.genesis_place = identity.genesis.member_set.index_of(one.member.id);
  if (one.next_ca) out.more_ca_fingerprints.push_back(*one.next_ca);
  const auto address = config.peers.addresses.find(one.name);
  if (address != config.peers.addresses.end())
    out.address = address->second;
  else if (one.member.id != identity.member_id())
    log::warn("no address of member={} in [peers.addresses]: it is not dialled, and may dial here", one.name);
  return out;
}

}  // namespace

Result<net::MeshOptions> mesh_options(const Config& config, const Identity& identity) {
  net::MeshOptions out;
  out.self = identity.self;
  out.chain_id = identity.context.chain_id;
  out.epoch = identity.context.epoch;
  out.listen = config.peers.listen;
  out.certificate_path = config.keys.tls_cert;
  out.key_path = config.keys.tls_key;
  out.limits.received_bytes_per_s = std::size_t{config.limits.peer_mib_per_second_max} << 20;
  out.former = identity.participants->former;
  for (const auto& one : identity.participants->all) out.members.push_back(member_of(config, identity, one));

  // What it shows: beside what is pinned here what its operator says its CA is, which the others may know of already.
  const auto own = text_of(config.api.client_ca);
  if (crypto::certificate_fingerprint(own)) out.members[out.self].more_ca_pems.push_back(own);

  for (const auto& [name, path] : config.peers.cas) {
    auto member = std::find_if(out.members.begin(), out.members.end(), [&](const auto& one) { return one.name == name; });
    auto pem = text_of(path);
    const auto fingerprint = crypto::certificate_fingerprint(pem);
    if (!fingerprint)
      return Error{ErrorCode::CONFIG_INVALID, fmt::format("{}: peers.cas.{}: {} is no CA certificate", config.path, name, path)};
    if (member == out.members.end()) {
      log::warn("peers.cas.{} is of no use: nobody of that name takes part", name);
      continue;
    }
    if (*fingerprint == member->ca_fingerprint)
      log::info("peers.cas.{} is not needed any more: the ledger pins that CA", name);
    else
      log::warn("the CA of {} is good for member={} as well, as [peers.cas] says and the ledger here does not", path, name);
    member->more_ca_pems.push_back(std::move(pem));
  }
  return out;
}

Status check_renewal(const Config& config, std::int64_t now_s) {
  const auto certificate = crypto::parse_certificate(text_of(config.keys.tls_cert));
  if (!certificate) return {};  // the mesh says what is wrong with it
  auto valid = crypto::check_validity(*certificate, now_s);
  if (valid) return {};
  return {ErrorCode::CONFIG_INVALID,
          fmt::format("the TLS certificate {}: {}", config.keys.tls_cert, valid.error().message)};
}

}  // namespace galen::node
