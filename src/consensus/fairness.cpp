// F1, F2 (docs/spec/consensus.md 6a): batches that wait are made known to all, so that who leaves an origin out had what it
// left out; then f+1 members ask for the next view. One that asks alone only silences itself, so no member asks before the
// leader has had what is missing for longer than it takes to fetch it.
#include <algorithm>

#include "consensus/state.hpp"

namespace galen::consensus {

namespace {

constexpr std::uint32_t kPassedOverMax = 4;  ///< blocks; one proves it where messages keep their bounds
constexpr std::uint32_t kDoublingsMax = 3;

/// What of each origin a block holds.
struct Shares {
  explicit Shares(const BlockNode& node, std::size_t members) : of(members, 0) {
    for (const auto& batch : node.bodies) {
      if (batch.origin < members) ++of[batch.origin];
      bytes += batch.bytes;
    }
  }
  std::vector<std::uint32_t> of;
  std::uint64_t bytes = 0;
};

/// Would a leader that takes one batch of every origin in turn (5), and had one of this origin, have taken it? A block that
/// is full before its turn says nothing.
bool passes_over(const Shares& shares, const BlockNode& node, MemberIndex origin, std::uint64_t batch_bytes_max,
                 std::uint64_t block_bytes_max) {
  if (shares.of[origin] > 0) return false;
  auto members = shares.of.size();
  auto first = first_in_turn(node.height(), members);
  auto turn = [&](std::size_t member) { return (member + members - first) % members; };
  for (std::size_t other = 0; other < members; ++other)
    if (shares.of[other] > 1 || (shares.of[other] > 0 && turn(other) > turn(origin))) return true;
  return node.bodies.size() < limits::kBlockBatchesMax && shares.bytes + batch_bytes_max <= block_bytes_max;
}

}  // namespace

/// F1: what waits is named to all others, so that whoever leads has it, or can: well before the timer of the view runs out,
/// which it does for a batch that nobody else has (V1).
void Replica::State::offer_batches() {
  if (!may_offer() || pool.size() == 0 || now < offer_round_ms) return;
  out->offers = pool.offer({now, offer_wait_ms(), fair_ms() / 4, wall, kOfferedMax});
  auto pause = offer_wait_ms() / (out->offers.empty() ? 2 : 1);
  offer_round_ms = now + std::max<std::uint64_t>(pause, 1);
}

void Replica::State::on(const BatchesOffered& offered) {
  if (!may_offer() || offered.from >= offers.size() || offered.from == config.self) return;
  auto& of_member = offers[offered.from];
  if (offered.digests.size() > kOfferedMax || !of_member.bucket.take(now * 1000)) return;
  of_member.digests = {offered.digests.begin(), offered.digests.end()};
}

/// F1: asks those who offer, one after the other, so that one that offers what it does not give costs a pause and no more.
void Replica::State::fetch_offered() {
  ask_offerer_ms.reset();
  std::erase_if(asked_offers, [&](const auto& entry) { return entry.second + pacemaker.base_ms() < now; });
  for (MemberIndex member = 0; member < offers.size(); ++member) {
    auto& digests = offers[member].digests;
    if (digests.empty()) continue;
    Effects::FetchBatches fetch{{}, member, true};
    std::erase_if(digests, [&](const Hash& digest) {
      if (!may_offer() || pool.find(digest) != nullptr || pool.in_chain(digest)) return true;
      auto& ask_at = asked_offers[digest];
      if (now < ask_at) {
        ask_offerer_ms = std::min(ask_offerer_ms.value_or(ask_at), ask_at);
        return false;
      }
      ask_at = now + std::max<std::uint64_t>(pacemaker.base_ms() / 4, 1);
      fetch.digests.push_back(digest);
      return true;
    });
    if (!fetch.digests.empty()) out->fetch_batches.push_back(std::move(fetch));
  }
}

/// F2: each leader has the whole time for itself.
void Replica::State::give_chance() {
  chance_since_ms = now;
  for (auto& turn : turns) turn.passed_over = 0;
}

/// F2, what a committed block of the view shows: counted only where its leader had the batch for half of the time when the
/// block came.
void Replica::State::watch_turns(const BlockNode& node) {
  if (!may_offer()) return;
  Shares shares(node, config.members.size());
  for (MemberIndex origin = 0; origin < turns.size(); ++origin)
    if (shares.of[origin] > 0) turns[origin] = {};
  // Its own view's, and by the proposal itself: what others passed on may have been made long ago.
  if (node.view() != view || node.proposed_in != view || node.header().proposer == config.self) return;
  auto half = fair_ms() / 2;
  if (node.received_ms < chance_since_ms + half) return;
  for (MemberIndex origin = 0; origin < turns.size(); ++origin) {
    if (origin == node.header().proposer) continue;  // its own are its own affair
    auto& turn = turns[origin];
    if (!passes_over(shares, node, origin, pool.batch_bytes_max(), config.parameters.block_bytes_max)) continue;
    if (!pool.is_due(origin, node.received_ms - half, node.header().time_ms)) continue;
    if (turn.passed_over++ == 0) turn.passed_since_ms = node.received_ms;
  }
}

/// F2: the next view, without a longer timeout: this leader makes progress. A complaint that helped nothing makes the next
/// one wait twice as long, so whatever may be wrong with an origin, it does not use up one view after the other.
void Replica::State::leave_unfair_leader() {
  if (!may_offer() || !may_vote() || changing_views()) return;
  for (MemberIndex origin = 0; origin < turns.size(); ++origin) {
    auto& turn = turns[origin];
    auto patience = fair_ms() << turn.complaints;
    if (turn.passed_over < kPassedOverMax || now < turn.passed_since_ms + patience / 2 || now < patience) continue;
    if (!pool.is_due(origin, now - patience, tree.tip().header().time_ms)) continue;
    turn.complaints = std::min(turn.complaints + 1, kDoublingsMax);
    report(EventKind::passed_over, view, tree.tip().height(), origin, tree.tip().header().proposer);
    start_view_change(view + 1, ViewChangeCause::fairness);
    return;
  }
}

/// V1a: measured here, for here; never below what genesis says.
void Replica::State::on(const TimingMeasured& measured) {
  auto least = config.parameters.view_timeout_ms;
  pacemaker.set_base(std::clamp(measured.base_timeout_ms, least, std::max(least, config.base_timeout_max_ms)), now);
}

}  // namespace galen::consensus
