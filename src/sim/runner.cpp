#include "sim/runner.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <mutex>
#include <thread>

#include <fmt/format.h>

namespace galen::sim {

namespace {

/// Shared by the threads of one run.
struct Progress {
  std::atomic<std::uint64_t> next;
  std::atomic<std::uint64_t> end;
  std::atomic<std::uint64_t> done = 0;
  std::atomic<std::uint64_t> failed = 0;
  std::mutex told_mutex;
  std::chrono::steady_clock::time_point told_at = std::chrono::steady_clock::now();
  std::mutex mutex;
  RunResult result;
};

/// Of the seed that this thread is in, for when an assertion of what is simulated ends the process.
thread_local std::string last_words;

void say_last_words(int /*signal*/) {
  [[maybe_unused]] auto said = write(STDERR_FILENO, last_words.data(), last_words.size());
}

void tell(const RunOptions& options, Progress& progress) {
  if (!options.on_progress) return;
  std::unique_lock lock(progress.told_mutex, std::try_to_lock);
  if (!lock) return;
  auto now = std::chrono::steady_clock::now();
  if (now - progress.told_at < std::chrono::seconds(1)) return;
  progress.told_at = now;
  options.on_progress(progress.done, progress.failed);
}

void work(const RunOptions& options, Progress& progress) {
  RunResult mine;
  auto run_one = [&](std::uint64_t seed) {
    return options.run_one ? options.run_one(seed) : run_core(draw(seed, options.group));
  };
  const bool replays = !options.run_one || options.layer == 2;  // others make something else of a seed
  for (;;) {
    auto seed = progress.next.fetch_add(1);
    if (seed >= progress.end.load()) break;
    last_words = fmt::format("seed {}\n", seed);
    if (replays) last_words += fmt::format("  replay: {}\n", replay_command(options, seed));
    auto one = run_one(seed);
    ++mine.seeds;
    mine.byzantine += one.byzantine ? 1 : 0;
    mine.tally.add(one.tally);
    if (one.failure.empty() && options.twice_every > 0 && seed % options.twice_every == 0) {
      auto again = run_one(seed);
      if (again.failure != one.failure || again.digest != one.digest)
        one.failure = "determinism: the same seed gave other events";
    }
    ++progress.done;
    if (!one.failure.empty()) ++progress.failed;
    tell(options, progress);
    if (one.failure.empty()) continue;
    mine.failures.push_back({seed, one.failure});
    if (!options.until_failure) continue;
    auto end = progress.end.load();
    while (seed < end && !progress.end.compare_exchange_weak(end, seed)) {
    }
  }
  std::lock_guard lock(progress.mutex);
  auto& all = progress.result;
  all.seeds += mine.seeds;
  all.byzantine += mine.byzantine;
  all.tally.add(mine.tally);
  all.failures.insert(all.failures.end(), mine.failures.begin(), mine.failures.end());
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

template <class Key, class Name>
std::string counts(const std::map<Key, std::uint64_t>& given, Name name) {
  std::string out = "{";
  for (const auto& [key, count] : given)
    out += fmt::format("{}{}:{}", out.size() > 1 ? "," : "", quoted(std::string(name(key))), count);
  return out + "}";
}

double per_minute(const RunResult& result) {
  return result.wall_ms == 0 ? 0 : static_cast<double>(result.seeds) * 60'000.0 / static_cast<double>(result.wall_ms);
}

}  // namespace

SeedResult run_core(const Options& options) {
  Simulation simulation(options);
  auto failure = simulation.run();
  return {failure, simulation.event_digest(), options.byzantine > 0, simulation.tally()};
}

std::string replay_command(const RunOptions& options, std::uint64_t seed) {
  if (options.layer == 2) return fmt::format("galen-sim replay {} --layer 2 --trace", seed);
  return fmt::format("galen-sim replay {} --group {} --trace", seed, to_name(options.group));
}

RunResult run_seeds(const RunOptions& options) {
  Progress progress;
  progress.next = options.first;
  progress.end = options.first + options.seeds;
  std::signal(SIGABRT, say_last_words);
  auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::max(1U, options.jobs); ++i) threads.emplace_back([&] { work(options, progress); });
  work(options, progress);
  for (auto& thread : threads) thread.join();
  auto& result = progress.result;
  result.wall_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count());
  auto& failures = result.failures;
  std::sort(failures.begin(), failures.end(), [](const auto& a, const auto& b) { return a.seed < b.seed; });
  if (options.until_failure && failures.size() > 1) failures.resize(1);
  return std::move(progress.result);
}

std::string to_json(const RunOptions& options, const RunResult& r) {
  auto same = [](const std::string& name) { return name; };
  std::string failures;
  for (const auto& [seed, what] : r.failures)
    failures += fmt::format("{}{{\"seed\":{},\"what\":{}}}", failures.empty() ? "" : ",", seed, quoted(what));
  return fmt::format(
      "{{\"layer\":{},\"group\":\"{}\",\"first\":{},\"seeds\":{},\"byzantine\":{},\"wall_ms\":{},\"seeds_per_minute\":{:"
      ".0f},"
      "\"virtual_ms\":{},\"events\":{},\"blocks\":{},\"views_burned\":{},\"failures\":[{}],\"happened\":{},\"refused\":"
      "{},"
      "\"rejected\":{},\"planted\":{}}}",
      options.layer, to_name(options.group), options.first, r.seeds, r.byzantine, r.wall_ms, per_minute(r), r.tally.virtual_ms,
      r.tally.events, r.tally.blocks, r.tally.views_burned, failures,
      counts(r.tally.kinds, [](consensus::EventKind kind) { return consensus::to_name(kind); }),
      counts(r.tally.refusals, [](consensus::RefusalReason reason) { return consensus::to_name(reason); }),
      counts(r.tally.rejected, same), counts(r.tally.faults, same));
}

std::string to_text(const RunOptions& options, const RunResult& r) {
  std::string out;
  for (const auto& [seed, what] : r.failures)
    out += fmt::format("seed {}: {}\n  replay: {}\n", seed, what, replay_command(options, seed));
  auto wall = static_cast<double>(std::max<std::uint64_t>(r.wall_ms, 1));
  out += fmt::format(
      "layer {}{}: {} seeds from {}, {} with members that lie; {} failed\n"
      "{:.1f} s, {:.0f} seeds a minute, virtual to wall {:.0f} : 1, {} events, {} blocks, {} views burned after "
      "healing\n",
      options.layer, options.layer == 1 ? fmt::format(", {}", to_name(options.group)) : "", r.seeds, options.first,
      r.byzantine, r.failures.size(), wall / 1000, per_minute(r),
      static_cast<double>(r.tally.virtual_ms) / wall, r.tally.events, r.tally.blocks, r.tally.views_burned);
  return out;
}

}  // namespace galen::sim
