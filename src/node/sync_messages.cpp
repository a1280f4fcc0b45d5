#include "node/sync_messages.hpp"

#include "galen/ledger/past_block.hpp"

namespace galen::node {
namespace {

constexpr std::size_t kSubjectBytes = 12;

Error malformed(const char* message) {
  return make_error(ErrorCode::MALFORMED, std::string(message) + ": its length or count");
}

ByteWriter begin(PeerMessageKind kind, std::size_t reserve) {
  ByteWriter out(1 + reserve);
  out.u8(static_cast<std::uint8_t>(kind));
  return out;
}

SyncSubject read_subject(ByteReader& in) {
  SyncSubject out;
  out.height = in.u64();
  out.number = in.u32();
  return out;
}

}  // namespace

bool is_sync_request(PeerMessageKind kind) {
  return kind == PeerMessageKind::fetch_snapshots || kind == PeerMessageKind::fetch_manifest ||
         kind == PeerMessageKind::fetch_part || kind == PeerMessageKind::fetch_past ||
         kind == PeerMessageKind::fetch_past_piece;
}
bool is_sync_answer(PeerMessageKind kind) {
  return kind == PeerMessageKind::snapshots || kind == PeerMessageKind::manifest || kind == PeerMessageKind::part ||
         kind == PeerMessageKind::past || kind == PeerMessageKind::past_piece;
}

Bytes encode_fetch_snapshots() { return peer_message(PeerMessageKind::fetch_snapshots, {}); }

Bytes encode_snapshots(std::span<const Height> heights) {
  GALEN_ASSERT(heights.size() <= kSnapshotsOfferedMax);
  auto out = begin(PeerMessageKind::snapshots, 1 + heights.size() * 8);
  out.u8(static_cast<std::uint8_t>(heights.size()));
  for (auto height : heights) out.u64(height);
  return std::move(out).take();
}

Result<std::vector<Height>> decode_snapshots(ByteSpan body) {
  ByteReader in(body);
  auto count = in.u8();
  if (!in.ok() || count > kSnapshotsOfferedMax || in.remaining() != count * 8u) return malformed("snapshots");
  std::vector<Height> out;
  for (unsigned i = 0; i < count; ++i) out.push_back(in.u64());
  for (std::size_t i = 1; i < out.size(); ++i)
    if (out[i - 1] >= out[i]) return Error{ErrorCode::MALFORMED, "snapshots: the heights do not ascend"};
  return out;
}

Bytes encode_fetch_manifest(Height height) {
  return std::move(begin(PeerMessageKind::fetch_manifest, 8).u64(height)).take();
}

Result<Height> decode_fetch_manifest(ByteSpan body) {
  ByteReader in(body);
  auto height = in.u64();
  if (!in.done()) return malformed("fetch_manifest");
  return height;
}

Bytes encode_subject(PeerMessageKind kind, const SyncSubject& subject) {
  return std::move(begin(kind, kSubjectBytes).u64(subject.height).u32(subject.number)).take();
}

Result<SyncSubject> decode_subject(ByteSpan body) {
  ByteReader in(body);
  auto subject = read_subject(in);
  if (!in.done()) return malformed("a request of sync");
  return subject;
}

Bytes encode_part_answer(const SyncSubject& subject, ByteSpan part, PeerMessageKind kind) {
  auto out = begin(kind, kSubjectBytes + part.size());
  return std::move(out.u64(subject.height).u32(subject.number).raw(part)).take();
}

Result<PartAnswer> decode_part_answer(ByteSpan body) {
  ByteReader in(body);
  PartAnswer out;
  out.subject = read_subject(in);
  if (!in.ok()) return malformed("part");
  out.part = in.raw(in.remaining());
  return out;
}

Bytes encode_past_answer(Height highest, std::span<const Bytes> blocks) {
  std::size_t size = kSubjectBytes;
  for (const auto& block : blocks) size += 4 + block.size();
  auto out = begin(PeerMessageKind::past, size);
  out.u64(highest).u32(static_cast<std::uint32_t>(blocks.size()));
  for (const auto& block : blocks) out.sized(block);
  return std::move(out).take();
}

Bytes encode_past_in_pieces(Height highest, std::size_t bytes) {
  auto out = begin(PeerMessageKind::past, kSubjectBytes + 4);
  return std::move(out.u64(highest).u32(0).u32(static_cast<std::uint32_t>(bytes))).take();
}

Result<PastAnswer> decode_past_answer(ByteSpan body) {
  ByteReader in(body);
  auto subject = read_subject(in);
  if (subject.number > kPastBlocksMax) return malformed("past");
  PastAnswer out{subject.height, {}, 0};
  if (subject.number == 0 && in.remaining() > 0) {
    out.bytes_in_pieces = in.u32();
    if (out.bytes_in_pieces <= kPastWholeBytesMax || out.bytes_in_pieces > ledger::kPastBlockBytesMax)
      return malformed("past");
  }
  for (std::uint32_t i = 0; i < subject.number && in.ok(); ++i) out.blocks.push_back(in.sized(limits::kFrameBytesMax));
  if (!in.done()) return malformed("past");
  return out;
}

}  // namespace galen::node
