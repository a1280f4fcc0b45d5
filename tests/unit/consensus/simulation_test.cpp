// The seeded simulation (src/sim): agreement, one value per signature, promises kept, one delivery per height, progress
// after healing. A run is split into shards so that ctest spreads them. GALEN_SEEDS=n sets the seeds of a whole group,
// GALEN_SEED=n replays one with its trace, as `galen-sim replay n --group GROUP --trace` does.
#include <gtest/gtest.h>

#include <cstdlib>

#include "sim/runner.hpp"

namespace galen::sim {
namespace {

constexpr std::uint64_t kSeeds = 1000;  // of each group: 3,000 a run
constexpr std::uint64_t kShards = 4;

std::optional<std::uint64_t> number_from(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

class SeededRun : public testing::TestWithParam<std::tuple<Group, std::uint64_t>> {};

TEST_P(SeededRun, AgreesAndRecovers) {
  auto [group, shard] = GetParam();
  auto count = number_from("GALEN_SEEDS").value_or(kSeeds) / kShards;
  if (auto seed = number_from("GALEN_SEED")) {
    if (*seed / std::max<std::uint64_t>(count, 1) != shard) GTEST_SKIP() << "not the shard of GALEN_SEED";
    auto options = draw(*seed, group);
    options.trace = true;
    Simulation simulation(options);
    EXPECT_EQ(simulation.run(), "") << "seed " << *seed;
    return;
  }
  RunOptions options;
  options.group = group;
  options.first = shard * count;
  options.seeds = count;
  auto result = run_seeds(options);
  EXPECT_TRUE(result.failures.empty());
  std::printf("%s", to_text(options, result).c_str());
  auto& kinds = result.tally.kinds;
  EXPECT_GT(kinds[consensus::EventKind::view_entered], 0u);
  if (group == Group::amnesia) {
    EXPECT_GT(kinds[consensus::EventKind::resumed], 0u) << "the runs never reached amnesia recovery";
  }
  if (group == Group::byzantine) {
    EXPECT_EQ(result.byzantine, result.seeds);
    EXPECT_GT(kinds[consensus::EventKind::equivocation], 0u) << "no honest member saw anybody equivocate";
    EXPECT_FALSE(result.tally.rejected.empty()) << "no lie was refused by its signature";
  }
}

std::string name_of(const testing::TestParamInfo<std::tuple<Group, std::uint64_t>>& given) {
  auto [group, shard] = given.param;
  return std::string(to_name(group)) + "_" + std::to_string(shard);
}

INSTANTIATE_TEST_SUITE_P(Simulation, SeededRun,
                         testing::Combine(testing::Values(Group::crashes, Group::amnesia, Group::byzantine),
                                          testing::Range<std::uint64_t>(0, kShards)),
                         name_of);

// In each of them two of the core's own votes once took each other's room in the tree, in a step without end.
TEST(Simulation, StepsEndWhereThereIsNoRoomForAllThatWasVotedFor) {
  for (auto [seed, group] : {std::pair(548, Group::amnesia), std::pair(101'258, Group::amnesia),
                             std::pair(200'330, Group::amnesia), std::pair(3'039'873, Group::mixed)})
    EXPECT_EQ(run_core(draw(static_cast<std::uint64_t>(seed), group)).failure, "") << "seed " << seed;
}

// Members start with logs that hold batches for which their pools had had no room.
TEST(Simulation, WhatAStartFindsInItsLogIsNoLeak) { EXPECT_EQ(run_core(draw(298'607, Group::mixed)).failure, ""); }

TEST(Simulation, SameSeedSameRun) {
  for (auto group : {Group::amnesia, Group::byzantine}) {
    for (std::uint64_t seed : {3u, 17u, 101u}) {
      Simulation first(draw(seed, group));
      Simulation second(draw(seed, group));
      EXPECT_EQ(first.run(), second.run());
      EXPECT_EQ(first.event_digest(), second.event_digest()) << "seed " << seed;
      EXPECT_EQ(first.tally().events, second.tally().events) << "seed " << seed;
    }
  }
}

// The same with the members' real keys, a few seeds.
class RealKeys final : public Keyring {
 public:
  explicit RealKeys(std::size_t count) {
    std::vector<Member> list;
    for (std::size_t i = 0; i < count; ++i) {
      keys_.push_back(crypto::PrivateKey::generate(crypto::Suite::p256_sha256));
      Member member;
      member.id.data[0] = static_cast<std::uint8_t>(i + 1);
      member.consensus_key = keys_.back().public_key();
      list.push_back(member);
    }
    members = MemberSet(std::move(list));
    checker_.emplace(crypto::Suite::p256_sha256, members);
  }
  Signature sign(MemberIndex signer, ByteSpan bytes) const override { return keys_[signer].sign(bytes); }
  bool verify(MemberIndex signer, ByteSpan bytes, const Signature& signature) const override {
    return checker_->verify(signer, bytes, signature);
  }
  MemberSet members;

 private:
  std::vector<crypto::PrivateKey> keys_;
  std::optional<consensus::MemberKeys> checker_;
};

TEST(Simulation, RealSignatures) {
  RealKeys keys(4);
  for (auto group : {Group::crashes, Group::byzantine}) {
    auto options = draw(1, group);
    options.members = 4;
    options.byzantine = std::min<std::size_t>(options.byzantine, 1);
    options.keyring = &keys;
    options.member_set = &keys.members;
    options.chaos_ms = 800;
    Simulation simulation(options);
    EXPECT_EQ(simulation.run(), "");
  }
}

}  // namespace
}  // namespace galen::sim
