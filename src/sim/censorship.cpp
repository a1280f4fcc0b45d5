// Batches: members that leave out an origin's, or keep their own from most, and what the others do about it (F1, F2); and
// timers set by what a node measures (V1a).
#include <algorithm>

#include "sim/node.hpp"

namespace galen::sim {

using namespace consensus;

namespace {
constexpr std::uint64_t kMeasureMs = 700;
constexpr std::uint64_t kExecuteMs = 6;
constexpr std::uint32_t kOfBatches = (2U << static_cast<unsigned>(kLastOfBatches)) - (1U << static_cast<unsigned>(kFirstOfBatches));
}  // namespace

bool Simulation::does(const Node& node, Lie lie) {
  return node.lies && (*node.lies >> static_cast<unsigned>(lie) & 1U) != 0;
}

/// Apart from the other draws, so that these stay what they were.
void Simulation::draw_rare_lies(std::vector<std::optional<std::uint32_t>>& lies, std::size_t members) {
  Rng rng(options_.seed * 31 + 5), rare(options_.seed * 37 + 11), poison(options_.seed * 41 + 3);
  for (std::size_t i = 0; i < members; ++i) {
    if (!lies[i]) continue;
    auto may_do = [&](Lie lie, bool drawn) {
      auto bit = 1U << static_cast<unsigned>(lie);
      if (options_.lies ? (*options_.lies & bit) != 0 : drawn) *lies[i] |= bit;
    };
    for (auto lie = static_cast<unsigned>(kFirstOfBatches); lie <= static_cast<unsigned>(kLastOfBatches); ++lie)
      may_do(static_cast<Lie>(lie), rng.chance(1, 3));
    may_do(Lie::floods, rare.chance(3, 4) && options_.room != consensus::Room{});
    may_do(Lie::errs, rare.chance(1, 20));
    may_do(Lie::poisons, poison.chance(1, 3));
    *lies[i] &= ~options_.without_lies;
  }
}

/// It does not hear of them until a block of another leader holds them.
bool Simulation::ignores(const Node& node, const Batch& batch) const {
  if (!does(node, Lie::ignores_origin) || calm()) return false;
  return epochs_->of(batch.epoch).identities[batch.pending.origin] == node.victim &&
         !node.seat->replica->wants_batch(batch.pending.digest);
}

/// F1: to all others; what is unsigned may be held back or lost like everything.
void Simulation::offer(Node& node, const Seat& seat, const std::vector<Hash>& digests) {
  if (node.is_honest()) ++tally_.faults["batches offered"];
  if (withholds(node)) return;
  const auto& members = epochs_->of(seat.epoch).identities;
  for (std::size_t to = 0; to < nodes_.size(); ++to) {
    bool is_member = std::find(members.begin(), members.end(), nodes_[to]->identity) != members.end();
    if (to == node.place || !is_member || !linked(node.place, to) || is_lost()) continue;
    at(latency() + slowness(node.place, to),
       [this, from = node.place, sender = seat.index, to, epoch = seat.epoch, digests] {
         if (linked(from, to)) give(*nodes_[to], epoch, BatchesOffered{sender, digests});
       });
  }
}

/// Nothing fails, everybody has room, and who lies does so about batches alone: then nobody waits long.
bool Simulation::only_batch_lies() const {
  return !options_.faults && options_.changes == 0 && options_.pool_batches == Options().pool_batches &&
         std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) { return !node->lies || (*node->lies & ~kOfBatches) == 0; });
}

void Simulation::note_body(const Batch& batch) {
  if (!only_batch_lies() || calm() || in_blocks_.count(batch.pending.digest) > 0) return;
  View highest = 0;
  for (const auto& node : nodes_) {
    if (!node->is_honest()) continue;
    if (!node->up || node->bodies.count(batch.pending.digest) == 0) return;
    highest = std::max(highest, node->seat->replica->status().view);
  }
  waits_.emplace(batch.pending.digest, highest);
}

/// 1.10: once all honest members have it, a batch waits through at most f whole tenures, those of liars in a row; the tenure that
/// was under way when it came does not count.
void Simulation::check_wait(const BlockHeader& header, const std::vector<Hash>& digests) {
  for (const auto& digest : digests) {
    in_blocks_.insert(digest);
    auto wait = waits_.find(digest);
    if (wait == waits_.end()) continue;
    auto views = header.view - std::min(header.view, wait->second);
    longest_wait_ = std::max(longest_wait_, views);
    if (views > 1 + faults_tolerated(options_.members))
      fail("censorship: a batch that all had in view " + std::to_string(wait->second) + " is in a block of view " +
           std::to_string(header.view));
    waits_.erase(wait);
  }
}

void Simulation::check_waits() {
  View highest = 0;
  for (const auto& node : nodes_)
    if (node->is_honest() && node->up) highest = std::max(highest, node->seat->replica->status().view);
  for (const auto& [digest, view] : waits_)
    if (highest > view + 1 + faults_tolerated(options_.members))
      fail("censorship: a batch that all had in view " + std::to_string(view) + " is in no block in view " +
           std::to_string(highest));
}

/// F2: a leader that is left had what it left out. Where messages get lost or late it may not have had it.
void Simulation::check_complaint(const Node& node, const Seat& seat, const Event& event) {
  auto leader = epochs_->of(seat.epoch).identities[event.value];
  if (nodes_[leader]->is_honest() && !options_.faults)
    fail("fairness: member " + std::to_string(node.identity) + " leaves honest leader " + std::to_string(leader) + " of view " +
         std::to_string(event.view));
}

/// V1a: as the node's own measuring would. A liar answers at once, or never.
std::uint64_t Simulation::measured_base(const Node& node, const Seat& seat) {
  std::vector<std::uint64_t> round_trips;
  for (auto identity : epochs_->of(seat.epoch).identities) {
    const auto& other = *nodes_[identity];
    auto slow = is_healed_ ? 0 : node.slow_ms + other.slow_ms;
    auto one = 2 * ((is_healed_ ? 10 : delay_max_) + slow);
    if (identity == node.identity) one = 0;
    else if (!other.is_honest()) one = rng_.chance(1, 2) ? 0 : 1'000'000;
    round_trips.push_back(one);
  }
  std::sort(round_trips.begin(), round_trips.end());
  return 4 * round_trips[epochs_->of(seat.epoch).members.quorum() - 1] + kExecuteMs + (is_healed_ ? 5 : 5 + node.disk_ms);
}

void Simulation::measure() {
  for (const auto& node : nodes_) {
    if (!node->up || !node->seat->is_member()) continue;
    auto base = measured_base(*node, *node->seat);
    if (base == node->timing_ms) continue;
    node->timing_ms = base;
    if (node->is_honest()) ++tally_.faults["timers set by measure"];
    give(*node, node->seat->epoch, TimingMeasured{base});
  }
  at(kMeasureMs, [this] { measure(); });
}

}  // namespace galen::sim
