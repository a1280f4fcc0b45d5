#include "sim/mutations.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>

namespace galen::sim {

namespace {

struct Row {
  unsigned number;
  const char* name;     ///< as in consensus/mutation.hpp
  const char* weakens;
  unsigned budgets = 1;  ///< more for what shows only where several rare things meet
};

constexpr std::array kRows{
    Row{1, "small_quorum", "a quorum is 2f"},
    Row{2, "forget_votes", "votes are forgotten at a restart"},
    Row{3, "leaders_own_high_qc", "NEW-VIEW stands on what the leader itself reported, not on the maximum (V4)"},
    Row{4, "commit_without_r5", "COMMIT without the condition of R5"},
    Row{5, "under_report_high_qc", "VIEW-CHANGE reports the newest commit instead of highQC (R7)"},
    Row{6, "no_single_chain", "votes of a view need not be one chain (R2, R3)", 5},
    Row{7, "mixed_targets", "NEW-VIEW may hold VIEW-CHANGEs for lower views (V4)"},
    Row{8, "child_of_tenure_end", "a child of a `tenure_end` block in the same view (R4)"},
    Row{9, "two_prepares_at_a_height", "PREPARE twice at one height of a view (R1)"},
    Row{10, "one_member_joins_all", "one member moves all others to its view (V2)"},
    Row{11, "no_restart_fence", "after a restart a leader proposes again in its old view"},
    Row{12, "forget_high_qc", "highQC is forgotten at a restart (R7)"},
    Row{13, "recover_without_high_qc", "recovery without taking over highQC (8 c)", 5},
    Row{14, "recover_without_floor", "recovery without silence and floor (8 b)", 5},
    Row{15, "child_of_epoch_end", "a child of an `epoch_end` block in the same epoch (R4)"},
    Row{16, "end_left_open", "both end flags, and an uncommitted `epoch_end` is not proposed again (V4e)"},
    Row{17, "anyone_leads", "PREPARE for proposals of members that do not lead the view (R1, V6)"},
};

std::string program_of(const MutationOptions& options, const Row& row) {
  return options.folder + "/galen-sim-mutant-" + row.name;
}

/// Those asked for. Nothing: one is not there, and why is said.
std::optional<std::vector<Row>> rows_to_run(const MutationOptions& options) {
  std::vector<Row> out;
  for (const auto& row : kRows)
    if (options.only.empty() || options.only == row.name) out.push_back(row);
  if (out.empty()) {
    std::fprintf(stderr, "there is no mutation %s; there are:", options.only.c_str());
    for (const auto& row : kRows) std::fprintf(stderr, " %s", row.name);
    std::fprintf(stderr, "\n");
    return std::nullopt;
  }
  for (const auto& row : out) {
    const auto program = program_of(options, row);
    if (::access(program.c_str(), X_OK) == 0) continue;
    std::fprintf(stderr, "%s is not there: scripts/build.sh release galen-sim-mutants makes it\n", program.c_str());
    return std::nullopt;
  }
  return out;
}

struct Caught {
  std::uint64_t seeds = 0;
  std::string by;
};

/// Runs the mutated program until its first failure. Nothing: it survived. An abort counts as caught, with no seed
/// known.
std::optional<Caught> first_failure(const MutationOptions& options, const Row& row, std::uint64_t first) {
  auto command = fmt::format("'{}' run --first {} --seeds {} --jobs {} --until-failure --json 2>&1",
                             program_of(options, row), first, options.budget * row.budgets, options.jobs);
  std::string output;
  auto* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::array<char, 4096> buffer;
  for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) output.append(buffer.data(), n);
  ::pclose(pipe);
  auto seed_at = output.find("\"failures\":[{\"seed\":");
  auto what_at = output.find("\"what\":\"");
  if (seed_at == std::string::npos || what_at == std::string::npos) return std::nullopt;
  auto seed = std::strtoull(output.c_str() + seed_at + 20, nullptr, 10);
  what_at += 8;
  return Caught{seed - first + 1, output.substr(what_at, output.find(':', what_at) - what_at)};
}

}  // namespace

int run_mutations(const MutationOptions& options) {
  const auto rows = rows_to_run(options);
  if (!rows) return -1;
  std::printf("| | weakened rule | caught within seeds: median | worst of %u | by |\n|---|---|---|---|---|\n",
              options.starts);
  int survivors = 0;
  for (const auto& row : *rows) {
    std::vector<std::uint64_t> needed;
    std::vector<std::string> by;
    unsigned survived = 0;
    for (unsigned start = 0; start < options.starts; ++start) {
      auto caught = first_failure(options, row, start * 1'000'000ULL);
      if (!caught) {
        ++survived;
        continue;
      }
      needed.push_back(caught->seeds);
      if (std::find(by.begin(), by.end(), caught->by) == by.end()) by.push_back(caught->by);
    }
    std::sort(needed.begin(), needed.end());
    survivors += survived > 0 ? 1 : 0;
    std::string checkers;
    for (const auto& one : by) checkers += (checkers.empty() ? "" : ", ") + one;
    if (needed.empty()) {
      std::printf("| %u | %s | SURVIVED | | |\n", row.number, row.weakens);
    } else {
      std::printf("| %u | %s | %llu | %s | %s |\n", row.number, row.weakens,
                  static_cast<unsigned long long>(needed[needed.size() / 2]),
                  survived > 0 ? fmt::format("SURVIVED {} of {}", survived, options.starts).c_str()
                               : std::to_string(needed.back()).c_str(),
                  checkers.c_str());
    }
    std::fflush(stdout);
  }
  return survivors;
}

}  // namespace galen::sim
