// Membership as a view of the ledger has it (galen/contracts/membership.hpp). Pure reads; any thread.
#pragma once

#include "galen/contracts/leadership.hpp"
#include "galen/contracts/membership.hpp"
#include "galen/ledger/view.hpp"

namespace galen::execution {

/// After the view's height: the members of the next height, what is pending, who learns. CORRUPT, IO_ERROR.
Result<contracts::Membership> load_membership(const Genesis& genesis, const ledger::View& view);

/// The voters of an epoch up to the view's; nothing for a later one.
Result<std::optional<contracts::EpochMembers>> load_epoch(const Genesis& genesis, const ledger::View& view,
                                                          Epoch epoch);

/// After the view's height: whom the rotation of leaders leaves out. CORRUPT, IO_ERROR.
Result<Leadership> load_leadership(const ledger::View& view);

}  // namespace galen::execution
