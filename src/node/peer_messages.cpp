#include "node/peer_messages.hpp"

#include <set>

namespace galen::node {

Bytes peer_message(PeerMessageKind kind, ByteSpan body) {
  ByteWriter out(1 + body.size());
  out.u8(static_cast<std::uint8_t>(kind)).raw(body);
  return std::move(out).take();
}

namespace {

Bytes encode_digests(PeerMessageKind kind, const std::vector<Hash>& digests) {
  ByteWriter out(5 + digests.size() * Hash::kSize);
  out.u8(static_cast<std::uint8_t>(kind)).u32(static_cast<std::uint32_t>(digests.size()));
  for (const auto& digest : digests) out.raw(digest);
  return std::move(out).take();
}

Result<std::vector<Hash>> decode_digests(ByteSpan body) {
  ByteReader in(body);
  auto count = in.u32();
  if (!in.ok() || count > kFetchBatchesMax || in.remaining() != count * Hash::kSize)
    return Error{ErrorCode::MALFORMED, "digests: the count does not fit the length"};
  std::vector<Hash> out;
  out.reserve(count);
  std::set<Hash> known;
  for (std::uint32_t i = 0; i < count; ++i) {
    out.push_back(in.fixed<Hash>());
    if (!known.insert(out.back()).second) return Error{ErrorCode::MALFORMED, "digests: one stands there twice"};
  }
  return out;
}

}  // namespace

Bytes encode_fetch_batches(const std::vector<Hash>& digests) {
  return encode_digests(PeerMessageKind::fetch_batches, digests);
}

Result<FetchBatches> decode_fetch_batches(ByteSpan body) {
  FetchBatches out;
  GALEN_ASSIGN(out.digests, decode_digests(body));
  return out;
}

Bytes encode_offer(const std::vector<Hash>& digests) { return encode_digests(PeerMessageKind::offer, digests); }
Result<std::vector<Hash>> decode_offer(ByteSpan body) { return decode_digests(body); }

Result<Height> decode_fetch_stored(ByteSpan body) {
  ByteReader in(body);
  const auto height = in.u64();
  if (!in.done()) return make_error(ErrorCode::MALFORMED, "fetch_stored: wrong length");
  return height;
}

Result<FetchTree> decode_fetch_tree(ByteSpan body) {
  ByteReader in(body);
  FetchTree out{.height = in.u64(), .depth = in.u8(), .path = in.fixed<Hash>()};
  if (!in.done()) return make_error(ErrorCode::MALFORMED, "fetch_tree: wrong length");
  return out;
}

Bytes encode_fetch_blocks(const FetchBlocks& request) {
  ByteWriter out(13);
  out.u8(static_cast<std::uint8_t>(PeerMessageKind::fetch_blocks)).u64(request.from).u32(request.count_max);
  return std::move(out).take();
}

Result<FetchBlocks> decode_fetch_blocks(ByteSpan body) {
  ByteReader in(body);
  FetchBlocks out;
  out.from = in.u64();
  out.count_max = in.u32();
  if (!in.done()) return Error{ErrorCode::MALFORMED, "fetch_blocks: wrong length"};
  return out;
}

bool BlocksWriter::add(ByteSpan block, const std::optional<QuorumCertificate>& certificate) {
  if (count_ > 0 && body_.size() + block.size() > kBlocksAnswerBytesMax) return false;
  body_.sized(block).u8(certificate ? 1 : 0);
  if (certificate) certificate->append_to(body_);
  ++count_;
  return true;
}

Bytes BlocksWriter::take() && {
  ByteWriter out(5 + body_.size());
  out.u8(static_cast<std::uint8_t>(PeerMessageKind::blocks)).u32(count_).raw(body_.bytes());
  return std::move(out).take();
}

Bytes encode_fetch_high(std::uint64_t nonce) { return ByteWriter(8).u64(nonce).bytes(); }

Result<std::uint64_t> decode_fetch_high(ByteSpan body) {
  ByteReader in(body);
  auto nonce = in.u64();
  if (!in.done()) return Error{ErrorCode::MALFORMED, "fetch_high: wrong length"};
  return nonce;
}

Bytes encode_high(const HighAnswer& answer) {
  ByteWriter out;
  out.u64(answer.nonce).u8(answer.counts ? 1 : 0).u8(answer.certificate ? 1 : 0);
  if (answer.certificate) answer.certificate->append_to(out);
  return std::move(out).take();
}

Result<HighAnswer> decode_high(ByteSpan body) {
  ByteReader in(body);
  HighAnswer out;
  out.nonce = in.u64();
  const auto counts = in.u8(), certified = in.u8();
  if (!in.ok() || counts > 1 || certified > 1) return Error{ErrorCode::MALFORMED, "high: not of its form"};
  out.counts = counts == 1;
  if (certified == 1) {
    GALEN_ASSIGN(out.certificate, QuorumCertificate::read(in));
  }
  if (!in.done()) return Error{ErrorCode::MALFORMED, "high: wrong length"};
  return out;
}

Result<std::vector<SyncBlock>> decode_blocks(ByteSpan body) {
  ByteReader in(body);
  auto count = in.u32();
  if (count > kFetchBlocksMax) return Error{ErrorCode::MALFORMED, "blocks: more than an answer may hold"};
  std::vector<SyncBlock> out;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    SyncBlock block;
    block.block = in.sized(limits::kFrameBytesMax);
    if (in.u8() == 1) {
      GALEN_ASSIGN(auto certificate, QuorumCertificate::read(in));
      block.certificate = std::move(certificate);
    }
    out.push_back(std::move(block));
  }
  if (!in.done()) return Error{ErrorCode::MALFORMED, "blocks: wrong length"};
  return out;
}

}  // namespace galen::node
