// The frame of the socket protocol: u32 length of what follows (big-endian) ‖ u8 type ‖ body. FrameBuffer gathers received
// bytes and hands out whole frames; it is owned by the channel's reader thread. Every length is checked before it is used,
// and memory follows the bytes received, never the length announced.
#pragma once

#include <optional>

#include "galen/base/bytes.hpp"
#include "galen/base/result.hpp"
#include "galen/socket/channel.hpp"

namespace galen::socket {

inline constexpr std::size_t kFrameHeaderBytes = 5;

struct Frame {
  FrameType type;
  ByteSpan body;  ///< valid until the next call on the FrameBuffer
};

/// Appends header and body to `out`. The caller has checked the size against the limit.
void append_frame(std::string& out, FrameType type, const google::protobuf::MessageLite& message, std::size_t size);

class FrameBuffer {
 public:
  explicit FrameBuffer(std::size_t frame_bytes_max);

  /// Room for the next read; at least one byte.
  std::span<std::uint8_t> writable();
  void received(std::size_t count);
  /// The next whole frame, nothing if more bytes are needed. TOO_LARGE or MALFORMED for a header that can never be right.
  Result<std::optional<Frame>> next();
  std::size_t capacity() const { return buffer_.size(); }

 private:
  const std::size_t frame_bytes_max_;
  Bytes buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace galen::socket
