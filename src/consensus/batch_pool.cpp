#include "consensus/batch_pool.hpp"

#include <algorithm>

#include "galen/types/limits.hpp"

namespace galen::consensus {

namespace {
constexpr std::size_t kDueLookedAt = 64;  ///< of an origin: the oldest are offered first
}  // namespace

BatchPool::Added BatchPool::add(const PendingBatch& batch, TimestampMs wall_ms, std::uint64_t monotonic_ms,
                                std::optional<MemberIndex> wanted_by) {
  if (pending_.count(batch.digest) > 0 || in_chain(batch.digest)) return Added::known;
  if (batch.origin >= queues_.size()) return Added::refused;
  auto& queue = queues_[batch.origin];
  bool too_far = batch.valid_until_ms > wall_ms + parameters_->ttl_max_ms + 2 * parameters_->clock_skew_max_ms;
  bool too_large = batch.bytes > batch_bytes_max();
  // What no block could hold now gets half of the room: it never keeps out what one could. So a leader that has none of an
  // origin's batches to order has room for one (F2).
  bool waits = batch.valid_until_ms > wall_ms + parameters_->ttl_max_ms;
  if (too_far || too_large || (!wanted_by && queue.size() >= per_origin_max_ / (waits ? 2 : 1))) return Added::refused;
  auto sequence = next_sequence_++;
  pending_.emplace(batch.digest, Entry{batch, wanted_by, sequence, monotonic_ms, std::nullopt, 0});
  queue.emplace(sequence, batch.digest);
  by_expiry_.emplace(batch.valid_until_ms, batch.digest);
  if (wanted_by) guest_bytes_[*wanted_by] += batch.bytes;
  return Added::yes;
}

const PendingBatch* BatchPool::find(const Hash& digest) const {
  auto place = pending_.find(digest);
  return place == pending_.end() ? nullptr : &place->second.batch;
}

void BatchPool::remove(std::map<Hash, Entry>::iterator place) {
  const auto& entry = place->second;
  queues_[entry.batch.origin].erase(entry.sequence);
  by_expiry_.erase({entry.batch.valid_until_ms, place->first});
  if (entry.wanted_by) guest_bytes_[*entry.wanted_by] -= entry.batch.bytes;
  pending_.erase(place);
}

void BatchPool::remember_in_chain(const Hash& digest, TimestampMs valid_until_ms) {
  if (auto place = pending_.find(digest); place != pending_.end()) remove(place);
  if (in_chain_.emplace(digest, valid_until_ms).second) in_chain_by_expiry_.emplace(valid_until_ms, digest);
}

void BatchPool::expire(TimestampMs tip_time_ms) {
  while (!by_expiry_.empty() && by_expiry_.begin()->first < tip_time_ms) remove(pending_.find(by_expiry_.begin()->second));
  while (!in_chain_by_expiry_.empty() && in_chain_by_expiry_.begin()->first < tip_time_ms) {
    in_chain_.erase(in_chain_by_expiry_.begin()->second);
    in_chain_by_expiry_.erase(in_chain_by_expiry_.begin());
  }
}

BatchPool::Selection BatchPool::select(TimestampMs time_ms, MemberIndex first,
                                       const std::function<bool(const Hash&)>& is_taken) const {
  Selection out;
  out.oldest_arrival_ms = UINT64_MAX;
  auto n = queues_.size();
  std::vector<std::map<std::uint64_t, Hash>::const_iterator> at(n);
  std::vector<std::uint64_t> of_origin(n, 0);
  for (std::size_t i = 0; i < n; ++i) at[i] = queues_[i].begin();
  for (bool found = true; found;) {
    found = false;
    for (std::size_t i = 0; i < n; ++i) {
      auto origin = (first + i) % n;
      for (auto& place = at[origin]; place != queues_[origin].end();) {
        const auto& entry = pending_.at((place++)->second);
        const auto& batch = entry.batch;
        if (batch.valid_until_ms < time_ms || batch.valid_until_ms > time_ms + parameters_->ttl_max_ms) continue;
        if (is_taken(batch.digest)) continue;
        if (out.digests.size() >= limits::kBlockBatchesMax || out.bytes + batch.bytes > parameters_->block_bytes_max) {
          out.full = true;
          return out;
        }
        if (of_origin[origin] + batch.bytes > parameters_->member_block_bytes_max) {
          place = queues_[origin].end();  // its later ones wait behind it: oldest first
          break;
        }
        out.digests.push_back(batch.digest);
        out.bytes += batch.bytes;
        of_origin[origin] += batch.bytes;
        out.oldest_arrival_ms = std::min(out.oldest_arrival_ms, entry.arrival_ms);
        found = true;
        break;
      }
    }
  }
  return out;
}

std::vector<Hash> BatchPool::offer(const OfferRound& round) {
  std::vector<Hash> out;
  std::vector<std::map<std::uint64_t, Hash>::const_iterator> at;
  for (const auto& queue : queues_) at.push_back(queue.begin());
  for (bool found = true; found;) {
    found = false;
    for (std::size_t origin = 0; origin < queues_.size(); ++origin) {
      for (auto& place = at[origin]; place != queues_[origin].end();) {
        auto& entry = pending_.at((place++)->second);
        auto until = entry.batch.valid_until_ms;
        if (until < round.wall_ms || until > round.wall_ms + parameters_->ttl_max_ms) continue;
        if (round.now_ms < std::max(entry.arrival_ms + round.wait_ms, entry.offer_at_ms)) continue;
        if (out.size() >= round.count_max) return out;
        if (!entry.offered_ms) entry.offered_ms = round.now_ms;
        entry.offer_at_ms = round.now_ms + round.again_ms;
        out.push_back(entry.batch.digest);
        found = true;
        break;
      }
    }
  }
  return out;
}

bool BatchPool::is_due(MemberIndex origin, std::uint64_t offered_by_ms, TimestampMs time_ms) const {
  std::size_t looked = 0;
  for (const auto& [sequence, digest] : queues_[origin]) {
    if (++looked > kDueLookedAt) break;
    const auto& entry = pending_.at(digest);
    auto until = entry.batch.valid_until_ms;
    bool fits = until >= time_ms && until <= time_ms + parameters_->ttl_max_ms;
    if (fits && entry.offered_ms && *entry.offered_ms <= offered_by_ms) return true;
  }
  return false;
}

bool BatchPool::has_work(TimestampMs wall_ms) const {
  auto place = by_expiry_.lower_bound({wall_ms, Hash{}});
  return place != by_expiry_.end() && place->first <= wall_ms + parameters_->ttl_max_ms;
}

}  // namespace galen::consensus
