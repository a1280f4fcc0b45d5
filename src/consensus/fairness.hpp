// What F1 and F2 remember (docs/spec/consensus.md 6a): whose batches the leader of the view passes over, and what other
// members offer. Owned by the core; bounded by the number of members.
#pragma once

#include <set>

#include "galen/base/token_bucket.hpp"
#include "galen/types/block.hpp"

namespace galen::consensus {

/// F2, of one origin.
struct TurnOf {
  std::uint32_t passed_over = 0;       ///< blocks of the view in a row that an honest leader would have put it in
  std::uint64_t passed_since_ms = 0;   ///< receipt of the first of them
  std::uint32_t complaints = 0;        ///< since it last was in a block: each doubles the patience
};

/// F1, of one member: what it offered last and has not been asked for.
struct OffersOf {
  /// An honest member offers at most once in a quarter of this timeout.
  explicit OffersOf(std::uint64_t view_timeout_ms) : bucket(4, std::max<std::uint64_t>(view_timeout_ms * 250, 1)) {}
  std::set<Hash> digests;
  TokenBucket bucket;
};

}  // namespace galen::consensus
