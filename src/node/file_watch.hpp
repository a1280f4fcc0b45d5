// Whether files have changed since one last looked: by inode, size and time of change, so that a replaced file counts
// as well as one written in place. A file that is not there is a state like another. One thread.
#pragma once

#include <string>
#include <vector>

namespace galen::node {

class FileWatch {
 public:
  /// Follows symlinks: a mounted secret is replaced by turning one.
  explicit FileWatch(std::vector<std::string> paths);
  /// Since the last call, or since it was made.
  bool changed();

 private:
  std::vector<std::string> stamps() const;

  const std::vector<std::string> paths_;
  std::vector<std::string> seen_;
};

}  // namespace galen::node
