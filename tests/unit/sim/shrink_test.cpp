// Shrinking: the least plan under which the same check fails, and the command that runs it.
#include "sim/shrink.hpp"

#include <gtest/gtest.h>

#include "sim/regressions.hpp"

namespace galen::sim {
namespace {

/// A judge that finds fault with all that member 0 signs: what fails then needs nothing else.
class PartialKeyring final : public Keyring {
 public:
  Signature sign(MemberIndex signer, ByteSpan bytes) const override { return tags_.sign(signer, bytes); }
  bool verify(MemberIndex signer, ByteSpan bytes, const Signature& signature) const override {
    return signer != 0 && tags_.verify(signer, bytes, signature);
  }

 private:
  TagKeyring tags_;
};

TEST(Shrink, LeavesOutAllThatIsNotNeeded) {
  PartialKeyring keyring;
  auto options = draw(3, Group::mixed);
  options.members = 7;
  options.byzantine = 0;
  options.keyring = &keyring;
  unsigned steps = 0;
  ShrinkOptions how;
  how.seeds_a_step = 4;
  how.on_step = [&](const std::string&) { ++steps; };
  auto shrunk = shrink(options, how);
  ASSERT_TRUE(shrunk.has_value());
  EXPECT_GT(steps, 0u);
  EXPECT_EQ(shrunk->options.members, 4u);
  EXPECT_EQ(shrunk->options.byzantine, 0u);
  EXPECT_FALSE(shrunk->options.faults);
  EXPECT_LT(shrunk->options.chaos_ms, 200u);
  EXPECT_TRUE(shrunk->failure.starts_with("a message of an honest member does not verify")) << shrunk->failure;
  // Once more, by the options alone, which are those that the command printed draws.
  EXPECT_EQ(shrunk->options.window, draw(shrunk->options.seed, Group::mixed).window);
  EXPECT_EQ(shrunk->options.pool_batches, draw(shrunk->options.seed, Group::mixed).pool_batches);
  EXPECT_EQ(run_core(shrunk->options).failure, shrunk->failure);
  EXPECT_NE(replay_command(shrunk->options).find("--plan --members 4 --liars 0"), std::string::npos);
}

TEST(Shrink, WhatDoesNotFailIsNotShrunk) {
  auto options = draw(1, Group::crashes);
  options.chaos_ms = 300;
  EXPECT_FALSE(shrink(options, {}).has_value());
}

TEST(Plan, ThatAScenarioGaveItsLiesSaysThem) {
  const auto storm = *scenario_options("view-storm", 7);
  EXPECT_NE(replay_command(storm).find("--lies storms"), std::string::npos);
}

TEST(Plan, NamesAndBits) {
  EXPECT_EQ(bits_named<Fault>("loss,crash"), (1U << 0) | (1U << static_cast<unsigned>(Fault::crash)));
  EXPECT_EQ(bits_named<Fault>(""), 0u);
  EXPECT_FALSE(bits_named<Fault>("loss,nothing").has_value());
  EXPECT_EQ(names_of<Lie>(*bits_named<Lie>("storms,deaf")), "deaf,storms");
}

}  // namespace
}  // namespace galen::sim
