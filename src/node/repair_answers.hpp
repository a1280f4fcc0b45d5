// What this node hands to a member that mends its ledger or looks for what it computed differently (docs/spec/wire.md
// 6).
#pragma once

#include "galen/ledger/view.hpp"
#include "node/peer_messages.hpp"

namespace galen::node {

/// Damage of one's own is no answer for another, and no reason to stop for a question: the own scrub finds it.
bool is_not_here(const Error& error);

/// The answer to fetch_stored: its body, whole as it is sent. MALFORMED for a question that is none; IO_ERROR.
Result<Bytes> answer_fetch_stored(const ledger::View& view, ByteSpan body);
/// The answer to fetch_tree.
Result<Bytes> answer_fetch_tree(const ledger::View& view, ByteSpan body);

}  // namespace galen::node
