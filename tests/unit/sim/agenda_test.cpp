// The agenda: order, and that nothing is kept or lost.
#include <array>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "sim/agenda.hpp"

namespace galen::sim {
namespace {

TEST(Agenda, ByTimeAndThenByOrder) {
  Agenda agenda;
  std::vector<int> seen;
  agenda.at(7, [&] { seen.push_back(3); });
  agenda.at(5, [&] { seen.push_back(1); });
  agenda.at(5, [&] {
    seen.push_back(2);
    agenda.at(6, [&] { seen.push_back(9); });
  });
  while (!agenda.empty()) agenda.run_next();
  EXPECT_EQ(seen, (std::vector{1, 2, 9, 3}));
}

TEST(Agenda, SmallAndLargeActionsAreDestroyedOnce) {
  auto counted = std::make_shared<int>(0);
  {
    Agenda agenda;
    std::array<std::uint64_t, 20> much{};
    for (int i = 0; i < 3; ++i) {
      agenda.at(1, [counted] { ++*counted; });
      agenda.at(2, [counted, much] { *counted += 1 + static_cast<int>(much[0]); });
    }
    EXPECT_EQ(counted.use_count(), 7);
    for (int i = 0; i < 4; ++i) agenda.run_next();
    EXPECT_EQ(*counted, 4);
    EXPECT_EQ(counted.use_count(), 3);
  }
  EXPECT_EQ(counted.use_count(), 1);
}

}  // namespace
}  // namespace galen::sim
