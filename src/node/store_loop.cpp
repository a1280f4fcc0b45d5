#include "node/store_loop.hpp"

#include "galen/base/clock.hpp"
#include "galen/base/thread_name.hpp"
#include "node/log_records.hpp"

namespace galen::node {

StoreLoop::StoreLoop(Log& log, consensus::SafetyState safety, Health& health, std::function<void(const Error&)> fatal)
    : log_(log),
      health_(health),
      fatal_(std::move(fatal)),
      queue_({.items_max = 256, .bytes_max = 64u << 20}),
      safety_(std::move(safety)) {
  log_.set_snapshot_source([this] {
    safety_.prune(committed_);
    std::vector<OwnedLogRecord> records;
    for (auto& record : safety_.records()) records.push_back({kLogConsensus, true, std::move(record.payload)});
    return records;
  });
  next_seq_ = log_.stats().next_seq;
  publish_high();
}

StoreLoop::~StoreLoop() { stop(); }

void StoreLoop::start() {
  thread_ = std::thread([this] { run(); });
}

void StoreLoop::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

void StoreLoop::push(Turn turn) {
  std::size_t bytes = 0;
  for (const auto& record : turn.records) bytes += record.payload.size();
  queue_.push(std::move(turn), bytes);
}

void StoreLoop::run() {
  name_this_thread("store");
  for (;;) {
    auto turns = queue_.pop_all(std::chrono::milliseconds(500), 64);
    if (turns.empty()) {
      if (queue_.closed()) return;
      continue;
    }
    write(turns);
    if (failed_) return;
  }
}

void StoreLoop::publish_high() {
  const auto& high = safety_.high_qc();
  if (!high || (high_ && high_->subject == high->subject)) return;  // only this thread writes high_
  std::lock_guard lock(high_mutex_);
  high_ = high;
}

namespace {

std::size_t end_of_piece(const std::vector<OwnedLogRecord>& records, std::size_t begin) {
  auto end = begin + 1;
  while (records[begin].safety && end < records.size() && records[end].safety) ++end;
  return end;
}

}  // namespace

// What fits one write of the log at a time. A turn may hold more than that, of blocks that were fetched: it is written in pieces,
// and promises once the last one is durable. Safety records that follow each other stay together: those of one step of the
// core are durable together or not at all.
void StoreLoop::write(std::vector<Turn>& turns) {
  std::vector<LogRecord> records;
  std::size_t bytes = 0, unpromised = 0;
  std::vector<LogSeq> firsts;
  auto promise = [&](std::size_t end) {
    for (; unpromised < end; ++unpromised)
      if (turns[unpromised].durable) turns[unpromised].durable(firsts[unpromised]);
  };
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const auto& given = turns[i].records;
    for (std::size_t at = 0, end = 0; at < given.size(); at = end) {
      end = end_of_piece(given, at);
      std::size_t more = 0;
      // With its frame, and the second copy that safety records have.
      for (auto k = at; k < end; ++k) more += (given[k].safety ? 2 : 1) * (given[k].payload.size() + 128);
      if (!records.empty() && bytes + more > log_.turn_bytes_max()) {
        if (!append(records)) return;
        promise(i);
        records.clear();
        bytes = 0;
      }
      // A new segment begins with the safety state: then what follows stands later than here. A lower bound does.
      if (at == 0) firsts.push_back(next_seq_ + records.size());
      for (auto k = at; k < end; ++k) records.push_back(given[k].view());
      bytes += more;
    }
    if (given.empty()) firsts.push_back(next_seq_ + records.size());
  }
  if (!records.empty() && !append(records)) return;
  promise(turns.size());
  if (auto before = recycle_before_.exchange(0); before != 0) log_.recycle(before);
}

bool StoreLoop::append(const std::vector<LogRecord>& records) {
  auto began = system_clock().monotonic_us();
  auto appended = log_.append_turn(std::span<const LogRecord>(records));
  if (!appended) {
    failed_ = true;
    fatal_(appended.error());
    return false;
  }
  const auto now = system_clock().monotonic_us();
  health_.counters.fsync_us += now - began;
  health_.fsync_times.add(now, now - began);
  auto stats = log_.stats();
  health_.counters.fsyncs = stats.syncs;
  health_.counters.turns = stats.turns;
  health_.counters.log_bytes = stats.bytes_written;
  live_bytes_ = stats.live_bytes;
  next_seq_ = stats.next_seq;
  segment_first_seq_ = stats.segment_first_seq;
  for (const auto& record : records)
    if (record.type == kLogConsensus) GALEN_ASSERT(safety_.apply({to_bytes(record.payload)}).has_value());
  publish_high();
  return true;
}

}  // namespace galen::node
