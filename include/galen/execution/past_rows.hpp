// What executing a block once wrote beside the state, derived from its bytes and outcomes alone (docs/spec/snapshots.md
// 4): for a node that began with a snapshot and never executed it. A pure function; any thread.
#pragma once

#include <functional>

#include "galen/ledger/past_block.hpp"

namespace galen::execution {

/// A row of the state after the block, or after any later one.
using StateReader = std::function<Result<std::optional<Bytes>>(std::uint8_t kind, ByteSpan key)>;

/// CORRUPT when a state row or a certified result does not decode.
Result<ledger::PastRows> past_rows(const Genesis& genesis, const ledger::PastBlock& past, const StateReader& state);

}  // namespace galen::execution
