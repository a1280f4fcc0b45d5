// One simulated node from start to crash: its log, ledger and executor around the replica.
#include <algorithm>

#include "galen/base/assert.hpp"
#include "galen/types/limits.hpp"
#include "sim/node.hpp"
#include "sim/record.hpp"

namespace galen::sim {

using namespace consensus;

namespace {
constexpr std::size_t kRootsKept = 24;
}

/// What a node finds in its log. Its ledger may be behind by a few blocks: those are executed again.
Recovered Simulation::recovered_state(Node& node) {
  std::vector<SafetyRecord> safety;
  Recovered out;
  out.tip = {block_zero_, zero_digest_, std::nullopt, 1};
  out.history = crypto::MerkleFrontier(context_.suite);
  out.history.append(crypto::merkle_leaf(context_.suite, zero_digest_));
  std::map<Hash, PendingBatch> pending;
  auto epoch = epoch_after(node);
  for (const auto& entry : node.log) {
    if (entry.safety) safety.push_back(*entry.safety);
    if (entry.batch && entry.batch->epoch == epoch) pending.emplace(entry.batch->pending.digest, entry.batch->pending);
    if (!entry.block) continue;
    const auto& block = *entry.block;
    node.chain.push_back(block);
    out.tip = {block.block.header, block.digest, block.certificate, 1};
    out.history.append(crypto::merkle_leaf(context_.suite, block.digest));
    for (const auto& digest : block.block.batch_digests) {
      pending.erase(digest);
      node.bodies.insert(digest);
      out.recent_batches.emplace_back(digest, batches_.at(digest).pending.valid_until_ms);
    }
  }
  for (const auto& [digest, batch] : pending) {
    node.bodies.insert(digest);
    from_logs_.insert(digest);
    out.pending.push_back(batch);
  }
  out.epoch_base = epochs_->of(epoch).base;
  auto was_member = epochs_->of(out.tip.header.epoch).index_of(node.identity).has_value();
  auto folded = recover_in(context_.suite, safety, out.tip.header, was_member);
  GALEN_ASSERT(folded.has_value());
  // The snapshot of the state must fold to the same state: sometimes start from it, as a new log segment would.
  if (rng_.chance(1, 2)) {
    auto again = recover(epoch, context_.suite, folded->records());
    if (!again || again->records() != folded->records())
      fail("safety records do not fold to themselves");
    else
      folded = std::move(again);
  }
  // What a log leads to that ends with the end of an epoch stands in it from now on.
  if (!recover(epoch, context_.suite, safety)->recorded()) {
    if (epoch > 1 && node.is_honest()) ++tally_.faults["starts at the end of an epoch"];
    for (auto& record : folded->records()) node.log.push_back({std::move(record), {}, {}});
  }
  out.safety = std::move(*folded);
  auto executed_to = node.chain.size() - std::min<std::size_t>(node.chain.size(), rng_.below(4));
  for (std::size_t i = 0; i < executed_to; ++i)
    node.executed.push_back(executes(node, node.chain[i].digest));
  node.leadership = {};
  for (Height height = 1; height < node.executed.size(); ++height) note_leaders(node, height);
  out.leader_skips = node.leadership.skips;
  out.tip.base_exec_height =
      base_exec_height(out.tip.header, [&](Height height) { return std::optional(header_at(node, height)); });
  auto first = node.executed.size() > kRootsKept ? node.executed.size() - kRootsKept : 0;
  out.executed.assign(node.executed.begin() + static_cast<std::ptrdiff_t>(first), node.executed.end());
  for (auto height = std::max<std::size_t>(first, 1); height < node.executed.size(); ++height)
    if (auto next = epochs_->pending_after(node.chain[height - 1].block.header)) out.pending_members.emplace(height, *next);
  return out;
}

void Simulation::start(std::size_t place) {
  auto& node = *nodes_[place];
  GALEN_ASSERT(!node.up);
  node.up = true;
  ++node.incarnation;
  node.chain.clear();
  node.executed.resize(1);
  node.bodies.clear();
  node.syncing = node.executing = false;
  auto recovered = recovered_state(node);
  if (node.is_honest() && recovered.safety.high_qc()) count(Rule::r7_from_the_log);
  if (is_traced()) trace(node, "starts at height " + std::to_string(node.chain.size()));
  take_seat(node, epoch_after(node), std::move(recovered));
  execute(node);
  note_links();
}

/// The safety state that a replica goes by is what its records in the log fold to: who keeps the fold beside it, as the
/// node does for the head of a log segment, keeps the same.
void Simulation::check_records(const Node& node) {
  const auto& seat = *node.seat;
  std::vector<SafetyRecord> written;
  for (const auto& entry : node.log)
    if (entry.safety) written.push_back(*entry.safety);
  auto folded = recover(seat.epoch, context_.suite, written);
  const auto kept = seat.replica->safety_records();
  if (kept.size() > 2 * kPromisesMax + 4 * limits::kWindowMax * (seat.replica->status().view + 2))
    fail("memory: member " + std::to_string(node.identity) + " keeps " + std::to_string(kept.size()) + " promises");
  auto stated = recover(seat.epoch, context_.suite, kept);
  GALEN_ASSERT(folded.has_value() && stated.has_value());
  folded->prune(seat.replica->status().committed);
  stated->prune(seat.replica->status().committed);
  if (folded->records() != stated->records())
    fail("records: those of member " + std::to_string(node.identity) + " do not fold to its state");
}

/// What others say takes no more room than the node has for it.
void Simulation::check_memory() {
  for (const auto& node : nodes_) {
    if (!node->up || !node->is_honest()) continue;
    for (const auto* seat : {node->seat.get(), node->old_seat.get()}) {
      if (seat == nullptr) continue;
      const auto status = seat->replica->status();
      // What a block waits for does not count against the room of its origin: an honest leader has it from its own
      // room, of one that lies only the room for blocks is a bound. A log has what there was no room for as well, and
      // who starts takes up all that it has; others get it with its proposals.
      const auto members = epochs_->of(seat->epoch).members.size();
      const auto batches = members * members * (options_.pool_batches + options_.window) +
                           options_.byzantine * options_.room.blocks + from_logs_.size();
      if (status.in_flight > options_.room.blocks || status.pending_batches > batches)
        fail("memory: member " + std::to_string(node->identity) + " keeps " + std::to_string(status.in_flight) +
             " blocks and " + std::to_string(status.pending_batches) + " batches");
    }
  }
}

void Simulation::crash(std::size_t place, bool lose_log, bool lose_ledger) {
  auto& node = *nodes_[place];
  if (!node.up) return;
  if (node.is_honest()) check_records(node);
  node.up = false;
  if (node.is_honest() && node.seat->is_member() && !node.seat->held.empty())
    ++tally_.faults["crash with something signed and not yet durable"];
  node.votes_by = SIZE_MAX;
  node.seat.reset();
  node.old_seat.reset();
  // A turn that was under way may have reached the disk in part.
  auto kept = node.durable + rng_.below(node.log.size() - node.durable + 1);
  node.log.resize(kept);
  node.durable = kept;
  if (lose_log) {
    // The ledger stands in RocksDB and may be there still, without the newest blocks.
    std::vector<LogEntry> blocks;
    if (!lose_ledger) {
      for (auto& entry : node.log)
        if (entry.block) blocks.push_back(std::move(entry));
      blocks.resize(blocks.size() - std::min<std::size_t>(blocks.size(), rng_.below(3)));
    }
    node.log = std::move(blocks);
    node.durable = node.log.size();
    node.lost_log = true;
    checker_->forgot(static_cast<MemberIndex>(node.identity));
    if (options_.record) options_.record->forgets(now_, node.identity);
    if (rng_.chance(1, 2)) {
      node.log.insert(node.log.begin(), LogEntry{amnesia_record(epoch_after(node)), {}, {}});
      ++node.durable;
    }
  }
  if (lose_ledger && !lose_log) lose_blocks(node);
  if (is_traced())
    trace(node, lose_log ? "crashes and loses its log" : lose_ledger ? "crashes and loses its ledger" : "crashes");
  note_links();
}

/// Its data directory of some time ago.
void Simulation::put_back(std::size_t place) {
  auto& node = *nodes_[place];
  crash(place, false, false);
  node.log.resize(rng_.below(node.log.size() + 1));
  node.durable = node.log.size();
  node.lost_log = node.forgot_for_good = true;
  node.is_believed = false;
  checker_->disk_lied(static_cast<MemberIndex>(node.identity));
  if (options_.record) options_.record->forgets(now_, node.identity);
  if (is_traced()) trace(node, "is put back to " + std::to_string(node.log.size()) + " entries of its log");
}

/// Its blocks from some height of its epoch on, as `galend repair --ledger` does and a log in which one block is
/// missing.
void Simulation::lose_blocks(Node& node) {
  const auto base = epochs_->of(epoch_after(node)).base;
  const auto kept = base + (rng_.chance(1, 2) ? 0 : rng_.below(node.height() - base + 1));
  node.behind_until = node.height();
  std::erase_if(node.log,
                [&](const LogEntry& entry) { return entry.block && entry.block->block.header.height > kept; });
  node.durable = node.log.size();
}

}  // namespace galen::sim
