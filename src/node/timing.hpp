// What a view needs at least on this node's disk and network (V1a, docs/spec/consensus.md 6): local, and for its timers only.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

namespace galen::node {

/// How long something took lately: at most the last kCount times, none older than kAgeUs. Any thread.
class RecentTimes {
 public:
  static constexpr std::size_t kCount = 512;
  static constexpr std::uint64_t kAgeUs = 300'000'000;

  void add(std::uint64_t now_us, std::uint64_t took_us);
  /// Of a hundred times 99 are no longer (of fewer, none); 0: nothing was measured.
  std::uint64_t high(std::uint64_t now_us) const;

 private:
  struct Entry {
    std::uint64_t at_us;
    std::uint64_t took_us;
  };
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;
};

/// 4 x the round trip within which a quorum answers, and what a sync and an execution take. The own answer takes no time. Members
/// that lie may answer late: f of them change nothing while the others make a quorum, and the time is then that of an honest
/// one at most. Nothing: fewer have answered since they connected.
std::optional<std::uint64_t> base_timeout_ms(std::vector<std::uint64_t> round_trips_us, std::size_t quorum, std::uint64_t fsync_us,
                                             std::uint64_t execute_us);

}  // namespace galen::node
