// The resolution of "host:port" texts. A lookup may hang for as long as the name servers do, so each runs on a
// thread of its own that nobody waits for: stopping the mesh must not depend on a name server.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "galen/base/result.hpp"
#include "galen/net/address.hpp"

namespace galen::net {

using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

/// Blocks. `passive`: for listening. UNAVAILABLE with the resolver's own words.
Result<Endpoints> resolve_now(const HostPort& address, bool passive);

/// Resolves beside the net thread; the answer is posted to it, unless the resolver was closed meanwhile.
class Resolver {
 public:
  using Answer = std::function<void(Result<Endpoints>)>;
  explicit Resolver(boost::asio::io_context& io) : link_(std::make_shared<Link>(io)) {}
  ~Resolver() { close(); }
  /// `answer` may be destroyed on another thread and long after close(): it must own nothing of the mesh.
  void resolve(const HostPort& address, Answer answer);
  void close();

 private:
  struct Link {
    explicit Link(boost::asio::io_context& context) : io(&context) {}
    std::mutex mutex;
    boost::asio::io_context* io;  ///< null once closed
  };
  std::shared_ptr<Link> link_;
};

}  // namespace galen::net
