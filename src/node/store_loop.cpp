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

// As many turns as fit one write of the log; their promises are kept in order.
void StoreLoop::write(std::vector<Turn>& turns) {
  std::size_t begin = 0;
  while (begin < turns.size()) {
    std::vector<LogRecord> records;
    std::size_t bytes = 0, end = begin;
    while (end < turns.size()) {
      std::size_t more = 0;
      // With its frame, and the second copy that safety records have.
      for (const auto& record : turns[end].records) more += (record.safety ? 2 : 1) * (record.payload.size() + 128);
      if (end > begin && bytes + more > log_.turn_bytes_max()) break;
      bytes += more;
      for (const auto& record : turns[end].records) records.push_back(record.view());
      ++end;
    }
    LogSeq first = next_seq_;
    if (!records.empty()) {
      auto began = system_clock().monotonic_us();
      auto appended = log_.append_turn(std::span<const LogRecord>(records));
      if (!appended) {
        failed_ = true;
        fatal_(appended.error());
        return;
      }
      health_.counters.fsync_us += system_clock().monotonic_us() - began;
      auto stats = log_.stats();
      health_.counters.fsyncs = stats.syncs;
      health_.counters.turns = stats.turns;
      health_.counters.log_bytes = stats.bytes_written;
      live_bytes_ = stats.live_bytes;
      next_seq_ = stats.next_seq;
      first = appended->first;
      for (const auto& record : records)
        if (record.type == kLogConsensus) GALEN_ASSERT(safety_.apply({to_bytes(record.payload)}).has_value());
    }
    for (std::size_t i = begin; i < end; ++i) {
      if (turns[i].durable) turns[i].durable(first);
      first += turns[i].records.size();
    }
    if (auto before = recycle_before_.exchange(0); before != 0) log_.recycle(before);
    begin = end;
  }
}

}  // namespace galen::node
