#include "socket/frame.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace galen::socket {

namespace {
constexpr std::size_t kReadBytes = 128 * 1024;
}  // namespace

void append_frame(std::string& out, FrameType type, const google::protobuf::MessageLite& message, std::size_t size) {
  const auto length = static_cast<std::uint32_t>(size + 1);
  const char header[kFrameHeaderBytes] = {static_cast<char>(length >> 24), static_cast<char>(length >> 16),
                                          static_cast<char>(length >> 8), static_cast<char>(length),
                                          static_cast<char>(type)};
  out.append(header, kFrameHeaderBytes);
  message.AppendPartialToString(&out);
}

FrameBuffer::FrameBuffer(std::size_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max), buffer_(kReadBytes) {}

std::span<std::uint8_t> FrameBuffer::writable() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    // A rare long frame must not keep its memory for ever.
    if (buffer_.size() > kReadBytes) Bytes(kReadBytes).swap(buffer_);
  } else if (end_ == buffer_.size() && begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // Full of one unfinished frame: doubling keeps the buffer below twice what was received.
  if (end_ == buffer_.size()) buffer_.resize(buffer_.size() * 2);
  return {buffer_.data() + end_, buffer_.size() - end_};
}

void FrameBuffer::received(std::size_t count) {
  GALEN_ASSERT(count <= buffer_.size() - end_);
  end_ += count;
}

Result<std::optional<Frame>> FrameBuffer::next() {
  ByteReader in({buffer_.data() + begin_, end_ - begin_});
  if (in.remaining() < 4) return std::optional<Frame>{};
  const std::size_t length = in.u32();
  if (length == 0) return make_error(ErrorCode::MALFORMED, "a frame without a type");
  if (length > frame_bytes_max_)
    return make_error(ErrorCode::TOO_LARGE,
                      fmt::format("a frame of {} bytes is over the limit of {}", length, frame_bytes_max_));
  if (in.remaining() < 1) return std::optional<Frame>{};
  const auto type = in.u8();
  // Checked as soon as it is here, so that garbage is refused before its length is waited for.
  if (type < static_cast<std::uint8_t>(FrameType::hello) || type > static_cast<std::uint8_t>(FrameType::reply))
    return make_error(ErrorCode::MALFORMED, fmt::format("a frame of unknown type {}", type));
  if (in.remaining() < length - 1) return std::optional<Frame>{};
  Frame frame{static_cast<FrameType>(type), in.raw(length - 1)};
  begin_ += 4 + length;
  return std::optional<Frame>(frame);
}

}  // namespace galen::socket
