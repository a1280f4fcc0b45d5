#include "galen/base/nearest.hpp"

#include <gtest/gtest.h>

namespace galen {
namespace {

TEST(NearestTest, DistanceCountsLetters) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("record", "record"), 0u);
  EXPECT_EQ(edit_distance("recrod", "record"), 2u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(NearestTest, TheFirstOfEquals) {
  EXPECT_EQ(nearest("recrod", {"access", "receipt", "record"}), "record");
  EXPECT_EQ(nearest("x", {"a", "b"}), "a");
  EXPECT_EQ(nearest("x", {}), "");
}

}  // namespace
}  // namespace galen
