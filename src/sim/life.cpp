// One simulated node from start to crash: its log, ledger and executor around the replica.
#include <algorithm>
#include <cstdio>

#include "galen/base/assert.hpp"
#include "sim/node.hpp"
#include "sim/reached.hpp"

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
  for (const auto& entry : node.log) {
    if (entry.safety) safety.push_back(*entry.safety);
    if (entry.batch) pending.emplace(entry.batch->digest, *entry.batch);
    if (!entry.block) continue;
    const auto& block = *entry.block;
    node.chain.push_back(block);
    out.tip = {block.block.header, block.digest, block.certificate, 1};
    out.history.append(crypto::merkle_leaf(context_.suite, block.digest));
    for (const auto& digest : block.block.batch_digests) {
      pending.erase(digest);
      node.bodies.insert(digest);
      out.recent_batches.emplace_back(digest, batches_.at(digest).valid_until_ms);
    }
  }
  for (const auto& [digest, batch] : pending) {
    node.bodies.insert(digest);
    out.pending.push_back(batch);
  }
  auto folded = recover(context_.epoch, context_.suite, safety);
  GALEN_ASSERT(folded.has_value());
  // The snapshot of the state must fold to the same state: sometimes start from it, as a new log segment would.
  if (rng_.chance(1, 2)) {
    auto again = recover(context_.epoch, context_.suite, folded->records());
    if (!again || again->records() != folded->records())
      fail("safety records do not fold to themselves");
    else
      folded = std::move(again);
  }
  out.safety = std::move(*folded);
  auto executed_to = node.chain.size() - std::min<std::size_t>(node.chain.size(), rng_.below(4));
  for (std::size_t i = 0; i < executed_to; ++i)
    node.executed.push_back(execute_block(node.executed.back(), node.chain[i].digest));
  auto first = node.executed.size() > kRootsKept ? node.executed.size() - kRootsKept : 0;
  out.executed.assign(node.executed.begin() + static_cast<std::ptrdiff_t>(first), node.executed.end());
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
  node.held.clear();
  node.syncing = node.executing = false;
  node.last_token = node.durable_token = 0;
  node.ticked = node.woken = UINT64_MAX;
  auto recovered = recovered_state(node);
  node.fresh_start = recovered.safety.mode() == Mode::fresh;
  Config config;
  config.context = context_;
  config.members = members_;
  config.self = node.index;
  config.parameters.view_timeout_ms = kTimeoutMs;
  config.parameters.idle_block_interval_ms = 1500;
  config.parameters.tenure_blocks = 5;
  config.parameters.window = options_.window;
  config.parameters.exec_lag_max = options_.exec_lag_max;
  config.parameters.clock_skew_max_ms = 5000;
  config.rng_seed = rng_.next();
  config.tenure_ms = 2000;
  node.replica = std::make_unique<Replica>(config, std::move(recovered));
  if (is_traced()) trace(node, "starts at height " + std::to_string(node.chain.size()));
  give(place, Tick{now_, kWallStart + now_ + static_cast<std::uint64_t>(node.clock_offset)});
  execute(node);
}

/// At most f members may lie or have forgotten at any time.
bool Simulation::may_lose_log(const Node& node) const {
  if (!options_.amnesia || !node.is_honest()) return false;
  std::size_t faulty = options_.byzantine;
  for (const auto& other : nodes_) faulty += other->is_honest() && other->lost_log ? 1 : 0;
  return faulty < members_.faults() || (node.lost_log && faulty <= members_.faults());
}

void Simulation::crash(std::size_t place, bool lose_log, bool lose_ledger) {
  auto& node = *nodes_[place];
  if (!node.up) return;
  node.up = false;
  node.votes_by = SIZE_MAX;
  node.replica.reset();
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
    checker_->forgot(node.index);
    if (rng_.chance(1, 2)) {
      node.log.insert(node.log.begin(), LogEntry{amnesia_record(context_.epoch), {}, {}});
      ++node.durable;
    }
  }
  if (is_traced()) trace(node, lose_log ? "crashes and loses its log" : "crashes");
}

void Simulation::give(std::size_t place, const Input& input) {
  auto& node = *nodes_[place];
  if (!node.up || !checker_->failure().empty()) return;
  if (node.ticked != now_) {
    node.ticked = now_;
    carry_out(node, node.replica->step(Tick{now_, kWallStart + now_ + static_cast<std::uint64_t>(node.clock_offset)}));
  }
  if (!std::holds_alternative<Tick>(input)) carry_out(node, node.replica->step(input));
}

void Simulation::note_events(Node& node, const Effects& effects) {
  bool votes = false;
  std::optional<VoteSubject> tip;
  if (!node.chain.empty()) tip = node.chain.back().certificate.subject;
  for (const auto& event : effects.events) {
    if (is_traced())
      trace(node, std::string(consensus::to_name(event.kind)) + " view " + std::to_string(event.view) + " height " +
                      std::to_string(event.height) + " value " + std::to_string(event.value));
    if (!node.is_honest()) continue;
    ++tally_.kinds[event.kind];
    if (has_branches(event.kind)) ++tally_.branches[branch_name(event)];
    if (event.kind == EventKind::proposal_refused) ++tally_.refusals[static_cast<RefusalReason>(event.value)];
    if (event.kind == EventKind::voting_started && node.fresh_start)
      node.forgot_for_good = checker_->began_anew(node.index) || node.forgot_for_good;
    votes = votes || event.kind == EventKind::voting_started || event.kind == EventKind::resumed;
    checker_->reported(node.index, event, tip);
  }
  if (votes) {
    node.votes_by = node.log.size();
    for (const auto& persist : effects.persists()) node.votes_by += persist.records.size();
  }
}

void Simulation::carry_out(Node& node, Effects effects) {
  auto place = node.place;
  auto incarnation = node.incarnation;
  note_events(node, effects);
  for (auto& persist : effects.take_persists()) {
    GALEN_ASSERT(persist.token.value() > node.last_token);
    node.last_token = persist.token.value();
    for (auto& record : persist.records) node.log.push_back({std::move(record), {}, {}});
  }
  if (node.durable >= node.votes_by) node.lost_log = node.forgot_for_good;
  for (auto& block : effects.commits) committed(node, block);
  for (const auto& one : effects.sends()) {
    if (one.after && one.after->value() > node.durable_token)
      node.held.emplace_back(one, one.after->value());
    else
      send(node, one.to, one.message);
  }
  for (auto& request : effects.sign_requests) {
    auto signature = keyring_->sign(node.index, request.bytes);
    at(rng_.below(3), [this, place, incarnation, token = request.token, signature] {
      if (nodes_[place]->incarnation == incarnation) give(place, Signed{token, signature});
    });
  }
  for (auto& fetch : effects.fetch_batches)
    at(latency(), [this, place, hint = fetch.hint, digests = std::move(fetch.digests)] {
      answer_batches(place_of(hint), place, digests);
    });
  for (auto& fetch : effects.fetch_blocks)
    at(latency(), [this, place, hint = fetch.hint, from = fetch.from] { answer_blocks(place_of(hint), place, from); });
  for (const auto& certificate : effects.executed_certificates)
    if (node.is_honest() && certificate.signatures.size() < quorum_size(members_.size()))
      fail("certificate: EXECUTED by fewer than q");
  if (effects.wake_at_ms) wake(node, *effects.wake_at_ms);
  sync(node);
}

void Simulation::wake(Node& node, std::uint64_t at_ms) {
  at_ms = std::max(at_ms, now_ + 1);
  if (at_ms >= node.woken) return;
  node.woken = at_ms;
  at(at_ms - now_, [this, place = node.place, incarnation = node.incarnation, at_ms] {
    auto& woken = *nodes_[place];
    if (woken.incarnation != incarnation || !woken.up || woken.woken != at_ms) return;
    woken.woken = UINT64_MAX;
    give(place, Tick{});
  });
}

/// One sync at a time; what is written meanwhile belongs to the next.
void Simulation::sync(Node& node) {
  if (node.syncing || node.log.size() == node.durable) return;
  node.syncing = true;
  auto upto = node.log.size();
  auto token = node.last_token;
  at(1 + rng_.below(4) + (is_healed_ ? 0 : rng_.below(node.disk_ms + 1)), [this, place = node.place,
                                                                          incarnation = node.incarnation, upto, token] {
    auto& synced = *nodes_[place];
    if (synced.incarnation != incarnation || !synced.up) return;
    synced.syncing = false;
    synced.durable = upto;
    if (upto >= synced.votes_by) synced.lost_log = synced.forgot_for_good;
    synced.durable_token = token;
    auto held = std::move(synced.held);
    synced.held.clear();
    for (auto& [one, after] : held) {
      if (after > token)
        synced.held.emplace_back(std::move(one), after);
      else
        send(synced, one.to, one.message);
    }
    // Token values are the replica's: hand back the newest that is durable.
    if (token > 0) give(place, Durable{token});
    sync(synced);
  });
}

void Simulation::committed(Node& node, const Effects::CommittedBlock& block) {
  note(block.block.header.height * 8 + node.index);
  if (node.is_honest()) {
    checker_->committed(node.index, node.chain.size(), block);
    for (const auto& digest : block.block.batch_digests)
      if (node.bodies.count(digest) == 0) fail("order: a block was given out without its batches");
  }
  if (is_traced())
    trace(node, "commits " + std::to_string(block.block.header.height) + " " + block.digest.hex().substr(0, 6));
  node.chain.push_back(block);
  node.log.push_back({{}, {}, block});
  execute(node);
}

void Simulation::execute(Node& node) {
  if (node.executing || node.executed.size() > node.chain.size()) return;
  node.executing = true;
  at(rng_.below(6), [this, place = node.place, incarnation = node.incarnation] {
    auto& worker = *nodes_[place];
    if (worker.incarnation != incarnation || !worker.up) return;
    worker.executing = false;
    worker.executed.push_back(execute_block(worker.executed.back(), worker.chain[worker.executed.size() - 1].digest));
    auto subject = worker.executed.back();
    execute(worker);
    give(place, BlockExecuted{subject});
  });
}

}  // namespace galen::sim
