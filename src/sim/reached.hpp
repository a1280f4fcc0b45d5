// Which faults, branches of the protocol and reasons to refuse a run has reached, against the list of all there are: a
// simulator that never comes to a line says nothing about it.
#pragma once

#include <string>
#include <string_view>

#include "sim/simulation.hpp"

namespace galen::sim {

/// The event's value names a branch of a rule.
bool has_branches(consensus::EventKind kind);
/// "view_entered by NEW-VIEW"; the kind alone where the value is no branch.
std::string branch_name(const consensus::Event& event);

struct Reached {
  std::string table;      ///< markdown: kind, what, rule, how often
  unsigned missing = 0;   ///< rows with a zero
  unsigned unlisted = 0;  ///< seen, but not in the list
};
Reached reached_table(const Tally& tally);
/// The same of layer 2: faults of media, power and log.
Reached reached_whole_table(const Tally& tally);

}  // namespace galen::sim
