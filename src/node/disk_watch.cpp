#include "node/disk_watch.hpp"

#include <sys/statvfs.h>

#include <algorithm>

#include "galen/base/log.hpp"

namespace galen::node {
namespace {

constexpr std::uint64_t kLowBytesMax = 5ULL << 30;
constexpr std::uint64_t kFullBytesMax = 1ULL << 30;

const char* to_name(DiskLevel level) {
  return level == DiskLevel::enough ? "ENOUGH" : level == DiskLevel::low ? "DISK_LOW" : "DISK_FULL";
}

}  // namespace

DiskLevel disk_level(const DiskSpace& space, std::uint64_t reserve_bytes, DiskLevel before) {
  auto full = std::max(std::min(kFullBytesMax, space.total_bytes / 50), reserve_bytes);
  // Where the reserve decides, twice of it: callers are turned away before members are.
  auto low = std::max(std::min(kLowBytesMax, space.total_bytes / 10), 2 * full);
  if (before == DiskLevel::full) full += full / 8;
  if (before != DiskLevel::enough) low += low / 8;
  if (space.free_bytes < full) return DiskLevel::full;
  return space.free_bytes < low ? DiskLevel::low : DiskLevel::enough;
}

void DiskWatch::look() {
  struct statvfs disk {};
  if (::statvfs(directory_.c_str(), &disk) != 0) return;
  DiskSpace space{disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize};
  auto level = disk_level(space, reserve_bytes_, level_);
  health_.disk_low = level != DiskLevel::enough;
  health_.disk_full = level == DiskLevel::full;
  if (level == level_) return;
  log::warn("disk level={} was={} free_bytes={} total_bytes={} directory={}", to_name(level), to_name(level_),
            space.free_bytes, space.total_bytes, directory_);
  level_ = level;
}

}  // namespace galen::node
