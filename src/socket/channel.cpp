#include "galen/socket/channel.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "galen/base/thread_name.hpp"
#include "socket/frame.hpp"

namespace galen::socket {

using galen::node::v1::Call;
using galen::node::v1::Cancel;
using galen::node::v1::Hello;
using galen::node::v1::Reply;

struct Channel::State {
  State(int socket, Handlers given, Limits bounds) : fd(socket), handlers(std::move(given)), limits(bounds) {}

  Status send(FrameType type, const google::protobuf::MessageLite& message);
  void close(Error why);
  void write_loop();
  void read_loop();
  Error read_until_closed();
  Status dispatch(const Frame& frame);

  const int fd;
  const Handlers handlers;
  const Limits limits;

  std::mutex mutex;
  std::condition_variable writer_wakes, emptied;
  // All below under the mutex. `queued` holds whole frames; what the writer took and has not yet written still counts.
  std::string queued;
  std::size_t items = 0;
  std::size_t bytes = 0;
  bool writer_sleeps = false;
  bool closed = false;
  Error reason;

  bool greeted = false;  // reader thread only
  std::thread reader, writer;
};

Status Channel::State::send(FrameType type, const google::protobuf::MessageLite& message) {
  const std::size_t size = message.ByteSizeLong();
  if (size + 1 > limits.frame_bytes_max)
    return make_error(ErrorCode::TOO_LARGE,
                      fmt::format("a message of {} bytes does not fit a frame of {}", size, limits.frame_bytes_max));
  const std::size_t frame_bytes = size + kFrameHeaderBytes;
  bool wake = false;
  {
    std::lock_guard lock(mutex);
    if (closed) return make_error(ErrorCode::UNAVAILABLE, "the channel between node and front end is closed");
    const bool fits = frame_bytes <= kSmallFrameBytes || items == 0 || bytes + frame_bytes <= limits.queue_bytes_max;
    if (items >= limits.queue_items_max || !fits)
      return make_error(ErrorCode::RESOURCE_EXHAUSTED,
                        fmt::format("the channel's queue is full: {} messages, {} bytes", items, bytes));
    append_frame(queued, type, message, size);
    items += 1;
    bytes += frame_bytes;
    wake = std::exchange(writer_sleeps, false);
  }
  if (wake) writer_wakes.notify_one();
  return {};
}

void Channel::State::close(Error why) {
  {
    std::lock_guard lock(mutex);
    if (closed) return;
    closed = true;
    reason = std::move(why);
    writer_sleeps = false;
  }
  writer_wakes.notify_one();
  emptied.notify_all();
  // Wakes a reader and a writer that wait in the kernel. The descriptor itself lives until both have been joined, so
  // that its number cannot be another file's in between.
  ::shutdown(fd, SHUT_RDWR);
}

void Channel::State::write_loop() {
  std::string taken;
  for (;;) {
    std::size_t taken_items = 0;
    {
      std::unique_lock lock(mutex);
      while (queued.empty() && !closed) {
        writer_sleeps = true;
        writer_wakes.wait(lock);
      }
      if (closed) return;
      taken.swap(queued);
      taken_items = items;
    }
    std::size_t sent = 0;
    while (sent < taken.size()) {
      const auto n = ::send(fd, taken.data() + sent, taken.size() - sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        close(make_error(ErrorCode::UNAVAILABLE, fmt::format("writing to the other end failed: {}", strerror(errno))));
        return;
      }
      sent += static_cast<std::size_t>(n);
    }
    const auto sent_bytes = taken.size();
    taken.clear();
    if (taken.capacity() > 1024 * 1024) taken.shrink_to_fit();
    std::lock_guard lock(mutex);
    // Everything that was queued at the swap has left; only later messages remain counted.
    items -= taken_items;
    bytes -= sent_bytes;
    if (items == 0) emptied.notify_all();
  }
}

namespace {

template <class Message>
Status deliver(const Frame& frame, const std::function<void(Message&&)>& handler) {
  Message message;
  if (!message.ParseFromArray(frame.body.data(), static_cast<int>(frame.body.size())))
    return make_error(ErrorCode::MALFORMED,
                      fmt::format("a frame of type {} does not hold its message", static_cast<int>(frame.type)));
  if (handler) handler(std::move(message));
  return {};
}

Status check_version(const Frame& frame) {
  Hello hello;
  if (frame.type != FrameType::hello || !hello.ParseFromArray(frame.body.data(), static_cast<int>(frame.body.size())))
    return make_error(ErrorCode::MALFORMED, "the other end did not begin with a hello");
  if (hello.version_min() > kProtocolVersion || hello.version_max() < kProtocolVersion)
    return make_error(ErrorCode::UNSUPPORTED_VERSION,
                      fmt::format("the other end speaks protocol {} to {}, this one {}: install galend and galend-api "
                                  "of one release",
                                  hello.version_min(), hello.version_max(), kProtocolVersion));
  return {};
}

}  // namespace

Status Channel::State::dispatch(const Frame& frame) {
  if (!greeted) {
    GALEN_TRY(check_version(frame));
    greeted = true;
  }
  switch (frame.type) {
    case FrameType::hello:
      return deliver<Hello>(frame, handlers.on_hello);
    case FrameType::call:
      return deliver<Call>(frame, handlers.on_call);
    case FrameType::cancel:
      return deliver<Cancel>(frame, handlers.on_cancel);
    case FrameType::reply:
      return deliver<Reply>(frame, handlers.on_reply);
  }
  return make_error(ErrorCode::MALFORMED, "a frame of unknown type");
}

Error Channel::State::read_until_closed() {
  FrameBuffer buffer(limits.frame_bytes_max);
  for (;;) {
    const auto room = buffer.writable();
    const auto n = ::recv(fd, room.data(), room.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) return make_error(ErrorCode::UNAVAILABLE, "the other end closed the channel");
    if (n < 0)
      return make_error(ErrorCode::UNAVAILABLE, fmt::format("reading from the other end failed: {}", strerror(errno)));
    buffer.received(static_cast<std::size_t>(n));
    for (;;) {
      auto frame = buffer.next();
      if (!frame) return std::move(frame).error();
      if (!frame->has_value()) break;
      if (auto done = dispatch(**frame); !done) return std::move(done).error();
    }
  }
}

void Channel::State::read_loop() {
  close(read_until_closed());  // keeps the first reason if another side closed before
  Error why;
  {
    std::lock_guard lock(mutex);
    why = reason;
  }
  if (handlers.on_closed) handlers.on_closed(why);
}

Channel::Channel(int fd, Handlers handlers, Limits limits)
    : state_(std::make_unique<State>(fd, std::move(handlers), limits)) {
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

Channel::~Channel() {
  close();
  if (state_->reader.joinable()) {
    GALEN_ASSERT(std::this_thread::get_id() != state_->reader.get_id());
    state_->reader.join();
    state_->writer.join();
  }
  ::close(state_->fd);
}

void Channel::start() {
  GALEN_ASSERT(!state_->reader.joinable());
  state_->reader = std::thread([this] {
    name_this_thread("channel read");
    state_->read_loop();
  });
  state_->writer = std::thread([this] {
    name_this_thread("channel write");
    state_->write_loop();
  });
}

Status Channel::send(const Hello& message) { return state_->send(FrameType::hello, message); }
Status Channel::send(const Call& message) { return state_->send(FrameType::call, message); }
Status Channel::send(const Cancel& message) { return state_->send(FrameType::cancel, message); }
Status Channel::send(const Reply& message) { return state_->send(FrameType::reply, message); }

bool Channel::flush(std::chrono::milliseconds timeout) {
  std::unique_lock lock(state_->mutex);
  return state_->emptied.wait_for(lock, timeout, [&] { return state_->items == 0 || state_->closed; });
}

void Channel::close() { state_->close(make_error(ErrorCode::CANCELLED, "this end closed the channel")); }

Result<std::pair<int, int>> make_socket_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    return make_error(ErrorCode::IO_ERROR, fmt::format("no socket pair: {}", strerror(errno)));
  return std::pair{fds[0], fds[1]};
}

}  // namespace galen::socket
