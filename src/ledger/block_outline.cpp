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

Result<std::optional<BlockOutline>> block_outline(const View& view, Height height) {
  GALEN_ASSIGN(auto bytes, view.block_bytes(height));
  if (!bytes) return std::optional<BlockOutline>{};
  auto decoded = BlockOutline::decode(view.suite(), *bytes);
  if (!decoded)
    return make_error(ErrorCode::CORRUPT,
                      "The block of height " + std::to_string(height) + " does not decode: " + decoded.error().message);
  return std::optional<BlockOutline>(std::move(*decoded));
}

}  // namespace galen::ledger
