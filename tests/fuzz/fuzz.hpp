// A fuzz target is a function over foreign bytes that registers itself by name: whatever the bytes are, it returns;
// what a decoder accepts must hold what the target asserts (GALEN_ASSERT ends the program, which is the finding). One
// program has all targets: libfuzzer.cpp runs one under libFuzzer (scripts/fuzz.sh), replay.cpp runs all on the kept
// corpus in every build.
#pragma once

#include <string>
#include <vector>

#include "galen/base/assert.hpp"
#include "galen/base/bytes.hpp"

namespace galen::fuzz {

struct Target {
  const char* name;
  void (*run)(ByteSpan input);
};

inline std::vector<Target>& targets() {
  static std::vector<Target> list;
  return list;
}
inline bool add_target(Target target) {
  targets().push_back(target);
  return true;
}

/// A file of the repository, for what a target needs beside its input (a genesis to verify under).
std::string read_source_file(const std::string& path);

}  // namespace galen::fuzz

#define GALEN_FUZZ_TARGET(name)                                                                      \
  static void fuzz_##name(::galen::ByteSpan input);                                                  \
  [[maybe_unused]] static const bool added_##name = ::galen::fuzz::add_target({#name, fuzz_##name}); \
  static void fuzz_##name(::galen::ByteSpan input)
