// From one epoch to the next: what the shell of a replica does, and who decides on the members.
#include <algorithm>

#include "sim/node.hpp"
#include "sim/record.hpp"

namespace galen::sim {

using namespace consensus;

namespace {
constexpr std::uint64_t kTellMs = 50;  ///< between two fetches because others are in a later epoch
}

/// The epoch that the newest block in the log leads to.
Epoch Simulation::epoch_after(const Node& node) const {
  for (auto entry = node.log.rbegin(); entry != node.log.rend(); ++entry) {
    if (!entry->block) continue;
    const auto& header = entry->block->block.header;
    return header.epoch + (header.epoch_end() ? 1 : 0);
  }
  return 1;
}

void Simulation::take_seat(Node& node, Epoch epoch, Recovered recovered) {
  const auto& set = epochs_->of(epoch);
  if (options_.record) options_.record->epoch(epoch, set);
  auto seat = std::make_unique<Seat>();
  seat->epoch = epoch;
  seat->index = set.index_of(node.identity).value_or(kNoMember);
  seat->is_fresh = recovered.safety.mode() == Mode::fresh;
  if (recovered.safety.mode() == Mode::recovering) node.lost_log = true;
  seat->prepared = recovered.safety.last_prepare();
  if (node.lies && seat->is_member()) {
    seat->adversary = std::make_unique<Adversary>(rng_.next(), set.context, set.members, *set.keyring, seat->index,
                                                  *node.lies, kTimeoutMs);
    seat->adversary->counts_undecodable(tally_.rejected);
    seat->adversary->counts_lies(told_);
    seat->adversary->knows_history([this, &node](const BlockHeader& parent) { return history_root(node, parent); });
  }
  Config config;
  config.context = set.context;
  config.members = set.members;
  config.self = seat->index;
  config.parameters.view_timeout_ms = kTimeoutMs;
  config.parameters.idle_block_interval_ms = options_.idle_ms;
  config.parameters.tenure_blocks = 5;
  config.parameters.window = options_.window;
  config.parameters.exec_lag_max = options_.exec_lag_max;
  config.parameters.clock_skew_max_ms = 5000;
  config.rng_seed = rng_.next();
  config.tenure_ms = options_.tenure_ms;
  config.pool_batches_per_origin = options_.pool_batches;
  config.room = options_.room;
  if (options_.long_tenures) config.parameters.tenure_blocks = 400, config.tenure_ms = 8000;
  seat->replica = std::make_unique<Replica>(config, std::move(recovered));
  node.seat = std::move(seat);
  give(node, epoch, Tick{});
}

/// The replica of its epoch has ended.
void Simulation::go_over(Node& node) {
  auto epoch = node.seat->epoch;
  auto recovered = node.seat->replica->next_epoch();
  if (node.is_honest()) {
    auto name = std::string(consensus::to_name(recovered.safety.mode()));
    ++tally_.faults[epochs_->of(epoch + 1).index_of(node.identity) ? "goes over " + name : "goes over to follow"];
  }
  if (node.is_honest() && options_.walk && epoch == options_.changes)
    ++tally_.faults["goes over into the last epoch of a walk"];
  if (is_traced()) trace(node, "goes over to epoch " + std::to_string(epoch + 1));
  for (auto& record : recovered.safety.records()) node.log.push_back({std::move(record), {}, {}});
  node.old_seat = std::move(node.seat);
  take_seat(node, epoch + 1, std::move(recovered));
}

/// Liars, those that have forgotten or may have, and those whose ledger is not whole again.
std::size_t Simulation::faulty_in(const std::vector<Identity>& members) const {
  return static_cast<std::size_t>(std::count_if(members.begin(), members.end(), [&](Identity identity) {
    return nodes_[identity]->lies || nodes_[identity]->is_set_back();
  }));
}

/// At most f members of any epoch that is not over may lie or have forgotten, that which is decided included.
bool Simulation::may_lose_log(const Node& node) const {
  if (!options_.amnesia || !node.is_honest()) return false;
  auto newest = epochs_->newest();
  for (auto epoch = std::max<Epoch>(newest, 2) - 1; epochs_->knows(epoch); ++epoch) {
    const auto& set = epochs_->of(epoch);
    if (!set.index_of(node.identity)) continue;
    auto faulty = faulty_in(set.identities) + (node.is_set_back() ? 0 : 1);
    if (faulty > set.members.faults()) return false;
  }
  return true;
}

/// Whoever executes a height first may find a change decided in it, if the new members can bear it.
void Simulation::plan_change(const Node& node, const BlockHeader& executed) {
  if (executed.height <= executed_max_) return;
  executed_max_ = executed.height;
  auto newest = epochs_->newest();
  const auto& set = epochs_->of(newest);
  if (executed.epoch != newest || executed.epoch_end() || set.change_pending_from || newest > options_.changes) return;
  if (executed.height < set.change_wanted_from || calm()) return;
  auto draft = options_.walk ? epochs_->step(rng_) : epochs_->draft(rng_);
  auto bearable = [&](const std::vector<Identity>& members) {
    return faulty_in(members) <= faults_tolerated(members.size());
  };
  if (draft.changes.empty() || !bearable(draft.identities) || !bearable(set.identities)) return;
  for (const auto& change : draft.changes) ++tally_.faults[change];
  if (is_traced()) {
    std::string members;
    for (auto identity : draft.identities) members += " " + std::to_string(identity);
    trace(node, "finds decided at " + std::to_string(executed.height) + ": next are" + members);
  }
  epochs_->decide(draft, executed.height, rng_);
}

/// A block ends its epoch if and only if a change was pending at its exec_height.
void Simulation::check_end(const BlockHeader& header) {
  const auto& set = epochs_->of(header.epoch);
  bool pending = set.change_pending_from && header.exec_height >= *set.change_pending_from;
  auto next = pending ? epochs_->of(header.epoch + 1).context.members_hash : Hash{};
  if (pending != header.epoch_end() || header.next_members_hash != next)
    fail("epoch: height " + std::to_string(header.height) + " of epoch " + std::to_string(header.epoch) +
         (header.epoch_end() ? " ends it" : " does not end it"));
}

/// Any message of a later epoch says that blocks are missing here.
void Simulation::hear_of_epoch(std::size_t place, std::size_t from, Epoch epoch) {
  auto& node = *nodes_[place];
  if (!node.up || node.seat->epoch >= epoch || (node.told_ms > 0 && now_ < node.told_ms + kTellMs)) return;
  node.told_ms = now_;
  ++tally_.faults["hears of a later epoch"];
  at(latency(), [this, place, from] {
    if (nodes_[place]->up) answer_blocks(from, place, nodes_[place]->height() + 1);
  });
}

/// To a message of an epoch that is over: as the node does, a word that says no more than which epoch it comes from. Who is
/// there by now may answer it.
void Simulation::tell_epoch(std::size_t place, std::size_t to) {
  const auto& node = *nodes_[place];
  auto word =
      std::make_shared<Letter>(Letter{std::make_shared<const Message>(FetchCertificate{node.height() + 1}), {}});
  at(latency(), [this, place, to, epoch = node.seat->epoch, word] { deliver(place, to, epoch, word); });
}

}  // namespace galen::sim
