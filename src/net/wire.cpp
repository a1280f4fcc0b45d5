#include "net/wire.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace galen::net::wire {

void put_header(Bytes& out, std::uint8_t lane, Type type, std::size_t length) {
  const std::uint8_t header[kHeaderBytes] = {kMagic >> 8,
                                             kMagic & 0xff,
                                             lane,
                                             static_cast<std::uint8_t>(type),
                                             static_cast<std::uint8_t>(length >> 24),
                                             static_cast<std::uint8_t>(length >> 16),
                                             static_cast<std::uint8_t>(length >> 8),
                                             static_cast<std::uint8_t>(length)};
  out.insert(out.end(), header, header + kHeaderBytes);
}

void put_control(Bytes& out, Type type, ByteSpan payload) {
  GALEN_ASSERT(payload.size() <= kControlBytesMax);
  put_header(out, 0, type, payload.size());
  out.insert(out.end(), payload.begin(), payload.end());
}

void put_control_u64(Bytes& out, Type type, std::uint64_t value) {
  put_control(out, type, ByteWriter(8).u64(value).bytes());
}

Bytes Hello::encode() const {
  ByteWriter out(68);
  out.u16(version_min).u16(version_max).raw(chain_id.span()).u64(epoch).u64(start_nonce).u64(last_connection);
  return std::move(out).take();
}

std::optional<Hello> Hello::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  Hello hello;
  hello.version_min = in.u16();
  hello.version_max = in.u16();
  hello.chain_id = in.fixed<Hash>();
  hello.epoch = in.u64();
  hello.start_nonce = in.u64();
  hello.last_connection = in.u64();
  if (!in.ok() || hello.version_min > hello.version_max) return std::nullopt;
  return hello;
}

Bytes Bye::encode() const {
  ByteWriter out(256);
  out.u8(static_cast<std::uint8_t>(reason)).raw(std::string_view(printable(text)));
  return std::move(out).take();
}

std::optional<Bye> Bye::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  Bye bye;
  auto reason = in.u8();
  if (!in.ok()) return std::nullopt;
  bye.reason = reason < kRefusals ? static_cast<Refusal>(reason) : Refusal::REFUSED_BY_PEER;
  bye.text = printable(as_text(in.raw(in.remaining())));
  return bye;
}

std::string printable(std::string_view text, std::size_t bytes_max) {
  std::string out(text.substr(0, bytes_max));
  for (char& c : out)
    if (c < 0x20 || c > 0x7e || c == '"') c = '?';
  return out;
}

namespace {
bool is_message_part(Type type) { return type == Type::message || type == Type::first || type == Type::more; }

Error malformed(std::string what) { return make_error(ErrorCode::MALFORMED, std::move(what)); }
}  // namespace

std::size_t Decoder::header_bytes() const {
  // The total of a `first` frame is read together with the header, so that its size is known before its bytes.
  return header_have_ >= kHeaderBytes && header_[3] == static_cast<std::uint8_t>(Type::first) ? kHeaderBytes + 4
                                                                                              : kHeaderBytes;
}

Status Decoder::consume(ByteSpan in, const Sink& sink) {
  for (;;) {
    while (header_have_ < header_bytes() && !in.empty()) {
      auto take = std::min(in.size(), header_bytes() - header_have_);
      std::copy_n(in.begin(), take, header_.begin() + static_cast<std::ptrdiff_t>(header_have_));
      in = in.subspan(take);
      header_have_ += take;
      if (header_have_ == header_bytes()) GALEN_TRY(begin_frame());
    }
    if (header_have_ < header_bytes()) return {};
    auto take = std::min(in.size(), body_left_);
    if (take > 0) {
      auto& target = type_ == Type::first || type_ == Type::more ? lanes_[lane_ - 1u].bytes : single_;
      target.insert(target.end(), in.begin(), in.begin() + static_cast<std::ptrdiff_t>(take));
      in = in.subspan(take);
      body_left_ -= take;
    }
    if (body_left_ > 0) return {};
    if (!end_frame(sink)) return {};
  }
}

Status Decoder::begin_frame() {
  ByteReader in(ByteSpan(header_).first(header_have_));
  auto magic = in.u16();
  lane_ = in.u8();
  auto type = in.u8();
  body_left_ = in.u32();
  if (magic != kMagic) return malformed(fmt::format("frame magic {:#06x}", magic));
  if (type < 1 || type > static_cast<std::uint8_t>(Type::more)) return malformed(fmt::format("frame type {}", type));
  type_ = static_cast<Type>(type);
  if (is_message_part(type_)) return begin_message_part();
  if (lane_ != 0) return malformed(fmt::format("control frame on lane {}", lane_));
  if (body_left_ > kControlBytesMax) return malformed(fmt::format("control frame of {} bytes", body_left_));
  single_.clear();
  single_.reserve(body_left_);
  return {};
}

Status Decoder::begin_message_part() {
  if (lane_ != 1 && lane_ != 2) return malformed(fmt::format("message on lane {}", lane_));
  if (!messages_admitted_) return malformed("message before the connection was activated");
  auto& assembly = lanes_[lane_ - 1u];
  std::size_t overhead = type_ == Type::first ? 4 : 0;
  if (body_left_ < overhead || body_left_ - overhead > kChunkBytesMax)
    return malformed(fmt::format("message frame of {} bytes", body_left_));
  body_left_ -= overhead;
  assembly.arrived += body_left_ + (type_ == Type::more ? 0 : kMessageCost);
  if ((type_ == Type::more) != (assembly.total > 0))
    return malformed(type_ == Type::more ? "continuation of no message" : "message inside another of the same lane");
  if (type_ == Type::message) {
    single_ = Bytes();
    single_.reserve(body_left_);
    return {};
  }
  if (type_ == Type::first) {
    auto total = ByteReader(ByteSpan(header_).subspan(kHeaderBytes)).u32();
    if (total > limits::kFrameBytesMax)
      return malformed(fmt::format("message of {} bytes, the limit is {}", total, limits::kFrameBytesMax));
    if (body_left_ == 0 || body_left_ >= total) return malformed("fragment that is empty or no fragment");
    assembly.total = total;
    assembly.bytes = Bytes();
    assembly.bytes.reserve(total);
    return {};
  }
  if (body_left_ == 0 || body_left_ > assembly.total - assembly.bytes.size())
    return malformed("fragment that is empty or too long");
  return {};
}

bool Decoder::end_frame(const Sink& sink) {
  header_have_ = 0;
  if (!is_message_part(type_)) return sink(Event{type_, Lane::votes, std::move(single_)});
  auto lane = static_cast<Lane>(lane_);
  if (type_ == Type::message) return sink(Event{Type::message, lane, std::move(single_)});
  auto& assembly = lanes_[lane_ - 1u];
  if (assembly.bytes.size() < assembly.total) return true;
  assembly.total = 0;
  return sink(Event{Type::message, lane, std::exchange(assembly.bytes, Bytes())});
}

}  // namespace galen::net::wire
