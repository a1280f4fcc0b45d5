// Censorship in the simulator, with nothing else going wrong: a leader that leaves out an origin is left, and its batches wait
// through no more than f whole tenures; an origin that sends its batches to one member only costs nobody a view.
#include <gtest/gtest.h>

#include "sim/reached.hpp"
#include "sim/simulation.hpp"

namespace galen::sim {
namespace {

constexpr std::uint64_t kSeeds = 24;

Options quiet(std::uint64_t seed, std::size_t members, std::uint32_t lies) {
  auto out = draw(seed, Group::byzantine);
  out.members = members;
  out.byzantine = faults_tolerated(members);
  out.lies = lies;
  out.faults = out.amnesia = false;
  out.changes = 0;
  out.long_tenures = true;
  out.chaos_ms = 20'000;
  return out;
}

constexpr std::uint32_t bit(Lie lie) { return 1U << static_cast<unsigned>(lie); }

std::uint64_t count_of(const std::map<std::string, std::uint64_t>& counts, const std::string& name) {
  auto found = counts.find(name);
  return found == counts.end() ? 0 : found->second;
}

TEST(Censorship, AnIgnoredOriginWaitsForNoMoreThanTheTenuresOfTheLiars) {
  for (std::size_t members : {4, 7}) {
    std::uint64_t left = 0, longest = 0;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      Simulation run(quiet(seed, members, bit(Lie::ignores_origin)));
      EXPECT_EQ(run.run(), "") << "seed " << seed;
      left += run.tally().kinds[consensus::EventKind::passed_over];
      longest = std::max(longest, run.longest_wait());
    }
    EXPECT_GT(left, 0u) << "no leader was left for it";
    EXPECT_GT(longest, 0u);
    EXPECT_LE(longest, 1 + faults_tolerated(members));
    std::printf("%zu members: %llu complaints, the longest wait was into the tenure after %llu others\n", members,
                static_cast<unsigned long long>(left), static_cast<unsigned long long>(longest));
  }
}

TEST(Censorship, AnOriginThatWhispersCostsNobodyAView) {
  std::uint64_t compared = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    // A member that came too late for the first block recovers, and leads no view before: nothing to do with its batches.
    Simulation same(quiet(seed, 4, 0));
    EXPECT_EQ(same.run(), "");
    if (same.tally().kinds[consensus::EventKind::view_change_sent] > 0) continue;
    ++compared;
    Simulation run(quiet(seed, 4, bit(Lie::whispers)));
    EXPECT_EQ(run.run(), "") << "seed " << seed;
    auto tally = run.tally();
    EXPECT_GT(count_of(tally.faults, "batches offered"), 0u) << "seed " << seed;
    EXPECT_GT(count_of(tally.faults, "offered batches fetched"), 0u) << "seed " << seed;
    EXPECT_EQ(tally.kinds[consensus::EventKind::passed_over], 0u) << "seed " << seed;
    EXPECT_EQ(tally.kinds[consensus::EventKind::view_change_sent], 0u) << "seed " << seed;
    EXPECT_EQ(tally.views_burned, 0u) << "seed " << seed;
  }
  EXPECT_GT(compared, kSeeds / 2);
}

}  // namespace
}  // namespace galen::sim
