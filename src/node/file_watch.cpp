#include "node/file_watch.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

namespace galen::node {

FileWatch::FileWatch(std::vector<std::string> paths) : paths_(std::move(paths)), seen_(stamps()) {}

bool FileWatch::changed() {
  auto now = stamps();
  if (now == seen_) return false;
  seen_ = std::move(now);
  return true;
}

std::vector<std::string> FileWatch::stamps() const {
  std::vector<std::string> out;
  for (const auto& path : paths_) {
    struct stat file {};
    bool there = ::stat(path.c_str(), &file) == 0;
    out.push_back(there
                      ? fmt::format("{} {} {} {}.{} {}.{}", file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec,
                                    file.st_mtim.tv_nsec, file.st_ctim.tv_sec, file.st_ctim.tv_nsec)
                      : std::string());
  }
  return out;
}

}  // namespace galen::node
