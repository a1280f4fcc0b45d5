// How often something may happen: so many times at once, and then one more after each interval. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>

namespace galen {

class TokenBucket {
 public:
  /// Full at first.
  constexpr TokenBucket(std::uint32_t burst, std::uint64_t interval_us)
      : burst_(burst), interval_us_(interval_us), tokens_(burst) {}

  /// `now_us` of a clock that never goes back. False: not now.
  bool take(std::uint64_t now_us) {
    const auto earned = (now_us - filled_us_) / interval_us_;
    filled_us_ += earned * interval_us_;
    tokens_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(burst_, tokens_ + earned));
    if (tokens_ == 0) return false;
    --tokens_;
    return true;
  }

 private:
  std::uint32_t burst_;
  std::uint64_t interval_us_;
  std::uint32_t tokens_;
  std::uint64_t filled_us_ = 0;
};

}  // namespace galen
