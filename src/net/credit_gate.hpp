// Counts what one peer has delivered and nobody has processed yet, over all its connections, so that connecting anew
// gives no fresh allowance. The net thread acquires and asks; any thread releases through Credit. When enough was
// released the net thread is told once, through a function that is taken away before the net thread ends.
#pragma once

#include <functional>
#include <mutex>

#include "galen/net/frame.hpp"

namespace galen::net {

class Credit::Gate {
 public:
  /// `notify` must be callable from any thread and must not block.
  Gate(std::size_t bulk_step, std::function<void()> notify) : bulk_step_(bulk_step), notify_(std::move(notify)) {}

  void acquire(Lane lane, std::size_t bytes);
  void release(Lane lane, std::size_t bytes);
  std::size_t unprocessed(Lane lane) const;
  /// Asks to be told when the votes waiting have fallen to `bytes`; false if they have already.
  bool notify_when_votes_below(std::size_t bytes);
  /// No notification happens after this returns.
  void detach();

 private:
  mutable std::mutex mutex_;
  std::size_t votes_ = 0, bulk_ = 0;
  std::size_t bulk_released_ = 0;  ///< since the last notification
  std::size_t votes_wanted_ = 0;   ///< 0: nobody waits
  const std::size_t bulk_step_;
  std::function<void()> notify_;
};

}  // namespace galen::net
