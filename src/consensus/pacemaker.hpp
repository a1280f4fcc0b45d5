// When to lose patience with a view (V1), and when to say things again. Owned by the core; reads no clock.
// Quiet when idle: with no work outstanding neither timer runs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "galen/base/rng.hpp"

namespace galen::consensus {

class Pacemaker {
 public:
  Pacemaker(std::uint64_t base_ms, Rng& rng) : base_ms_(base_ms), timeout_ms_(base_ms), rng_(&rng) {}

  /// V1: runs the view timer if there is something to wait for, stops it otherwise.
  void wait_for_view(bool waiting, std::uint64_t now) {
    if (!waiting) view_deadline_.reset();
    else if (!view_deadline_) view_deadline_ = now + timeout_ms_ + jitter();
  }
  /// V1: true once per expiry; the next wait is twice as long, to eight times the base.
  bool view_expired(std::uint64_t now) {
    if (!view_deadline_ || now < *view_deadline_) return false;
    view_deadline_.reset();
    timeout_ms_ = std::min(timeout_ms_ * 2, base_ms_ * 8);
    return true;
  }
  void restart_view_timer() { view_deadline_.reset(); }
  /// V1a: what the timeouts have been doubled stays. A wait that has begun ends no later than one that begins now.
  void set_base(std::uint64_t base_ms, std::uint64_t now) {
    timeout_ms_ = base_ms * patience();
    base_ms_ = base_ms;
    resend_ms_ = std::min(resend_ms_, base_ms_);
    if (view_deadline_) view_deadline_ = std::min(*view_deadline_, now + timeout_ms_ + jitter());
    if (resend_at_) resend_at_ = std::min(*resend_at_, now + resend_ms_);
  }

  /// A block was committed or a view entered.
  void progress() {
    view_deadline_.reset();
    resend_at_.reset();
    resend_ms_ = first_resend();
  }
  void committed() {  // V1
    timeout_ms_ = std::max(base_ms_, timeout_ms_ / 2);
    progress();
  }

  /// Runs the resend timer while something is unsettled; its period doubles to the base.
  void wait_for_answers(bool unsettled, std::uint64_t now) {
    if (!unsettled) resend_at_.reset(), resend_ms_ = first_resend();
    else if (!resend_at_) resend_at_ = now + resend_ms_ + jitter() / 4;
  }
  bool resend_due(std::uint64_t now) {
    if (!resend_at_ || now < *resend_at_) return false;
    resend_at_.reset();
    resend_ms_ = std::min(resend_ms_ * 2, base_ms_);
    return true;
  }

  const std::optional<std::uint64_t>& view_deadline() const { return view_deadline_; }
  const std::optional<std::uint64_t>& resend_at() const { return resend_at_; }
  /// How much of the allowed doublings is used: the rule of the clock (R1) and R8 by time grow with it.
  std::uint64_t patience() const { return timeout_ms_ / base_ms_; }
  std::uint64_t base_ms() const { return base_ms_; }
  std::uint64_t timeout_ms() const { return timeout_ms_; }

 private:
  std::uint64_t first_resend() const { return std::max<std::uint64_t>(base_ms_ / 4, 1); }
  std::uint64_t jitter() { return rng_->below(base_ms_ / 8 + 1); }

  std::uint64_t base_ms_;
  std::uint64_t timeout_ms_;
  std::uint64_t resend_ms_ = std::max<std::uint64_t>(base_ms_ / 4, 1);
  Rng* rng_;
  std::optional<std::uint64_t> view_deadline_;
  std::optional<std::uint64_t> resend_at_;
};

}  // namespace galen::consensus
