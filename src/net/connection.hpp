// One TCP connection to a member, from accept or connect to its last byte. Net thread only; kept alive by its pending
// socket operations. It speaks TLS, hello, activation, ping and farewell itself and asks its Host (the mesh) for
// everything that concerns more than this connection.
//
//   tls -> hello [-> held] -> ready -> active -> closing -> closed       any -> closing -> closed
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>

#include "net/byte_budget.hpp"
#include "net/credit_gate.hpp"
#include "net/tls_channel.hpp"
#include "net/wire.hpp"

namespace galen::net {

class Connection;
using ConnectionPtr = std::shared_ptr<Connection>;

/// What a connection needs from the mesh. All on the net thread.
class ConnectionHost {
 public:
  virtual const MeshOptions& options() const = 0;
  /// TLS is up and the member known; a reason refuses the connection.
  virtual std::optional<Refusal> on_authenticated(Connection& connection) = 0;
  virtual wire::Hello own_hello(MemberIndex to) const = 0;
  /// Whether the own hello waits for the other one, which may come from a process that is not to be let in.
  virtual bool greets_second(const Connection& connection) const = 0;
  /// The other side's hello fits: the host admits, holds or closes the connection.
  virtual void on_greeted(const ConnectionPtr& connection) = 0;
  /// Both hellos are exchanged and fit: the side that chooses now activates or closes connections.
  virtual void on_ready(const ConnectionPtr& connection) = 0;
  /// The other side, which chooses, has chosen this connection.
  virtual void on_activated(const ConnectionPtr& connection, std::uint64_t id) = 0;
  virtual void on_message(Connection& connection, Lane lane, Bytes payload, std::size_t cost) = 0;
  /// The send queue's frames for this active connection.
  virtual void gather(Connection& connection, Bytes& out, std::size_t bytes_max, std::uint64_t& bulk_window) = 0;
  virtual void on_traffic(Connection& connection, std::size_t bytes_in, std::size_t bytes_out) = 0;
  /// The answer to a ping that left at `sent_us`.
  virtual void on_pong(Connection& connection, std::uint64_t sent_us) = 0;
  /// The other side closes because another live process of this member is connected to it.
  virtual void on_identity_in_use(Connection& connection, std::string_view text) = 0;
  /// The connection is of no more use; called once, before the farewell is sent.
  virtual void on_closing(const ConnectionPtr& connection, std::string_view why) = 0;
  /// A connection ended before it was activated.
  virtual void on_refused(Connection& connection, Refusal reason, std::string_view detail) = 0;
  /// The socket is closed; called once, last.
  virtual void on_closed(const ConnectionPtr& connection) = 0;
  /// Buffers shared by all connections, valid during one handler.
  virtual std::span<std::uint8_t> cipher_scratch() = 0;
  virtual std::span<std::uint8_t> plain_scratch() = 0;

 protected:
  ~ConnectionHost() = default;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Tcp = boost::asio::ip::tcp;
  enum class State { tls, hello, held, ready, active, closing, closed };

  /// `dialled`: the member this connection was opened to; nothing when it was accepted.
  Connection(ConnectionHost& host, Tcp::socket socket, std::shared_ptr<const TlsContext> tls,
             std::optional<MemberIndex> dialled);

  void start();
  /// After on_greeted, at once or after hold(): the own hello goes out if it has not, and the connection is ready.
  void admit();
  /// The other side gets no word until admit() or close(); the time for the handshake begins anew.
  void hold();
  /// Asks for a pong now.
  void ping();
  /// Makes this the pair's connection (the side that chooses also tells the other one). `gate` counts what the peer delivers,
  /// and `budget` bounds how fast.
  void activate(std::uint64_t id, bool tell, std::shared_ptr<Credit::Gate> gate, std::shared_ptr<ReceiveBudget> budget);
  /// Sends what is queued, if the writer is free.
  void pump();
  /// Credits were released, or the peer's budget has refilled: grants more bulk, reads on.
  void credits_released();
  /// Ends the connection; a farewell with the reason is sent if TLS is up.
  void close(Refusal reason, std::string_view why);
  /// Closes the socket now.
  void abort();

  State state() const { return state_; }
  bool usable() const { return state_ < State::closing; }
  bool dialled() const { return dialled_.has_value(); }
  std::optional<MemberIndex> dialled_member() const { return dialled_; }
  /// Known once authenticated.
  std::optional<MemberIndex> member() const { return tls_.identity().member; }
  const PeerIdentity& identity() const { return tls_.identity(); }
  const std::string& remote() const { return remote_; }
  const std::string& remote_ip() const { return remote_ip_; }
  const wire::Hello& hello() const { return hello_; }
  std::uint16_t version() const { return version_; }
  std::uint64_t id() const { return id_; }
  std::uint64_t activated_at_us() const { return activated_at_us_; }
  /// The own hello is on its way.
  bool has_greeted() const { return greeted_; }
  /// Not read for now: silence says nothing.
  bool paused() const { return paused_; }

 private:
  void arm_read();
  void on_readable(const boost::system::error_code& error);
  void take_plaintext();
  void on_tls_progress();
  bool on_event(wire::Decoder::Event&& event);
  void greet();
  bool on_hello(ByteSpan payload);
  void on_bye(ByteSpan payload);
  void on_lost(std::string_view why);
  bool within_window();
  void deliver(Lane lane, Bytes payload);
  void charge(std::size_t bytes);
  bool grant();
  bool is_over_budget();
  void note_throttled(bool is);
  void wait_for_budget(std::uint64_t us);
  void arm_timer(std::uint32_t ms);
  void on_timer();
  void finish(Refusal reason, std::string_view why, bool farewell);
  void write_pending();
  void on_written(const boost::system::error_code& error, std::size_t bytes);
  void end_writing();

  ConnectionHost& host_;
  Tcp::socket socket_;
  boost::asio::steady_timer timer_, budget_timer_;
  const std::optional<MemberIndex> dialled_;
  std::string remote_, remote_ip_;
  TlsChannel tls_;
  wire::Decoder decoder_;
  State state_ = State::tls;
  bool greeted_ = false;
  wire::Hello hello_;
  std::uint16_t version_ = 0;
  std::uint64_t id_ = 0;
  std::uint64_t activated_at_us_ = 0;

  Bytes control_;  ///< control frames to send
  Bytes plain_;    ///< being encrypted
  Bytes cipher_;   ///< being written
  bool writing_ = false, reading_ = false, paused_ = false, write_ended_ = false;
  std::uint64_t bulk_window_ = 0;  ///< granted by the other side

  std::shared_ptr<Credit::Gate> gate_;
  std::uint64_t granted_ = 0, delivered_ = 0;  ///< bulk cost granted to and completed by the other side
  std::shared_ptr<ReceiveBudget> budget_;
  std::uint64_t received_ = 0;                        ///< bytes of the wire since the activation
  std::uint64_t bulk_charged_ = 0, rest_charged_ = 0;
  bool votes_wait_ = false, over_budget_ = false;     ///< why it is paused
  bool budget_waits_ = false;                         ///< budget_timer_ runs
  std::uint64_t throttled_since_us_ = 0;              ///< 0: is not
  std::uint64_t last_received_us_ = 0;
  std::size_t discarded_ = 0;  ///< read while closing
};

}  // namespace galen::net
