// A failure that nobody asked for: storage that goes wrong in a thread of its own, while no call of ours waits for an
// answer. Whoever notices rings; whoever ends the process listens (D3). Any thread may ring at any time, before
// somebody listens too: the first failure is kept and told then. It is told once.
#pragma once

#include <functional>
#include <mutex>
#include <optional>

#include "galen/base/result.hpp"

namespace galen {

class FailureBell {
 public:
  void ring(const Error& error) {
    std::function<void(const Error&)> listener;
    {
      std::lock_guard lock(mutex_);
      if (first_) return;
      first_ = error;
      listener = listener_;
    }
    if (listener) listener(error);
  }
  /// What was rung so far.
  std::optional<Error> first() const {
    std::lock_guard lock(mutex_);
    return first_;
  }
  /// Nothing as listener: nobody is left to tell.
  void listen(std::function<void(const Error&)> listener) {
    std::optional<Error> missed;
    {
      std::lock_guard lock(mutex_);
      listener_ = listener;
      missed = first_;
    }
    if (missed && listener) listener(*missed);
  }

 private:
  mutable std::mutex mutex_;
  std::optional<Error> first_;
  std::function<void(const Error&)> listener_;
};

}  // namespace galen
