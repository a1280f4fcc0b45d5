// What the contracts of membership share: its rows, and the changes themselves. Private.
#pragma once

#include "contracts/support.hpp"
#include "galen/contracts/membership.hpp"

namespace galen::contracts {

/// As load_membership, metered; a row that does not decode discards the block.
Membership current_membership(const Genesis& genesis, StateView& state);

/// The row of a voter or of whoever has one; a member of genesis that nothing concerned yet gets what the list says.
std::optional<pb::MemberState> load_member(const Membership& membership, const std::string& id, StateView& state);

/// Whether the change could be made now; the reason why not. Asked when it is proposed and again when it is decided.
Status check_change(const Context& context, const Membership& membership, const pb::MembersChange& change,
                    StateView& state);
/// The signature of the new key that the change brings, if it brings one.
Status check_change_proof(const Context& context, const pb::MembersChange& change, StateView& state);
/// Makes a change that check_change found possible: what concerns learners at once, what concerns voters is pending.
void apply_change(const Context& context, const Membership& membership, const pb::MembersChange& change,
                  const std::string& proposal_id, StateView& state);
/// Lengths and forms.
Status check_change_shape(const pb::MembersChange& change);

}  // namespace galen::contracts
