// The diagram of a run's last moments, as text and as a picture.
#include "sim/journal.hpp"

#include <gtest/gtest.h>

namespace galen::sim {
namespace {

const std::vector<std::string> kNames{"0", "1 lies", "2"};

TEST(Journal, DrawsArrowsBesideTheirSenders) {
  Journal journal;
  journal.told(7, 1, "crashes");
  journal.delivered(8, 0, 2, "prepare 1/2");
  journal.delivered(9, 2, 1, "commit 1/2");
  EXPECT_EQ(journal.to_text(kNames),
            "        ms  0                         1 lies                    2\n"
            "         7  |                         * crashes                 |\n"
            "         8  |- prepare 1/2 ------------------------------------>|\n"
            "         9  |                         |<----------- commit 1/2 -|\n");
}

TEST(Journal, KeepsTheLastMomentsOfItsTime) {
  Journal journal(2, 10, 20);
  for (std::uint64_t at = 0; at < 30; at += 4) journal.told(at, 0, "at " + std::to_string(at));
  EXPECT_EQ(journal.size(), 2u);
  auto text = journal.to_text(kNames);
  EXPECT_EQ(text.find("at 12"), std::string::npos);
  EXPECT_NE(text.find("at 16"), std::string::npos);
  EXPECT_NE(text.find("at 20"), std::string::npos);
  EXPECT_EQ(text.find("at 24"), std::string::npos);
}

TEST(Journal, APictureEscapesItsText) {
  Journal journal;
  journal.delivered(1, 1, 0, "a<b>&c");
  auto svg = journal.to_svg(kNames, "seed 1: x < y");
  EXPECT_NE(svg.find("a&lt;b&gt;&amp;c"), std::string::npos);
  EXPECT_NE(svg.find("seed 1: x &lt; y"), std::string::npos);
  EXPECT_EQ(svg.find("x < y"), std::string::npos);
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
}

}  // namespace
}  // namespace galen::sim
