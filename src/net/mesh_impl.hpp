// The mesh behind its public face. The net thread owns peers' connections, dialling and the acceptor; other threads
// touch only what is marked so: send queues, gates, status, counters, the TLS context pointer.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "galen/base/log_limit.hpp"
#include "net/acceptor.hpp"
#include "net/connection.hpp"
#include "net/dialer.hpp"
#include "net/send_queue.hpp"

namespace galen::net {

/// One other member.
struct Peer {
  Peer(MemberIndex member, const MeshLimits& limits, boost::asio::io_context& io)
      : index(member),
        queue(limits),
        budget(std::make_shared<ReceiveBudget>(limits.received_bytes_per_s, limits.bulk_unprocessed_max,
                                               limits.votes_unprocessed_max)),
        probe_timer(io) {}

  const MemberIndex index;
  // Any thread:
  SendQueue queue;
  std::shared_ptr<Credit::Gate> gate;
  const std::shared_ptr<ReceiveBudget> budget;  ///< but for throttled_us, the net thread
  mutable std::mutex status_mutex;
  PeerStatus status;
  // Net thread:
  std::shared_ptr<Dialer> dialer;
  ConnectionPtr active;
  ConnectionPtr dialling;                  ///< connected by us, not yet activated
  std::vector<ConnectionPtr> connections;  ///< authenticated and usable, the active one too
  std::uint64_t last_connection = 0;       ///< id of the last activated connection
  std::uint64_t start_nonce = 0;           ///< of the process last connected; 0: none yet
  std::deque<std::uint64_t> former_nonces;
  std::uint64_t shut_out_until_us = 0;
  ConnectionPtr contender;  ///< of another process, held until the active one has answered or has not
  std::uint64_t probed_at_us = 0;
  boost::asio::steady_timer probe_timer;
};

class Mesh::Impl final : public ConnectionHost {
 public:
  Impl(MeshOptions options, MeshCallbacks callbacks, std::shared_ptr<const TlsContext> tls);
  ~Impl();

  // Any thread; see Mesh.
  Status start();
  void stop();
  bool send(MemberIndex to, Lane lane, std::shared_ptr<const Bytes> payload);
  std::size_t broadcast(Lane lane, const std::shared_ptr<const Bytes>& payload);
  bool has_room(MemberIndex member) const;
  std::vector<PeerStatus> peers() const;
  std::size_t connected_count() const;
  std::array<std::uint64_t, kRefusals> refusals() const;
  std::string listen_address() const { return acceptor_.local_address(); }
  std::uint64_t start_nonce() const { return start_nonce_; }
  void set_address(MemberIndex member, std::string address);
  void shut_out(MemberIndex member, std::string why);
  Status pin_also(MemberIndex member, const Hash& ca_fingerprint);
  void set_epoch(Epoch epoch) { epoch_ = epoch; }
  Status reload_certificate();
  std::shared_ptr<const TlsContext> tls() const;

  // ConnectionHost, net thread.
  const MeshOptions& options() const override { return options_; }
  std::optional<Refusal> on_authenticated(Connection& connection) override;
  wire::Hello own_hello(MemberIndex to) const override;
  bool greets_second(const Connection& connection) const override;
  void on_greeted(const ConnectionPtr& connection) override;
  void on_ready(const ConnectionPtr& connection) override;
  void on_activated(const ConnectionPtr& connection, std::uint64_t id) override;
  void on_message(Connection& connection, Lane lane, Bytes payload, std::size_t cost) override;
  void gather(Connection& connection, Bytes& out, std::size_t bytes_max, std::uint64_t& bulk_window) override;
  void on_traffic(Connection& connection, std::size_t bytes_in, std::size_t bytes_out) override;
  void on_pong(Connection& connection, std::uint64_t sent_us) override;
  void on_identity_in_use(Connection& connection, std::string_view text) override;
  void on_closing(const ConnectionPtr& connection, std::string_view why) override;
  void on_refused(Connection& connection, Refusal reason, std::string_view detail) override;
  void on_closed(const ConnectionPtr& connection) override;
  std::span<std::uint8_t> cipher_scratch() override { return cipher_scratch_; }
  std::span<std::uint8_t> plain_scratch() override { return plain_scratch_; }

 private:
  void make_peers();
  void adopt(boost::asio::ip::tcp::socket socket, std::optional<MemberIndex> dialled);
  void dial_if_needed(Peer& peer);
  void dial_failed(Peer& peer, std::string_view why);
  void use(Peer& peer, const ConnectionPtr& connection, std::uint64_t id, bool tell);
  void take_down(Peer& peer, std::string_view why);
  void note_process(Peer& peer, const Connection& connection);
  void note_removed(Peer& peer);
  void begin_shut_out(Peer& peer, const std::string& why);
  // second_process.cpp
  void begin_probe(Peer& peer, const ConnectionPtr& contender);
  void wait_for_probe(Peer& peer, int turns);
  void on_probe_unanswered(Peer& peer);
  void admit_contender(Peer& peer);
  void refuse_second_process(Peer& peer, const ConnectionPtr& connection);
  static void note_second_process(PeerStatus& status, const Connection& connection);
  Status renew_tls();
  void wake();
  void begin_stop();
  void finish_stop_if_done();
  Peer* peer_of(const Connection& connection) const;
  void end_handshake(const Connection& connection);

  MeshOptions options_;
  const MeshCallbacks callbacks_;
  std::mutex pins_mutex_;  ///< of what a new TLS context is made of
  mutable std::mutex tls_mutex_;
  std::shared_ptr<const TlsContext> tls_;
  const std::uint64_t start_nonce_;
  std::atomic<Epoch> epoch_;
  std::array<std::atomic<std::uint64_t>, kRefusals> refusals_{};
  std::atomic<bool> wake_posted_{false};

  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  Resolver resolver_;
  Acceptor acceptor_;
  boost::asio::steady_timer stop_timer_;
  std::vector<std::unique_ptr<Peer>> peers_;  ///< by member index; null for this node
  std::unordered_set<ConnectionPtr> connections_;
  std::deque<ConnectionPtr> handshakes_;  ///< accepted and not authenticated, oldest first; counted by the acceptor
  LogLimit lines_;
  std::vector<std::uint8_t> cipher_scratch_, plain_scratch_;
  bool stopping_ = false;
  std::mutex life_mutex_;
  std::thread thread_;
};

}  // namespace galen::net
