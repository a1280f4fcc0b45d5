// Who takes part, as the ledger has it: names, keys and pins of voters and learners. Pure reads; any thread.
#pragma once

#include "galen/execution/membership.hpp"
#include "node/identity.hpp"

namespace galen::node {

/// CORRUPT, IO_ERROR. `own` stands last if it is neither voter nor learner, under `own_name`.
Result<Participants> load_participants(const Genesis& genesis, const ledger::View& view,
                                       const contracts::Membership& membership, const Participant& own);

/// As the ledger has it now; a part of the id for one that it has no name of.
Result<std::string> member_name(const Genesis& genesis, const ledger::View& view, const PrincipalId& id);

/// The participants of genesis, and the own member behind them if it is not one of them.
Participants participants_of_genesis(const Genesis& genesis, const Participant& own);

/// Of these keys the one that the ledger names for the own member becomes the node's; without it the node cannot sign.
void take_key(Identity& identity, std::vector<crypto::PrivateKey> keys);

/// Whether the ledger says another epoch or other learners than this node was opened with.
Result<bool> are_participants_new(const Identity& identity, const ledger::View& view);

}  // namespace galen::node
