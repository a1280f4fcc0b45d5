// Two processes of one member: a copy of a data directory that was started, a machine restored beside its original. The
// one that is connected stays while it lives; a new one is let in when the old one does not answer (docs/spec/wire.md
// 3). All on the net thread.
#include <fmt/format.h>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/crypto/x509_tls.hpp"
#include "net/mesh_impl.hpp"

namespace galen::net {

namespace {

/// So many timers make up probe_ms: when the whole process was stopped meanwhile, the answer that lies in the socket is read
/// before the last of them.
constexpr int kProbeTurns = 2;

}  // namespace

bool Mesh::Impl::greets_second(const Connection& connection) const {
  return !connection.dialled() && peer_of(connection)->active != nullptr;
}

void Mesh::Impl::on_greeted(const ConnectionPtr& connection) {
  Peer& peer = *peer_of(*connection);
  if (!peer.active || peer.active->hello().start_nonce == connection->hello().start_nonce) return connection->admit();
  // Greeted already: the active one came up during this handshake, and is known to live.
  if (connection->has_greeted()) return refuse_second_process(peer, connection);
  begin_probe(peer, connection);
}

// A crash closes the old connection at once, a power loss does not. Only an answer to a question asked now tells a process
// that lives from bytes of one that did.
void Mesh::Impl::begin_probe(Peer& peer, const ConnectionPtr& contender) {
  contender->hold();
  peer.contender = contender;
  peer.probed_at_us = system_clock().monotonic_us();
  wait_for_probe(peer, kProbeTurns);
  peer.active->ping();
}

void Mesh::Impl::wait_for_probe(Peer& peer, int turns) {
  peer.probe_timer.expires_after(std::chrono::milliseconds(options_.timings.probe_ms / kProbeTurns));
  peer.probe_timer.async_wait([this, &peer, turns, about = peer.contender](const boost::system::error_code& error) {
    if (error || peer.contender != about || !about) return;
    if (turns > 1) return wait_for_probe(peer, turns - 1);
    on_probe_unanswered(peer);
  });
}

void Mesh::Impl::on_probe_unanswered(Peer& peer) {
  if (peer.active->paused())
    return peer.contender->close(Refusal::DUPLICATE, "the present connection is not read for now; try again");
  // Its end admits the one that waits.
  peer.active->close(Refusal::TIMEOUT, fmt::format("no answer within {} ms while another process of the member asks to be let in",
                                                   options_.timings.probe_ms));
}

void Mesh::Impl::admit_contender(Peer& peer) {
  auto contender = std::exchange(peer.contender, nullptr);
  if (!contender) return;
  peer.probe_timer.cancel();
  if (stopping_) return contender->close(Refusal::SHUTTING_DOWN, "this node is stopping");
  if (system_clock().monotonic_us() < peer.shut_out_until_us) return contender->close(Refusal::MALFORMED, meaning(Refusal::MALFORMED));
  contender->admit();
}

void Mesh::Impl::refuse_second_process(Peer& peer, const ConnectionPtr& connection) {
  peer.probe_timer.cancel();
  std::string text;
  {
    std::lock_guard lock(peer.status_mutex);
    const auto& status = peer.status;
    note_second_process(peer.status, *connection);
    text = fmt::format("another live process of {} is connected from {} since {}", options_.members[peer.index].name,
                       status.remote_address, crypto::time_text(status.since_ms / 1000));
  }
  if (auto end = lines_.admit(peer.index, "two processes"))
    log::error("two processes answer for member={}: the one from {} is refused, {}{}", options_.members[peer.index].name,
               connection->remote(), text, *end);
  connection->close(Refusal::IDENTITY_IN_USE, text);
}

void Mesh::Impl::note_second_process(PeerStatus& status, const Connection& connection) {
  ++status.second_processes;
  status.second_process_address = connection.remote();
  status.second_process_ms = static_cast<std::int64_t>(system_clock().wall_ms());
}

void Mesh::Impl::on_identity_in_use(Connection& connection, std::string_view text) {
  if (callbacks_.on_identity_in_use) callbacks_.on_identity_in_use(peer_of(connection)->index, text);
}

}  // namespace galen::net
