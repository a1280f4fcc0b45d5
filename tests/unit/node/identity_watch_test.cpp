// When a process gives way to another one with its keys.
#include "node/identity_watch.hpp"

#include <gtest/gtest.h>

namespace galen::node {
namespace {

constexpr std::uint64_t kTieMs = 5'000;

TEST(IdentityWatchTest, OnePeersWordIsNotEnough) {
  IdentityWatch watch(4, kTieMs);
  for (std::uint64_t now_ms = 0; now_ms < 60'000; now_ms += 1'000) EXPECT_FALSE(watch.on_refused(1, "x", now_ms));
  EXPECT_TRUE(watch.on_refused(2, "y", 60'000));
  EXPECT_EQ(watch.told(60'000).size(), 2u);
}

TEST(IdentityWatchTest, WhatIsNotSaidAgainCountsNoMore) {
  IdentityWatch watch(4, kTieMs);
  EXPECT_FALSE(watch.on_refused(1, "x", 0));
  EXPECT_FALSE(watch.on_refused(2, "y", IdentityWatch::kWordMs + 1));
  EXPECT_EQ(watch.told(IdentityWatch::kWordMs + 1).size(), 1u);
  EXPECT_TRUE(watch.told(3 * IdentityWatch::kWordMs).empty());
  watch.on_up(2);
  EXPECT_TRUE(watch.told(IdentityWatch::kWordMs + 1).empty()) << "a peer that takes it in has nothing against it";
}

TEST(IdentityWatchTest, TheOneThatMorePeersTookInStays) {
  IdentityWatch watch(7, kTieMs);
  for (MemberIndex up : {1, 2, 3, 4}) watch.on_up(up);
  for (MemberIndex by : {5, 6, 0}) EXPECT_FALSE(watch.on_refused(by, "x", 0)) << "three against four";
  watch.on_down(1);
  watch.on_down(2);
  EXPECT_TRUE(watch.on_refused(5, "x", 100));
}

TEST(IdentityWatchTest, ATieEndsAfterAWhile) {
  IdentityWatch watch(7, kTieMs);
  for (MemberIndex up : {1, 2, 3}) watch.on_up(up);
  auto refused = [&](std::uint64_t now_ms) {
    bool ends = false;
    for (MemberIndex by : {4, 5, 6}) ends = watch.on_refused(by, "x", now_ms);
    return ends;
  };
  EXPECT_FALSE(refused(1'000));
  EXPECT_FALSE(refused(1'000 + kTieMs - 1));
  watch.on_up(4);  // the other one has gone there
  EXPECT_FALSE(watch.on_refused(5, "x", 1'000 + kTieMs));
  watch.on_down(4);
  EXPECT_FALSE(refused(2'000 + kTieMs)) << "a new tie";
  EXPECT_TRUE(refused(2'000 + 2 * kTieMs));
}

}  // namespace
}  // namespace galen::node
