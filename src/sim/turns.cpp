// What comes to a node while it lives: given to its replica, and what the replica wants done.
#include <algorithm>

#include "galen/base/assert.hpp"
#include "sim/node.hpp"
#include "sim/record.hpp"

namespace galen::sim {

using namespace consensus;

void Simulation::give(Node& node, Epoch epoch, const Input& input) {
  if (!node.up || !checker_->failure().empty()) return;
  auto* seat = node.seat_in(epoch);
  if (seat == nullptr) return;
  auto incarnation = node.incarnation;
  if (seat->ticked != now_) {
    seat->ticked = now_;
    const Tick tick{now_, kWallStart + now_ + static_cast<std::uint64_t>(node.clock_offset)};
    if (!ticks_apart_ && !std::holds_alternative<Tick>(input))
      return carry_out(node, *seat, seat->replica->step(tick, input));
    carry_out(node, *seat, seat->replica->step(tick));
  }
  // By its end a step may have taken the node into the next epoch, and from there on.
  seat = node.up && node.incarnation == incarnation ? node.seat_in(epoch) : nullptr;
  if (seat != nullptr && !std::holds_alternative<Tick>(input)) carry_out(node, *seat, seat->replica->step(input));
}

void Simulation::note_events(Node& node, Seat& seat, const Effects& effects) {
  bool votes = false;
  auto who = static_cast<MemberIndex>(node.identity);
  std::optional<VoteSubject> tip;
  if (!node.chain.empty() && node.chain.back().block.header.epoch == seat.epoch)
    tip = node.chain.back().certificate.subject;
  for (auto event : effects.events) {
    if (is_traced())
      trace(node, std::string(consensus::to_name(event.kind)) + " view " + std::to_string(event.view) + " height " +
                      std::to_string(event.height) + " value " + std::to_string(event.value));
    if (!node.is_honest()) {
      if (event.kind == EventKind::diverged) ++tally_.faults["one that errs is DIVERGED"];
      continue;
    }
    note_branches(node, seat, event);
    if (options_.record && node.is_bound()) options_.record->happens(now_, node.identity, seat.epoch, event);
    if (event.kind == EventKind::view_entered || event.kind == EventKind::resumed) seat.view = event.view;
    if (event.kind == EventKind::view_change_sent) seat.asked = event.view;
    note_event(event);
    if (event.kind == EventKind::passed_over) check_complaint(node, seat, event);
    if (event.kind == EventKind::voting_started && seat.is_fresh)
      node.forgot_for_good = checker_->began_anew(who, seat.epoch) || node.forgot_for_good;
    seat.votes |= event.kind == EventKind::voting_started || event.kind == EventKind::resumed;
    votes = votes || event.kind == EventKind::voting_started || event.kind == EventKind::resumed;
    // Where the end of the epoch may have been born before, it counts as forgetful until it votes in the next one.
    if (event.kind == EventKind::resumed && epochs_->of(seat.epoch).change_pending_from)
      node.lost_until = seat.epoch + 1;
    const auto& members = epochs_->of(seat.epoch).identities;
    if (event.kind == EventKind::view_entered && event.member == kNoMember)
      ++tally_.faults["a view's leader is not known yet"];
    else if (event.kind == EventKind::view_entered && event.member != event.view % members.size())
      ++tally_.faults["a view is led in another's place"];
    if (event.member < members.size()) event.member = static_cast<MemberIndex>(members[event.member]);
    checker_->reported(who, event, tip, seat.epoch);
  }
  if (votes && seat.epoch >= node.lost_until) {
    node.votes_by = node.log.size();
    for (const auto& persist : effects.persists()) node.votes_by += persist.records.size();
  }
}

/// The record by which it votes is durable.
void Simulation::note_votes(Node& node) {
  if (node.durable < node.votes_by) return;
  node.lost_log = node.forgot_for_good;
  node.votes_by = SIZE_MAX;
}

void Simulation::carry_out(Node& node, Seat& seat, Effects effects) {
  auto place = node.place;
  auto incarnation = node.incarnation;
  auto epoch = seat.epoch;
  const auto& set = epochs_->of(epoch);
  note_events(node, seat, effects);
  for (auto& persist : effects.take_persists()) {
    GALEN_ASSERT(persist.token.value() > seat.last_token);
    seat.last_token = persist.token.value();
    for (auto& record : persist.records) node.log.push_back({std::move(record), {}, {}});
  }
  note_votes(node);
  if (node.is_honest() && !effects.commits.empty() && seat.is_member()) {
    if (!seat.votes) count(Rule::r6_not_voting);
    if (seat.asked > seat.view) count(Rule::r6_changing);
  }
  for (auto& block : effects.commits) committed(node, block);
  for (const auto& one : effects.sends()) {
    if (one.after && one.after->value() > seat.durable_token)
      seat.held.emplace_back(one, one.after->value());
    else
      send(node, seat, one.to, one.message);
  }
  for (auto& request : effects.sign_requests) {
    auto signature = set.keyring->sign(seat.index, request.bytes);
    at(rng_.below(3), [this, place, incarnation, epoch, token = request.token, signature] {
      if (nodes_[place]->incarnation == incarnation) give(*nodes_[place], epoch, Signed{token, signature});
    });
  }
  if (!effects.offers.empty()) offer(node, seat, effects.offers);
  for (auto& fetch : effects.fetch_batches) {
    // The core may have had no room for one when it came.
    std::erase_if(fetch.digests, [&](const Hash& digest) {
      if (node.bodies.count(digest) == 0) return false;
      at(0, [this, place, incarnation, epoch, digest] {
        if (nodes_[place]->incarnation == incarnation)
          give(*nodes_[place], epoch, BatchArrived{batches_.at(digest).pending});
      });
      return true;
    });
    if (fetch.digests.empty()) continue;
    if (fetch.offered && node.is_honest()) ++tally_.faults["offered batches fetched"];
    at(latency(), [this, place, epoch, hint = fetch.hint, digests = std::move(fetch.digests)] {
      answer_batches(place_of(epoch, hint), place, digests);
    });
  }
  for (auto& fetch : effects.fetch_blocks)
    at(latency(), [this, place, epoch, hint = fetch.hint, from = fetch.from] {
      answer_blocks(place_of(epoch, hint), place, from);
    });
  if (node.is_honest())
    for (const auto& certificate : effects.executed_certificates)
      checker_->certified(static_cast<MemberIndex>(node.identity), certificate, epoch);
  if (node.is_honest())
    for (const auto& evidence : effects.evidence) check_evidence(epoch, evidence);
  if (effects.wake_at_ms) wake(node, seat, *effects.wake_at_ms);
  // A block of the new epoch is committed: who is still behind that learns it from any message of it.
  if (!effects.commits.empty() && node.old_seat && node.old_seat->epoch < epoch && node.is_honest())
    node.old_seat.reset();
  bool ends = std::any_of(effects.events.begin(), effects.events.end(),
                          [](const auto& event) { return event.kind == EventKind::epoch_ended; });
  // One that is DIVERGED stays where it is.
  if (ends && seat.replica->status().mode != Mode::diverged) go_over(node);
  sync(node);
}

void Simulation::wake(Node& node, Seat& seat, std::uint64_t at_ms) {
  at_ms = std::max(at_ms, now_ + 1);
  if (at_ms >= seat.woken) return;
  seat.woken = at_ms;
  at(at_ms - now_, [this, place = node.place, incarnation = node.incarnation, epoch = seat.epoch, at_ms] {
    auto& woken = *nodes_[place];
    if (woken.incarnation != incarnation || !woken.up) return;
    auto* its_seat = woken.seat_in(epoch);
    if (its_seat == nullptr || its_seat->woken != at_ms) return;
    its_seat->woken = UINT64_MAX;
    // Had something else its tick in this millisecond, that step asked for a later wake, which this one stood before.
    if (its_seat->ticked == now_) return wake(woken, *its_seat, now_ + 1);
    give(woken, epoch, Tick{});
  });
}

/// One sync at a time; what is written meanwhile belongs to the next.
void Simulation::sync(Node& node) {
  if (node.syncing || node.log.size() == node.durable) return;
  node.syncing = true;
  auto upto = node.log.size();
  std::vector<std::pair<Epoch, std::uint64_t>> tokens;
  for (const auto* seat : {node.old_seat.get(), node.seat.get()})
    if (seat != nullptr) tokens.emplace_back(seat->epoch, seat->last_token);
  at(1 + rng_.below(4) + (is_healed_ ? 0 : rng_.below(node.disk_ms + 1)),
     [this, place = node.place, incarnation = node.incarnation, upto, tokens] {
       auto& synced = *nodes_[place];
       if (synced.incarnation != incarnation || !synced.up) return;
       synced.syncing = false;
       synced.durable = upto;
       note_votes(synced);
       for (const auto& [epoch, token] : tokens) {
         auto* seat = synced.seat_in(epoch);
         if (seat == nullptr) continue;
         seat->durable_token = token;
         auto held = std::move(seat->held);
         seat->held.clear();
         for (auto& [one, after] : held) {
           if (after > token)
             seat->held.emplace_back(std::move(one), after);
           else
             send(synced, *seat, one.to, one.message);
         }
         // Token values are the replica's: hand back the newest that is durable.
         if (token > 0) give(synced, epoch, Durable{token});
       }
       sync(synced);
     });
}

void Simulation::committed(Node& node, const Effects::CommittedBlock& block) {
  const auto& header = block.block.header;
  note(header.height * 8 + node.identity);
  if (header.epoch_end() && epochs_->knows(header.epoch + 1) && !epochs_->of(header.epoch + 1).has_begun) {
    epochs_->began(header.epoch + 1, header.height);
    const auto& next = epochs_->of(header.epoch + 1);
    checker_->epoch_began(next.context, next.members, *next.keyring);
  }
  if (node.is_honest()) {
    checker_->committed(static_cast<MemberIndex>(node.identity), node.chain.size(), block);
    if (block.certificate.subject.height > header.height) count(Rule::r6_ancestor);
    for (const auto& digest : block.block.batch_digests)
      if (node.bodies.count(digest) == 0) fail("order: a block was given out without its batches");
    check_end(header);
    check_wait(header, block.block.batch_digests);
  }
  if (is_traced())
    trace(node, "commits " + std::to_string(header.height) + " " + block.digest.hex().substr(0, 6) +
                    (header.epoch_end() ? ", the end of its epoch" : ""));
  node.chain.push_back(block);
  if (node.height() >= node.behind_until) node.behind_until = 0;
  node.log.push_back({{}, {}, block});
  execute(node);
}

const BlockHeader& Simulation::header_at(const Node& node, Height height) const {
  return height == 0 ? block_zero_ : node.chain[height - 1].block.header;
}

/// Over all digests below a child of this block: those that the node has committed, and a chain of proposals on them.
std::optional<Hash> Simulation::history_root(const Node& node, const BlockHeader& parent) const {
  std::vector<Hash> above{parent.digest(context_.suite)};
  auto digest = parent.parent;
  auto height = parent.height - 1;
  while (height > node.height() || (height > 0 && node.chain[height - 1].digest != digest)) {
    above.push_back(digest);
    const auto found = parents_.find(digest);
    if (found == parents_.end() || height == 0) return std::nullopt;
    digest = found->second;
    --height;
  }
  crypto::MerkleFrontier history(context_.suite);
  auto append = [&](const Hash& leaf) { history.append(crypto::merkle_leaf(context_.suite, leaf)); };
  append(zero_digest_);
  for (Height i = 0; i < height; ++i) append(node.chain[i].digest);
  std::for_each(above.rbegin(), above.rend(), append);
  return history.root();
}

/// V6, as the executor folds it.
void Simulation::note_leaders(Node& node, Height height) {
  const auto& header = header_at(node, height);
  const auto& members = epochs_->of(header.epoch).members;
  note_block(node.leadership, members.size(), header_at(node, height - 1), header);
  if (header.epoch_end()) node.leadership = {};
  if (node.is_honest()) checker_->executed(static_cast<MemberIndex>(node.identity), height, node.leadership);
}

ExecutedSubject Simulation::executes(const Node& node, const Hash& digest) const {
  auto subject = execute_block(node.executed.back(), digest);
  if (subject.height >= node.errs_from && !calm()) subject.state_root.data[0] ^= 1;
  return subject;
}

void Simulation::execute(Node& node) {
  if (node.executing || node.executed.size() > node.chain.size()) return;
  node.executing = true;
  auto slow = is_healed_ || node.disk_ms == 0 ? 0 : rng_.below(node.disk_ms);
  at(rng_.below(6) + slow, [this, place = node.place, incarnation = node.incarnation] {
    auto& worker = *nodes_[place];
    if (worker.incarnation != incarnation || !worker.up) return;
    worker.executing = false;
    const auto& block = worker.chain[worker.executed.size() - 1];
    plan_change(worker, block.block.header);
    worker.executed.push_back(executes(worker, block.digest));
    if (worker.executed.back().height >= worker.errs_from && !calm()) count(Lie::errs);
    note_leaders(worker, worker.executed.back().height);
    const auto& skips = worker.leadership.skips;
    if (worker.is_honest() && !skips.empty() && skips.back().height == worker.executed.back().height)
      ++tally_.faults["a leader is left out"];
    BlockExecuted executed{worker.executed.back(), epochs_->pending_after(block.block.header), skips};
    execute(worker);
    auto epoch = worker.seat->epoch;
    if (worker.old_seat) give(worker, worker.old_seat->epoch, executed);
    give(worker, epoch, executed);
  });
}

}  // namespace galen::sim
