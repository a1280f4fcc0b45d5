// galen-sim replay and shrink: one seed.
#include <cstdio>
#include <fstream>
#include <memory>

#include "sim/journal.hpp"
#include "sim/program/commands.hpp"
#include "sim/record.hpp"
#include "sim/regressions.hpp"
#include "sim/shrink.hpp"
#include "sim/whole/cluster.hpp"

namespace galen::sim {

void PlanArguments::add_to(CLI::App& command) {
  command.add_option("seed", seed, "the seed")->required();
  command.add_option("--group", group, "crashes, amnesia, byzantine or mixed: what the seed draws from")
      ->check(CLI::IsMember({"crashes", "amnesia", "byzantine", "mixed"}))
      ->capture_default_str();
  command.add_option("--scenario", scenario, "one of the regressions, by name");
  command.add_flag("--plan", is_plan, "do not draw, take the following as shrink prints them");
  command.add_option("--members", members, "4 to 7")->check(CLI::Range(4, 7))->capture_default_str();
  command.add_option("--liars", liars, "members that lie, at most f")->check(CLI::Range(0, 2))->capture_default_str();
  command.add_option("--changes", changes, "epochs that may end with a change of members")
      ->check(CLI::Range(0, 9))
      ->capture_default_str();
  command.add_option("--trouble-ms", trouble_ms, "virtual time before healing")->capture_default_str();
  command.add_flag("--no-faults", no_faults, "neither loss nor delay nor crashes");
  command.add_flag("--amnesia", amnesia, "logs may be lost");
  command.add_option("--without", without, "faults to leave out: " + names_of<Fault>(UINT32_MAX));
  command.add_option("--lies", lies, "what all liars do, in place of what they draw: " + names_of<Lie>(UINT32_MAX));
  command.add_option("--without-lies", without_lies, "lies to leave out: " + names_of<Lie>(UINT32_MAX));
}

std::optional<Options> PlanArguments::options() const {
  auto out = draw(seed, *group_named(group));
  if (!scenario.empty()) {
    auto found = scenario_options(scenario, seed);
    if (!found) std::fprintf(stderr, "galen-sim: no such scenario: %s\n", scenario.c_str());
    return found;
  }
  if (!is_plan) return out;
  auto faults = bits_named<Fault>(without);
  auto lies = bits_named<Lie>(without_lies);
  auto told = bits_named<Lie>(this->lies);
  if (!faults || !lies || !told || liars > faults_tolerated(members)) {
    std::fprintf(stderr, "galen-sim: %s\n",
                 !faults ? "--without: no such fault"
                         : (!lies || !told ? "--lies, --without-lies: no such lie" : "more liars than f"));
    return std::nullopt;
  }
  out.members = members;
  out.byzantine = liars;
  out.chaos_ms = trouble_ms;
  out.faults = !no_faults;
  out.amnesia = amnesia;
  out.changes = changes;
  out.without = *faults;
  out.without_lies = *lies;
  if (!this->lies.empty()) out.lies = *told;
  return out;
}

namespace {

struct ReplayArguments {
  PlanArguments plan;
  unsigned layer = 1;
  bool trace = false;
  bool json = false;
  bool diagram = false;
  std::string svg;
  std::optional<std::uint64_t> from_ms, to_ms;
  std::size_t moments = 60;
};

/// A run of either layer, with its diagram.
template <class Run, class GivenOptions>
int replay(const ReplayArguments& a, GivenOptions options) {
  Journal journal(a.moments, a.from_ms.value_or(0), a.to_ms.value_or(UINT64_MAX));
  options.trace = a.trace;
  if (a.diagram || !a.svg.empty()) options.journal = &journal;
  Run simulation(options);
  auto failure = simulation.run();
  auto tally = simulation.tally();
  auto names = simulation.place_names();
  if (a.diagram) std::printf("%s", journal.to_text(names).c_str());
  auto title = "seed " + std::to_string(options.seed) + ": " + (failure.empty() ? "no violation" : failure);
  if (!a.svg.empty()) {
    std::ofstream out(a.svg);
    out << journal.to_svg(names, title);
    out.close();
    if (!out) {
      std::fprintf(stderr, "galen-sim: cannot write %s\n", a.svg.c_str());
      return 2;
    }
  }
  std::printf("%s\n%zu members, %zu of them lie; events %llu, digest %016llx, %llu blocks, %llu virtual ms\n",
              title.c_str(), options.members, options.byzantine, static_cast<unsigned long long>(tally.events),
              static_cast<unsigned long long>(simulation.event_digest()), static_cast<unsigned long long>(tally.blocks),
              static_cast<unsigned long long>(tally.virtual_ms));
  return failure.empty() ? 0 : 1;
}

int replay(const ReplayArguments& a) {
  if (a.json && !(a.trace && a.layer == 1)) {
    std::fprintf(stderr, "galen-sim: --json is for --trace of layer 1\n");
    return 2;
  }
  if (a.layer == 2) return replay<Cluster>(a, draw_whole(a.plan.seed));
  auto options = a.plan.options();
  if (!options) return 2;
  if (!a.json) return replay<Simulation>(a, *options);
  Record record(stdout);
  options->record = &record;
  Simulation simulation(*options);
  auto failure = simulation.run();
  if (!failure.empty()) std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(options->seed), failure.c_str());
  return failure.empty() ? 0 : 1;
}

int shrink_one(const PlanArguments& plan, ShrinkOptions& how) {
  auto options = plan.options();
  if (!options) return 2;
  how.on_step = [](const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  };
  auto shrunk = shrink(*options, how);
  if (!shrunk) {
    std::printf("seed %llu does not fail\n", static_cast<unsigned long long>(options->seed));
    return 2;
  }
  std::printf("%s\nafter %u runs nothing more can go: %llu events\n%s --diagram\n", shrunk->failure.c_str(),
              shrunk->runs, static_cast<unsigned long long>(shrunk->tally.events),
              replay_command(shrunk->options).c_str());
  return 0;
}

}  // namespace

void add_replay(CLI::App& app, int& code) {
  auto a = std::make_shared<ReplayArguments>();
  auto* command = app.add_subcommand("replay", "run one seed again");
  a->plan.add_to(*command);
  command->add_option("--layer", a->layer, "1: the core alone; 2: whole nodes")
      ->check(CLI::Range(1, 2))
      ->capture_default_str();
  command->add_flag("--trace", a->trace, "tell every step");
  command->add_flag("--json", a->json, "the trace of layer 1 as lines of JSON: what the rules of voting are about");
  command->add_flag("--diagram", a->diagram, "a sequence diagram of the last moments, or of the time given");
  command->add_option("--svg", a->svg, "the diagram as a picture in this file");
  command->add_option("--from", a->from_ms, "virtual ms where the diagram begins");
  command->add_option("--to", a->to_ms, "and ends");
  command->add_option("--moments", a->moments, "at most so many, the last ones")->capture_default_str();
  command->callback([a, &code] { code = replay(*a); });
}

void add_shrink(CLI::App& app, int& code) {
  auto plan = std::make_shared<PlanArguments>();
  auto how = std::make_shared<ShrinkOptions>();
  how->jobs = default_jobs();
  auto* command = app.add_subcommand("shrink", "make a failing run as small as it gets");
  plan->add_to(*command);
  command->add_option("--tries", how->seeds_a_step, "seeds for each thing that might go")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_option("--jobs", how->jobs, "threads")->check(CLI::Range(1, 256))->capture_default_str();
  command->callback([=, &code] { code = shrink_one(*plan, *how); });
}

}  // namespace galen::sim
