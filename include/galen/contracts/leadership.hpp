// Who is left out of the rotation of leaders (V6; the rule is galen/types/leadership.hpp): its row of the state, moved on at
// each block and begun anew with each epoch. A pure function of headers and rows; the reader's thread.
#pragma once

#include "galen/contracts/membership.hpp"
#include "galen/types/leadership.hpp"

namespace galen::contracts {

/// Empty if there is no row. CORRUPT when it does not decode, and what the reader gives.
Result<Leadership> load_leadership(const RowReader& read);

/// At the beginning of a block of an epoch of so many members. Writes only what has changed, so a chain on which no view
/// fails has no such row.
void note_leaders(std::size_t members, const BlockHeader& parent, const BlockHeader& block, StateView& state);
/// At the end of an epoch: views and places of the next are others.
void forget_leaders(StateView& state);

}  // namespace galen::contracts
