#include "sim/rules.hpp"

#include "galen/base/assert.hpp"
#include "sim/node.hpp"
#include "sim/reached.hpp"

namespace galen::sim {

using namespace consensus;

std::string_view to_name(Rule rule) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(Rule::count)> kNames{
      "R2: on the maximum of a NEW-VIEW",
      "R2: the maximum of a NEW-VIEW itself",
      "R2: on the end of a tenure",
      "R2: the first of its epoch",
      "R2: joins a view that has begun",
      "R3: on the last vote",
      "R3: on a certified parent",
      "R4: a child of a tenure's end refused",
      "R5: COMMIT for an earlier view",
      "R5: COMMIT after a VIEW-CHANGE",
      "R6: committed by one that does not vote",
      "R6: committed by one that asks for another view",
      "R6: committed by the certificate of a descendant",
      "R7: highQC from the log",
      "R8: tenure ended",
      "V1: VIEW-CHANGE with a certificate",
      "V1: VIEW-CHANGE without a certificate",
      "V1, V2: VIEW-CHANGE beyond the next view",
      "V1: VIEW-CHANGE said again",
      "V1: climbs, as q members are there",
      "V4: a block on the maximum",
      "V4: a block on the base, as nothing is certified",
      "V4: the maximum proposed again",
      "V4e: an end proposed again",
      "V5: a batch proposed again, in another block",
      "11: an end proposed",
      "8: STATUS of one that is FRESH",
      "8: STATUS of one that is STARTING",
      "8: STATUS of one that votes",
      "8: STATUS of one that is RECOVERING",
      "8: STATUS of one that is DIVERGED",
      "8: STATUS of one whose epoch has ended",
      "8: STATUS shows the asker's own words",
      "8: recovers, for others show words that its log has lost",
      "8: votes with a FRESH log",
      "8: votes again after a start",
      "8 c: resumed by a NEW-VIEW",
      "8 c: resumed by a certificate"};
  return kNames[static_cast<std::size_t>(rule)];
}

void Simulation::note_proposal(const PrePrepare& m) {
  if (m.block.header.tenure_end()) tenure_ends_.emplace(m.block.header.epoch, m.view, m.block.header.height);
  parents_.emplace(m.digest, m.block.header.parent);
  proposed_.emplace(std::pair(m.view, m.digest), Proposed{m.block.header.parent, m.justification.kind, m.block.header.view < m.view});
}

/// R2, R3: on what the vote rests. A vote that is said again tells nothing.
void Simulation::note_prepare(Seat& seat, const VoteSubject& subject) {
  auto last = seat.prepared;
  auto place = [](const VoteSubject& s) { return std::pair(s.view, s.height); };
  if (last && place(subject) <= place(*last)) return;
  seat.prepared = subject;
  auto found = proposed_.find({subject.view, subject.digest});
  if (found == proposed_.end()) return;
  const auto& [parent, reason, again] = found->second;
  if (last && last->view == subject.view) return count(parent == last->digest ? Rule::r3_last_vote : Rule::r3_certified);
  if (again) return count(Rule::r2_maximum_itself);
  if (reason == Justification::Kind::new_view) return count(Rule::r2_maximum);
  if (reason == Justification::Kind::tenure_end) return count(Rule::r2_tenure_end);
  count(subject.view == 0 && subject.height == epochs_->of(seat.epoch).base + 1 ? Rule::r2_first : Rule::r2_later);
}

void Simulation::note_own_proposal(const PrePrepare& m) {
  const auto& header = m.block.header;
  bool again = header.view < m.view;
  if (again) count(header.epoch_end() ? Rule::v4e_again : Rule::v4_again);
  if (!again && m.justification.kind == Justification::Kind::new_view)
    count(m.justification.certificate ? Rule::v4_on_maximum : Rule::v4_on_base);
  if (header.tenure_end()) count(Rule::r8_tenure_end);
  if (header.epoch_end()) count(Rule::epoch_end);
  for (const auto& batch : m.block.batch_digests) {
    auto& block = batch_block_.emplace(batch, m.digest).first->second;
    if (block != m.digest) count(Rule::v5_batch_again);
    block = m.digest;
  }
}

void Simulation::note_status(const Node& node, const Seat& seat, const StatusAnswer& answer) {
  if (answer.mode == Mode::diverged) count(Rule::status_diverged);
  if (!node.is_honest()) return;
  switch (answer.mode) {
    case Mode::fresh: count(Rule::status_fresh); break;
    case Mode::starting: count(Rule::status_starting); break;
    case Mode::voting: count(Rule::status_voting); break;
    case Mode::recovering: count(Rule::status_recovering); break;
    case Mode::diverged: break;
  }
  if (&seat == node.old_seat.get()) count(Rule::status_ended);
  if (answer.seen_prepare || answer.seen_commit || answer.seen_view_change) count(Rule::status_shows);
}

/// Of events whose value does not tell.
void Simulation::note_branches(const Node& node, const Seat& seat, const Event& event) {
  constexpr auto kTenure = static_cast<std::uint64_t>(RefusalReason::tenure);
  if (event.kind == EventKind::proposal_refused && event.value == kTenure && event.height > 0 &&
      tenure_ends_.contains({seat.epoch, event.view, event.height - 1}))
    count(Rule::r4_tenure_end);
  if (event.kind == EventKind::recovering && !node.is_believed) count(Rule::forgotten_word);
  if (event.kind == EventKind::voting_started) count(seat.is_fresh ? Rule::votes_fresh : Rule::votes_again);
  if (event.kind == EventKind::resumed)
    count(seat.replica->status().high.view == event.view ? Rule::resumed_by_certificate : Rule::resumed_by_new_view);
  bool by_timer = event.kind == EventKind::view_change_sent && event.value == static_cast<std::uint64_t>(ViewChangeCause::timer);
  if (by_timer && event.view > seat.view + 1) count(Rule::v1_climbs);
}

void Simulation::note_rules(Seat& seat, const Message& message) {
  if (const auto* commit = std::get_if<Commit>(&message)) {
    if (commit->subject.view < seat.view) count(Rule::r5_earlier_view);
    if (commit->subject.view < seat.asked) count(Rule::r5_after_view_change);
  } else if (const auto* prepare = std::get_if<Prepare>(&message)) {
    note_prepare(seat, prepare->subject);
  } else if (const auto* proposal = std::get_if<PrePrepare>(&message); proposal && proposal->sender == seat.index) {
    note_proposal(*proposal);
    note_own_proposal(*proposal);
  } else if (const auto* change = std::get_if<ViewChange>(&message)) {
    auto target = change->header.target;
    if (target <= seat.told) return count(Rule::v1_again);
    seat.told = target;
    count(change->high_qc ? Rule::v1_certificate : Rule::v1_no_certificate);
    if (target > seat.view + 1) count(Rule::v1_far);
  }
}

void Simulation::note_event(const Event& event) {
  auto& of_kind = events_.at(static_cast<std::size_t>(event.kind));
  ++of_kind[event.value < of_kind.size() ? event.value : 0];
}

void Simulation::add_events(Tally& to) const {
  for (std::size_t kind = 0; kind < events_.size(); ++kind)
    for (std::size_t value = 0; value < events_[kind].size(); ++value) {
      auto count = events_[kind][value];
      if (count == 0) continue;
      Event event{static_cast<EventKind>(kind), 0, 0, 0, value};
      to.kinds[event.kind] += count;
      if (has_branches(event.kind)) to.branches[branch_name(event)] += count;
      if (event.kind == EventKind::proposal_refused) to.refusals[static_cast<RefusalReason>(value)] += count;
    }
  for (std::size_t rule = 0; rule < rules_.size(); ++rule)
    if (rules_[rule] > 0) to.branches[std::string(to_name(static_cast<Rule>(rule)))] += rules_[rule];
}

}  // namespace galen::sim
