// How much room the data directory's volume has left, and what a node still does with it (D20). Work of its own clients
// ends at the smaller of 10 % and 5 GiB, voting and every other write at the smaller of 2 % and 1 GiB, but never below
// what the next log segment and the next checkpoint may take: no write is left to find out that the disk is full. The
// thread that calls look() owns it. A level ends only an eighth above where it began, so that it does not flicker.
#pragma once

#include <string>

#include "node/health.hpp"

namespace galen::node {

enum class DiskLevel { enough, low, full };

struct DiskSpace {
  std::uint64_t free_bytes = 0;
  std::uint64_t total_bytes = 0;
};

/// `reserve_bytes`: what may be written after the decision to write nothing more. `before`: the level until now.
DiskLevel disk_level(const DiskSpace& space, std::uint64_t reserve_bytes, DiskLevel before);

class DiskWatch {
 public:
  DiskWatch(std::string directory, std::uint64_t reserve_bytes, Health& health)
      : directory_(std::move(directory)), reserve_bytes_(reserve_bytes), health_(health) {}
  /// Asks the file system, sets the health's flags, and logs each change once.
  void look();

 private:
  const std::string directory_;
  const std::uint64_t reserve_bytes_;
  Health& health_;
  DiskLevel level_ = DiskLevel::enough;
};

}  // namespace galen::node
