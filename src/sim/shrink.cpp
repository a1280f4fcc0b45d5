#include "sim/shrink.hpp"

#include <fmt/format.h>

namespace galen::sim {

namespace {

constexpr std::uint64_t kChaosMsMin = 100;

/// The check that failed: what stands before the first colon.
std::string check_of(const std::string& failure) { return failure.substr(0, failure.find(':')); }

struct Step {
  std::string what;
  Options options;
};

/// Everything that might go from these options, the biggest first.
std::vector<Step> steps_from(const Options& from) {
  std::vector<Step> out;
  auto offer = [&](std::string what, auto change) {
    out.push_back({std::move(what), from});
    change(out.back().options);
  };
  if (from.members > 4 && from.byzantine <= 1) offer("4 members", [](Options& o) { o.members = 4; });
  if (from.byzantine > 0) offer("one liar less", [](Options& o) { --o.byzantine; });
  if (from.faults) offer("no faults at all", [](Options& o) { o.faults = o.amnesia = false; });
  if (from.changes > 0) offer("one change of members less", [](Options& o) { --o.changes; });
  if (from.amnesia) offer("no lost logs", [](Options& o) { o.amnesia = false; });
  auto offer_bits = [&](unsigned count, std::uint32_t Options::*mask, auto name) {
    for (unsigned bit = 0; bit < count; ++bit)
      if ((from.*mask >> bit & 1U) == 0)
        offer(fmt::format("without {}", name(bit)), [&](Options& o) { o.*mask |= 1U << bit; });
  };
  if (from.faults)
    offer_bits(static_cast<unsigned>(Fault::count), &Options::without,
               [](unsigned bit) { return to_name(static_cast<Fault>(bit)); });
  if (from.byzantine > 0)
    offer_bits(static_cast<unsigned>(Lie::count), &Options::without_lies,
               [](unsigned bit) { return to_name(static_cast<Lie>(bit)); });
  for (auto share : {2U, 4U}) {  // a half, then a quarter less
    auto less = from.chaos_ms - from.chaos_ms / share;
    if (less >= kChaosMsMin && less < from.chaos_ms)
      offer(fmt::format("{} ms of trouble instead of {}", less, from.chaos_ms),
            [&](Options& o) { o.chaos_ms = less; });
  }
  return out;
}

}  // namespace

std::optional<Shrunk> shrink(const Options& options, const ShrinkOptions& how) {
  auto first = run_core(options);
  if (first.failure.empty()) return std::nullopt;
  Shrunk best{options, first.failure, first.tally, 1};
  auto check = check_of(first.failure);
  auto try_step = [&](const Step& step) {
    RunOptions run;
    // The seed of the best so far comes first: mostly it will do.
    run.first = 0;
    run.seeds = how.seeds_a_step;
    run.jobs = how.jobs;
    run.until_failure = true;
    run.twice_every = 0;
    auto with_seed = [&](std::uint64_t salt) {
      auto out = step.options;
      out.seed = best.options.seed + salt;
      return with_drawn_limits(out);
    };
    run.run_one = [&](std::uint64_t salt) {
      auto one = run_core(with_seed(salt));
      if (check_of(one.failure) != check) one.failure.clear();
      return one;
    };
    auto result = run_seeds(run);
    best.runs += static_cast<unsigned>(result.seeds);
    if (result.failures.empty()) return false;
    best.options = with_seed(result.failures.front().seed);
    auto again = run_core(best.options);
    best.failure = again.failure;
    best.tally = again.tally;
    if (how.on_step) how.on_step(fmt::format("{} (seed {}): {}", step.what, best.options.seed, best.failure));
    return true;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& step : steps_from(best.options)) {
      if (!try_step(step)) continue;
      changed = true;
      break;
    }
  }
  return best;
}

std::string replay_command(const Options& o) {
  auto out = fmt::format("galen-sim replay {} --plan --members {} --liars {} --trouble-ms {}", o.seed, o.members,
                         o.byzantine, o.chaos_ms);
  if (!o.faults) out += " --no-faults";
  if (o.amnesia) out += " --amnesia";
  if (o.changes > 0) out += fmt::format(" --changes {}", o.changes);
  if (o.lies) out += " --lies " + names_of<Lie>(*o.lies);
  if (o.without != 0) out += " --without " + names_of<Fault>(o.without);
  if (o.without_lies != 0) out += " --without-lies " + names_of<Lie>(o.without_lies);
  return out;
}

}  // namespace galen::sim
