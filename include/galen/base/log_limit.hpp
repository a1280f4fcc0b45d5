// Lines that others can cause at will do not fill the disk: of each event of each member some at once, then one every
// ten seconds, which says how many were left out. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "galen/base/token_bucket.hpp"

namespace galen {

class LogLimit {
 public:
  static constexpr std::uint32_t kBurst = 20;
  static constexpr std::uint64_t kIntervalUs = 10'000'000;
  static constexpr std::uint32_t kNobody = UINT32_MAX;

  /// `event`: of static storage, one of few. Nothing: this line is left out. Else what to put at its end: nothing as a
  /// rule, " suppressed=N" after N were left out.
  std::optional<std::string> admit(std::uint32_t member, std::string_view event);
  /// The same at a time that tests choose.
  std::optional<std::string> admit(std::uint32_t member, std::string_view event, std::uint64_t now_us);

 private:
  struct Cause {
    TokenBucket lines{kBurst, kIntervalUs};
    std::uint64_t suppressed = 0;
  };
  std::mutex mutex_;
  std::map<std::pair<std::uint32_t, std::string_view>, Cause> causes_;
};

}  // namespace galen
