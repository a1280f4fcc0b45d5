// The queue between two threads: bounded in items and in bytes, so that pressure flows back instead of into memory.
// Any number of producers and consumers; close() wakes everyone, and what was queued can still be taken.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace galen {

template <class T>
class BoundedQueue {
 public:
  struct Limits {
    std::size_t items_max;
    std::size_t bytes_max;
  };
  explicit BoundedQueue(Limits limits) : limits_(limits) {}

  /// False when the queue is full or closed; the item is then untouched.
  bool try_push(T&& item, std::size_t bytes = 0) {
    std::unique_lock lock(mutex_);
    if (closed_ || !fits(bytes)) return false;
    put(std::move(item), bytes);
    lock.unlock();
    not_empty_.notify_one();
    return true;
  }

  /// Waits for room. False only when closed.
  bool push(T&& item, std::size_t bytes = 0) {
    std::unique_lock lock(mutex_);
    not_full_.wait(lock, [&] { return closed_ || fits(bytes); });
    if (closed_) return false;
    put(std::move(item), bytes);
    lock.unlock();
    not_empty_.notify_one();
    return true;
  }

  /// Never waits and ignores the limits: for items whose number is bounded elsewhere, from a thread that the consumer may be
  /// waiting for. False only when closed.
  bool force_push(T&& item, std::size_t bytes = 0) {
    std::unique_lock lock(mutex_);
    if (closed_) return false;
    put(std::move(item), bytes);
    lock.unlock();
    not_empty_.notify_one();
    return true;
  }

  /// Waits for at least one item (or `timeout`), then takes all that are there, at most `items_max`.
  std::vector<T> pop_all(std::chrono::microseconds timeout, std::size_t items_max = SIZE_MAX) {
    std::unique_lock lock(mutex_);
    not_empty_.wait_for(lock, timeout, [&] { return closed_ || !items_.empty(); });
    std::vector<T> out;
    while (!items_.empty() && out.size() < items_max) {
      bytes_ -= items_.front().second;
      out.push_back(std::move(items_.front().first));
      items_.pop_front();
    }
    lock.unlock();
    if (!out.empty()) not_full_.notify_all();
    return out;
  }

  /// Waits for one item; nothing once the queue is closed and empty.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [&] { return closed_ || !items_.empty(); });
    if (items_.empty()) return std::nullopt;
    bytes_ -= items_.front().second;
    std::optional<T> out(std::move(items_.front().first));
    items_.pop_front();
    lock.unlock();
    not_full_.notify_all();
    return out;
  }

  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    not_empty_.notify_all();
    not_full_.notify_all();
  }
  bool closed() const {
    std::lock_guard lock(mutex_);
    return closed_;
  }
  std::size_t size() const {
    std::lock_guard lock(mutex_);
    return items_.size();
  }
  std::size_t bytes() const {
    std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  // One item larger than bytes_max still passes through an empty queue: the frame limits bound it.
  bool fits(std::size_t bytes) const {
    return items_.size() < limits_.items_max && (items_.empty() || bytes_ + bytes <= limits_.bytes_max);
  }
  void put(T&& item, std::size_t bytes) {
    items_.emplace_back(std::move(item), bytes);
    bytes_ += bytes;
  }

  const Limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable not_empty_, not_full_;
  std::deque<std::pair<T, std::size_t>> items_;
  std::size_t bytes_ = 0;
  bool closed_ = false;
};

}  // namespace galen
