#include "sim/regressions.hpp"

#include <array>
#include <cstdio>
#include <initializer_list>

#include "sim/reached.hpp"
#include "sim/shrink.hpp"

namespace galen::sim {

namespace {

using consensus::EventKind;

void only_faults(Options& o, std::initializer_list<Fault> wanted) {
  o.faults = true;
  o.without = (1U << static_cast<unsigned>(Fault::count)) - 1;
  for (auto fault : wanted) o.without &= ~(1U << static_cast<unsigned>(fault));
}
void only_lies(Options& o, std::initializer_list<Lie> lies) {
  o.byzantine = faults_tolerated(o.members);
  o.amnesia = false;
  std::uint32_t bits = 0;
  for (auto lie : lies) bits |= 1U << static_cast<unsigned>(lie);
  o.lies = bits;
  only_faults(o, {Fault::delay});
}

std::uint64_t count_of(const std::map<std::string, std::uint64_t>& counts, const char* name) {
  auto found = counts.find(name);
  return found == counts.end() ? 0 : found->second;
}
std::uint64_t count_of(const Tally& tally, EventKind kind) {
  auto found = tally.kinds.find(kind);
  return found == tally.kinds.end() ? 0 : found->second;
}
std::uint64_t rejected(const Tally& tally) {
  std::uint64_t all = 0;
  for (const auto& [reason, count] : tally.rejected) all += count;
  return all;
}

struct Scenario {
  const char* rows;  ///< of docs/regressions.md
  const char* name;
  const char* forces;
  Options (*make)(Options);
  std::uint64_t (*met)(const Tally&);  ///< how often what the bug needs came to be
};

constexpr std::array kScenarios{
    Scenario{"1, 2", "lying-view-changes", "VIEW-CHANGEs that report less than their sender knows, or something else",
             [](Options o) {
               only_lies(o, {Lie::lies_view_change, Lie::storms});
               return o;
             },
             [](const Tally& t) { return count_of(t.branches, "view_entered by NEW-VIEW"); }},
    Scenario{"3", "timer-beside-commit", "views end while certificates and syncs are on their way",
             [](Options o) {
               o.byzantine = 0, o.amnesia = false;
               only_faults(o, {Fault::delay, Fault::slow_disk, Fault::slow_node});
               return o;
             },
             [](const Tally& t) { return count_of(t.branches, "view_change_sent after the timer"); }},
    Scenario{"4, 5", "split-between-views", "some COMMIT in a view that the others have left",
             [](Options o) {
               o.byzantine = 0, o.amnesia = false;
               only_faults(o, {Fault::loss, Fault::delay, Fault::flapping, Fault::partition});
               return o;
             },
             [](const Tally& t) { return count_of(t.branches, "R5: COMMIT for an earlier view"); }},
    Scenario{"6, 29", "crash-at-every-step", "crashes between signing, writing and sending",
             [](Options o) {
               o.byzantine = 0, o.amnesia = false;
               only_faults(o, {Fault::crash, Fault::delay, Fault::slow_disk});
               return o;
             },
             [](const Tally& t) { return count_of(t.faults, "crash with something signed and not yet durable"); }},
    Scenario{"8", "late-promises", "messages of ended views arrive, are repeated and sent again",
             [](Options o) {
               only_lies(o, {Lie::replays, Lie::stalls});
               only_faults(o, {Fault::delay, Fault::repeat, Fault::slow_node, Fault::loss});
               return o;
             },
             [](const Tally& t) { return count_of(t.faults, "a vote of an ended view arrives"); }},
    Scenario{"11, 13, 18", "catch-up-beside-commits",
             "members fall behind, fetch blocks and commit the same heights themselves",
             [](Options o) {
               o.byzantine = 0, o.amnesia = false;
               only_faults(o, {Fault::partition, Fault::one_way, Fault::crash, Fault::delay});
               return o;
             },
             [](const Tally& t) { return count_of(t, EventKind::falling_behind); }},
    Scenario{"14, 21, 22, 26", "mutated-messages",
             "small changes to every kind of message and certificate, signed and unsigned",
             [](Options o) {
               only_lies(o, {Lie::mutates, Lie::replays});
               return o;
             },
             [](const Tally& t) { return rejected(t); }},
    Scenario{"15, 16", "view-storm", "members that ask for views nobody wants",
             [](Options o) {
               only_lies(o, {Lie::storms});
               return o;
             },
             [](const Tally& t) { return count_of(t.faults, "member storms"); }},
    Scenario{"23", "clocks-apart", "clocks that jump by seconds",
             [](Options o) {
               o.byzantine = 0, o.amnesia = false;
               only_faults(o, {Fault::clock, Fault::delay, Fault::crash});
               return o;
             },
             [](const Tally& t) { return count_of(t.faults, "clock"); }},
    Scenario{"25", "lying-status", "members that lie about heights, certificates and modes, or do not answer",
             [](Options o) {
               only_lies(o, {Lie::lies_status, Lie::withholds});
               only_faults(o, {Fault::crash, Fault::delay});
               return o;
             },
             [](const Tally& t) { return count_of(t.faults, "member lies_status"); }},
    Scenario{"30", "lost-logs", "logs lost again and again, inside the budget",
             [](Options o) {
               o.byzantine = 0, o.amnesia = true;
               only_faults(o, {Fault::amnesia, Fault::delay});
               return o;
             },
             [](const Tally& t) { return count_of(t, EventKind::resumed); }},
    Scenario{"31", "one-node-cut-off", "a node that is not heard or does not hear, for long",
             [](Options o) {
               o.byzantine = 0, o.amnesia = false, o.chaos_ms = 20'000;
               only_faults(o, {Fault::one_way, Fault::delay});
               return o;
             },
             [](const Tally& t) { return count_of(t.faults, "one_way"); }},
    Scenario{"36", "leaders-left-out",
             "members that are not there for so long that others lead in their place, and come back",
             [](Options o) {
               o.byzantine = 0, o.amnesia = false, o.chaos_ms = 20'000;
               only_faults(o, {Fault::one_way, Fault::crash, Fault::delay});
               return o;
             },
             [](const Tally& t) { return count_of(t.faults, "a view is led in another's place"); }},
    Scenario{"37", "poisoned-answers", "members that answer who fetches with blocks and batches they have changed",
             [](Options o) {
               only_lies(o, {Lie::poisons});
               only_faults(o, {Fault::crash, Fault::partition, Fault::delay});
               return o;
             },
             [](const Tally& t) { return count_of(t.faults, "blocks of a poisoned answer refused"); }},
    Scenario{"38", "restored-backups", "logs put back to what they were some time ago",
             [](Options o) {
               o.byzantine = 0, o.amnesia = o.restores = true;
               only_faults(o, {Fault::restored, Fault::delay});
               return o;
             },
             [](const Tally& t) {
               return count_of(t.branches, "8: recovers, for others show words that its log has lost");
             }},
    Scenario{"39", "members-come-and-go",
             "four members, one more each epoch up to seven, one less down to four, under crashes",
             [](Options o) {
               o.members = 4, o.byzantine = 0, o.amnesia = false, o.walk = true, o.changes = 6, o.chaos_ms = 30'000;
               only_faults(o, {Fault::crash, Fault::loss, Fault::delay});
               return o;
             },
             [](const Tally& t) { return count_of(t.faults, "goes over into the last epoch of a walk"); }},
};

}  // namespace

int run_regressions(const RegressionOptions& options) {
  std::printf("| rows | scenario | forces | seeds | met | failed |\n|---|---|---|---|---|---|\n");
  int bad = 0;
  bool found = options.only.empty();
  for (const auto& scenario : kScenarios) {
    if (!options.only.empty() && options.only != scenario.name) continue;
    found = true;
    RunOptions run;
    run.first = options.first;
    run.seeds = options.seeds;
    run.jobs = options.jobs;
    run.run_one = [&](std::uint64_t seed) { return run_core(scenario.make(draw(seed, Group::mixed))); };
    auto result = run_seeds(run);
    auto met = scenario.met(result.tally);
    std::printf("| %s | %s | %s | %llu | %llu | %zu |\n", scenario.rows, scenario.name, scenario.forces,
                static_cast<unsigned long long>(result.seeds), static_cast<unsigned long long>(met),
                result.failures.size());
    for (const auto& failure : result.failures)
      std::printf("seed %llu: %s\n  replay: galen-sim replay %llu --scenario %s --trace\n",
                  static_cast<unsigned long long>(failure.seed), failure.what.c_str(),
                  static_cast<unsigned long long>(failure.seed), scenario.name);
    std::fflush(stdout);
    bad += met == 0 || !result.failures.empty() ? 1 : 0;
  }
  if (!found) std::fprintf(stderr, "galen-sim: no such scenario: %s\n", options.only.c_str());
  return found ? bad : -1;
}

std::optional<Options> scenario_options(const std::string& name, std::uint64_t seed) {
  for (const auto& scenario : kScenarios)
    if (name == scenario.name) return scenario.make(draw(seed, Group::mixed));
  return std::nullopt;
}

}  // namespace galen::sim
