#include "node/frame_queue.hpp"

namespace galen::node {

bool FrameQueue::try_push(net::Frame&& frame) {
  std::lock_guard lock(mutex_);
  if (closed_) return false;
  const bool vote = frame.lane == net::Lane::votes;
  const auto bytes = frame.payload.size();
  auto& lane = vote ? votes_ : bulk_;
  auto& members = lane.members;
  if (auto own = members.find(frame.from); own != members.end()) {
    const auto& waiting = own->second;
    if (waiting.frames.size() >= share_.items_max || waiting.bytes + bytes > share_.bytes_max) return false;
  } else {
    lane.shares.wake(frame.from);
  }
  auto& waiting = members[frame.from];
  waiting.bytes += bytes;
  waiting.frames.push_back(std::move(frame));
  (vote && vote_waiters_ > 0 ? vote_ready_ : any_ready_).notify_one();
  return true;
}

net::Frame FrameQueue::take(LaneQueue& lane) {
  auto next = lane.members.find(lane.shares.take(lane.members));
  auto& waiting = next->second;
  auto frame = std::move(waiting.frames.front());
  waiting.frames.pop_front();
  waiting.bytes -= frame.payload.size();
  if (waiting.frames.empty()) lane.members.erase(next);
  return frame;
}

std::optional<net::Frame> FrameQueue::take_any() {
  if (closed_) return std::nullopt;
  return take(bulk_.members.empty() ? votes_ : bulk_);
}

std::optional<net::Frame> FrameQueue::pop() {
  std::unique_lock lock(mutex_);
  any_ready_.wait(lock, [&] { return is_due(); });
  return take_any();
}

std::optional<net::Frame> FrameQueue::pop_within(std::chrono::microseconds wait) {
  std::unique_lock lock(mutex_);
  if (!any_ready_.wait_for(lock, wait, [&] { return is_due(); })) return std::nullopt;
  return take_any();
}

std::optional<net::Frame> FrameQueue::pop_vote() {
  std::unique_lock lock(mutex_);
  ++vote_waiters_;
  vote_ready_.wait(lock, [&] { return closed_ || !votes_.members.empty(); });
  --vote_waiters_;
  if (closed_) return std::nullopt;
  return take(votes_);
}

void FrameQueue::handled(MemberIndex from, net::Lane lane, std::uint64_t cpu_us) {
  std::lock_guard lock(mutex_);
  (lane == net::Lane::votes ? votes_ : bulk_).shares.done(from, cpu_us);
}

std::uint64_t FrameQueue::cpu_us(MemberIndex member) const {
  std::lock_guard lock(mutex_);
  return votes_.shares.total_us(member) + bulk_.shares.total_us(member);
}

void FrameQueue::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  vote_ready_.notify_all();
  any_ready_.notify_all();
}

}  // namespace galen::node
