// The front end process galend-api: started over a socketpair, watched, and started again when it ends (D13). The node
// goes on agreeing whatever happens to it. One supervisor thread; calls arrive on the channel's reader thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "galen/socket/channel.hpp"

namespace galen::node {

class FrontEnd {
 public:
  struct Options {
    std::string program;                 ///< path of galend-api
    std::vector<std::string> arguments;  ///< without --node-fd, which is added
    std::uint32_t write_credits = 0;
    std::uint32_t read_credits = 0;
  };
  struct Handlers {
    std::function<void(galen::node::v1::Call&&)> on_call;  ///< reader thread: hand it to a bounded queue
    std::function<void(std::uint64_t call_id)> on_cancel;
    std::function<void()> on_gone = nullptr;  ///< supervisor thread: no call of this front end comes any more
  };

  FrontEnd(Options options, Handlers handlers);
  ~FrontEnd();  ///< stops

  void start();
  /// Ends the process (what was replied leaves, for at most a second; its channel closes, then SIGTERM, then SIGKILL
  /// after two seconds) and joins.
  void stop();
  /// Any thread. A reply to a front end that is gone is dropped: its clients were told already.
  void reply(const galen::node::v1::Reply& reply);
  bool up() const { return up_.load(); }

 private:
  std::shared_ptr<socket::Channel> channel();
  void supervise();
  bool run_once();

  const Options options_;
  const Handlers handlers_;
  std::atomic<bool> up_{false};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::shared_ptr<socket::Channel> channel_;
  std::thread supervisor_;
};

}  // namespace galen::node
