// Frames of peers that wait to be handled. Each member has a queue of its own on each lane and they are taken in turn,
// so a member that floods waits behind itself alone: it fills its own share, and takes one turn for each of the
// others'.
//
// Neither lane may hold up the other: bulk frames can be much work, votes can be many. So pop_vote() is for a thread
// that takes nothing else, and pop() looks at bulk first. Any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>

#include "galen/net/frame.hpp"

namespace galen::node {

class FrameQueue {
 public:
  /// Of one member on one lane. A frame larger than `bytes_max` passes when nothing else waits there.
  struct Share {
    std::size_t items_max, bytes_max;
  };
  explicit FrameQueue(Share share) : share_(share) {}

  /// Never waits. False when the sender's share is full or the queue is closed; the frame is then untouched.
  bool try_push(net::Frame&& frame);
  /// Waits for a frame, bulk before votes; nothing once closed.
  std::optional<net::Frame> pop();
  /// Waits for a frame of the votes lane; nothing once closed.
  std::optional<net::Frame> pop_vote();
  /// Wakes everyone; what waits is dropped.
  void close();

 private:
  struct Waiting {
    std::deque<net::Frame> frames;
    std::size_t bytes = 0;
  };
  struct LaneQueue {
    std::map<MemberIndex, Waiting> members;  ///< those with something waiting
    MemberIndex last = 0;                    ///< whose turn it was
  };
  static net::Frame take(LaneQueue& lane);

  const Share share_;
  std::mutex mutex_;
  std::condition_variable vote_ready_, any_ready_;
  std::size_t vote_waiters_ = 0;
  LaneQueue votes_, bulk_;
  bool closed_ = false;
};

}  // namespace galen::node
