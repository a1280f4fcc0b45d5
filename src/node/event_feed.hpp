// The events thread: answers the front end's ReadEvents calls (docs/spec/events.md 4), each with one page read from the
// ledger at the stream's cursor. A call at the head waits here until a block is certified or its heartbeat is due.
//  - Nothing is kept per reader but its call: no queue of events exists, so a reader that stops costs nothing, and none
//  can
//    slow the node. Execution only sets a flag.
//  - Streams take turns, a page each. A call is answered exactly once, a cancelled one too.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <thread>
#include <variant>

#include "galen/base/bounded_queue.hpp"
#include "galen/ledger/store.hpp"
#include "galen/node/v1/socket.pb.h"
#include "node/events.hpp"
#include "node/health.hpp"
#include "node/identity.hpp"

namespace galen::node {

class EventFeed {
 public:
  struct Ports {
    std::function<void(const galen::node::v1::Reply&)> reply;
    std::function<void(const Error&)> fatal;
  };
  static constexpr std::size_t kStreamsMax = 1'024;

  EventFeed(const Identity& identity, const ledger::Store& store, const Health& health, Ports ports);
  ~EventFeed();

  void start();
  void stop();
  /// Any thread; false when too many wait.
  bool on_call(galen::node::v1::Call call);
  /// Any thread; of calls that are not here, nothing happens.
  void on_cancel(std::uint64_t call_id);
  /// Any thread: the calls taken so far are dropped, nobody is there to hear of them.
  void on_front_end_gone();
  /// Any thread, never waits: a block was executed or certified.
  void wake();

 private:
  struct Cancelled {
    std::uint64_t call_id;
  };
  struct FrontEndGone {};
  struct Woken {};
  using Input = std::variant<galen::node::v1::Call, Cancelled, FrontEndGone, Woken>;
  struct Stream {
    std::uint64_t call_id = 0;
    PrincipalId caller;
    galen::v1::StreamEventsRequest request;
    EventFilter filter;
    std::optional<EventCursor> at;  ///< nothing: where the request says
    std::uint64_t due_us = 0;       ///< when an empty answer is given
    std::uint64_t stalled_ms = 0;
    bool first = false;  ///< of its stream: answered at once, so that the client knows where it stands
  };

  void run();
  std::uint64_t wait_us() const;
  void take(Input& input);
  Result<Stream> parse(const galen::node::v1::Call& call) const;
  void take_due();
  void serve();
  /// A page; nothing when there is nothing to say yet.
  Result<std::optional<galen::node::v1::EventPage>> read(Stream& stream, const ledger::View& view, EventReader& reader);
  Result<EventCursor> begin(const Stream& stream, const EventReader& reader) const;
  galen::v1::EventHeartbeat heartbeat(const ledger::View& view, const EventReader& reader) const;
  Result<std::optional<EventBlock>> load(const ledger::View& view, Height height);
  void answer(std::uint64_t call_id, const Result<galen::node::v1::EventPage>& page, const std::string& earliest = {});

  const Identity& identity_;
  const ledger::Store& store_;
  const Health& health_;
  const Ports ports_;
  BoundedQueue<Input> queue_;
  std::atomic<std::size_t> open_{0};  ///< calls taken and not answered
  std::atomic<bool> woken_{false};
  std::thread thread_;

  // Owned by the thread.
  std::deque<Stream> ready_;
  std::map<std::uint64_t, Stream> parked_;            ///< at the head, by call id
  std::deque<std::pair<Height, EventBlock>> blocks_;  ///< the last few, which streams at the head share
};

}  // namespace galen::node
