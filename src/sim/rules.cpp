#include "sim/rules.hpp"

#include "galen/base/assert.hpp"
#include "sim/node.hpp"
#include "sim/reached.hpp"

namespace galen::sim {

using namespace consensus;

std::string_view to_name(Rule rule) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(Rule::count)> kNames{
      "R5: COMMIT for an earlier view",
      "R5: COMMIT after a VIEW-CHANGE",
      "R6: committed by one that does not vote",
      "R6: committed by one that asks for another view",
      "R8: tenure ended",
      "V1: VIEW-CHANGE with a certificate",
      "V1: VIEW-CHANGE without a certificate",
      "V1, V2: VIEW-CHANGE beyond the next view",
      "V4: a block on the maximum",
      "V4: the maximum proposed again",
      "V4e: an end proposed again",
      "11: an end proposed",
      "8: STATUS of one that is FRESH",
      "8: STATUS of one that is STARTING",
      "8: STATUS of one that votes",
      "8: STATUS of one that is RECOVERING",
      "8: STATUS shows the asker's own words"};
  return kNames[static_cast<std::size_t>(rule)];
}

void Simulation::note_rules(const Seat& seat, const Message& message) {
  if (const auto* commit = std::get_if<Commit>(&message)) {
    if (commit->subject.view < seat.view) count(Rule::r5_earlier_view);
    if (commit->subject.view < seat.asked) count(Rule::r5_after_view_change);
  } else if (const auto* proposal = std::get_if<PrePrepare>(&message); proposal && proposal->sender == seat.index) {
    const auto& header = proposal->block.header;
    bool again = header.view < proposal->view;
    bool by_new_view = proposal->justification.kind == Justification::Kind::new_view;
    if (again) count(Rule::v4_again);
    if (again && header.epoch_end()) count(Rule::v4e_again);
    if (!again && by_new_view) count(Rule::v4_on_maximum);
    if (header.tenure_end()) count(Rule::r8_tenure_end);
    if (header.epoch_end()) count(Rule::epoch_end);
  } else if (const auto* change = std::get_if<ViewChange>(&message)) {
    count(change->high_qc ? Rule::v1_certificate : Rule::v1_no_certificate);
    if (change->header.target > seat.view + 1) count(Rule::v1_far);
  } else if (const auto* status = std::get_if<StatusAnswer>(&message)) {
    switch (status->mode) {
      case Mode::fresh: count(Rule::status_fresh); break;
      case Mode::starting: count(Rule::status_starting); break;
      case Mode::voting: count(Rule::status_voting); break;
      case Mode::recovering: count(Rule::status_recovering); break;
      case Mode::diverged: break;
    }
    if (status->seen_prepare || status->seen_commit || status->seen_view_change) count(Rule::status_shows);
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
