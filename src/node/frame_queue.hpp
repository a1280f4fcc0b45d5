// Frames of peers that wait to be handled. Each member has a queue of its own on each lane, and whose frames have cost the
// least CPU on that lane is served first (node/cpu_shares.hpp). So a member that floods waits behind itself alone: many
// frames fill its own share, and expensive ones use up its own time.
//
// Neither lane may hold up the other: bulk frames can be much work, votes can be many. So pop_vote() is for a thread
// that takes nothing else, and pop() looks at bulk first. Any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>

#include "galen/net/frame.hpp"
#include "node/cpu_shares.hpp"

namespace galen::node {

class FrameQueue {
 public:
  /// Of one member on one lane. A frame larger than `bytes_max` passes when nothing else waits there.
  struct Share {
    std::size_t items_max, bytes_max;
    std::uint64_t credit_us = 50'000;  ///< CPU time for which a member that was quiet goes before the others
  };
  explicit FrameQueue(Share share) : share_(share), votes_(share.credit_us), bulk_(share.credit_us) {}

  /// Never waits. False when the sender's share is full or the queue is closed; the frame is then untouched.
  bool try_push(net::Frame&& frame);
  /// Waits for a frame, bulk before votes; nothing once closed.
  std::optional<net::Frame> pop();
  /// The same, for so long at most.
  std::optional<net::Frame> pop_within(std::chrono::microseconds wait);
  /// Waits for a frame of the votes lane; nothing once closed.
  std::optional<net::Frame> pop_vote();
  /// What handling one frame that was taken has cost; once for each of them.
  void handled(MemberIndex from, net::Lane lane, std::uint64_t cpu_us);
  /// CPU time of all handled frames of a member.
  std::uint64_t cpu_us(MemberIndex member) const;
  /// Wakes everyone; what waits is dropped.
  void close();

 private:
  struct Waiting {
    std::deque<net::Frame> frames;
    std::size_t bytes = 0;
  };
  struct LaneQueue {
    explicit LaneQueue(std::uint64_t credit_us) : shares(credit_us) {}
    std::map<MemberIndex, Waiting> members;  ///< those with something waiting
    CpuShares shares;
  };
  static net::Frame take(LaneQueue& lane);
  bool is_due() const { return closed_ || !bulk_.members.empty() || !votes_.members.empty(); }
  std::optional<net::Frame> take_any();

  const Share share_;
  mutable std::mutex mutex_;
  std::condition_variable vote_ready_, any_ready_;
  std::size_t vote_waiters_ = 0;
  LaneQueue votes_, bulk_;
  bool closed_ = false;
};

}  // namespace galen::node
