// What waits to be sent to one peer: two lanes, each bounded in items and bytes. Any thread pushes; the net thread
// takes frames out, votes first, bulk in chunks. Nothing is kept for a peer that is not connected: by the time it is
// back the protocols above have something newer to say.
#pragma once

#include <deque>
#include <memory>
#include <mutex>

#include "galen/net/mesh.hpp"

namespace galen::net {

class SendQueue {
 public:
  explicit SendQueue(const MeshLimits& limits);

  struct Pushed {
    bool queued = false;
    bool wake = false;  ///< the writer sleeps: tell it
  };
  Pushed push(Lane lane, std::shared_ptr<const Bytes> payload);

  /// Appends frames to `out` until it holds about `bytes_max`: all votes first, then bulk as far as `bulk_window`
  /// allows, which shrinks by what is taken. Leaves the writer marked asleep when nothing was appended and `out` is
  /// empty.
  void gather(Bytes& out, std::size_t bytes_max, std::uint64_t& bulk_window);

  void connected();
  /// Drops everything; pushes are refused until connected().
  void disconnected();
  bool is_connected() const;
  /// A bulk message of any size would be queued now.
  bool has_room() const;
  /// Fills the sender's half of the two lanes.
  void status(LaneStatus& votes, LaneStatus& bulk) const;

 private:
  struct LaneQueue {
    std::size_t items_max = 0, bytes_max = 0;
    std::deque<std::shared_ptr<const Bytes>> items{};
    std::size_t bytes = 0;
    std::size_t offset = 0;  ///< of the front item: so much is sent
    std::uint64_t sent_frames = 0, sent_bytes = 0, dropped = 0;
  };
  static bool make_room(LaneQueue& queue, std::size_t bytes, bool drop_oldest);
  /// One frame of the front item with at most `room` payload bytes; returns its cost.
  static std::size_t put_frame(LaneQueue& queue, std::uint8_t lane, std::size_t room, Bytes& out);
  static void clear(LaneQueue& queue);

  mutable std::mutex mutex_;
  LaneQueue votes_, bulk_;
  bool connected_ = false;
  bool writer_awake_ = false;
};

}  // namespace galen::net
