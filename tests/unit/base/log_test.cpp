#include "galen/base/log.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace galen::log {
namespace {

namespace fs = std::filesystem;

class LogFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "galen-log-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override {
    init({});
    fs::remove_all(directory_);
  }
  std::string directory_;
};

TEST_F(LogFileTest, OneThatCannotBeOpenedIsAnErrorWithTheReason) {
  std::ofstream(directory_ + "/file") << "";
  for (const auto& [path, reason] : {std::pair{directory_, "Is a directory"},
                                     std::pair{directory_ + "/nowhere/galend.log", "No such file or directory"},
                                     std::pair{directory_ + "/file/galend.log", "Not a directory"}}) {
    for (const auto& status : {check_file(path), try_init({.file = path})}) {
      ASSERT_FALSE(status) << path;
      EXPECT_EQ(status.error().code, ErrorCode::IO_ERROR);
      EXPECT_EQ(status.error().message, "cannot write the log " + path + ": " + reason);
    }
    init({.file = path});
  }
  EXPECT_FALSE(fs::exists(directory_ + "/nowhere")) << "a misspelt folder is not made";
}

TEST_F(LogFileTest, LookingMakesNoFileAndOpeningDoes) {
  const auto path = directory_ + "/galend.log";
  EXPECT_TRUE(check_file(path));
  EXPECT_FALSE(fs::exists(path));
  ASSERT_TRUE(try_init({.file = path}));
  info("something happened");
  std::ifstream in(path);
  EXPECT_NE(std::string(std::istreambuf_iterator<char>(in), {}).find("something happened"), std::string::npos);
  EXPECT_TRUE(check_file(path)) << "one that is there is appended to";
}

}  // namespace
}  // namespace galen::log
