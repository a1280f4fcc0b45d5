// Batch bodies that this node holds and no executed block has used up: what proposals are made of and peers fetch. Bodies
// stay for a while after execution, for members that are a little behind. Bounded in bytes, and what waits of each member in its
// share of them, so that one that floods crowds out nobody else. Any thread.
#pragma once

#include <deque>
#include <map>
#include <mutex>

#include "galen/node/log.hpp"
#include "galen/types/batch.hpp"

namespace galen::node {

class BatchPool {
 public:
  /// `used_bytes_max`: of bodies kept for others only; eight of the largest blocks. Decoded, a body takes several times its bytes.
  explicit BatchPool(std::size_t members, std::size_t bytes_max = 256u << 20, std::size_t used_bytes_max = 32u << 20)
      : bytes_max_(bytes_max), used_bytes_max_(used_bytes_max), share_(bytes_max / members) {}

  enum class Added : std::uint8_t { yes, known, full };
  /// Bodies of executed blocks make room, oldest first. Full, all or its origin's share: the body is not here, and the core may
  /// not be told that it came.
  /// `needed`: our own, or of a block that stands: taken in any case. `far`: no block may hold it yet: half of its origin's share is
  /// enough for such, so they keep out nothing that one could (F2).
  Added add(const BatchPtr& batch, bool needed = false, bool far = false);
  /// Our own, in any case. Others get it from may_leave() on, when its outbox records are durable: ordered before, it could be
  /// acknowledged, and lost to its custodian by a power cut.
  Added add_own(const BatchPtr& batch);
  void may_leave(const Hash& digest);
  BatchPtr find(const Hash& digest) const;
  /// What a peer that asks may have.
  BatchPtr find_for_others(const Hash& digest) const;
  /// The log holds the body at `seq`: segments from there on are needed until it is executed and durable.
  void logged(const Hash& digest, LogSeq seq);
  /// In a committed block: kept among the last ones, then dropped. Returns the seq of its record in the log, 0 if unknown.
  LogSeq used(const Hash& digest);
  /// Unordered ones whose valid_until has passed in block time can never be ordered.
  void expire(TimestampMs block_time_ms);
  /// The lowest seq of a body that no executed block has used; nothing when there is none.
  std::optional<LogSeq> first_needed() const;
  /// Bodies that no executed block has used and whose record lies below `seq`, lowest first, as many as fit
  /// `bytes_max`.
  std::vector<BatchPtr> logged_below(LogSeq seq, std::size_t bytes_max) const;
  /// Of all bodies that no executed block has used.
  std::size_t waiting_bytes() const;
  /// The log holds the body once more, at `seq`: the record before is not needed any more.
  void logged_again(const Hash& digest, LogSeq seq);
  /// Some of a member's bodies that no block has used yet and that may leave: sent again to a peer that comes back.
  std::vector<BatchPtr> unused(MemberIndex origin, std::size_t count_max) const;

 private:
  struct Entry {
    BatchPtr batch;
    LogSeq seq = 0;
    bool used = false;
    bool held = false;  ///< our own, and may not leave yet
  };
  static constexpr std::size_t kUsedMax = 1024;
  Added insert(const BatchPtr& batch, bool needed, bool far, bool held);
  bool drop_oldest_used();
  std::size_t& waiting(const BatchPtr& batch) { return waiting_[batch->header().origin]; }

  mutable std::mutex mutex_;
  const std::size_t bytes_max_, used_bytes_max_, share_;
  std::size_t bytes_ = 0, used_bytes_ = 0;
  std::map<MemberIndex, std::size_t> waiting_;  ///< bytes by origin that no block has used
  std::map<Hash, Entry> entries_;
  std::deque<Hash> used_;
};

}  // namespace galen::node
