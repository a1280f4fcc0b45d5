// Real input lies beside the project. Without it a test is skipped by name; under CI=true that is a failure.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace galen::test {

inline std::filesystem::path shared_path(const std::string& folder) {
  return std::filesystem::path(GALEN_SOURCE_DIR) / ".." / "shared" / "data" / folder;
}
inline std::vector<std::string> shared_files(const std::string& folder) {
  auto path = shared_path(folder);
  std::vector<std::string> out;
  if (std::filesystem::is_directory(path))
    for (const auto& entry : std::filesystem::directory_iterator(path))
      if (entry.path().extension() == ".json") out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}
inline std::string read_whole(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline bool is_ci() {
  const char* value = std::getenv("CI");
  return value != nullptr && std::string(value) == "true";
}

}  // namespace galen::test

#define GALEN_NEEDS_SHARED(files, folder)                                                        \
  if (files.empty()) {                                                                           \
    if (galen::test::is_ci()) FAIL() << "../shared/data/" folder " is missing, and CI needs it"; \
    GTEST_SKIP() << "../shared/data/" folder " is not here";                                     \
  }
