#include "galen/ledger/block_outline.hpp"

namespace galen::ledger {

Result<BlockOutline> BlockOutline::decode(crypto::Suite suite, ByteSpan block) {
  ByteReader in(block);
  BlockOutline out;
  GALEN_ASSIGN(out.skeleton, BlockSkeleton::read(suite, in));
  out.batches.reserve(out.skeleton.batch_digests.size());
  for (const auto& digest : out.skeleton.batch_digests) {
    auto batch = in.sized(in.remaining());
    if (batch.size() < kBatchHeaderBytes) return {ErrorCode::MALFORMED, "block: a batch ends before its header"};
    GALEN_ASSIGN(auto header, BatchHeader::decode(batch.first(kBatchHeaderBytes)));
    if (header.digest(suite) != digest) return {ErrorCode::BAD_PROOF, "block: a batch is not the one its digest names"};
    out.batches.push_back(header);
  }
  if (!in.done()) return {ErrorCode::MALFORMED, "block: bytes behind the last batch"};
  return out;
}

namespace {

// Times ascend, and the blocks that are here are the newest ones.
Result<Height> first_since(const View& view, TimestampMs since_ms) {
  Height below = 0, from = view.height() + 1;  // block zero has no time; what is asked lies in (below, from]
  while (from - below > 1) {
    const Height middle = below + (from - below) / 2;
    GALEN_ASSIGN(auto header, view.header(middle));
    (header && header->time_ms >= since_ms ? from : below) = middle;
  }
  return from;
}

}  // namespace

Status each_block_outline(const View& view, TimestampMs since_ms,
                          const std::function<Status(const BlockOutline&)>& visit) {
  GALEN_ASSIGN(auto first, first_since(view, since_ms));
  return view.each_block_bytes(first, [&](Height height, ByteSpan bytes) -> Status {
    auto outline = BlockOutline::decode(view.suite(), bytes);
    if (!outline)
      return make_error(ErrorCode::CORRUPT,
                        "The block of height " + std::to_string(height) + " does not decode: " + outline.error().message);
    return visit(*outline);
  });
}

}  // namespace galen::ledger
