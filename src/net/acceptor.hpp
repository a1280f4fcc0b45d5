// Takes in connections at a bounded rate, with a bounded number of strangers in their handshake per address; how many
// there are in all its owner bounds. Beyond the rate it stops accepting and leaves the rest to the kernel's queue. Net
// thread only, but for listen().
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <map>

#include "galen/net/mesh.hpp"

namespace galen::net {

class Acceptor {
 public:
  using Tcp = boost::asio::ip::tcp;
  struct Events {
    std::function<void(Tcp::socket)> accepted;
    std::function<void(const std::string& remote)> turned_away;  ///< its address has too many handshakes
  };
  Acceptor(boost::asio::io_context& io, const MeshLimits& limits, Events events);

  /// Binds and listens; UNAVAILABLE with the system's reason. Before the net thread starts.
  Status listen(const std::string& address);
  std::string local_address() const { return local_address_; }
  void start() { accept(); }
  /// An accepted connection is authenticated or over.
  void handshake_done(const std::string& ip);
  void close();

 private:
  void accept();
  void on_accept(Tcp::socket socket);
  bool take_token();
  /// What counts as one address: of IPv6 the first 64 bits, since whoever has one host's address has all of its subnet.
  static std::string source_of(const boost::asio::ip::address& address);

  boost::asio::io_context& io_;
  const MeshLimits limits_;
  Events events_;
  Tcp::acceptor acceptor_;
  boost::asio::steady_timer timer_;
  std::string local_address_;
  std::map<std::string, std::size_t> handshakes_by_source_;
  double tokens_;
  std::chrono::steady_clock::time_point refilled_;
  bool accepting_ = false, waiting_ = false, closed_ = false;
};

}  // namespace galen::net
