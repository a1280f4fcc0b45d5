#include "node/snapshot_loop.hpp"

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/base/thread_name.hpp"

namespace galen::node {
namespace {

constexpr std::size_t kFrozenMax = 64;
constexpr std::size_t kKept = 2, kKeptInUse = 2;
constexpr std::uint64_t kCertificatePollUs = 100'000;
constexpr std::uint64_t kCertificateWaitUs = 120'000'000;
constexpr std::uint64_t kPauseStepUs = 50'000;
/// Three parts of rest for each part of work.
constexpr std::uint64_t kRestPerWork = 3;
constexpr std::uint64_t kWorkSliceUs = 5'000;

/// A disk that failed a write is written to no more, though a snapshot is promised to nobody: the next write may be a
/// vote. A full one may have room again, and the node says that it is full.
bool ends_the_process(ErrorCode code, bool disk_low) {
  return code == ErrorCode::CORRUPT || (code == ErrorCode::IO_ERROR && !disk_low);
}

}  // namespace

SnapshotLoop::SnapshotLoop(const Identity& identity, const ledger::Store& store, const ledger::SnapshotFiles& files,
                           Health& health, Height interval, Ports ports)
    : identity_(identity),
      store_(store),
      files_(files),
      health_(health),
      interval_(interval),
      ports_(std::move(ports)),
      jobs_({.items_max = 1, .bytes_max = 1}) {}

SnapshotLoop::~SnapshotLoop() { stop(); }

void SnapshotLoop::start() {
  if (interval_ == 0) return;
  thread_ = std::thread([this] { run(); });
}

void SnapshotLoop::stop() {
  jobs_.close();
  if (thread_.joinable()) thread_.join();
}

void SnapshotLoop::on_executed() {
  if (interval_ == 0) return;
  const auto& header = store_.latest().head().header;
  const auto certified = header.exec_height;
  if (next_ == 0) next_ = (certified / interval_ + 1) * interval_;
  if (certified >= next_) {
    for (const auto& view : frozen_)
      if (view->height() == certified) (void)jobs_.try_push(Job{view, header.height});  // one is made at a time
    frozen_.clear();
    next_ = (certified / interval_ + 1) * interval_;
  }
  if (header.height < next_) return;
  if (auto view = store_.snapshot()) frozen_.push_back(std::move(*view));
  if (frozen_.size() > kFrozenMax) frozen_.pop_front();
}

void SnapshotLoop::run() {
  name_this_thread("snapshot");
  files_.clear_unfinished();
  while (auto job = jobs_.pop()) {
    if (jobs_.closed()) return;
    const auto height = job->view->height();
    if (health_.disk_low) {
      log::warn("no snapshot of height={}: disk space is low", height);
      continue;
    }
    const auto began = system_clock().monotonic_us();
    auto made = make(*job);
    if (made) {
      log::info("snapshot height={} took_ms={}", height, (system_clock().monotonic_us() - began) / 1000);
      remove_old();
    } else if (ends_the_process(made.error().code, health_.disk_low)) {
      return ports_.fatal(made.error());
    } else if (made.error().code != ErrorCode::CANCELLED || health_.disk_low) {
      log::error("no snapshot of height={} reason={} error=\"{}\"", height, to_reason(made.error().code),
                 made.error().message);
    }
  }
}

Status SnapshotLoop::make(const Job& job) {
  ledger::SnapshotFiles::Source source;
  source.view = job.view.get();
  source.context = identity_.context;
  GALEN_TRY(certify(job, source));
  auto rested = system_clock().monotonic_us();
  source.pace = [&] {
    const auto worked = system_clock().monotonic_us() - rested;
    if (health_.disk_low) return false;
    if (worked < kWorkSliceUs) return !jobs_.closed();
    const bool go_on = pause(worked * kRestPerWork);
    rested = system_clock().monotonic_us();
    return go_on;
  };
  return files_.make(source);
}

Status SnapshotLoop::certify(const Job& job, ledger::SnapshotFiles::Source& source) {
  for (std::uint64_t waited = 0;; waited += kCertificatePollUs) {
    GALEN_ASSIGN(auto view, store_.snapshot());
    GALEN_ASSIGN(auto certificate, view->commit_certificate_from(job.certifying));
    if (certificate && certificate->subject.height <= view->height()) {
      for (auto height = job.view->height(); height <= certificate->subject.height; ++height) {
        GALEN_ASSIGN(auto header, view->header(height));
        if (!header) return Error{ErrorCode::CORRUPT, "the ledger has no header for a block it applied"};
        source.headers.push_back(*header);
      }
      source.certificate = std::move(*certificate);
      GALEN_ASSIGN(source.epochs, view->epoch_links(source.headers.back().epoch));
      if (source.headers.size() <= ledger::kSnapshotHeadersMax) return {};
      return Error{ErrorCode::TOO_LARGE, "the next certificate is too far away"};
    }
    if (waited >= kCertificateWaitUs) return Error{ErrorCode::UNAVAILABLE, "no certificate came"};
    if (!pause(kCertificatePollUs)) return Error{ErrorCode::CANCELLED, "the node stops"};
  }
}

bool SnapshotLoop::pause(std::uint64_t us) {
  for (; us > 0 && !jobs_.closed(); us -= std::min(us, kPauseStepUs))
    std::this_thread::sleep_for(std::chrono::microseconds(std::min(us, kPauseStepUs)));
  return !jobs_.closed();
}

void SnapshotLoop::remove_old() {
  auto heights = files_.heights();
  std::size_t in_use = 0;
  for (std::size_t i = heights.size() > kKept ? heights.size() - kKept : 0; i-- > 0;) {
    if (in_use < kKeptInUse && ports_.in_use(heights[i])) {
      ++in_use;
      continue;
    }
    if (auto removed = files_.remove(heights[i]); !removed)
      log::warn("an old snapshot stays height={} error=\"{}\"", heights[i], removed.error().message);
  }
}

}  // namespace galen::node
