#include "net/credit_gate.hpp"

namespace galen::net {

void Credit::release() noexcept {
  if (!gate_) return;
  gate_->release(lane_, bytes_);
  gate_.reset();
}

void Credit::Gate::acquire(Lane lane, std::size_t bytes) {
  std::lock_guard lock(mutex_);
  (lane == Lane::votes ? votes_ : bulk_) += bytes;
}

void Credit::Gate::release(Lane lane, std::size_t bytes) {
  // The notification only posts to the net thread; it stays under the lock so that detach() can promise its end.
  std::lock_guard lock(mutex_);
  auto& waiting = lane == Lane::votes ? votes_ : bulk_;
  GALEN_ASSERT(waiting >= bytes);
  waiting -= bytes;
  bool tell = false;
  if (lane == Lane::bulk) {
    bulk_released_ += bytes;
    tell = bulk_released_ >= bulk_step_;
    if (tell) bulk_released_ = 0;
  } else if (votes_wanted_ > 0 && votes_ <= votes_wanted_) {
    votes_wanted_ = 0;
    tell = true;
  }
  if (tell && notify_) notify_();
}

std::size_t Credit::Gate::unprocessed(Lane lane) const {
  std::lock_guard lock(mutex_);
  return lane == Lane::votes ? votes_ : bulk_;
}

bool Credit::Gate::notify_when_votes_below(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  if (votes_ <= bytes) return false;
  votes_wanted_ = bytes;
  return true;
}

void Credit::Gate::detach() {
  std::lock_guard lock(mutex_);
  notify_ = nullptr;
}

}  // namespace galen::net
