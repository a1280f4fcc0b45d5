// One simulated node: the replicas of the core it runs, one for each epoch it takes part in, with one log, ledger and
// executor. Private to the simulation.
#pragma once

#include <set>

#include "sim/simulation.hpp"

namespace galen::sim {

/// One log for all, as in the node: batches, safety records and committed blocks in the order of their writing.
struct Simulation::LogEntry {
  std::optional<consensus::SafetyRecord> safety;
  std::optional<Batch> batch;
  std::optional<consensus::Effects::CommittedBlock> block;
};

/// A node's part in one epoch.
struct Simulation::Seat {
  Epoch epoch = 1;
  MemberIndex index = consensus::kNoMember;
  std::unique_ptr<consensus::Replica> replica;
  std::unique_ptr<Adversary> adversary;  ///< of a Byzantine member
  std::uint64_t last_token = 0;
  std::vector<std::pair<consensus::Effects::Send, std::uint64_t>> held;  ///< until their token is durable
  std::uint64_t durable_token = 0;
  std::uint64_t ticked = UINT64_MAX;
  std::uint64_t woken = UINT64_MAX;
  bool is_fresh = false;  ///< its log knew nothing of this epoch
  View view = 0, asked = 0;  ///< that it has entered, and the highest one it has asked for, in this life
  View told = 0;             ///< the highest VIEW-CHANGE that it let out
  std::optional<VoteSubject> prepared;  ///< its last PREPARE, of earlier lives too
  bool votes = false;        ///< since this life began

  bool is_member() const { return index != consensus::kNoMember; }
};

struct Simulation::Node {
  std::size_t place = 0;           ///< in nodes_
  Identity identity = 0;           ///< whose key it has
  std::optional<std::uint32_t> lies;  ///< of a Byzantine member
  Identity victim = 0;             ///< of one that ignores an origin
  Height errs_from = UINT64_MAX;   ///< it executes this height and all later ones in its own way, once trouble has begun
  std::uint64_t timing_ms = 0;     ///< the base of its timers, as it measured it last
  bool up = false;
  std::uint64_t incarnation = 0;
  std::int64_t clock_offset = 0;
  std::unique_ptr<Seat> seat;      ///< in the epoch it is in
  std::unique_ptr<Seat> old_seat;  ///< in the one before, until a block of this one is committed: helps those behind
  std::vector<LogEntry> log;
  std::size_t durable = 0;  ///< entries that survive a crash
  bool syncing = false;
  std::vector<consensus::Effects::CommittedBlock> chain;  ///< of this incarnation, from height 1
  std::vector<ExecutedSubject> executed;                  ///< from height 0
  Leadership leadership;  ///< after the last of them
  bool executing = false;
  std::set<Hash> bodies;
  bool lost_log = true;             ///< new or lost: counts against the fault budget until it votes by a durable record
  Height behind_until = 0;          ///< its ledger was made anew: it counts, too, until it has this height again
  bool is_believed = true;          ///< its log was never put back: nobody can know what that made it forget
  bool forgot_for_good = false;     ///< began anew where the chain had not begun, and had voted before: a second vote at worst
  std::size_t votes_by = SIZE_MAX;  ///< that record is durable when so much of the log is
  Epoch lost_until = 1;             ///< and it is of this epoch or a later one
  std::uint64_t told_ms = 0;        ///< when it last heard that others are in a later epoch
  // As trouble() left it; nothing of this holds after healing.
  bool unheard = false;
  bool deaf = false;
  std::uint64_t slow_ms = 0;  ///< at most, for each message from and to it
  std::uint64_t disk_ms = 0;  ///< for each sync and each execution

  bool is_honest() const { return !lies; }
  /// By its word.
  bool is_bound() const { return is_honest() && is_believed; }
  bool is_set_back() const { return lost_log || behind_until > 0; }
  Seat* seat_in(Epoch epoch) const {
    if (seat && seat->epoch == epoch) return seat.get();
    return old_seat && old_seat->epoch == epoch ? old_seat.get() : nullptr;
  }
  /// Height of the newest block it has.
  Height height() const { return chain.size(); }
};

inline constexpr std::uint64_t kWallStart = 1'700'000'000'000ULL;
inline constexpr std::uint64_t kTimeoutMs = 300;
inline constexpr std::uint64_t kStopMs = 400;  ///< for what a member that is to stop still has to say

/// Roots as a chain over the block digests: a replica that executed other blocks, or in another order, shows it.
inline ExecutedSubject execute_block(const ExecutedSubject& before, const Hash& digest) {
  auto state = mix(mix(1, before.state_root), digest);
  return {before.height + 1, digest, small_hash(state, 1), small_hash(state, 2)};
}

}  // namespace galen::sim
