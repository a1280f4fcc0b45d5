// A stored block without its items: which batches stand in it, and until when each of them could. Starting a node asks
// that of every block of the last ttl_max, where decoding the items as well would take minutes after a bulk load.
#pragma once

#include <functional>

#include "galen/ledger/view.hpp"

namespace galen::ledger {

struct BlockOutline {
  BlockSkeleton skeleton;
  std::vector<BatchHeader> batches;  ///< in the order of the skeleton's digests, and each with that digest
  bool operator==(const BlockOutline&) const = default;

  /// Of Block::encode(). What lies behind a batch's header is skipped unread; everything else is checked as
  /// Block::decode does.
  static Result<BlockOutline> decode(crypto::Suite suite, ByteSpan block);
};

/// Of all blocks here whose time is not before `since_ms`, ascending. CORRUPT if one does not decode.
Status each_block_outline(const View& view, TimestampMs since_ms, const std::function<Status(const BlockOutline&)>& visit);

}  // namespace galen::ledger
