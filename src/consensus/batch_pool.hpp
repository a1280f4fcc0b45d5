// Batches that wait for a block, and the digests that are in the chain already (for as long as they could be proposed
// again). Owned by the core; bodies are the shell's. Bounded per origin; what is in the chain is bounded by ttl_max.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "galen/consensus/replica.hpp"

namespace galen::consensus {

class BatchPool {
 public:
  BatchPool(const GenesisParameters& parameters, std::size_t members, std::size_t per_origin_max)
      : parameters_(&parameters), per_origin_max_(per_origin_max), queues_(members) {}

  enum class Added { yes, known, refused };
  /// `wanted_by`: the leader whose block waits for it (kNoMember: the own log had it), so the limit of its origin does
  /// not count.
  Added add(const PendingBatch& batch, TimestampMs wall_ms, std::uint64_t monotonic_ms,
            std::optional<MemberIndex> wanted_by = std::nullopt);
  const PendingBatch* find(const Hash& digest) const;
  bool in_chain(const Hash& digest) const { return in_chain_.count(digest) > 0; }
  void remember_in_chain(const Hash& digest, TimestampMs valid_until_ms);
  std::vector<std::pair<Hash, TimestampMs>> chain() const { return {in_chain_.begin(), in_chain_.end()}; }
  /// The block time of the tip: what expired before it can never be ordered, nor ordered again.
  void expire(TimestampMs tip_time_ms);

  struct Selection {
    std::vector<Hash> digests;
    std::uint64_t bytes = 0;
    bool full = false;                 ///< nothing more would fit
    std::uint64_t oldest_arrival_ms = 0;
  };
  /// For a block at `time_ms`: one batch of every origin in turn, each origin's oldest first (5), origins from `first`.
  Selection select(TimestampMs time_ms, MemberIndex first, const std::function<bool(const Hash&)>& is_taken) const;
  struct OfferRound {
    std::uint64_t now_ms = 0;
    std::uint64_t wait_ms = 0;   ///< before it is offered
    std::uint64_t again_ms = 0;  ///< before it is once more
    TimestampMs wall_ms = 0;
    std::size_t count_max = 0;
  };
  /// F1: what has waited and any leader could order, one of every origin in turn, each origin's oldest first. It counts as
  /// offered from now on.
  std::vector<Hash> offer(const OfferRound& round);
  /// F2: does a batch of this origin wait that was first offered by then, and that a block at `time_ms` may hold?
  bool is_due(MemberIndex origin, std::uint64_t offered_by_ms, TimestampMs time_ms) const;
  /// No batch that is taken in is larger.
  std::uint64_t batch_bytes_max() const {
    return std::min(parameters_->block_bytes_max, parameters_->member_block_bytes_max);
  }
  /// A batch that an honest leader could order now.
  bool has_work(TimestampMs wall_ms) const;
  std::size_t size() const { return pending_.size(); }
  /// Of what waits here because blocks of this leader wanted it.
  std::uint64_t guest_bytes(MemberIndex leader) const {
    auto place = guest_bytes_.find(leader);
    return place == guest_bytes_.end() ? 0 : place->second;
  }

 private:
  struct Entry {
    PendingBatch batch;
    std::optional<MemberIndex> wanted_by;
    std::uint64_t sequence = 0;
    std::uint64_t arrival_ms = 0;
    std::optional<std::uint64_t> offered_ms;  ///< the first time
    std::uint64_t offer_at_ms = 0;            ///< not before
  };
  void remove(std::map<Hash, Entry>::iterator place);

  const GenesisParameters* parameters_;
  std::size_t per_origin_max_;
  std::uint64_t next_sequence_ = 0;
  std::map<Hash, Entry> pending_;
  std::vector<std::map<std::uint64_t, Hash>> queues_;  ///< per origin, by arrival
  std::map<MemberIndex, std::uint64_t> guest_bytes_;   ///< by wanted_by
  std::set<std::pair<TimestampMs, Hash>> by_expiry_;
  std::map<Hash, TimestampMs> in_chain_;
  std::set<std::pair<TimestampMs, Hash>> in_chain_by_expiry_;
};

/// Whose batch a leader takes first into the block at this height: everybody comes first in turn.
inline MemberIndex first_in_turn(Height height, std::size_t members) {
  return static_cast<MemberIndex>(height % members);
}

}  // namespace galen::consensus
