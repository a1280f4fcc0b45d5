// Opens TCP connections to one member: waits its backoff, resolves the name anew, connects, hands the socket over. One
// attempt at a time. Net thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>

#include "galen/base/rng.hpp"
#include "galen/net/mesh.hpp"
#include "net/address.hpp"

namespace galen::net {

class Dialer : public std::enable_shared_from_this<Dialer> {
 public:
  using Tcp = boost::asio::ip::tcp;
  struct Events {
    std::function<bool()> still_wanted;  ///< asked when the wait is over
    std::function<void(Tcp::socket)> connected;
    std::function<void(std::string_view why)> failed;
  };
  /// `patience_ms` is added to each wait: the side with the higher index lets the other one dial first.
  Dialer(boost::asio::io_context& io, Resolver& resolver, const MeshTimings& timings, std::uint32_t patience_ms,
         std::uint64_t seed, Events events);

  /// Dials after the present backoff, which then doubles; nothing if an attempt is under way.
  void dial(const std::string& address);
  bool busy() const { return busy_; }
  /// The next wait is the shortest one again.
  void reset_backoff() { backoff_ms_ = 0; }
  /// The next wait is this long, those after it are as ever.
  void rest(std::uint32_t ms) { backoff_ms_ = ms; }
  void stop();

 private:
  void resolve();
  void connect(const Endpoints& endpoints, std::size_t index);
  void fail(std::string_view why);
  void wait(std::uint32_t ms, void (Dialer::*then)());
  void give_up();

  boost::asio::io_context& io_;
  Resolver& resolver_;
  const MeshTimings timings_;
  const std::uint32_t patience_ms_;
  Rng rng_;
  Events events_;
  boost::asio::steady_timer timer_;
  Tcp::socket socket_;
  std::string address_;
  std::uint32_t backoff_ms_ = 0;
  std::uint64_t attempt_ = 0;  ///< answers to an older attempt are stale
  bool busy_ = false, stopped_ = false;
};

}  // namespace galen::net
