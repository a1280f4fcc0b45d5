// What -o does to the path it is given, and that nothing half written stays.
#include "galenctl/files.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <thread>

#include "temp_dir.hpp"

namespace galen::galenctl {
namespace {

std::size_t entries_of(const std::string& directory) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(directory), std::filesystem::directory_iterator()));
}

TEST(FilesTest, AFileIsReplacedWhole) {
  TempDir dir;
  auto path = dir.write("a", "a longer text");
  ASSERT_TRUE(write_file(path, "short"));
  EXPECT_EQ(*read_text_file(path), "short");
  EXPECT_EQ(entries_of(dir.path()), 1u);
}

TEST(FilesTest, ADeviceOrPipeIsWrittenThrough) {
  TempDir dir;
  auto pipe = dir.path() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::string heard;
  std::thread reader([&] { heard = *read_text_file(pipe); });
  EXPECT_TRUE(write_file(pipe, "through"));
  reader.join();
  EXPECT_EQ(heard, "through");
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  EXPECT_TRUE(write_file("/dev/null", "x"));
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  auto full = write_file("/dev/full", "x");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::IO_ERROR);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
  EXPECT_EQ(entries_of(dir.path()), 1u);
}

TEST(FilesTest, ASymbolicLinkStaysOne) {
  TempDir dir;
  auto target = dir.write("target", "a longer text"), link = dir.path() + "/link";
  std::filesystem::create_symlink("target", link);
  EXPECT_TRUE(is_written_through(link));
  EXPECT_FALSE(is_written_through(target));
  EXPECT_FALSE(is_written_through(dir.path() + "/none"));
  ASSERT_TRUE(write_file(link, "short"));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(*read_text_file(target), "short");
}

TEST(FilesTest, AFailureLeavesNothing) {
  TempDir dir;
  auto directory = dir.path() + "/sub";
  std::filesystem::create_directory(directory);
  for (const auto& path : {directory, directory + "/", dir.path() + "/none/file"}) {
    auto written = write_file(path, "x");
    ASSERT_FALSE(written) << path;
    EXPECT_EQ(written.error().code, ErrorCode::IO_ERROR) << path;
  }
  EXPECT_EQ(entries_of(dir.path()), 1u);
  EXPECT_EQ(entries_of(directory), 0u);
}

TEST(FilesTest, AFullDiskLeavesTheOldFile) {
  TempDir dir;
  auto path = dir.write("a", "old");
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit tight = {1, before.rlim_max};
  auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  auto written = write_file(path, "new");
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::IO_ERROR);
  EXPECT_EQ(*read_text_file(path), "old");
  EXPECT_EQ(entries_of(dir.path()), 1u);
}

}  // namespace
}  // namespace galen::galenctl
