// What the node's threads tell about themselves, for status calls and for refusing writes while there is no quorum. Each
// field has one writer; readers take a copy under the lock or read an atomic.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "galen/base/result.hpp"
#include "galen/types/members.hpp"
#include "galen/v1/node_service.pb.h"
#include "node/timing.hpp"

namespace galen::node {

/// The core loop's view, copied after each turn that changes it.
struct CoreStatus {
  galen::v1::NodeMode mode = galen::v1::NODE_MODE_STARTING;
  std::string detail;
  View view = 0;
  MemberIndex leader = 0;
  std::vector<MemberIndex> skipped;  ///< that the rotation of leaders leaves out now
  std::uint64_t view_timeout_ms = 0;
  Height committed_height = 0;
};

/// What the scrub has seen since the data directory was made, or since DIR/scrub was lost.
struct ScrubStatus {
  std::uint64_t last_pass_ms = 0;     ///< wall clock, end of the last full pass; 0: none yet
  std::uint64_t pass_started_ms = 0;  ///< of the one under way; 0: none
  std::uint64_t found = 0, repaired = 0;
  std::string left;  ///< newest damage that the pass under way, or else the last full one, left
};

/// How joining and backfilling go; written by the sync thread.
struct SyncStatus {
  bool joining = false;
  std::string detail;                 ///< one sentence; empty when there is nothing to say
  std::vector<MemberIndex> refused;   ///< peers that sent what failed its check
};

/// Monotone counters since start. Times in microseconds.
struct Counters {
  std::atomic<std::uint64_t> blocks{0}, transactions{0}, batches_made{0}, turns{0}, fsyncs{0}, log_bytes{0};
  std::atomic<std::uint64_t> fsync_us{0}, execute_us{0}, verify_us{0}, core_us{0}, intake_us{0};
  std::atomic<std::uint64_t> batches_offered{0}, offers_fetched{0}, view_changes{0}, frames_dropped{0}, frames_invalid{0}, catch_up_blocks{0}, checkpoints{0};
};

class Health {
 public:
  Counters counters;
  RecentTimes fsync_times, execute_times;  ///< of a turn, of a block: what the timers rest on (V1a)

  void set_core(const CoreStatus& status) {
    std::lock_guard lock(mutex_);
    core_ = status;
  }
  CoreStatus core() const {
    std::lock_guard lock(mutex_);
    return core_;
  }

  void set_sync(const SyncStatus& status) {
    std::lock_guard lock(mutex_);
    sync_ = status;
  }
  SyncStatus sync() const {
    std::lock_guard lock(mutex_);
    return sync_;
  }

  /// Written by the mesh's callbacks.
  void set_connected(MemberIndex member, bool connected) {
    std::lock_guard lock(mutex_);
    if (connected_.size() <= member) connected_.resize(member + 1u);
    connected_[member] = connected;
  }
  /// A voter refuses this node because its member was removed, or takes it in after all; returns how many refuse it.
  std::size_t note_removed(MemberIndex by, bool removed) {
    std::lock_guard lock(mutex_);
    if (removed)
      removed_by_.insert(by);
    else
      removed_by_.erase(by);
    return removed_by_.size();
  }
  /// More than f of them cannot all lie.
  std::set<MemberIndex> removed_by() const {
    std::lock_guard lock(mutex_);
    return removed_by_;
  }
  /// A member said that it has executed so far.
  void set_peer_height(MemberIndex member, Height height) {
    std::lock_guard lock(mutex_);
    if (peer_heights_.size() <= member) peer_heights_.resize(member + 1u);
    peer_heights_[member] = std::max(peer_heights_[member], height);
  }
  /// The epoch it said it is in; 0: not connected yet.
  void set_peer_epoch(MemberIndex member, Epoch epoch) {
    std::lock_guard lock(mutex_);
    if (peer_epochs_.size() <= member) peer_epochs_.resize(member + 1u);
    peer_epochs_[member] = epoch;
  }
  Epoch peer_epoch(MemberIndex member) const {
    std::lock_guard lock(mutex_);
    return member < peer_epochs_.size() ? peer_epochs_[member] : 0;
  }
  /// The highest of what it said; 0: nothing yet.
  Height peer_height(MemberIndex member) const {
    std::lock_guard lock(mutex_);
    return member < peer_heights_.size() ? peer_heights_[member] : 0;
  }
  /// The highest that more than `faults` of the first `voters` members say: one of these does not lie.
  Height vouched_height(std::size_t voters, std::size_t faults) const {
    std::lock_guard lock(mutex_);
    auto heights = peer_heights_;
    heights.resize(voters);
    std::sort(heights.begin(), heights.end(), std::greater<>());
    return faults < heights.size() ? heights[faults] : 0;
  }
  /// Members without a connection, this node never among them.
  std::vector<MemberIndex> missing(std::size_t members, MemberIndex self) const {
    std::lock_guard lock(mutex_);
    std::vector<MemberIndex> out;
    for (MemberIndex i = 0; i < members; ++i)
      if (i != self && (i >= connected_.size() || !connected_[i])) out.push_back(i);
    return out;
  }

  /// Written by the scrub.
  void set_scrub(ScrubStatus status) {
    std::lock_guard lock(mutex_);
    scrub_ = std::move(status);
  }
  ScrubStatus scrub() const {
    std::lock_guard lock(mutex_);
    return scrub_;
  }
  std::atomic<std::uint32_t> scrub_permille{0};  ///< of the pass under way

  /// The file that says in what this node's state differs.
  void set_divergence_file(std::string path) {
    std::lock_guard lock(mutex_);
    divergence_file_ = std::move(path);
  }
  std::string divergence_file() const {
    std::lock_guard lock(mutex_);
    return divergence_file_;
  }

  std::atomic<std::uint64_t> pending_transactions{0};
  std::atomic<bool> disk_low{false};   ///< D20: too little space to take on work
  std::atomic<bool> disk_full{false};  ///< D20: too little space to promise or write anything

  /// D9: a node whose state differs from the certified one promises nothing and answers nothing but about itself.
  Status may_serve() const {
    if (core().mode != galen::v1::NODE_MODE_DIVERGED) return {};
    return Error{ErrorCode::DIVERGED, "this node's state differs from the one that a quorum certified"};
  }

 private:
  mutable std::mutex mutex_;
  CoreStatus core_;
  ScrubStatus scrub_;
  std::string divergence_file_;
  SyncStatus sync_;
  std::vector<bool> connected_;
  std::set<MemberIndex> removed_by_;
  std::vector<Height> peer_heights_;
  std::vector<Epoch> peer_epochs_;
};

}  // namespace galen::node
