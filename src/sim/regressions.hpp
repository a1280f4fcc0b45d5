// Bugs that other consensus systems had, as runs of layer 1 that force the conditions they needed (docs/regressions.md has
// the whole list, and what covers those that do not fit a simulator).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/options.hpp"

namespace galen::sim {

struct RegressionOptions {
  std::string only;  ///< a single one, by name; empty: all
  std::uint64_t first = 0;
  std::uint64_t seeds = 200;  ///< of each
  unsigned jobs = 1;
};

/// Prints a table as markdown and the command for each failing seed; how many scenarios failed or never met their
/// condition, -1 if there is none of that name.
int run_regressions(const RegressionOptions& options);
/// What one of its seeds runs; nothing if there is no such scenario.
std::optional<Options> scenario_options(const std::string& name, std::uint64_t seed);

}  // namespace galen::sim
