#include "node/fetch_answers.hpp"

#include <algorithm>

#include "node/repair_answers.hpp"

namespace galen::node {
namespace {

/// False: it is not here, or the answer is full.
Result<bool> add(const ledger::View& view, Height height, BlocksWriter& answer, bool& certified) {
  GALEN_ASSIGN(auto block, view.block_bytes(height));
  GALEN_ASSIGN(auto certificate, view.commit_certificate(height));
  if (!block || !answer.add(*block, certificate)) return false;
  certified |= certificate.has_value();
  return true;
}

}  // namespace

Status answer_fetch_batches(const BatchPool& pool, ByteSpan body, const std::function<bool(Bytes)>& send) {
  GALEN_ASSIGN(auto request, decode_fetch_batches(body));
  std::size_t sent = 0;
  for (const auto& digest : request.digests) {
    auto batch = pool.find_for_others(digest);
    if (!batch) continue;
    const auto bytes = batch->bytes().size();
    if (sent > 0 && sent + bytes > kBatchesAnswerBytesMax) break;
    if (!send(peer_message(PeerMessageKind::batch, batch->bytes()))) break;
    sent += bytes;
  }
  return {};
}

Result<std::optional<Bytes>> answer_fetch_blocks(const ledger::View& view, ByteSpan body) {
  GALEN_ASSIGN(auto request, decode_fetch_blocks(body));
  BlocksWriter answer;
  const auto count_max = std::min(request.count_max, kFetchBlocksMax);
  bool certified = false;
  for (auto height = std::max<Height>(1, request.from); height <= view.height() && answer.count() < count_max;
       ++height) {
    auto added = add(view, height, answer, certified);
    if (!added && !is_not_here(added.error())) return added.error();
    if (!added || !*added) break;
  }
  // Blocks from before this node joined may lack their certificates, and without one nobody could believe the answer.
  if (!certified) return std::optional<Bytes>();
  return std::optional(std::move(answer).take());
}

}  // namespace galen::node
