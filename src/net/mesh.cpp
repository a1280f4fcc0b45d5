#include "galen/net/mesh.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

#include "galen/base/log.hpp"
#include "net/mesh_impl.hpp"

namespace galen::net {

Result<std::unique_ptr<Mesh>> Mesh::make(MeshOptions options, MeshCallbacks callbacks) {
  GALEN_ASSIGN(auto tls, TlsContext::make(options));
  GALEN_TRY(split_address(options.listen));
  for (const auto& member : options.members)
    if (!member.address.empty()) GALEN_TRY(split_address(member.address));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(callbacks), std::move(tls));
  return std::unique_ptr<Mesh>(new Mesh(std::move(impl)));
}

Mesh::Mesh(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Mesh::~Mesh() = default;

Status Mesh::start() { return impl_->start(); }
void Mesh::stop() { impl_->stop(); }

bool Mesh::send(MemberIndex to, Lane lane, std::shared_ptr<const Bytes> payload) {
  return impl_->send(to, lane, std::move(payload));
}
bool Mesh::send(MemberIndex to, Lane lane, Bytes payload) {
  return impl_->send(to, lane, std::make_shared<const Bytes>(std::move(payload)));
}
std::size_t Mesh::broadcast(Lane lane, std::shared_ptr<const Bytes> payload) { return impl_->broadcast(lane, payload); }
std::size_t Mesh::broadcast(Lane lane, Bytes payload) {
  return impl_->broadcast(lane, std::make_shared<const Bytes>(std::move(payload)));
}

bool Mesh::has_room(MemberIndex member) const { return impl_->has_room(member); }
std::vector<PeerStatus> Mesh::peers() const { return impl_->peers(); }
std::size_t Mesh::connected_count() const { return impl_->connected_count(); }
std::array<std::uint64_t, kRefusals> Mesh::refusals() const { return impl_->refusals(); }
std::string Mesh::listen_address() const { return impl_->listen_address(); }
std::uint64_t Mesh::start_nonce() const { return impl_->start_nonce(); }
void Mesh::set_address(MemberIndex member, std::string address) { impl_->set_address(member, std::move(address)); }
void Mesh::shut_out(MemberIndex member, std::string why) { impl_->shut_out(member, std::move(why)); }
Status Mesh::pin_also(MemberIndex member, const Hash& ca_fingerprint) { return impl_->pin_also(member, ca_fingerprint); }
void Mesh::set_epoch(Epoch epoch) { impl_->set_epoch(epoch); }
Status Mesh::reload_certificate() { return impl_->reload_certificate(); }
std::int64_t Mesh::certificate_not_after_s() const { return impl_->tls()->not_after_s(); }

// --- the part of the implementation that any thread may call
// -------------------------------------------------------------

bool Mesh::Impl::send(MemberIndex to, Lane lane, std::shared_ptr<const Bytes> payload) {
  if (to >= peers_.size() || !peers_[to]) return false;
  auto pushed = peers_[to]->queue.push(lane, std::move(payload));
  if (pushed.wake) wake();
  return pushed.queued;
}

std::size_t Mesh::Impl::broadcast(Lane lane, const std::shared_ptr<const Bytes>& payload) {
  std::size_t queued = 0;
  bool wake_needed = false;
  for (auto& peer : peers_) {
    if (!peer) continue;
    auto pushed = peer->queue.push(lane, payload);
    queued += pushed.queued ? 1 : 0;
    wake_needed |= pushed.wake;
  }
  if (wake_needed) wake();
  return queued;
}

bool Mesh::Impl::has_room(MemberIndex member) const {
  return member < peers_.size() && peers_[member] && peers_[member]->queue.has_room();
}

void Mesh::Impl::wake() {
  if (wake_posted_.exchange(true)) return;
  boost::asio::post(io_, [this] {
    wake_posted_ = false;
    for (auto& peer : peers_)
      if (peer && peer->active) ConnectionPtr(peer->active)->pump();
  });
}

std::vector<PeerStatus> Mesh::Impl::peers() const {
  std::vector<PeerStatus> out;
  for (const auto& peer : peers_) {
    if (!peer) continue;
    PeerStatus status;
    {
      std::lock_guard lock(peer->status_mutex);
      status = peer->status;
    }
    peer->queue.status(status.votes, status.bulk);
    status.throttled_us = peer->budget->throttled_us;
    status.votes.unprocessed_bytes = peer->gate->unprocessed(Lane::votes);
    status.bulk.unprocessed_bytes = peer->gate->unprocessed(Lane::bulk);
    out.push_back(std::move(status));
  }
  return out;
}

std::size_t Mesh::Impl::connected_count() const {
  std::size_t count = 0;
  for (const auto& peer : peers_) count += peer && peer->queue.is_connected() ? 1 : 0;
  return count;
}

std::array<std::uint64_t, kRefusals> Mesh::Impl::refusals() const {
  std::array<std::uint64_t, kRefusals> out{};
  for (std::size_t i = 0; i < kRefusals; ++i) out[i] = refusals_[i];
  return out;
}

void Mesh::Impl::set_address(MemberIndex member, std::string address) {
  if (member >= peers_.size() || !peers_[member]) return;
  Peer* peer = peers_[member].get();
  {
    std::lock_guard lock(peer->status_mutex);
    peer->status.address = std::move(address);
  }
  boost::asio::post(io_, [this, peer] {
    peer->dialer->reset_backoff();
    dial_if_needed(*peer);
  });
}

void Mesh::Impl::shut_out(MemberIndex member, std::string why) {
  if (member >= peers_.size() || !peers_[member]) return;
  boost::asio::post(io_, [this, peer = peers_[member].get(), why = std::move(why)] { begin_shut_out(*peer, why); });
}

Status Mesh::Impl::reload_certificate() {
  std::lock_guard lock(pins_mutex_);
  return renew_tls();
}

Status Mesh::Impl::pin_also(MemberIndex member, const Hash& ca_fingerprint) {
  GALEN_ASSERT(member < options_.members.size());
  std::lock_guard lock(pins_mutex_);
  // Nobody else reads this field: the net thread has the pins from its TLS context.
  auto& pins = options_.members[member].more_ca_fingerprints;
  if (std::find(pins.begin(), pins.end(), ca_fingerprint) != pins.end()) return {};
  pins.push_back(ca_fingerprint);
  if (auto renewed = renew_tls(); !renewed) {
    pins.pop_back();
    return renewed;
  }
  log::info("the next CA is good beside the present one member={} ca={}", options_.members[member].name, ca_fingerprint.hex());
  return {};
}

Status Mesh::Impl::renew_tls() {
  GALEN_ASSIGN(auto fresh, TlsContext::make(options_));
  std::lock_guard lock(tls_mutex_);
  tls_ = std::move(fresh);
  return {};
}

std::shared_ptr<const TlsContext> Mesh::Impl::tls() const {
  std::lock_guard lock(tls_mutex_);
  return tls_;
}

}  // namespace galen::net
