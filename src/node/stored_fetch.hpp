// All that a member stores of one block, asked of it by a thread that waits for the answer: the scrub's, and that of a node
// that diverged. A block that fits no frame with its outcomes is taken in pieces, as one below a snapshot is
// (docs/spec/wire.md 6). Nothing is checked here.
#pragma once

#include "galen/ledger/scrub.hpp"
#include "node/peer_question.hpp"

namespace galen::node {

/// Nothing when the peer does not have it, or answers nothing of use.
std::optional<ledger::StoredBlock> fetch_stored(PeerQuestion& question, MemberIndex peer, Height height);

}  // namespace galen::node
