// An index that nobody can look at is not told as lost: whoever puts a backup over it loses what is newer.
#include "galen/vault/record_index.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace galen::vault {
namespace {

namespace fs = std::filesystem;

TEST(RecordIndexTest, OnlyAnIndexThatIsNotThereIsMissing) {
  std::string pattern = (fs::temp_directory_path() / "galen-index-XXXXXX").string();
  const std::string directory = ::mkdtemp(pattern.data());
  ASSERT_TRUE(RecordIndex::create(directory));
  EXPECT_TRUE(RecordIndex::open(directory));
  EXPECT_TRUE(RecordIndex::inspect(directory).findings.empty());
  const auto current = directory + "/index/CURRENT";
  const auto open = [&] { return RecordIndex::open(directory).error(); };
  const auto finding = [&] { return RecordIndex::inspect(directory).findings.at(0); };

  fs::rename(current, directory + "/kept");
  EXPECT_EQ(open().code, ErrorCode::DATA_DIR_MISSING);
  for (const auto& said : {open().message, finding()}) EXPECT_NE(said.find("backup"), std::string::npos) << said;

  fs::create_symlink("CURRENT", current);  // a circle: root cannot say either what it is
  EXPECT_EQ(open().code, ErrorCode::IO_ERROR);
  for (const auto& said : {open().message, finding()}) {
    EXPECT_EQ(said.find("backup"), std::string::npos) << said;
    EXPECT_NE(said.find(current), std::string::npos) << said;
  }
  fs::remove_all(directory);
}

}  // namespace
}  // namespace galen::vault
