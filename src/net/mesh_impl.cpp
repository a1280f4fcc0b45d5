#include "net/mesh_impl.hpp"

#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include <algorithm>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/base/thread_name.hpp"
#include "galen/crypto/random.hpp"

namespace galen::net {

namespace asio = boost::asio;

namespace {
constexpr std::size_t kScratchBytes = 64 * 1024;
constexpr std::size_t kConnectionsPerMemberMax = 2;
constexpr std::size_t kFormerNoncesMax = 8;

std::uint64_t random_number() {
  std::array<std::uint8_t, 8> bytes;
  crypto::fill_random(bytes);
  return ByteReader(bytes).u64() | 1;  // never zero, which means "none"
}

std::int64_t wall_ms() { return static_cast<std::int64_t>(system_clock().wall_ms()); }
}  // namespace

Mesh::Impl::Impl(MeshOptions options, MeshCallbacks callbacks, std::shared_ptr<const TlsContext> tls)
    : options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      tls_(std::move(tls)),
      start_nonce_(random_number()),
      epoch_(options_.epoch),
      work_(io_.get_executor()),
      resolver_(io_),
      acceptor_(io_, options_.limits,
                {[this](asio::ip::tcp::socket socket) { adopt(std::move(socket), std::nullopt); },
                 [this](const std::string& ip) {
                   ++refusals_[static_cast<std::size_t>(Refusal::TOO_MANY_CONNECTIONS)];
                   if (auto end = lines_.admit(LogLimit::kNobody, "too many handshakes"))
                     log::warn(
                         "handshake refused reason=TOO_MANY_CONNECTIONS direction=accepted peer={} why=\"too many "
                         "handshakes from this address\"{}",
                         ip, *end);
                 }}),
      stop_timer_(io_),
      cipher_scratch_(kScratchBytes),
      plain_scratch_(kScratchBytes) {
  // A partly received message holds up to a frame of the window, so less than two would stall for ever.
  options_.limits.bulk_unprocessed_max = std::max(options_.limits.bulk_unprocessed_max, 2 * limits::kFrameBytesMax);
  make_peers();
}

Mesh::Impl::~Impl() { stop(); }

void Mesh::Impl::make_peers() {
  peers_.resize(options_.members.size());
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (i == options_.self) continue;
    auto index = static_cast<MemberIndex>(i);
    peers_[i] = std::make_unique<Peer>(index, options_.limits, io_);
    Peer* peer = peers_[i].get();
    peer->status.member = index;
    peer->status.name = options_.members[i].name;
    peer->status.address = options_.members[i].address;
    peer->gate = std::make_shared<Credit::Gate>(options_.limits.bulk_unprocessed_max / 8, [this, peer] {
      asio::post(io_, [peer] {
        if (auto connection = peer->active) connection->credits_released();
      });
    });
    Dialer::Events events;
    events.still_wanted = [this, peer] { return !stopping_ && !peer->active && !peer->dialling; };
    events.connected = [this, index](asio::ip::tcp::socket socket) { adopt(std::move(socket), index); };
    events.failed = [this, peer](std::string_view why) { dial_failed(*peer, why); };
    auto patience = options_.chooses(index, options_.self) ? 2 * options_.timings.backoff_min_ms : 0;
    peer->dialer =
        std::make_shared<Dialer>(io_, resolver_, options_.timings, patience, random_number(), std::move(events));
  }
}

Status Mesh::Impl::start() {
  std::lock_guard lock(life_mutex_);
  GALEN_ASSERT(!thread_.joinable() && !stopping_);
  GALEN_TRY(acceptor_.listen(options_.listen));
  log::info("mesh listens address={} members={}", acceptor_.local_address(), options_.members.size());
  asio::post(io_, [this] {
    acceptor_.start();
    for (auto& peer : peers_)
      if (peer) dial_if_needed(*peer);
  });
  thread_ = std::thread([this] {
    name_this_thread("net");
    io_.run();
  });
  return {};
}

void Mesh::Impl::stop() {
  std::lock_guard lock(life_mutex_);
  if (thread_.joinable()) {
    asio::post(io_, [this] { begin_stop(); });
    thread_.join();
  }
  for (auto& peer : peers_)
    if (peer) peer->gate->detach();
  resolver_.close();
}

void Mesh::Impl::begin_stop() {
  stopping_ = true;
  acceptor_.close();
  resolver_.close();
  for (auto& peer : peers_)
    if (peer) peer->dialer->stop();
  std::vector<ConnectionPtr> open(connections_.begin(), connections_.end());
  for (auto& connection : open) connection->close(Refusal::SHUTTING_DOWN, "this node is stopping");
  // A lingering socket ends by its own timer; this one only guards against our own mistakes.
  stop_timer_.expires_after(std::chrono::milliseconds(2 * options_.timings.linger_ms + 100));
  stop_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    std::vector<ConnectionPtr> rest(connections_.begin(), connections_.end());
    for (auto& connection : rest) connection->abort();
  });
  finish_stop_if_done();
}

void Mesh::Impl::finish_stop_if_done() {
  if (!stopping_ || !connections_.empty()) return;
  stop_timer_.cancel();
  work_.reset();
  io_.stop();
}

// --- dialling and accepting
// --------------------------------------------------------------------------------------------

void Mesh::Impl::adopt(asio::ip::tcp::socket socket, std::optional<MemberIndex> dialled) {
  auto connection = std::make_shared<Connection>(*this, std::move(socket), tls(), dialled);
  connections_.insert(connection);
  if (dialled)
    peers_[*dialled]->dialling = connection;
  else
    handshakes_.push_back(connection);
  connection->start();
  // Room for one that means it: a handshake takes a few round trips, and strangers who only hold a place are the older
  // ones.
  if (handshakes_.size() > options_.limits.handshakes_max)
    ConnectionPtr(handshakes_.front())
        ->close(Refusal::TOO_MANY_CONNECTIONS, "many strangers at once, and the longest without a handshake");
}

void Mesh::Impl::end_handshake(const Connection& connection) {
  auto found =
      std::find_if(handshakes_.begin(), handshakes_.end(), [&](const auto& open) { return open.get() == &connection; });
  if (found == handshakes_.end()) return;
  handshakes_.erase(found);
  acceptor_.handshake_done(connection.remote_ip());
}

void Mesh::Impl::dial_if_needed(Peer& peer) {
  if (stopping_ || peer.active || peer.dialling || peer.dialer->busy()) return;
  std::string address;
  {
    std::lock_guard lock(peer.status_mutex);
    address = peer.status.address;
  }
  peer.dialer->dial(address);
}

void Mesh::Impl::dial_failed(Peer& peer, std::string_view why) {
  bool news = false;
  {
    std::lock_guard lock(peer.status_mutex);
    news = peer.status.last_error != why;
    peer.status.last_error = why;
  }
  if (news) log::info("peer not reached member={} why=\"{}\"", options_.members[peer.index].name, why);
  dial_if_needed(peer);
}

// --- one connection per pair
// -------------------------------------------------------------------------------------------

Peer* Mesh::Impl::peer_of(const Connection& connection) const {
  auto member = connection.member() ? connection.member() : connection.dialled_member();
  return member ? peers_[*member].get() : nullptr;
}

std::optional<Refusal> Mesh::Impl::on_authenticated(Connection& connection) {
  end_handshake(connection);
  Peer& peer = *peer_of(connection);
  // The other side's connection was chosen while we dialled: say so before our hello makes it think we lost that one.
  if (connection.dialled() && peer.active) return Refusal::DUPLICATE;
  if (system_clock().monotonic_us() < peer.shut_out_until_us) return Refusal::MALFORMED;
  if (peer.connections.size() >= kConnectionsPerMemberMax) return Refusal::TOO_MANY_CONNECTIONS;
  peer.connections.push_back(connection.shared_from_this());
  return std::nullopt;
}

wire::Hello Mesh::Impl::own_hello(MemberIndex to) const {
  wire::Hello hello;
  hello.chain_id = options_.chain_id;
  hello.epoch = epoch_;
  hello.start_nonce = start_nonce_;
  hello.last_connection = peers_[to]->last_connection;
  return hello;
}

void Mesh::Impl::on_ready(const ConnectionPtr& connection) {
  Peer& peer = *peer_of(*connection);
  if (options_.chooses(peer.index, options_.self)) return;  // the other side chooses
  if (const auto& old = peer.active) {
    // The other side dials only without a connection. If it has seen the present one, or had the time to, it lost it;
    // else both dialled at once and the present one stays.
    bool saw_it = connection->hello().last_connection == old->id();
    auto age_us = system_clock().monotonic_us() - old->activated_at_us();
    bool lost = !connection->dialled() && (saw_it || age_us > std::uint64_t{options_.timings.handshake_ms} * 1000);
    if (!lost)
      return connection->close(Refusal::DUPLICATE, "both sides dialled, the other connection stays");
  }
  use(peer, connection, random_number(), true);
}

void Mesh::Impl::on_activated(const ConnectionPtr& connection, std::uint64_t id) {
  Peer& peer = *peer_of(*connection);
  // Both shook hands at once, and the other process was activated a moment ago.
  if (peer.active && peer.active->hello().start_nonce != connection->hello().start_nonce)
    return refuse_second_process(peer, connection);
  use(peer, connection, id, false);
}

void Mesh::Impl::use(Peer& peer, const ConnectionPtr& connection, std::uint64_t id, bool tell) {
  if (auto old = peer.active) {
    take_down(peer, "replaced by a newer connection");
    old->close(Refusal::DUPLICATE, "replaced by a newer connection");
  }
  note_process(peer, *connection);
  peer.active = connection;
  if (peer.dialling == connection) peer.dialling = nullptr;
  peer.last_connection = id;
  connection->activate(id, tell, peer.gate, peer.budget);
  peer.queue.connected();
  PeerHello hello{connection->version(), connection->hello().epoch, connection->hello().start_nonce,
                  connection->remote(), connection->dialled()};
  {
    std::lock_guard lock(peer.status_mutex);
    auto& status = peer.status;
    status.connected = true;
    status.remote_address = hello.remote_address;
    status.dialled_by_us = hello.dialled_by_us;
    status.since_ms = wall_ms();
    status.epoch = hello.epoch;
    status.start_nonce = hello.start_nonce;
    status.certificate_not_after_s = connection->identity().not_after_s;
    status.rtt_us.reset();
    ++status.connections;
  }
  if (auto end = lines_.admit(peer.index, "peer up"))
    log::info("peer up member={} remote={} direction={} epoch={}{}", options_.members[peer.index].name,
              hello.remote_address, hello.dialled_by_us ? "dialled" : "accepted", hello.epoch, *end);
  if (callbacks_.on_peer_up) callbacks_.on_peer_up(peer.index, hello);
  connection->pump();
}

void Mesh::Impl::take_down(Peer& peer, std::string_view why) {
  auto lived_us = system_clock().monotonic_us() - peer.active->activated_at_us();
  // A connection that held shows that the peer is well: dial again soon. One that did not keeps the backoff growing.
  if (lived_us > std::uint64_t{options_.timings.backoff_max_ms} * 1000) peer.dialer->reset_backoff();
  peer.active = nullptr;
  peer.queue.disconnected();
  {
    std::lock_guard lock(peer.status_mutex);
    peer.status.connected = false;
    peer.status.since_ms = wall_ms();
    peer.status.last_error = why;
    peer.status.rtt_us.reset();
  }
  if (auto end = lines_.admit(peer.index, "peer down"))
    log::warn("peer down member={} why=\"{}\"{}", options_.members[peer.index].name, why, *end);
  if (callbacks_.on_peer_down) callbacks_.on_peer_down(peer.index, why);
}

void Mesh::Impl::note_process(Peer& peer, const Connection& connection) {
  const auto nonce = connection.hello().start_nonce;
  if (nonce == peer.start_nonce) return;
  auto& former = peer.former_nonces;
  auto back = std::find(former.begin(), former.end(), nonce);
  if (back != former.end()) {
    // Nonces are drawn at random at each start, so one that comes back belongs to a process that never went away.
    former.erase(back);
    {
      std::lock_guard lock(peer.status_mutex);
      note_second_process(peer.status, connection);
    }
    if (auto end = lines_.admit(peer.index, "two processes"))
      log::error("two processes answer for member={}: it runs a second node with the same key{}",
                 options_.members[peer.index].name, *end);
  }
  if (peer.start_nonce != 0) former.push_back(peer.start_nonce);
  if (former.size() > kFormerNoncesMax) former.pop_front();
  peer.start_nonce = nonce;
}

// What the member already has on its way here is still handled, and may ask for this again: the time then begins anew.
void Mesh::Impl::begin_shut_out(Peer& peer, const std::string& why) {
  peer.shut_out_until_us = system_clock().monotonic_us() + std::uint64_t{options_.timings.shut_out_ms} * 1000;
  const auto connections = peer.connections;
  for (const auto& connection : connections) connection->close(Refusal::MALFORMED, why);
}

// --- events of a connection
// --------------------------------------------------------------------------------------------

void Mesh::Impl::on_message(Connection& connection, Lane lane, Bytes payload, std::size_t cost) {
  Peer& peer = *peer_of(connection);
  {
    std::lock_guard lock(peer.status_mutex);
    auto& counted = lane == Lane::votes ? peer.status.votes : peer.status.bulk;
    ++counted.received_frames;
    counted.received_bytes += payload.size();
  }
  Frame frame{peer.index, lane, std::move(payload), Credit(peer.gate, lane, cost)};
  if (callbacks_.on_frame) callbacks_.on_frame(std::move(frame));
}

void Mesh::Impl::gather(Connection& connection, Bytes& out, std::size_t bytes_max, std::uint64_t& bulk_window) {
  peer_of(connection)->queue.gather(out, bytes_max, bulk_window);
}

void Mesh::Impl::on_traffic(Connection& connection, std::size_t bytes_in, std::size_t bytes_out) {
  Peer* peer = peer_of(connection);
  if (peer == nullptr) return;
  std::lock_guard lock(peer->status_mutex);
  peer->status.wire_bytes_in += bytes_in;
  peer->status.wire_bytes_out += bytes_out;
}

void Mesh::Impl::on_pong(Connection& connection, std::uint64_t sent_us) {
  Peer& peer = *peer_of(connection);
  if (peer.active.get() != &connection) return;
  {
    std::lock_guard lock(peer.status_mutex);
    peer.status.rtt_us = system_clock().monotonic_us() - sent_us;
  }
  if (peer.contender && sent_us >= peer.probed_at_us) refuse_second_process(peer, std::exchange(peer.contender, nullptr));
}

void Mesh::Impl::on_closing(const ConnectionPtr& connection, std::string_view why) {
  end_handshake(*connection);
  Peer* peer = peer_of(*connection);
  if (peer == nullptr) return;
  std::erase(peer->connections, connection);
  if (peer->dialling == connection) peer->dialling = nullptr;
  if (peer->contender == connection) peer->contender = nullptr;
  if (peer->active == connection) {
    take_down(*peer, why);
    admit_contender(*peer);
  }
  dial_if_needed(*peer);
}

void Mesh::Impl::on_refused(Connection& connection, Refusal reason, std::string_view detail) {
  const auto& identity = connection.identity();
  // These two are how a healthy mesh settles and stops.
  bool ordinary = reason == Refusal::DUPLICATE || reason == Refusal::SHUTTING_DOWN;
  Peer* peer = peer_of(connection);
  if (peer != nullptr && !ordinary) {
    std::lock_guard lock(peer->status_mutex);
    peer->status.last_error = fmt::format("{}: {}", to_reason(reason), detail);
  }
  ++refusals_[static_cast<std::size_t>(reason)];
  if (reason == Refusal::MEMBER_REMOVED && connection.dialled()) note_removed(*peer);
  auto line = fmt::format(
      "handshake refused reason={} direction={} peer={} member={} subject=\"{}\" issuer=\"{}\" why=\"{}\"",
      to_reason(reason), connection.dialled() ? "dialled" : "accepted", connection.remote(),
      peer ? options_.members[peer->index].name : "-", identity.subject, identity.issuer, wire::printable(detail, 400));
  if (ordinary)
    log::debug(line);
  else if (auto end = lines_.admit(peer ? peer->index : LogLimit::kNobody, to_reason(reason)))
    log::warn("{}{}", line, *end);
}

// Nobody is a member again who was removed, so this peer need not be asked often whether it has changed its mind.
void Mesh::Impl::note_removed(Peer& peer) {
  peer.dialer->rest(options_.timings.removed_backoff_ms);
  if (callbacks_.on_removed) callbacks_.on_removed(peer.index);
}

void Mesh::Impl::on_closed(const ConnectionPtr& connection) {
  connections_.erase(connection);
  finish_stop_if_done();
}

}  // namespace galen::net
