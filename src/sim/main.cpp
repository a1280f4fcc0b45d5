// galen-sim: runs the consensus core, or whole nodes, in simulation: many seeds or one, and shows that planted mutations
// are caught.
#include "galen/base/log.hpp"
#include "sim/program/commands.hpp"

int main(int argc, char** argv) {
  using namespace galen::sim;
  CLI::App app{"galen-sim runs the nodes of a chain over a simulated network, disk and clock, every run from its seed"};
  app.require_subcommand(1);
  int code = 0;
  galen::log::init({.level = "critical"});  // what a hurt node says is part of the run, not of the answer
  add_run(app, code);
  add_replay(app, code);
  add_shrink(app, code);
  add_mutations(app, code);
  add_regressions(app, code);
  add_wan(app, code);
  add_soak(app, code);
  CLI11_PARSE(app, argc, argv);
  return code;
}
