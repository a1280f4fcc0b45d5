#include "galen/base/log_limit.hpp"

#include "galen/base/clock.hpp"

namespace galen {

std::optional<std::string> LogLimit::admit(std::uint32_t member, std::string_view event) {
  return admit(member, event, system_clock().monotonic_us());
}

std::optional<std::string> LogLimit::admit(std::uint32_t member, std::string_view event, std::uint64_t now_us) {
  std::lock_guard lock(mutex_);
  auto& cause = causes_[{member, event}];
  if (!cause.lines.take(now_us)) {
    ++cause.suppressed;
    return std::nullopt;
  }
  const auto left_out = std::exchange(cause.suppressed, 0);
  return left_out == 0 ? std::string() : " suppressed=" + std::to_string(left_out);
}

}  // namespace galen
