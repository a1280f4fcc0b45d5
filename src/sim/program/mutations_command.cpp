// galen-sim mutations and regressions: faults of our own, planted, and those that others had.
#include <unistd.h>

#include <climits>
#include <memory>

#include "sim/mutations.hpp"
#include "sim/program/commands.hpp"
#include "sim/regressions.hpp"

namespace galen::sim {

namespace {

std::string own_folder() {
  char path[PATH_MAX];
  auto length = ::readlink("/proc/self/exe", path, sizeof path);
  std::string out(path, length > 0 ? static_cast<std::size_t>(length) : 0);
  return out.substr(0, out.rfind('/'));
}

}  // namespace

void add_mutations(CLI::App& app, int& code) {
  auto options = std::make_shared<MutationOptions>();
  options->folder = own_folder();
  options->jobs = default_jobs();
  auto* command =
      app.add_subcommand("mutations", "show that each planted mutation is caught (target galen-sim-mutants)");
  command->add_option("--only", options->only, "a single one, by name");
  command->add_option("--starts", options->starts, "first seeds to begin at")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command->add_option("--budget", options->budget, "seeds each may take (five times as many: 6, 13 and 14)")
      ->capture_default_str();
  command->add_option("--jobs", options->jobs, "threads")->check(CLI::Range(1, 256))->capture_default_str();
  command->add_option("--programs", options->folder, "where the mutated programs stand");
  command->callback([options, &code] {
    auto survivors = run_mutations(*options);
    code = survivors < 0 ? 2 : (survivors > 0 ? 1 : 0);
  });
}

void add_regressions(CLI::App& app, int& code) {
  auto options = std::make_shared<RegressionOptions>();
  options->jobs = default_jobs();
  auto* command = app.add_subcommand("regressions", "the conditions of bugs that other systems had (docs/regressions.md)");
  command->add_option("--only", options->only, "a single one, by name");
  command->add_option("--first", options->first, "first seed")->capture_default_str();
  command->add_option("--seeds", options->seeds, "of each")->capture_default_str();
  command->add_option("--jobs", options->jobs, "threads")->check(CLI::Range(1, 256))->capture_default_str();
  command->callback([options, &code] {
    auto failed = run_regressions(*options);
    code = failed < 0 ? 2 : (failed > 0 ? 1 : 0);
  });
}

}  // namespace galen::sim
