// A file that lost what was appended to it: no sync may say that it is durable.
#include "galen/storage/checked_env.hpp"

#include <filesystem>

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>

namespace galen::storage::test {
namespace {

class CheckedEnvTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "galen-storage-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::unique_ptr<rocksdb::WritableFile> make(const std::string& path) {
    std::unique_ptr<rocksdb::WritableFile> file;
    EXPECT_TRUE(checked_env()->NewWritableFile(path, &file, rocksdb::EnvOptions()).ok());
    return file;
  }
  std::filesystem::path directory_;
};

TEST_F(CheckedEnvTest, WhatIsThereIsSynced) {
  const auto path = directory_ / "file";
  auto file = make(path);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(file->Append("twelve bytes").ok());
    EXPECT_TRUE(file->Sync().ok());
    EXPECT_TRUE(file->Fsync().ok());
  }
  EXPECT_TRUE(file->Truncate(6).ok());
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_TRUE(file->Close().ok());
}

TEST_F(CheckedEnvTest, AWriteThatWasNotDoneFailsTheSync) {
  const auto path = directory_ / "file";
  auto file = make(path);
  ASSERT_TRUE(file->Append("one").ok());
  ASSERT_TRUE(file->Append("two").ok());
  std::filesystem::resize_file(path, 3);
  for (const auto& status : {file->Sync(), file->Fsync()}) {
    EXPECT_TRUE(status.IsIOError());
    EXPECT_NE(status.ToString().find("3 of 6 bytes are there"), std::string::npos) << status.ToString();
  }
  // Nor does a later write hide it.
  ASSERT_TRUE(file->Append("three").ok());
  std::filesystem::resize_file(path, 10);
  EXPECT_TRUE(file->Sync().IsIOError());
}

TEST_F(CheckedEnvTest, ADatabaseStandsOnIt) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.env = checked_env();
  for (int i = 0; i < 3; ++i) {
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, directory_ / "database", &opened).ok());
    std::unique_ptr<rocksdb::DB> database(opened);
    ASSERT_TRUE(database->Put({}, std::to_string(i), "value").ok());
    ASSERT_TRUE(database->Flush({}).ok());
    ASSERT_TRUE(database->CompactRange({}, nullptr, nullptr).ok());
    std::string value;
    for (int j = 0; j <= i; ++j) EXPECT_TRUE(database->Get({}, std::to_string(j), &value).ok());
    EXPECT_TRUE(database->Close().ok());
  }
}

}  // namespace
}  // namespace galen::storage::test
