// The transactions that this node admitted and has not yet seen answered, the rule when they become a batch, and who
// waits for them. Pure logic: time is an argument, tokens stand for waiters, and the node's thread drives it and signs.
// One owner thread (or the caller's lock). Bounded in items and in bytes; what is in flight counts.
//
// A transaction's life: queued -> in flight (in a signed batch) -> told COMMITTED or REJECTED when a block answers it,
// or EXPIRED when block time has passed its valid_until. A batch that expires unordered gives what is still valid back
// to the front of the queue, with its original arrival time. Nothing is dropped silently.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "galen/execution/executor.hpp"

namespace galen::execution {

struct PoolLimits {
  std::size_t items_max = 50'000;
  std::size_t bytes_max = 64u << 20;
  std::size_t waiters_max = 100'000;
  std::size_t batch_items_max = 1'000;
  std::size_t batch_bytes_max = 512u << 10;  ///< encoded items; a larger single transaction gets a batch of its own
  std::uint64_t gather_us = 10'000;  ///< while batches are in flight: how long the oldest may wait for company
};

enum class Fate : std::uint8_t { committed = 1, rejected = 2, expired = 3 };

/// What became of a transaction.
struct Outcome {
  Fate fate = Fate::committed;
  TransactionId id;
  ErrorCode code = ErrorCode::OK;
  Height height = 0;  ///< of the block that answers; 0 when expired
  TimestampMs time_ms = 0;  ///< of that block
  std::vector<Bytes> results;
};
using WaiterToken = std::uint64_t;
struct Notice {
  WaiterToken token;
  std::shared_ptr<const Outcome> outcome;
};

class Mempool {
 public:
  Mempool(const PoolLimits& limits, MemberIndex self);

  enum class Added : std::uint8_t { queued, already_pending };
  /// RESOURCE_EXHAUSTED when full (nothing is kept), else queued; an id that is pending keeps its first bytes.
  Result<Added> add(BatchItem item, std::uint64_t now_us);

  /// The item that is pending under this id; nullptr if none is. Valid until the pool changes.
  const BatchItem* pending(const TransactionId& id) const;

  /// The token hears of the id's outcome once. RESOURCE_EXHAUSTED when too many wait. The id need not be in the pool: a
  /// transaction may come in through another node.
  Status wait(const TransactionId& id, WaiterToken token);
  /// The caller gave up; unknown tokens are ignored.
  void forget(const TransactionId& id, WaiterToken token);

  /// Time to make a batch: at once when none of ours is in flight, else when the oldest has waited gather_us or a batch
  /// is full.
  bool batch_due(std::uint64_t now_us) const;
  /// When batch_due may turn true by time alone; nothing while the queue is empty.
  std::optional<std::uint64_t> next_due_us() const;
  /// Items of the next batch, oldest first; empty when nothing is queued. batch_in_flight must follow.
  std::vector<BatchItem> take_batch();
  /// The signed form of what take_batch gave.
  void batch_in_flight(const BatchPtr& batch);

  /// Answers for everything in the block, then expiry by its time. A block applied again gives no notice.
  std::vector<Notice> on_executed(const ExecutedBlock& block);
  /// A DUPLICATE's waiters are told the first answer, which the caller looks up in the store.
  std::vector<Notice> on_answer(const Outcome& outcome);

  std::size_t items() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }
  std::size_t queued() const { return queue_.size(); }
  std::size_t batches_in_flight() const { return flights_.size(); }
  std::size_t waiters() const { return waiter_count_; }

 private:
  struct Entry {
    BatchItem item;
    std::uint64_t arrived_us = 0;
    std::optional<Hash> batch;  ///< digest, when in flight
    bool taken = false;
  };
  struct Flight {
    TimestampMs valid_until_ms = 0;
    std::vector<TransactionId> ids;
    std::size_t open = 0;  ///< not yet answered
  };

  void settle(const Outcome& outcome, std::vector<Notice>& notices);
  void tell(const std::shared_ptr<const Outcome>& outcome, std::vector<Notice>& notices);
  void remove(const TransactionId& id);
  void expire(TimestampMs block_time_ms, std::vector<Notice>& notices);

  const PoolLimits limits_;
  const MemberIndex self_;
  std::map<TransactionId, Entry> entries_;
  std::deque<TransactionId> queue_;  ///< oldest first
  std::size_t queued_bytes_ = 0;
  std::size_t bytes_ = 0;
  std::map<Hash, Flight> flights_;
  std::set<std::pair<TimestampMs, TransactionId>> by_expiry_;
  std::map<TransactionId, std::vector<WaiterToken>> waiting_;
  std::size_t waiter_count_ = 0;
};

}  // namespace galen::execution
