// What this node hands to a member that lacks bodies or blocks (docs/spec/consensus.md 9). A question is short and an
// answer long, so each answer is bounded; who needs more asks again. Any thread.
#pragma once

#include <functional>

#include "galen/ledger/view.hpp"
#include "node/batch_pool.hpp"
#include "node/peer_messages.hpp"

namespace galen::node {

/// Sends those of the batches asked for that are here: about kBatchesAnswerBytesMax, at least one, and no more once
/// `send` does not take one. MALFORMED for a question that is none.
Status answer_fetch_batches(const BatchPool& pool, ByteSpan body, const std::function<bool(Bytes)>& send);
/// The answer to fetch_blocks, up to the first block that is not here; nothing when there is none. MALFORMED; IO_ERROR.
Result<std::optional<Bytes>> answer_fetch_blocks(const ledger::View& view, ByteSpan body);

}  // namespace galen::node
