// libFuzzer's entry: GALEN_FUZZ_TARGET names the target; without it the names are printed.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fuzz/fuzz.hpp"

// Debian's libprotobuf and RocksDB are built without the annotations that this check needs of everybody.
extern "C" const char* __asan_default_options() { return "detect_container_overflow=0:allocator_may_return_null=0"; }

namespace {

void (*chosen)(galen::ByteSpan) = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  auto list = galen::fuzz::targets();
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return std::strcmp(a.name, b.name) < 0; });
  const char* wanted = std::getenv("GALEN_FUZZ_TARGET");
  for (const auto& target : list) {
    if (wanted == nullptr) std::printf("%s\n", target.name);
    if (wanted != nullptr && std::strcmp(wanted, target.name) == 0) chosen = target.run;
  }
  if (chosen != nullptr) return 0;
  if (wanted != nullptr) std::fprintf(stderr, "there is no fuzz target %s\n", wanted);
  std::fflush(stdout);
  std::_Exit(wanted == nullptr ? 0 : 2);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  chosen({data, size});
  return 0;
}
