// The calls in progress between clients and the node. Any thread begins a call; its Waiter hears exactly once: the node's
// reply, the deadline, or the end of the channel, unless the call was taken back by cancel().
//  - Credits, apart for reads and writes, bound what is open; without one the caller hears RESOURCE_EXHAUSTED at once.
//  - A credit comes back with the node's reply. A call that was cancelled or has expired keeps its credit until then, or
//    for kAbandonedMs: cancelling must not be a way to have more open at the node than credits allow.
//  - One ticker thread ends what is past its deadline. No lock is held while a Waiter is called.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "api/failure.hpp"
#include "galen/base/bytes.hpp"
#include "galen/socket/channel.hpp"
#include "galen/socket/front_end_limits.hpp"
#include "galen/socket/method.hpp"

namespace galen::api {

class Waiter {
 public:
  virtual ~Waiter() = default;
  /// Any thread; `reply.code()` is never a success without a response of the node.
  virtual void on_reply(galen::node::v1::Reply&& reply) = 0;
};

class Gateway {
 public:
  struct Limits {
    std::uint32_t write_credits = socket::kWriteCreditsMax;  ///< the node's hello may lower both
    std::uint32_t read_credits = socket::kReadCreditsMax;
    socket::Channel::Limits channel;
  };
  struct Request {
    socket::Method method;
    bool writes = false;
    PrincipalId principal;
    std::uint32_t deadline_ms = 0;  ///< from now
    std::string traceparent;
    std::string body;
  };
  using Clock = std::chrono::steady_clock;
  static constexpr std::uint32_t kAbandonedMs = 2'000;
  /// The node's own DEADLINE_EXCEEDED, which knows more, is given this long to arrive first.
  static constexpr std::uint32_t kGraceMs = 250;
  static constexpr std::uint32_t kRetryAfterMs = 100;

  /// `on_greeted` once the node's hello arrived, `on_closed` once the channel ended; both on the channel's thread.
  struct Handlers {
    std::function<void()> on_greeted;
    std::function<void(const Error&)> on_closed;
  };
  Gateway(int node_fd, Limits limits, Handlers handlers);
  ~Gateway();  ///< no begin() or cancel() may run any more; waiters still open hear UNAVAILABLE
  Gateway(const Gateway&) = delete;

  void start();
  /// Tells the node that this front end serves, and where.
  void greet(const std::vector<std::string>& listening);

  /// The call's id, or why it was refused (then `waiter` hears nothing). `waiter` must live until it hears.
  struct Begun {
    std::uint64_t call_id = 0;  ///< 0: refused
    Failure failure;
  };
  Begun begin(Request&& request, Waiter* waiter);
  /// True: the waiter will hear nothing. False: it has heard or hears just now.
  bool cancel(std::uint64_t call_id);

  struct Figures {
    std::uint32_t writes_open = 0, reads_open = 0;
    std::uint64_t calls = 0, refused = 0, expired = 0, cancelled = 0;
  };
  Figures figures() const;
  bool greeted() const;

 private:
  struct Open {
    Waiter* waiter = nullptr;  ///< null: abandoned, only its credit waits
    bool writes = false;
    Clock::time_point ends;  ///< deadline, or when an abandoned call's credit comes back anyway
  };
  void on_hello(galen::node::v1::Hello&& hello);
  void on_reply(galen::node::v1::Reply&& reply);
  void on_channel_closed(const Error& why);
  void tick_loop();
  void expire(Clock::time_point now);
  void give_back(const Open& open);  // under the mutex
  void send_cancel(std::uint64_t call_id);

  Limits limits_;
  const Handlers handlers_;
  mutable std::mutex mutex_;
  std::condition_variable ticker_wakes_;
  std::unordered_map<std::uint64_t, Open> open_;
  std::uint64_t last_id_;
  bool greeted_ = false, closed_ = false, stopping_ = false;
  Figures figures_;
  std::thread ticker_;
  std::unique_ptr<socket::Channel> channel_;  // last: its threads end before the rest goes
};

}  // namespace galen::api
