// The planted mutations of docs/spec/consensus.md 10: each a build of the core with one rule weakened, which the
// simulation must catch. Here is their list, and the table that says how many seeds each one needed.
#pragma once

#include <cstdint>
#include <string>

namespace galen::sim {

struct MutationOptions {
  std::string folder;  ///< where the programs galen-sim-mutant-NAME stand
  std::string only;    ///< a single one, by name; empty: all
  unsigned starts = 10;
  std::uint64_t budget = 2000;
  unsigned jobs = 1;
};

/// Prints the table as markdown; the number of mutations that survived. Below zero: there is no such mutation, or a
/// program of one is not there, and nothing was run.
int run_mutations(const MutationOptions& options);

}  // namespace galen::sim
