#include "node/scrubber.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <filesystem>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/base/thread_name.hpp"
#include "node/ledger_mending.hpp"
#include "node/log_scrub.hpp"
#include "node/stored_fetch.hpp"
#include "node/vault_damage.hpp"

namespace galen::node {
namespace {

constexpr std::uint64_t kSaveIntervalMs = 5 * 60 * 1000;
constexpr std::size_t kStateRowsPerStep = 500;
constexpr std::size_t kRunBlocksMax = 256;
/// Fetched at a time: nothing of a run can be checked before all of it is here, and who sends it may lie.
constexpr std::size_t kRunBytesMax = 256u << 20;
constexpr std::size_t kAttempts = 2;  ///< all members are asked so often

// Parts of a pass, in tenths; the last two of them are slack for a busy machine.
constexpr std::uint64_t kPhaseBegin[] = {0, 3, 5, 7, 7, 8};

/// Behind the node's other threads, but never without its share: it holds RocksDB's locks for moments, and a stop waits for its
/// read under way. Where it may not be, the pauses remain.
void lower_priority() {
  constexpr int kNice = 10, kWhoProcess = 1, kLastOfBestEffort = 2 << 13 | 7;
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kNice);
  (void)::syscall(SYS_ioprio_set, kWhoProcess, 0, kLastOfBestEffort);
}

std::uint64_t now_ms() { return system_clock().wall_ms(); }

}  // namespace

Scrubber::Scrubber(const Identity& identity, ledger::Store& store, Health& health, Options options, Ports ports)
    : identity_(identity),
      store_(store),
      health_(health),
      options_(std::move(options)),
      ports_(std::move(ports)),
      scrub_(store, identity.genesis),
      question_(ports_.send),
      saved_at_ms_(now_ms()) {
  load_place();
}

Scrubber::~Scrubber() { stop(); }

void Scrubber::start() {
  publish();
  if (options_.period_s > 0) thread_ = std::thread([this] { run(); });
}

void Scrubber::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  question_.stop();
  if (thread_.joinable()) thread_.join();
}

void Scrubber::run() {
  name_this_thread("scrub");
  lower_priority();
  while (pass()) {
    const auto next_ms = place_.last_pass_ms + options_.period_s * 200;  // the slack of the pass before
    if (!wait_until(next_ms)) return;
  }
}

bool Scrubber::pass() {
  if (place_.started_ms == 0 || place_.started_ms > now_ms()) {
    place_.started_ms = now_ms();
    place_.phase = Phase::files;
    place_.next = 0;
    damage_now_.clear();
  }
  publish();
  if (place_.phase == Phase::files && !scrub_files()) return false;
  if (place_.phase == Phase::blocks && !scrub_blocks()) return false;
  if (place_.phase == Phase::state && !scrub_state()) return false;
  if (place_.phase == Phase::log && !scrub_log()) return false;
  if (!scrub_vault()) return false;
  place_.last_pass_ms = now_ms();
  place_.started_ms = 0;
  damage_last_ = std::exchange(damage_now_, {});  // it has looked at everything: what it did not find is mended
  log::info("scrub: a full pass is done found={} repaired={}", place_.found, place_.repaired);
  publish();
  return save_place();
}

void Scrubber::enter(Phase phase) {
  place_.phase = phase;
  place_.next = 0;
}

// ---- time

bool Scrubber::wait_ms(std::uint64_t ms) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, std::chrono::milliseconds(ms), [&] { return stopping_; });
}

bool Scrubber::wait_until(std::uint64_t wall_ms) {
  const auto now = now_ms();
  return wait_ms(wall_ms > now ? wall_ms - now : 0);
}

bool Scrubber::pause(std::uint64_t done, std::uint64_t of) {
  const auto index = static_cast<std::size_t>(place_.phase);
  const double share = of == 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(of));
  const double tenths = static_cast<double>(kPhaseBegin[index]) +
                        share * static_cast<double>(kPhaseBegin[index + 1] - kPhaseBegin[index]);
  const auto due =
      place_.started_ms + static_cast<std::uint64_t>(tenths * 100.0 * static_cast<double>(options_.period_s));
  health_.scrub_permille = static_cast<std::uint32_t>(tenths * 125.0);
  if (now_ms() - saved_at_ms_ > kSaveIntervalMs && !save_place()) return false;
  if (!wait_until(due)) return false;
  // Mending writes: not while there is too little space to take on work.
  while (health_.disk_low || health_.disk_full)
    if (!wait_ms(1000)) return false;
  return true;
}

// ---- what is read

bool Scrubber::scrub_files() {
  const auto files = scrub_.files();
  std::uint64_t total = 0, before = 0;
  for (const auto& file : files) total += file.bytes;
  for (const auto& file : files) {
    if (file.number >= place_.next) {
      bool going = true;
      auto whole = scrub_.is_whole(file, [&](std::uint64_t read) { return going = pause(before + read, total); });
      if (!whole) return fail(whole.error()), false;
      if (!going) return false;
      if (!*whole && !mend_file(file)) return false;
      place_.next = file.number + 1;
    }
    before += file.bytes;
  }
  enter(Phase::blocks);
  return true;
}

/// Blocks that are still on their way after a snapshot are not damaged; those that came were verified as they came, and the
/// history that would mend them is not whole: they wait for the next pass.
bool Scrubber::scrub_blocks() {
  if (store_.backfill_floor() != 0) return enter(Phase::state), true;
  for (; place_.next <= store_.applied_height().value_or(0); ++place_.next) {
    if (!pause(place_.next, *store_.applied_height())) return false;
    if (!mend_blocks(place_.next, place_.next) && failed_) return false;
  }
  enter(Phase::state);
  return true;
}

bool Scrubber::scrub_state() {
  std::string cursor;
  std::uint64_t done = 0;
  do {
    auto step = scrub_.check_state(std::move(cursor), kStateRowsPerStep);
    for (const auto& finding : step.findings) {
      found(fmt::format("height {}: {}: {}", finding.height, finding.where, finding.what));
      left("a state row; stop the node and run galend repair --ledger");
    }
    cursor = std::move(step.cursor);
    done += step.rows;
    if (!pause(done, std::max(done, scrub_.state_rows()))) return false;
  } while (!cursor.empty());
  enter(Phase::log);
  return true;
}

bool Scrubber::scrub_log() {
  if (!pause(1, 1)) return false;
  const auto directory = options_.data_dir + "/wal";
  auto damage = find_log_damage(posix_file_access(), directory);
  if (!damage) return fail(damage.error()), false;
  if (damage->empty()) return enter(Phase::vault), true;
  for (const auto& what : *damage) found(what);
  // Promises and blocks of older segments are in memory and in the ledger: after a checkpoint nobody needs them.
  ports_.checkpoint();
  if (!wait_ms(std::min<std::uint64_t>(options_.retry_ms, options_.period_s * 100))) return false;
  auto after = find_log_damage(posix_file_access(), directory);
  if (!after) return fail(after.error()), false;
  for (const auto& what : *damage) {
    if (std::find(after->begin(), after->end(), what) == after->end())
      repaired(what + ": the segment is no longer needed");
    else
      left(what + "; the segment goes when the log turns over");
  }
  enter(Phase::vault);
  return true;
}

/// Nobody else has what is in these files: the finding says which backup brings it back.
bool Scrubber::scrub_vault() {
  if (!pause(0, 1)) return false;
  if (!ports_.vault_damage) return true;
  const auto damage = look_at_vault([this](std::uint64_t done, std::uint64_t of) { return pause(done, of); });
  if (!damage || damage->empty()) return damage.has_value();
  // A key that is just being written looks damaged; it does not when this looks again.
  if (!wait_ms(std::min<std::uint64_t>(options_.retry_ms, options_.period_s * 100))) return false;
  const auto again = look_at_vault([this](std::uint64_t, std::uint64_t) { return wait_ms(0); });
  if (!again) return false;
  for (const auto& what : *damage) {
    if (std::find(again->begin(), again->end(), what) == again->end()) continue;
    found(what);
    left(what);
    // What is known to be damaged is not to wait for the read that ends the node. Of the keyring a start reads all
    // anyway.
    if (what.starts_with("vault/")) suspect_vault(options_.data_dir);
  }
  return true;
}

std::optional<std::vector<std::string>> Scrubber::look_at_vault(const Pause& pause) {
  bool going = true;
  auto damage = ports_.vault_damage([&](std::uint64_t done, std::uint64_t of) { return going = pause(done, of); });
  return going ? std::optional(std::move(damage)) : std::nullopt;
}

// ---- what is mended

// `ledger verify` says of index rows of the other families too; those cannot be had from a peer.
bool Scrubber::is_damaged(Height height) {
  if (height < store_.backfill_floor()) return false;
  bool damaged = false;
  for (const auto& finding : scrub_.check_block(height)) {
    if (finding.height != height) continue;
    if (finding.where != "transactions") {
      damaged = true;
      continue;
    }
    found(fmt::format("height {}: {}: {}", height, finding.where, finding.what));
    left("an index row; stop the node and run galend repair --ledger");
  }
  return damaged;
}

bool Scrubber::mend_file(const ledger::TableFile& file) {
  const auto name = file.path.substr(file.path.rfind('/') + 1);
  const auto what = fmt::format("ledger/{} with rows of {}", name, file.family);
  found(what + " does not have the checksum it was written with");
  const auto range = scrub_.heights(file);
  if (!range) return leave_to_the_next_start(what), true;
  if (!mend_blocks(range->first, range->last)) return !failed_;
  auto replaced = scrub_.replace(file, [this] { (void)wait_ms(options_.reader_age_max_ms); });
  if (replaced) {
    repaired(
        fmt::format("{}: heights {} to {} are written anew, and the file is gone", what, range->first, range->last));
  } else if (replaced.error().code == ErrorCode::IO_ERROR) {
    return fail(replaced.error()), false;
  } else {
    leave_to_the_next_start(fmt::format("{}: {}", what, replaced.error().message));
  }
  return true;
}

bool Scrubber::mend_blocks(Height first, Height last) {
  bool all = true;
  const auto applied = store_.applied_height().value_or(0);
  Height run_first = first;
  std::size_t run = 0;
  for (auto height = first; height <= last || run > 0; ++height) {
    const bool damaged = height <= applied && run < kRunBlocksMax && is_damaged(height);
    if (damaged) {
      if (run++ == 0) run_first = height;
      continue;
    }
    if (run == 0) continue;
    found(fmt::format("blocks {} to {} do not read as they were written", run_first, run_first + run - 1));
    all = fetch_and_restore(run_first, run) && all;
    if (failed_) return false;
    run = 0;
  }
  return all;
}

bool Scrubber::fetch_and_restore(Height first, std::size_t count) {
  const auto what = fmt::format("blocks {} to {}", first, first + count - 1);
  const auto members = identity_.members().size();
  std::string why = "no member that is connected has them";
  for (std::size_t i = 0; i < kAttempts * members; ++i) {
    const auto peer = static_cast<MemberIndex>(i % members);
    if (i > 0 && peer == 0 && !wait_ms(options_.retry_ms)) return false;
    if (peer == identity_.self) continue;
    auto blocks = fetch(peer, first, count);
    if (!blocks) continue;
    auto restored = scrub_.restore(first, *blocks);
    if (restored && is_any_damaged(first, count)) {
      leave_to_the_next_start(
          what +
          ": they are the chain's, and still not as they should be; galend repair --ledger, if a start does not help");
      return false;
    }
    if (restored) {
      repaired(fmt::format("{} fetched from {} and written anew", what, identity_.member_name(peer)));
      return true;
    }
    why = restored.error().message;
    if (restored.error().code == ErrorCode::IO_ERROR) return fail(restored.error()), false;
    log::warn("scrub: what {} sent for {} is not used reason={} error=\"{}\"", identity_.member_name(peer), what,
              to_reason(restored.error().code), why);
  }
  left(fmt::format("{}: {}; the next pass tries again, or stop the node and run galend repair --ledger", what, why));
  return false;
}

bool Scrubber::is_any_damaged(Height first, std::size_t count) {
  for (auto height = first; height < first + count; ++height)
    if (is_damaged(height)) return true;
  return false;
}

std::optional<std::vector<ledger::StoredBlock>> Scrubber::fetch(MemberIndex peer, Height first, std::size_t count) {
  std::vector<ledger::StoredBlock> out;
  std::size_t bytes = 0;
  for (auto height = first; height < first + count; ++height) {
    auto stored = fetch_stored(question_, peer, height);
    if (!stored) return std::nullopt;
    bytes += stored->block.size() + stored->outcomes.size();
    if (bytes > kRunBytesMax) return std::nullopt;
    out.push_back(std::move(*stored));
  }
  return out;
}

/// While one lies aside it would refuse: a node that votes is not to end for bytes that nobody needed yet.
void Scrubber::leave_to_the_next_start(const std::string& what) {
  const auto aside = damaged_ledger_path(options_.data_dir);
  std::error_code error;
  const bool refuses = std::filesystem::exists(aside, error);
  if (!refuses) suspect_ledger(options_.data_dir);
  left(fmt::format("{}; {}restart the node: it makes the ledger anew from the others when it starts", what,
                   refuses ? "look at the disk, move " + aside + " away, then " : ""));
}

// ---- what is said

void Scrubber::found(const std::string& what) {
  ++place_.found;
  log::error("scrub: damage found: {}", what);
  publish();
}

void Scrubber::repaired(const std::string& what) {
  ++place_.repaired;
  log::warn("scrub: repaired: {}", what);
  publish();
}

void Scrubber::left(const std::string& what) {
  damage_now_ = what;
  log::error("scrub: not repaired: {}", what);
  publish();
}

void Scrubber::publish() {
  const auto& damage = damage_now_.empty() ? damage_last_ : damage_now_;
  health_.set_scrub({place_.last_pass_ms, place_.started_ms, place_.found, place_.repaired, damage});
}

void Scrubber::fail(const Error& error) {
  failed_ = true;
  ports_.fatal(error);
}

// One line: the version, the five numbers of Place, the phase. Anything else begins a new pass.
void Scrubber::load_place() {
  auto bytes = posix_file_access().read_all(options_.data_dir + "/scrub", 1024);
  if (!bytes) return;
  const auto text = as_text(*bytes);
  std::uint64_t fields[7] = {};
  std::size_t count = 0;
  for (const char* at = text.data(); at < text.data() + text.size() && count < 7; ++count) {
    auto [end, error] = std::from_chars(at, text.data() + text.size(), fields[count]);
    if (error != std::errc() || end == text.data() + text.size()) return;
    at = end + 1;
  }
  if (count != 7 || fields[0] != 1 || fields[2] > static_cast<std::uint64_t>(Phase::vault)) return;
  place_ = {fields[1], static_cast<Phase>(fields[2]), fields[3], fields[4], fields[5], fields[6]};
}

bool Scrubber::save_place() {
  saved_at_ms_ = now_ms();
  if (health_.disk_full) return true;
  const auto line = fmt::format("1 {} {} {} {} {} {}\n", place_.started_ms, static_cast<unsigned>(place_.phase),
                                place_.next, place_.last_pass_ms, place_.found, place_.repaired);
  auto saved = posix_file_access().replace(options_.data_dir + "/scrub", as_bytes(line));
  if (!saved) fail(saved.error());
  return saved.has_value();
}

}  // namespace galen::node
