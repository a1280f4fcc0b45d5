// Runs every target, or one, on its kept corpus and on seeded mutations of it: no compiler but the usual one is needed,
// so a finding that was mended stays mended. Usage: fuzz_replay CORPUS [SECONDS [TARGET]]; GALEN_TEST_SEED repeats a
// run, and the input that ends one is kept as finding-TARGET.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "fuzz/fuzz.hpp"
#include "unit/test_seed.hpp"

namespace {

using galen::Bytes;

std::vector<Bytes> corpus_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  if (std::filesystem::is_directory(folder))
    for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> out;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return out;
}

Bytes mutated(Bytes bytes, std::mt19937_64& random) {
  for (auto count = 1 + random() % 4; count > 0 && !bytes.empty(); --count) {
    auto at = random() % bytes.size();
    auto length = std::min<std::size_t>(1 + random() % 16, bytes.size() - at);
    auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at), end = begin + static_cast<std::ptrdiff_t>(length);
    switch (random() % 6) {
      case 0:
        bytes[at] ^= static_cast<std::uint8_t>(1U << random() % 8);
        break;
      case 1:
        bytes[at] = static_cast<std::uint8_t>("\x00\x01\x7f\x80\xff\"\\{"[random() % 8]);
        break;
      case 2:
        bytes.erase(begin, end);
        break;
      case 3: {
        Bytes copy(begin, end);
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(random() % bytes.size()), copy.begin(), copy.end());
        break;
      }
      case 4:
        bytes.resize(at);
        break;
      default:
        for (auto it = begin; it != end; ++it) *it = static_cast<std::uint8_t>(random());
    }
  }
  return bytes;
}

const char* running = "";
galen::ByteSpan input;

/// The input that ended the program, for the corpus.
void keep_finding(int signal) {
  char path[128];
  std::snprintf(path, sizeof path, "finding-%s", running);
  if (auto* file = std::fopen(path, "wb")) {
    std::fwrite(input.data(), 1, input.size(), file);
    std::fclose(file);
  }
  std::fprintf(stderr, "finding: %zu bytes, kept in %s\n", input.size(), path);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

/// All files, then mutations of them in turn for the rest of the time. Returns the number of mutations.
std::uint64_t replay(const galen::fuzz::Target& target, const std::vector<Bytes>& files, double seconds,
                     std::uint64_t seed) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  auto run = [&](const Bytes& bytes) {
    input = bytes;
    target.run(bytes);
  };
  running = target.name;
  for (const auto& file : files) run(file);
  std::mt19937_64 random(seed);
  std::uint64_t count = 0;
  while (!files.empty() && Clock::now() < until) run(mutated(files[count++ % files.size()], random));
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: fuzz_replay CORPUS [SECONDS [TARGET]]\n"), 2;
  const double seconds = argc > 2 ? std::strtod(argv[2], nullptr) : 0;
  const std::string wanted = argc > 3 ? argv[3] : "";
  for (int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS, SIGILL}) std::signal(signal, keep_finding);
  auto seed = galen::test::test_seed();
  std::printf("GALEN_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  bool complete = false;
  for (const auto& target : galen::fuzz::targets()) {
    if (!wanted.empty() && wanted != target.name) continue;
    auto files = corpus_of(std::filesystem::path(argv[1]) / target.name);
    std::printf("%s: %zu files, ", target.name, files.size());
    std::fflush(stdout);
    std::printf("%llu mutations\n", static_cast<unsigned long long>(replay(target, files, seconds, seed)));
    complete = !files.empty();
    if (!complete) break;
  }
  if (!complete) std::fprintf(stderr, "there is no such target, or it has no corpus\n");
  return complete ? 0 : 1;
}
