#include "galen/ledger/verify.hpp"

#include <algorithm>

#include "galen/base/thread_name.hpp"
#include "ledger/verification.hpp"

namespace galen::ledger {
namespace {

constexpr std::uint64_t kProgressIntervalUs = 500'000;

}  // namespace

Result<VerifyReport> verify_ledger(const VerifyOptions& options) {
  GALEN_ASSERT(options.genesis != nullptr);
  StoreOptions store;
  store.directory = options.directory;
  store.context = options.genesis->context();
  auto database = Database::open(store, Database::Mode::read_only);
  if (!database) {
    auto code = database.error().code;
    if (code != ErrorCode::CORRUPT && code != ErrorCode::IO_ERROR) return std::move(database).error();
    VerifyReport report;
    report.findings.push_back({0, "meta", database.error().message});
    return report;
  }
  std::unique_ptr<Replay> replay;
  if (options.executor != nullptr && options.from == 0) {
    GALEN_ASSIGN(replay, Replay::make(options, store.context));
  }
  Verification verification(options, std::move(*database));
  GALEN_TRY(verification.run(std::move(replay)));
  return verification.take_report();
}

Verification::Verification(const VerifyOptions& options, std::shared_ptr<Database> database)
    : options_(options),
      database_(std::move(database)),
      view_(new View(database_, nullptr, false)),
      context_(database_->context()),
      epochs_(*options.genesis),
      history_(HistoryTree(context_.suite)) {}

Verification::~Verification() { finish_jobs(); }

Status Verification::run(std::unique_ptr<Replay> replay) {
  replay_ = std::move(replay);
  GALEN_TRY(find_last_height());
  if (options_.from > report_.height_last)
    return make_error(ErrorCode::INVALID_ARGUMENT,
                      "The ledger ends at height " + std::to_string(report_.height_last) + ", before the one to begin at.");
  load_epochs(true);
  find_floor();
  if (options_.from > report_.height_first) {
    report_.height_first = options_.from;
    begin_at(options_.from);
  }
  start_jobs();
  for (Height height = report_.height_first; height <= report_.height_last && !enough(); ++height) {
    check_block(height);
    progress(height);
  }
  finish_jobs();
  if (report_.height_last > report_.certified_height + options_.uncertified_max && !enough())
    found(std::max(report_.certified_height + 1, options_.from), "certificate",
          "No block from here on has a valid COMMIT-QC at or above it. A node that was killed while it caught up leaves "
          "that; once it runs again the next block brings one.");
  if (!enough()) check_state();
  if (!enough()) options_.from == 0 ? check_transaction_count() : check_readable(Family::transactions);
  if (!enough()) check_tree();
  for (auto family : {Family::meta, Family::blocks, Family::certificates, Family::lists, Family::tree})
    if (!enough()) check_readable(family);
  if (replay_ && replay_->running() && !enough()) {
    GALEN_TRY(replay_->finish(*database_, report_.height_last, finder()));
    report_.executed = replay_->running();
  }
  if (report_.ok()) check_files();
  std::stable_sort(report_.findings.begin(), report_.findings.end(),
                   [](const VerifyFinding& a, const VerifyFinding& b) { return a.height < b.height; });
  progress(report_.height_last, true);
  return {};
}

void Verification::run_block(Height height) {
  load_epochs(false);
  find_floor();
  if (height > report_.height_first) begin_at(height);
  check_block(height);
}

void Verification::begin_at(Height height) {
  if (height == 0) return;
  previous_ = check_info(height - 1);
  if (!history_) return;  // of what a snapshot began with, not all nodes are here
  auto history = HistoryTree::load(context_.suite, height, view_->state_->history_reader());
  if (history) {
    history_ = std::move(*history);
  } else {
    history_.reset();
    found(height - 1, "history", history.error().message);
  }
}

void Verification::found(Height height, const char* where, std::string what) {
  std::lock_guard lock(report_mutex_);
  if (report_.findings.size() < options_.findings_max) report_.findings.push_back({height, where, std::move(what)});
}

Replay::Found Verification::finder() {
  return [this](Height height, const char* where, std::string what) { found(height, where, std::move(what)); };
}

bool Verification::enough() {
  std::lock_guard lock(report_mutex_);
  return report_.findings.size() >= options_.findings_max;
}

void Verification::check_signatures(std::size_t bytes, std::function<void()> check) {
  if (jobs_.empty()) return check();
  checks_.push(std::move(check), bytes);
}

void Verification::start_jobs() {
  for (unsigned i = 1; i < options_.jobs; ++i)
    jobs_.emplace_back([this] {
      name_this_thread("verify");
      while (auto check = checks_.pop()) (*check)();
    });
}

void Verification::finish_jobs() {
  checks_.close();
  for (auto& job : jobs_) job.join();
  jobs_.clear();
}

/// From the head row; when that one is damaged, from the last block that is there.
Status Verification::find_last_height() {
  auto loaded = view_->load_head();
  if (loaded) {
    report_.height_last = view_->height();
    return {};
  }
  if (loaded.error().code == ErrorCode::UNAVAILABLE) return std::move(loaded).error();
  std::unique_ptr<rocksdb::Iterator> it(
      database_->db().NewIterator(rocksdb::ReadOptions(), database_->family(Family::blocks)));
  it->SeekToLast();
  if (it->Valid()) report_.height_last = ByteReader(to_span(it->key())).u64();
  found(report_.height_last, "meta", "The applied height cannot be read: " + loaded.error().message);
  return {};
}

void Verification::load_epochs(bool again) {
  // Of a single block its own check says what it lacks.
  auto wrong = [&](Epoch epoch, const std::string& what) {
    if (again) found(report_.height_last, "epochs", "The link to epoch " + std::to_string(epoch) + what);
  };
  for (;;) {
    const auto epoch = epochs_.last() + 1;
    auto link = load_epoch_link(*database_, epoch);
    if (!link) return wrong(epoch, " cannot be read: " + link.error().message);
    if (!*link) return;
    auto header = BlockHeader::decode((*link)->header);
    // Of the newest block the certificate may not have come yet.
    const bool open = (*link)->commit_certificate.empty() && header && header->height >= report_.height_last;
    auto added = again && !open ? epochs_.add(**link) : epochs_.add_own(**link);
    if (!added) return wrong(epoch, " does not hold: " + added.error().message);
  }
}

/// A ledger that began with a snapshot and still fetches older blocks is checked from the lowest one it has.
void Verification::find_floor() {
  auto past = PastPosition::load(*database_);
  if (!past) return found(report_.height_last, "meta", past.error().message);
  if (!*past) return;
  report_.height_first = (*past)->floor;
  history_.reset();
  blocks_whole_ = false;
  if (replay_) replay_->stop();
}

void Verification::progress(Height height, bool now) {
  auto time_us = system_clock().monotonic_us();
  report_.seconds = static_cast<double>(time_us - started_us_) / 1e6;
  if (!options_.on_progress || (!now && time_us - progress_us_ < kProgressIntervalUs)) return;
  progress_us_ = time_us;
  VerifyProgress out;
  out.height = height;
  out.height_last = report_.height_last;
  out.items = report_.items;
  if (report_.seconds > 0) {
    out.blocks_per_s = static_cast<double>(report_.blocks) / report_.seconds;
    out.items_per_s = static_cast<double>(report_.items) / report_.seconds;
    if (out.blocks_per_s > 0) out.seconds_left = static_cast<double>(report_.height_last - height) / out.blocks_per_s;
  }
  options_.on_progress(out);
}

}  // namespace galen::ledger
