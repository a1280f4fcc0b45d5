#include "galen/types/purpose.hpp"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "unit/shared_data.hpp"

namespace galen {
namespace {

TEST(PurposeTest, CodesAreDistinctAndParentsExist) {
  std::set<std::string_view> codes;
  for (const auto& purpose : kPurposes) EXPECT_TRUE(codes.insert(purpose.code).second) << purpose.code;
  for (const auto& purpose : kPurposes)
    EXPECT_TRUE(purpose.parent.empty() || codes.count(purpose.parent)) << purpose.code;
  for (std::uint32_t number = 1; number <= kPurposes.size(); ++number)
    EXPECT_EQ(purpose_from_code(purpose_code(number)), number);
  EXPECT_EQ(purpose_from_code("TREAT"), 59u);
  EXPECT_EQ(purpose_from_code("BTG"), 2u);
  EXPECT_FALSE(purpose_from_code("treat"));
  EXPECT_EQ(purpose_code(0), "");
  EXPECT_EQ(purpose_code(60), "");
}

TEST(PurposeTest, TableOfThePublishedCodeSystem) {
  auto text = test::read_whole(test::shared_path("fhir-r4-codes") / "PURPOSES.tsv");
  GALEN_NEEDS_SHARED(text, "fhir-r4-codes");
  std::istringstream in(text);
  std::string line;
  std::getline(in, line);
  std::uint32_t bit = 0;
  for (; std::getline(in, line); ++bit) {
    std::istringstream fields(line);
    std::string code, parent;
    std::getline(fields, code, '\t');
    std::getline(fields, parent, '\t');
    ASSERT_LT(bit, kPurposes.size());
    EXPECT_EQ(kPurposes[bit].code, code);
    EXPECT_EQ(kPurposes[bit].parent, parent == "PurposeOfUse" ? "" : parent);
  }
  EXPECT_EQ(bit, kPurposes.size());
}

}  // namespace
}  // namespace galen
