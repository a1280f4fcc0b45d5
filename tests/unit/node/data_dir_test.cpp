// A data directory that cannot be looked into is told apart from one that is lost: what a restore made root's own, say.
#include "galen/node/data_dir.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace galen::node {
namespace {

namespace fs = std::filesystem;

class DataDirRightsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/galen-data-dir-XXXXXX";  // where another user can go as well
    parent_ = ::mkdtemp(pattern.data());
    directory_ = parent_ + "/data";
    ASSERT_TRUE(DataDir::create(directory_));
  }
  void TearDown() override { fs::remove_all(parent_); }
  /// Nobody can say what a link that leads to itself is, root neither.
  void make_circle(const std::string& path) const {
    fs::remove_all(path);
    fs::create_directories(fs::path(path).parent_path());
    fs::create_symlink(fs::path(path).filename(), path);
  }
  void expect_untold(const Error& error, const std::string& path) const {
    EXPECT_EQ(error.code, ErrorCode::IO_ERROR);
    EXPECT_NE(error.message.find(path + ": "), std::string::npos) << error.message;
    EXPECT_EQ(error.message.find("galend repair"), std::string::npos) << error.message;
  }

  std::string parent_, directory_;
};

TEST_F(DataDirRightsTest, OnlyWhatTheSystemSaysIsNotThereIsMissing) {
  std::ofstream(parent_ + "/file") << "";
  EXPECT_EQ(DataDir::open(parent_ + "/file/data").error().code, ErrorCode::DATA_DIR_MISSING);
  EXPECT_EQ(DataDir::open(parent_ + "/nowhere").error().code, ErrorCode::DATA_DIR_MISSING);
  make_circle(parent_ + "/circle");
  expect_untold(DataDir::open(parent_ + "/circle").error(), parent_ + "/circle");
  make_circle(directory_ + "/wal");
  expect_untold(DataDir::open(directory_).error(), directory_ + "/wal");
  expect_untold(DataDir::open_to_read(directory_).error(), directory_ + "/wal");
  expect_untold(DataDir::create(directory_).error(), directory_ + "/wal/manifest");
}

TEST_F(DataDirRightsTest, APartThatCannotBeOpenedIsNamedBeforeAnythingOpensIt) {
  for (const char* part : {"/wal/manifest", "/ledger", "/ledger/CURRENT", "/ledger/LOCK", "/vault", "/vault/index",
                           "/vault/index/CURRENT", "/vault/index/LOCK", "/keyring", "/keyring/keyring.bin"}) {
    const auto path = directory_ + part;
    make_circle(path);
    expect_untold(DataDir::open(directory_).error(), path);
    expect_untold(DataDir::open_to_read(directory_).error(), path);
    fs::remove(path);
    EXPECT_TRUE(DataDir::open(directory_)) << part << " is not there: its own part says so";
  }
}

/// As one who may read the directory and not the ledger: root may all.
[[noreturn]] void read_as_nobody(const std::string& directory) {
  if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
  const auto refused = DataDir::open_to_read(directory);
  if (refused) ::_exit(0);
  std::fprintf(stderr, "%s\n", refused.error().message.c_str());
  ::_exit(refused.error().code == ErrorCode::IO_ERROR ? 1 : 3);
}

TEST_F(DataDirRightsTest, WithoutTheRightTheOwnerIsNamedAndHowToGoOn) {
  { ASSERT_TRUE(DataDir::open(directory_)); }
  ::chmod(parent_.c_str(), 0755);
  for (const char* part : {"", "/wal", "/vault", "/keyring"}) ::chmod((directory_ + part).c_str(), 0555);
  ::chmod((directory_ + "/lock").c_str(), 0444);
  ::chmod((directory_ + "/ledger").c_str(), 0);
  EXPECT_EXIT(read_as_nobody(directory_), testing::ExitedWithCode(1),
              "cannot read .*/ledger: Permission denied; .*/ledger belongs to .* runs as .*runuser.*chown");
  ::chmod((directory_ + "/ledger").c_str(), 0555);
  EXPECT_EXIT(read_as_nobody(directory_), testing::ExitedWithCode(0), "");
  ::chmod(directory_.c_str(), 0755);
}

}  // namespace
}  // namespace galen::node
