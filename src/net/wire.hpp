// The bytes of the peer protocol: the 8-byte frame header, the control messages, and the decoder that puts messages
// together again. Every length is checked before anything is allocated; a decoder holds at most one message per lane
// (limits::kFrameBytesMax each). No sockets here, no threads: the owner of a connection calls it (docs/spec/wire.md).
//
//   header   u16 magic and framing version 0x4701 | u8 lane (0 control, 1 votes, 2 bulk) | u8 type | u32 length
//   message  whole payload, at most kChunkBytesMax
//   first    u32 total ‖ the first bytes of a longer payload;  more: the next ones, until the total is reached
#pragma once

#include <array>
#include <functional>
#include <string>

#include "galen/base/result.hpp"
#include "galen/net/frame.hpp"
#include "galen/net/refusal.hpp"
#include "galen/types/limits.hpp"

namespace galen::net::wire {

inline constexpr std::uint16_t kMagic = 0x4701;
inline constexpr std::size_t kHeaderBytes = 8;
inline constexpr std::size_t kChunkBytesMax = 64 * 1024;
inline constexpr std::size_t kControlBytesMax = 1024;
/// Each message costs its bytes and this much of the receiver's budget, so that empty ones are not free.
inline constexpr std::size_t kMessageCost = 64;
inline constexpr std::uint16_t kVersionMin = 1;
inline constexpr std::uint16_t kVersionMax = 1;

enum class Type : std::uint8_t {
  hello = 1,     ///< first frame of both sides
  activate = 2,  ///< u64 connection id: the side that chooses keeps this connection of the pair
  ping = 3,      ///< u64 echoed by pong
  pong = 4,
  bye = 5,     ///< u8 Refusal ‖ text: the last frame before a close
  credit = 6,  ///< u64: so many more bytes of bulk may be sent
  message = 7,
  first = 8,
  more = 9,
};

void put_header(Bytes& out, std::uint8_t lane, Type type, std::size_t length);
/// A control frame (lane 0) with its payload.
void put_control(Bytes& out, Type type, ByteSpan payload);
void put_control_u64(Bytes& out, Type type, std::uint64_t value);

struct Hello {
  std::uint16_t version_min = kVersionMin, version_max = kVersionMax;
  Hash chain_id;
  std::uint64_t epoch = 0;
  std::uint64_t start_nonce = 0;
  /// Id of the last connection of this pair that the sender saw activated and lost again; 0: none.
  std::uint64_t last_connection = 0;

  Bytes encode() const;
  /// Bytes after the known fields belong to later versions and are ignored.
  static std::optional<Hello> decode(ByteSpan bytes);
};

struct Bye {
  Refusal reason = Refusal::CLOSED;
  std::string text;  ///< at most 200 printable characters
  Bytes encode() const;
  static std::optional<Bye> decode(ByteSpan bytes);
};

/// At most `bytes_max` characters of `text`, everything that is not printable ASCII replaced: for logs and farewells.
std::string printable(std::string_view text, std::size_t bytes_max = 200);

class Decoder {
 public:
  struct Event {
    Type type;  ///< of a control frame, or `message` for a complete payload of any size
    Lane lane;  ///< of a message
    Bytes payload;
  };
  /// Returns false to stop decoding: the connection is closing.
  using Sink = std::function<bool(Event&&)>;

  /// Until this is called messages are MALFORMED: nothing but control frames before a connection is activated.
  void admit_messages() { messages_admitted_ = true; }
  /// Takes all of `in`. After an error or a false from the sink the decoder is dead.
  Status consume(ByteSpan in, const Sink& sink);
  /// What has arrived on the lane so far by the rule of kMessageCost, complete or not.
  std::uint64_t arrived_cost(Lane lane) const { return lanes_[index(lane)].arrived; }

 private:
  struct Assembly {
    Bytes bytes;
    std::size_t total = 0;  ///< 0: no message is being put together
    std::uint64_t arrived = 0;
  };
  static std::size_t index(Lane lane) { return lane == Lane::votes ? 0 : 1; }
  std::size_t header_bytes() const;
  Status begin_frame();
  Status begin_message_part();
  bool end_frame(const Sink& sink);

  std::array<std::uint8_t, kHeaderBytes + 4> header_{};
  std::size_t header_have_ = 0;
  Type type_ = Type::hello;
  std::uint8_t lane_ = 0;
  std::size_t body_left_ = 0;
  Bytes single_;  ///< body of a control frame or of a message in one frame
  std::array<Assembly, 2> lanes_;
  bool messages_admitted_ = false;
};

}  // namespace galen::net::wire
