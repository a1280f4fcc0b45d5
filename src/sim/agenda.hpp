// What is to happen in a simulated run, by virtual time and then in the order in which it was asked for. One thread.
//
// An action stands still from the moment it is asked for until it has run, so it needs neither to be moved nor, while it is
// small, any memory of its own: a run has millions of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

namespace galen::sim {

class Agenda {
 public:
  Agenda() = default;
  Agenda(const Agenda&) = delete;
  Agenda& operator=(const Agenda&) = delete;
  ~Agenda() {
    for (const auto& entry : heap_) drop(entry.slot);
  }

  template <class Action>
  void at(std::uint64_t time, Action&& action) {
    auto slot = free_slot();
    auto& room = slots_[slot];
    using Held = std::decay_t<Action>;
    if constexpr (sizeof(Held) <= kRoom && alignof(Held) <= alignof(std::max_align_t)) {
      new (room.bytes) Held(std::forward<Action>(action));
      room.run = [](void* held) { (*static_cast<Held*>(held))(); };
      room.destroy = [](void* held) { static_cast<Held*>(held)->~Held(); };
    } else {
      auto boxed = std::make_unique<Held>(std::forward<Action>(action));
      free_.push_back(slot);
      return at(time, [boxed = std::move(boxed)] { (*boxed)(); });
    }
    heap_.push_back({time, next_id_++, slot});
    std::push_heap(heap_.begin(), heap_.end());
  }

  bool empty() const { return heap_.empty(); }
  std::uint64_t next_at() const { return heap_.front().time; }
  /// The first of all; it may ask for more.
  void run_next() {
    std::pop_heap(heap_.begin(), heap_.end());
    auto slot = heap_.back().slot;
    heap_.pop_back();
    auto& room = slots_[slot];
    room.run(room.bytes);
    drop(slot);
  }

 private:
  static constexpr std::size_t kRoom = 64;
  struct Slot {
    alignas(std::max_align_t) std::byte bytes[kRoom];
    void (*run)(void*) = nullptr;
    void (*destroy)(void*) = nullptr;
  };
  struct Entry {
    std::uint64_t time;
    std::uint64_t id;
    std::uint32_t slot;
    /// The heap's greatest comes first: what is earliest.
    bool operator<(const Entry& other) const { return std::tie(time, id) > std::tie(other.time, other.id); }
  };

  std::uint32_t free_slot() {
    if (free_.empty()) {
      slots_.emplace_back();
      return static_cast<std::uint32_t>(slots_.size() - 1);
    }
    auto slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void drop(std::uint32_t slot) {
    slots_[slot].destroy(slots_[slot].bytes);
    free_.push_back(slot);
  }

  std::vector<Entry> heap_;
  std::deque<Slot> slots_;  ///< never moved
  std::vector<std::uint32_t> free_;
  std::uint64_t next_id_ = 0;
};

}  // namespace galen::sim
