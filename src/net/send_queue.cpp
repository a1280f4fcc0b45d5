#include "net/send_queue.hpp"

#include <algorithm>

#include "net/wire.hpp"

namespace galen::net {

SendQueue::SendQueue(const MeshLimits& limits)
    : votes_{.items_max = limits.votes_items_max, .bytes_max = limits.votes_bytes_max},
      bulk_{.items_max = limits.bulk_items_max, .bytes_max = limits.bulk_bytes_max} {}

bool SendQueue::make_room(LaneQueue& queue, std::size_t bytes, bool drop_oldest) {
  auto full = [&] {
    return queue.items.size() >= queue.items_max || (!queue.items.empty() && queue.bytes + bytes > queue.bytes_max);
  };
  while (full()) {
    // A front item that is half sent must be finished, or the peer could not put the next one together.
    std::size_t victim = queue.offset > 0 ? 1 : 0;
    if (!drop_oldest || victim >= queue.items.size()) return !full();
    queue.bytes -= queue.items[victim]->size();
    queue.items.erase(queue.items.begin() + static_cast<std::ptrdiff_t>(victim));
    ++queue.dropped;
  }
  return true;
}

SendQueue::Pushed SendQueue::push(Lane lane, std::shared_ptr<const Bytes> payload) {
  std::lock_guard lock(mutex_);
  auto& queue = lane == Lane::votes ? votes_ : bulk_;
  if (!connected_ || payload->size() > limits::kFrameBytesMax ||
      !make_room(queue, payload->size(), lane == Lane::votes)) {
    ++queue.dropped;
    return {};
  }
  queue.bytes += payload->size();
  queue.items.push_back(std::move(payload));
  return {true, !std::exchange(writer_awake_, true)};
}

std::size_t SendQueue::put_frame(LaneQueue& queue, std::uint8_t lane, std::size_t room, Bytes& out) {
  const Bytes& item = *queue.items.front();
  auto take = std::min({item.size() - queue.offset, room, wire::kChunkBytesMax});
  bool begins = queue.offset == 0;
  if (begins && take == item.size()) {
    wire::put_header(out, lane, wire::Type::message, take);
  } else if (begins) {
    wire::put_header(out, lane, wire::Type::first, take + 4);
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(item.size() >> shift));
  } else {
    wire::put_header(out, lane, wire::Type::more, take);
  }
  auto from = item.begin() + static_cast<std::ptrdiff_t>(queue.offset);
  out.insert(out.end(), from, from + static_cast<std::ptrdiff_t>(take));
  queue.offset += take;
  if (queue.offset == item.size()) {
    ++queue.sent_frames;
    queue.sent_bytes += item.size();
    queue.bytes -= item.size();
    queue.offset = 0;
    queue.items.pop_front();
  }
  return take + (begins ? wire::kMessageCost : 0);
}

void SendQueue::gather(Bytes& out, std::size_t bytes_max, std::uint64_t& bulk_window) {
  // Below this a fragment is not worth its header; a whole small message may still exceed the budget by as much.
  constexpr std::size_t kRoomMin = 1024;
  std::lock_guard lock(mutex_);
  if (!connected_) {
    writer_awake_ = false;
    return;
  }
  auto room = [&] { return out.size() + kRoomMin < bytes_max ? bytes_max - out.size() : 0; };
  while (!votes_.items.empty() && room() > 0) put_frame(votes_, static_cast<std::uint8_t>(Lane::votes), room(), out);
  while (!bulk_.items.empty() && room() > 0) {
    auto cost = bulk_.offset == 0 ? wire::kMessageCost : 0;
    auto left = bulk_.items.front()->size() - bulk_.offset;
    // Wait for more window rather than send crumbs, unless the rest is a crumb itself.
    if (bulk_window < cost + std::min(left, kRoomMin)) break;
    auto most = static_cast<std::size_t>(std::min<std::uint64_t>(room(), bulk_window - cost));
    bulk_window -= put_frame(bulk_, static_cast<std::uint8_t>(Lane::bulk), most, out);
  }
  writer_awake_ = !out.empty();
}

void SendQueue::connected() {
  std::lock_guard lock(mutex_);
  connected_ = true;
  votes_.offset = bulk_.offset = 0;
  writer_awake_ = false;
}

void SendQueue::clear(LaneQueue& queue) {
  queue.dropped += queue.items.size();
  queue.items.clear();
  queue.bytes = queue.offset = 0;
}

void SendQueue::disconnected() {
  std::lock_guard lock(mutex_);
  connected_ = false;
  clear(votes_);
  clear(bulk_);
}

bool SendQueue::is_connected() const {
  std::lock_guard lock(mutex_);
  return connected_;
}

bool SendQueue::has_room() const {
  std::lock_guard lock(mutex_);
  return connected_ && bulk_.items.size() < bulk_.items_max &&
         (bulk_.items.empty() || bulk_.bytes + limits::kFrameBytesMax <= bulk_.bytes_max);
}

void SendQueue::status(LaneStatus& votes, LaneStatus& bulk) const {
  std::lock_guard lock(mutex_);
  for (auto [queue, status] : {std::pair{&votes_, &votes}, std::pair{&bulk_, &bulk}}) {
    status->queued_items = queue->items.size();
    status->queued_bytes = queue->bytes;
    status->sent_frames = queue->sent_frames;
    status->sent_bytes = queue->sent_bytes;
    status->dropped_frames = queue->dropped;
  }
}

}  // namespace galen::net
