// Whose work comes next, when several members have some: that of the one which has used least time so far (deficit round
// robin by time, all weights equal). So a member whose messages are much work gets its share of a thread and no more while
// others want some, and all of it when nobody does: time that was free is nobody's debt.
//
// A member that had nothing to do keeps a bounded credit: it is served before the others for at most so long. Time is
// told, not measured here. Not thread-safe: the queue that owns it locks (node/frame_queue.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

#include "galen/types/members.hpp"

namespace galen::node {

class CpuShares {
 public:
  explicit CpuShares(std::uint64_t credit_us) : credit_us_(credit_us) {}

  /// The member has work again, after it had none waiting.
  void wake(MemberIndex member);
  /// Which of those that wait (at least one, ascending) is served now; among equals, the one behind the last.
  template <class Waiting>
  MemberIndex take(const std::map<MemberIndex, Waiting>& waiting);
  /// What one piece of work that take() gave out has cost.
  void done(MemberIndex member, std::uint64_t cost_us);

  /// All that the member's work has cost since the start.
  std::uint64_t total_us(MemberIndex member) const;

 private:
  struct Account {
    std::uint64_t used_us = 0;   ///< on the scale of floor_us_: idle time is not saved up
    std::uint64_t total_us = 0;
    std::uint64_t usual_us = 0;  ///< of one piece: a moving average
    std::uint32_t in_hand = 0;   ///< pieces whose cost is not known yet: counted as usual ones
    std::uint64_t due_us() const { return used_us + in_hand * usual_us; }
  };

  const std::uint64_t credit_us_;
  std::map<MemberIndex, Account> accounts_;  ///< of whoever ever sent something: members only
  std::uint64_t floor_us_ = 0;               ///< what the last one served had used; never goes back
  MemberIndex last_ = 0;
};

template <class Waiting>
MemberIndex CpuShares::take(const std::map<MemberIndex, Waiting>& waiting) {
  auto at = waiting.upper_bound(last_);
  auto best = waiting.end();
  std::uint64_t least = 0;
  for (std::size_t seen = 0; seen < waiting.size(); ++seen, ++at) {
    if (at == waiting.end()) at = waiting.begin();
    const auto due = accounts_[at->first].due_us();
    if (best != waiting.end() && due >= least) continue;
    best = at;
    least = due;
  }
  last_ = best->first;
  floor_us_ = std::max(floor_us_, least);
  ++accounts_[last_].in_hand;
  return last_;
}

}  // namespace galen::node
