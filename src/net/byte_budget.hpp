// How many bytes one peer may send here: so many a second, and a bounded number at once after a pause. Time is given, so
// that a test may let it pass. Net thread only, but for what says otherwise.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace galen::net {

class ByteBudget {
 public:
  /// Full at first. `bytes_per_s` 0: without bound.
  ByteBudget(std::uint64_t bytes_per_s, std::uint64_t burst)
      : rate_(bytes_per_s), burst_(static_cast<std::int64_t>(burst)), left_(burst_) {}

  bool is_bounded() const { return rate_ != 0; }
  /// Bytes that came. May be more than are left: the rest is owed.
  void charge(std::uint64_t bytes, std::uint64_t now_us) {
    if (!is_bounded()) return;
    refill(now_us);
    left_ -= static_cast<std::int64_t>(bytes);
  }
  /// `now_us` of a clock that never goes back. Below zero: owed.
  std::int64_t left(std::uint64_t now_us) {
    if (!is_bounded()) return INT64_MAX;
    refill(now_us);
    return left_;
  }
  /// How long until `bytes`, at most the burst, are left; 0: they are.
  std::uint64_t wait_us(std::int64_t bytes, std::uint64_t now_us) {
    const auto missing = bytes - left(now_us);
    return missing <= 0 ? 0 : static_cast<std::uint64_t>(missing) * kSecond / rate_ + 1;
  }

 private:
  static constexpr std::uint64_t kSecond = 1'000'000;

  void refill(std::uint64_t now_us) {
    const auto missing = static_cast<std::uint64_t>(burst_ - left_);
    const auto passed = std::min(now_us - filled_us_, missing * kSecond / rate_ + 1);  // more would only overflow
    const auto earned = std::min(passed * rate_ / kSecond, missing);
    left_ += static_cast<std::int64_t>(earned);
    // What is less than a byte stays for the next time, as long as something is missing.
    filled_us_ = left_ == burst_ ? now_us : filled_us_ + earned * kSecond / rate_;
  }

  std::uint64_t rate_;
  std::int64_t burst_;
  std::int64_t left_;
  std::uint64_t filled_us_ = 0;
};

/// Of one peer over all its connections, so that connecting anew gives no fresh allowance. Bulk is granted no faster than
/// its part refills; beyond the other part, which votes and all else are charged to, the socket is not read. So neither
/// lane can use up what the other needs, and nothing that was sent is dropped.
struct ReceiveBudget {
  ReceiveBudget(std::uint64_t bytes_per_s, std::uint64_t bulk_burst, std::uint64_t rest_burst)
      : bulk(bytes_per_s - bytes_per_s / 4, bulk_burst), rest(bytes_per_s / 4, rest_burst) {}

  ByteBudget bulk, rest;
  std::atomic<std::uint64_t> throttled_us{0};  ///< for so long the peer had to wait for one of them; any thread reads
};

}  // namespace galen::net
