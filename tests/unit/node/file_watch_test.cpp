#include "node/file_watch.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace galen::node {
namespace {

namespace fs = std::filesystem;

class FileWatchTest : public testing::Test {
 protected:
  FileWatchTest() {
    std::string pattern = (fs::temp_directory_path() / "galen-watch-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  ~FileWatchTest() override { fs::remove_all(dir_); }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ / name) << text;
    return (dir_ / name).string();
  }
  fs::path dir_;
};

TEST_F(FileWatchTest, NothingChangedByItself) {
  FileWatch watch({write("a", "1"), (dir_ / "missing").string()});
  EXPECT_FALSE(watch.changed());
  EXPECT_FALSE(watch.changed());
}

TEST_F(FileWatchTest, EachChangeIsToldOnce) {
  auto a = write("a", "1"), b = write("b", "1");
  FileWatch watch({a, b});
  write("b", "22");
  EXPECT_TRUE(watch.changed());
  EXPECT_FALSE(watch.changed());
  fs::remove(a);
  EXPECT_TRUE(watch.changed());
  write("a", "1");
  EXPECT_TRUE(watch.changed());
  EXPECT_FALSE(watch.changed());
}

TEST_F(FileWatchTest, AReplacedFileOfTheSameSizeAndTimeCounts) {
  auto a = write("a", "1"), next = write("next", "2");
  FileWatch watch({a});
  fs::last_write_time(next, fs::last_write_time(a));
  fs::rename(next, a);
  EXPECT_TRUE(watch.changed());
}

TEST_F(FileWatchTest, ATurnedLinkCounts) {
  auto one = write("one", "1"), two = write("two", "1");
  auto link = (dir_ / "link").string();
  fs::create_symlink(one, link);
  FileWatch watch({link});
  fs::remove(link);
  fs::create_symlink(two, link);
  EXPECT_TRUE(watch.changed());
}

}  // namespace
}  // namespace galen::node
