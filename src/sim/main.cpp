// galen-sim: runs the consensus core, or whole nodes, in simulation: many seeds or one, and shows that planted mutations
// are caught.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <string_view>

#include "galen/base/log.hpp"
#include "sim/program/commands.hpp"

namespace {

/// CLI11 would take -1 for the largest number that there is.
bool is_below_zero(std::string_view argument) {
  const auto value =
      argument.substr(argument.starts_with("--") ? std::min(argument.find('='), argument.size() - 1) + 1 : 0);
  return value.size() > 1 && value[0] == '-' && std::isdigit(static_cast<unsigned char>(value[1])) != 0;
}

}  // namespace

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
  for (int i = 1; i < argc; ++i) {
    if (!is_below_zero(argv[i])) continue;
    std::fprintf(stderr, "%s: no number here is below zero\n", argv[i]);
    return 2;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return code;
}
