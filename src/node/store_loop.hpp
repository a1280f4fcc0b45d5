// The store thread: the only place that syncs on the path of a promise (D2, D3). It takes all turns that wait, writes them with
// one fdatasync, and only then runs what each turn promised. After a failed write nothing runs any more.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "galen/base/bounded_queue.hpp"
#include "galen/consensus/safety.hpp"
#include "galen/node/log.hpp"
#include "node/health.hpp"

namespace galen::node {

/// What one turn of the core wants durable, and what may leave once it is.
struct Turn {
  std::vector<OwnedLogRecord> records;
  /// Runs on the store thread after the sync; `first` is the log's seq of records[0], or a lower one.
  std::function<void(LogSeq first)> durable;
};

class StoreLoop {
 public:
  /// `safety`: the fold of what the log holds; kept up with what is written, for the head of each new segment.
  StoreLoop(Log& log, consensus::SafetyState safety, Health& health, std::function<void(const Error&)> fatal);
  ~StoreLoop();

  void start();
  /// Writes what is queued, then ends.
  void stop();
  /// The core thread; waits when the disk is behind.
  void push(Turn turn);
  /// Any thread, after a checkpoint: segments wholly below `seq` may be used again. Done by the store thread.
  void recycle(LogSeq seq) { recycle_before_ = seq; }
  /// Any thread: votes up to here are history.
  void set_committed(Height height) { committed_ = height; }
  std::uint64_t live_bytes() const { return live_bytes_; }
  LogSeq next_seq() const { return next_seq_; }
  /// Where the log's last segment begins.
  LogSeq segment_first_seq() const { return segment_first_seq_; }
  /// Any thread: the highest certificate in the log. Before a COMMIT leaves, the one it rests on is here.
  std::optional<QuorumCertificate> high() const {
    std::lock_guard lock(high_mutex_);
    return high_;
  }

 private:
  void run();
  void write(std::vector<Turn>& turns);
  bool append(const std::vector<LogRecord>& records);
  void publish_high();

  Log& log_;
  Health& health_;
  const std::function<void(const Error&)> fatal_;
  BoundedQueue<Turn> queue_;
  consensus::SafetyState safety_;
  std::atomic<Height> committed_{0};
  std::atomic<LogSeq> recycle_before_{0};
  std::atomic<std::uint64_t> live_bytes_{0};
  std::atomic<LogSeq> next_seq_{0}, segment_first_seq_{0};
  mutable std::mutex high_mutex_;
  std::optional<QuorumCertificate> high_;
  bool failed_ = false;
  std::thread thread_;
};

}  // namespace galen::node
