#include "node/timing.hpp"

#include <algorithm>

namespace galen::node {

void RecentTimes::add(std::uint64_t now_us, std::uint64_t took_us) {
  std::lock_guard lock(mutex_);
  entries_.push_back({now_us, took_us});
  if (entries_.size() > kCount) entries_.pop_front();
}

std::uint64_t RecentTimes::high(std::uint64_t now_us) const {
  std::vector<std::uint64_t> times;
  {
    std::lock_guard lock(mutex_);
    for (const auto& entry : entries_)
      if (entry.at_us + kAgeUs >= now_us) times.push_back(entry.took_us);
  }
  if (times.empty()) return 0;
  auto place = times.begin() + static_cast<std::ptrdiff_t>(times.size() - 1 - times.size() / 100);
  std::nth_element(times.begin(), place, times.end());
  return *place;
}

std::optional<std::uint64_t> base_timeout_ms(std::vector<std::uint64_t> round_trips_us, std::size_t quorum, std::uint64_t fsync_us,
                                             std::uint64_t execute_us) {
  round_trips_us.push_back(0);
  if (round_trips_us.size() < quorum) return std::nullopt;
  std::sort(round_trips_us.begin(), round_trips_us.end());
  return (4 * round_trips_us[quorum - 1] + fsync_us + execute_us) / 1000;
}

}  // namespace galen::node
