// galen-sim run and soak: many seeds.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "sim/program/commands.hpp"
#include "sim/reached.hpp"
#include "sim/runner.hpp"
#include "sim/whole/cluster.hpp"

namespace galen::sim {

namespace {

constexpr std::uint64_t kSoakSeeds = 1000;  ///< between two notes of the progress
constexpr std::uint64_t kReachedSeeds = 100'000;  ///< with so many nothing may be left out

struct RunArguments {
  RunOptions run;
  std::string group = "mixed";
  bool json = false;
  bool reached = false;
  bool require_all = false;
  bool is_new = false;
};

void add_common(CLI::App& command, RunArguments& a) {
  command.add_option("--layer", a.run.layer, "1: the core alone; 2: whole nodes")->check(CLI::Range(1, 2))->capture_default_str();
  command.add_option("--group", a.group, "of layer 1: crashes, amnesia, byzantine or mixed")
      ->check(CLI::IsMember({"crashes", "amnesia", "byzantine", "mixed"}))
      ->capture_default_str();
  command.add_option("--jobs", a.run.jobs, "threads")->check(CLI::Range(1, 256))->capture_default_str();
}

/// What the arguments mean.
void settle_arguments(RunArguments& a) {
  if (a.is_new) a.run.first = std::random_device{}();
  a.run.group = *group_named(a.group);
  if (a.run.layer == 2) a.run.run_one = [](std::uint64_t seed) { return run_whole(draw_whole(seed)); };
}

/// On a terminal one line that changes, in a file one line now and then.
void show_progress(RunOptions& options) {
  auto terminal = ::isatty(STDERR_FILENO) == 1;
  auto told = std::make_shared<std::uint64_t>(0);
  options.on_progress = [=, total = options.seeds](std::uint64_t done, std::uint64_t failed) {
    if (!terminal && ++*told % 30 != 0) return;
    std::fprintf(stderr, "%s%llu of %llu seeds, %llu failed%s", terminal ? "\r" : "",
                 static_cast<unsigned long long>(done), static_cast<unsigned long long>(total),
                 static_cast<unsigned long long>(failed), terminal ? "\033[K" : "\n");
  };
}

int run(RunArguments& a) {
  settle_arguments(a);
  show_progress(a.run);
  auto result = run_seeds(a.run);
  if (::isatty(STDERR_FILENO) == 1) std::fprintf(stderr, "\r\033[K");
  if (a.json) {
    std::printf("%s\n", to_json(a.run, result).c_str());
  } else {
    std::printf("%s", to_text(a.run, result).c_str());
  }
  bool bad = !result.failures.empty();
  if (a.reached) {
    auto reached = a.run.layer == 2 ? reached_whole_table(result.tally) : reached_table(result.tally);
    std::printf("%s%u not reached, %u not in the list\n", reached.table.c_str(), reached.missing, reached.unlisted);
    bool must_be_whole = a.require_all || result.seeds >= kReachedSeeds;
    bad = bad || (must_be_whole && reached.missing > 0) || reached.unlisted > 0;
  }
  return bad ? 1 : 0;
}

/// What a state file holds: the next seed, and what was done so far.
struct SoakState {
  std::uint64_t next = 0, seeds = 0, failures = 0, virtual_ms = 0, wall_ms = 0;

  void load(const std::string& path) {
    std::ifstream in(path);
    in >> next >> seeds >> failures >> virtual_ms >> wall_ms;
    if (!in) *this = {};
  }
  void print() const {
    std::printf("%llu seeds, %llu failed, %.1f hours of virtual time in %.0f s\n",
                static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(failures),
                static_cast<double>(virtual_ms) / 3'600'000, static_cast<double>(wall_ms) / 1000);
    std::fflush(stdout);
  }
  bool save(const std::string& path) const {
    auto fresh = path + ".tmp";
    std::ofstream out(fresh);
    out << next << ' ' << seeds << ' ' << failures << ' ' << virtual_ms << ' ' << wall_ms << '\n';
    out.close();
    return out.good() && std::rename(fresh.c_str(), path.c_str()) == 0;
  }
};

struct SoakArguments {
  RunArguments common;
  std::uint64_t seconds = 0;      ///< 0: until `seeds` are done
  std::uint64_t seeds = 0;        ///< in all, those of earlier runs included; 0: until the time is over
  std::uint64_t first = 0;
  std::string path;
};

int soak(SoakArguments& given) {
  auto& a = given.common;
  if (given.seconds == 0 && given.seeds == 0) {
    std::fprintf(stderr, "galen-sim: soak needs --seconds or --seeds\n");
    return 2;
  }
  settle_arguments(a);
  SoakState state;
  state.load(given.path);
  if (state.seeds == 0) state.next = given.first;
  state.print();
  auto begin = std::chrono::steady_clock::now();
  auto is_over = [&] {
    if (given.seeds > 0 && state.seeds >= given.seeds) return true;
    return given.seconds > 0 && std::chrono::steady_clock::now() - begin >= std::chrono::seconds(given.seconds);
  };
  while (!is_over()) {
    a.run.first = state.next;
    a.run.seeds = a.run.layer == 1 ? kSoakSeeds : kSoakSeeds / 20;
    if (given.seeds > 0) a.run.seeds = std::min(a.run.seeds, given.seeds - state.seeds);
    auto result = run_seeds(a.run);
    state.next += a.run.seeds;
    state.seeds += result.seeds;
    state.failures += result.failures.size();
    state.virtual_ms += result.tally.virtual_ms;
    state.wall_ms += result.wall_ms;
    for (const auto& failure : result.failures)
      std::printf("seed %llu: %s\n  replay: %s\n", static_cast<unsigned long long>(failure.seed), failure.what.c_str(),
                  replay_command(a.run, failure.seed).c_str());
    if (!state.save(given.path)) {
      std::fprintf(stderr, "galen-sim: cannot write %s\n", given.path.c_str());
      return 2;
    }
    state.print();
  }
  return state.failures == 0 ? 0 : 1;
}

}  // namespace

unsigned default_jobs() { return std::max(1U, std::thread::hardware_concurrency()); }

void add_run(CLI::App& app, int& code) {
  auto a = std::make_shared<RunArguments>();
  a->run.jobs = default_jobs();
  auto* command = app.add_subcommand("run", "run many seeds");
  add_common(*command, *a);
  command->add_option("--first", a->run.first, "first seed")->capture_default_str();
  command->add_flag("--new", a->is_new, "begin at a random seed instead; it is printed");
  command->add_option("--seeds", a->run.seeds, "how many")->capture_default_str();
  command->add_flag("--json", a->json, "one line of JSON");
  command->add_flag("--until-failure", a->run.until_failure, "stop at the smallest seed that fails");
  command->add_flag("--reached", a->reached, "a table of what was reached; from 100,000 seeds on fails if something never was");
  command->add_flag("--require-all", a->require_all, "with --reached: fail with fewer seeds, too");
  command->callback([a, &code] { code = run(*a); });
}

void add_soak(CLI::App& app, int& code) {
  auto a = std::make_shared<SoakArguments>();
  a->common.run.jobs = default_jobs();
  auto* command = app.add_subcommand("soak", "run seeds for a time or up to a number; goes on where it was when started again");
  add_common(*command, a->common);
  command->add_option("--seconds", a->seconds, "how long");
  command->add_option("--seeds", a->seeds, "how many in all, those of earlier runs included");
  command->add_option("--first", a->first, "first seed of all")->capture_default_str();
  command->add_option("--state", a->path, "file that keeps the progress")->required();
  command->callback([a, &code] { code = soak(*a); });
}

}  // namespace galen::sim
