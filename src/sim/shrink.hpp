// Makes a failing run smaller: leaves out members, lies, kinds of faults and time, one after the other, as long as the
// same check still fails, until nothing more can go. Leaving something out changes the random draws that follow, so each
// step may try a few other seeds beside its own.
#pragma once

#include <functional>
#include <optional>

#include "sim/runner.hpp"

namespace galen::sim {

struct ShrinkOptions {
  unsigned seeds_a_step = 40;  ///< tried before something counts as needed
  unsigned jobs = 1;
  std::function<void(const std::string&)> on_step;  ///< one line for each thing that could go
};

struct Shrunk {
  Options options;
  std::string failure;
  Tally tally;
  unsigned runs = 0;
};

/// Nothing if `options` does not fail.
std::optional<Shrunk> shrink(const Options& options, const ShrinkOptions& how);
/// The command that runs exactly these options.
std::string replay_command(const Options& options);

}  // namespace galen::sim
