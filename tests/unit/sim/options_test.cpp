#include "sim/options.hpp"

#include <gtest/gtest.h>

namespace galen::sim {
namespace {

/// Two kinds of little room in one run would hide each other: what does not fit into one never comes to the other.
TEST(Options, LittleRoomIsOfOneKind) {
  std::size_t blocks = 0, votes = 0, strays = 0, both = 0;
  const consensus::Room ample;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    const auto room = draw(seed, Group::mixed).room;
    const int kinds = (room.blocks != ample.blocks) + (room.votes_per_member != ample.votes_per_member) +
                      (room.strays != ample.strays);
    blocks += room.blocks != ample.blocks;
    votes += room.votes_per_member != ample.votes_per_member;
    strays += room.strays != ample.strays;
    both += kinds > 1;
  }
  EXPECT_EQ(both, 0u);
  EXPECT_GT(blocks, votes) << "a log with votes for more blocks than there is room for is one more reason";
  EXPECT_GT(votes, 100u);
  EXPECT_GT(strays, 100u);
}

}  // namespace
}  // namespace galen::sim
