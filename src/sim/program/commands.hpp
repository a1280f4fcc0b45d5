// The subcommands of galen-sim. Each adds itself to the program and, when it was the one given, leaves the exit code:
// 0 nothing was found, 1 a violation or a survivor, 2 wrong arguments.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "sim/options.hpp"

namespace galen::sim {

void add_run(CLI::App& app, int& code);
void add_replay(CLI::App& app, int& code);
void add_shrink(CLI::App& app, int& code);
void add_mutations(CLI::App& app, int& code);
void add_regressions(CLI::App& app, int& code);
void add_wan(CLI::App& app, int& code);
void add_soak(CLI::App& app, int& code);

unsigned default_jobs();

/// Options of one run given by hand or drawn from the seed: what replay and shrink have in common.
struct PlanArguments {
  std::uint64_t seed = 0;
  std::string group = "mixed";
  std::string scenario;  ///< one of `galen-sim regressions` instead
  bool is_plan = false;  ///< the options below instead of what the seed draws
  std::size_t members = 4;
  std::size_t liars = 0;
  std::uint64_t trouble_ms = 2000;
  unsigned changes = 0;
  bool no_faults = false;
  bool amnesia = false;
  std::string without;
  std::string lies;
  std::string without_lies;

  void add_to(CLI::App& command);
  /// Prints why not, when it gives nothing.
  std::optional<Options> options() const;
};

}  // namespace galen::sim
