// Where a reader of events stands (docs/spec/events.md 2): chain, height, transaction, event. A position is a gap
// between events, not an event: the cursor that stands in an event lies right behind it, and a stream that begins there
// gives what follows. Positions are a pure function of the blocks, so a cursor of one node is valid on every other.
// Pure value.
#pragma once

#include <string>
#include <string_view>

#include "galen/base/result.hpp"
#include "galen/types/members.hpp"

namespace galen {

struct EventCursor {
  Hash chain_id;
  Height height = 0;
  std::uint32_t transaction = 0;  ///< of the block, over all its batches, from 0
  std::uint32_t event = 0;        ///< of the transaction, from 0

  bool operator==(const EventCursor&) const = default;
  /// Of one chain only.
  bool is_before(const EventCursor& other) const;
  /// Before everything in the block of this height.
  static EventCursor at_block(const Hash& chain_id, Height height) { return {chain_id, height, 0, 0}; }

  /// "<chain id, 64 hexadecimal digits>:<height>:<transaction>:<event>", numbers in decimal without leading zeros.
  std::string encode() const;
  /// INVALID_ARGUMENT for anything that encode() does not give.
  static Result<EventCursor> decode(std::string_view text);
};

}  // namespace galen
