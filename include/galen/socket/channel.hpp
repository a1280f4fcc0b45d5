// One end of the socketpair between node and front end: framed, batched messages both ways (docs/adr/0005). A reader
// and a writer thread per end; the writer sends everything queued in one system call, so a burst of calls costs few of
// them. Frame: u32 length of what follows ‖ u8 type ‖ protobuf (galen/node/v1/socket.proto). Queues are bounded in
// items and bytes.
//  - A message of at most kSmallFrameBytes needs room for an item only: a cancel, or the refusal in place of an answer
//  for
//    which there is no room, is never lost to large ones.
//  - The first frame each way is a Hello whose version range holds kProtocolVersion; anything else closes the channel.
//  - A frame that is too long, of an unknown type or not its message closes the channel: the two ends are one release,
//  so
//    bad bytes mean that the other end is broken or hostile, and there is nothing to resume.
//  - A length alone never allocates: the read buffer grows with the bytes that really arrived.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "galen/base/result.hpp"
#include "galen/node/v1/socket.pb.h"
#include "galen/socket/front_end_limits.hpp"

namespace galen::socket {

inline constexpr std::uint32_t kProtocolVersion = 1;

inline constexpr std::size_t kSmallFrameBytes = 512;

/// First byte after the length.
enum class FrameType : std::uint8_t { hello = 1, call = 2, cancel = 3, reply = 4 };

class Channel {
 public:
  /// Called on the reader thread; must be quick. on_closed is the last call, once, with the reason. Any may be empty.
  struct Handlers {
    std::function<void(galen::node::v1::Hello&&)> on_hello;
    std::function<void(galen::node::v1::Call&&)> on_call;
    std::function<void(galen::node::v1::Cancel&&)> on_cancel;
    std::function<void(galen::node::v1::Reply&&)> on_reply;
    std::function<void(const Error&)> on_closed;
  };
  struct Limits {
    std::size_t queue_items_max = 32'768;
    std::size_t queue_bytes_max = 64 * 1024 * 1024;  // of large messages
    std::size_t frame_bytes_max = 9 * 1024 * 1024;  // a receipt of the largest size with what is around it
  };

  /// Takes ownership of a connected stream socket (and makes it close-on-exec).
  Channel(int fd, Handlers handlers, Limits limits);
  /// Closes and joins. Not on the reader thread. What is queued may be lost.
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Starts both threads. Handlers may be called from now on.
  void start();
  /// Any thread, also the reader's. RESOURCE_EXHAUSTED when the queue is full, TOO_LARGE when the message does not fit
  /// a frame, UNAVAILABLE when the channel is closed. Messages of one thread arrive in the order they were sent.
  Status send(const galen::node::v1::Hello& message);
  Status send(const galen::node::v1::Call& message);
  Status send(const galen::node::v1::Cancel& message);
  Status send(const galen::node::v1::Reply& message);
  /// Waits until everything sent so far has left, or the channel is closed. False: there is still some after `timeout`.
  bool flush(std::chrono::milliseconds timeout);
  /// Any thread; returns at once. on_closed will be called, if start() was.
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};
// All calls in progress may end together, and each must have its answer.
static_assert(Channel::Limits{}.queue_items_max >= kWriteCreditsMax + kReadCreditsMax);

/// A connected pair of stream sockets, both close-on-exec: one for a Channel here, one to hand to a child process.
Result<std::pair<int, int>> make_socket_pair();

}  // namespace galen::socket
