// What another thread says, for a test that waits for it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

namespace galen::node::test {

inline constexpr std::chrono::seconds kPatience{30};  // only a broken build waits that long

/// What one thread says and the test waits for.
template <class Value>
class Told {
 public:
  void put(Value value) {
    std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }
  Value next() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return !values_.empty(); })) << "nothing was said";
    if (values_.empty()) return {};
    Value out = std::move(values_.front());
    values_.erase(values_.begin());
    return out;
  }
  bool empty() {
    std::lock_guard lock(mutex_);
    return values_.empty();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Value> values_;
};

}  // namespace galen::node::test
