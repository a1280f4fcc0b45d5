#include "node/fetch_answers.hpp"

namespace galen::node {

Status answer_fetch_batches(const BatchPool& pool, ByteSpan body, const std::function<bool(Bytes)>& send) {
  GALEN_ASSIGN(auto request, decode_fetch_batches(body));
  std::size_t sent = 0;
  for (const auto& digest : request.digests) {
    auto batch = pool.find(digest);
    if (!batch) continue;
    const auto bytes = batch->bytes().size();
    if (sent > 0 && sent + bytes > kBatchesAnswerBytesMax) break;
    if (!send(peer_message(PeerMessageKind::batch, batch->bytes()))) break;
    sent += bytes;
  }
  return {};
}

}  // namespace galen::node
