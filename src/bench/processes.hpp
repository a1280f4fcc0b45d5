// CPU time and memory of the processes of a consortium, from /proc: what a benchmark of several processes on one machine
// must report first, since elapsed time there is shared.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace galen::bench {

struct Usage {
  double cpu_s = 0;
  std::uint64_t rss_bytes = 0;
  Usage& operator+=(const Usage& other) {
    cpu_s += other.cpu_s;
    rss_bytes += other.rss_bytes;
    return *this;
  }
};

struct Consortium {
  std::vector<int> nodes;       ///< galend
  std::vector<int> front_ends;  ///< their galend-api children
};

/// From node-*/galend.pid below `dir`; empty when there is none.
Consortium find_consortium(const std::string& dir);
Usage usage_of(const std::vector<int>& pids);
Usage usage_of_self();

}  // namespace galen::bench
