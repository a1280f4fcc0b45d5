// Runs many seeds on several threads, each seed alone on one of them, and adds up what happened. Results do not depend
// on the number of threads.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sim/simulation.hpp"

namespace galen::sim {

/// What one seed gave.
struct SeedResult {
  std::string failure;  ///< empty, or what went wrong
  std::uint64_t digest = 0;  ///< of the events: the same seed gives the same
  bool byzantine = false;    ///< some member lied
  Tally tally;
};
/// Layer 1: the core alone.
SeedResult run_core(const Options& options);

struct RunOptions {
  unsigned layer = 1;
  Group group = Group::mixed;
  std::uint64_t first = 0;
  std::uint64_t seeds = 1000;
  unsigned jobs = 1;
  bool until_failure = false;       ///< stop at the smallest seed that fails
  std::uint64_t twice_every = 100;  ///< every so many seeds run a second time and must give the same events; 0 never
  /// How a seed is run; layer 1 when there is nothing here. Called from several threads.
  std::function<SeedResult(std::uint64_t seed)> run_one;
  /// About once a second, from any of the threads, never two at once: seeds done, failures so far.
  std::function<void(std::uint64_t done, std::uint64_t failures)> on_progress;
};

struct Failure {
  std::uint64_t seed = 0;
  std::string what;
};

struct RunResult {
  std::uint64_t seeds = 0;      ///< that were run
  std::uint64_t byzantine = 0;  ///< of them, how many with members that lie
  std::uint64_t wall_ms = 0;
  std::vector<Failure> failures;  ///< by seed
  Tally tally;
};

RunResult run_seeds(const RunOptions& options);
/// The command that runs this seed again and tells every step.
std::string replay_command(const RunOptions& options, std::uint64_t seed);
/// One line of JSON, or the same for people.
std::string to_json(const RunOptions& options, const RunResult& result);
std::string to_text(const RunOptions& options, const RunResult& result);

}  // namespace galen::sim
