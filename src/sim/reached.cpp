#include "sim/reached.hpp"

#include <array>
#include <set>

#include <fmt/format.h>

namespace galen::sim {

using namespace consensus;

namespace {

struct Row {
  std::string_view name;
  std::string_view rule;  ///< of docs/spec/consensus.md, where one stands behind it
};

// What cannot occur stands in none of these lists, and in docs/simulator.md with its reason.
constexpr std::array kBranches{
    Row{"voting_started", "7: the check before the first vote"},
    Row{"view_entered by NEW-VIEW", "V3, V4"},
    Row{"view_entered by tenure end", "V3"},
    Row{"view_entered by a certificate of the view", "V3"},
    Row{"view_entered at start", "7"},
    Row{"view_change_sent after the timer", "V1"},
    Row{"view_change_sent to join others", "V2"},
    Row{"view_change_sent, the leader left", "V1"},
    Row{"view_change_sent to hand over", "restart fence"},
    Row{"view_change_sent, the tenure too long", "R8"},
    Row{"view_change_sent for fairness", "F2"},
    Row{"passed_over", "F2"},
    Row{"proposal_refused", "R1"},
    Row{"recovering, votes lost", "8"},
    Row{"recovering, a new log", "8"},
    Row{"recovering, not over", "8"},
    Row{"resumed", "8 c"},
    Row{"root_mismatch", "R1"},
    Row{"equivocation", "evidence"},
    Row{"fenced", "restart fence"},
    Row{"falling_behind", "repair"},
    Row{"clock_off", "9"},
    Row{"batch_dropped", "pool"},
    Row{"epoch_ended", "11"},
    Row{"ready_to_stop", "stop"},
};

/// What changes of members lead to, evidence, leaders, and stops.
constexpr std::array kOutcomes{
    Row{"stopped in good order", "stop"},
    Row{"member added", "11"},
    Row{"member removed", "11"},
    Row{"member's key rotated", "11"},
    Row{"goes over VOTING", "11"},
    Row{"goes over RECOVERING", "11"},
    Row{"goes over FRESH", "11"},
    Row{"goes over to follow", "11"},
    Row{"hears of a later epoch", "11"},
    Row{"starts at the end of an epoch", "11"},
    Row{"batches offered", "F1"},
    Row{"offered batches fetched", "F1"},
    Row{"timers set by measure", "V1a"},
    Row{"a connection comes up", "repair"},
    Row{"one that errs is DIVERGED", "7"},
    Row{"blocks of a poisoned answer refused", "repair"},
    Row{"a vote of an ended view arrives", "R5"},
    Row{"crash with something signed and not yet durable", "R5, 6"},
    Row{"evidence of two PRE-PREPARE", "evidence"},
    Row{"evidence of two PREPARE", "evidence"},
    Row{"evidence of two COMMIT", "evidence"},
    Row{"a leader is left out", "V6"},
    Row{"a view is led in another's place", "V6"},
    Row{"a view's leader is not known yet", "V6"},
};

constexpr std::array kReasons{
    Row{"the certificate that is named is missing", "V4"},
    Row{"the certificate is about something else", "V4"},
    Row{"sender is not the peer it came from", "2"},
    Row{"view-change: no such member", "V2"},
    Row{"view-change: target view 0", "V2"},
    Row{"view-change", "V2"},
    Row{"new-view: not exactly q view-changes", "V4"},
    Row{"new-view: view-changes for another view", "V4"},
    Row{"new-view: senders not ascending", "V4"},
    Row{"tenure end: no certificate of the view before", "V3"},
    Row{"justified by an epoch end", "11"},
    Row{"pre-prepare: no such member", "R1"},
    Row{"another's block of this view", "R1"},
    Row{"pre-prepare", "R1"},
    Row{"vote", "R1, R5"},
    Row{"status: no such asker", "7"},
    Row{"status", "7"},
    Row{"status: tip without COMMIT-QC", "7"},
    Row{"executed", "EXECUTED"},
    Row{"members count", "R7"},
    Row{"fewer than q signatures", "R7"},
    Row{"signature of member", "R7"},
    // Of what does not decode.
    Row{"message: too short", "2"},
    Row{"message: wrong length", "2"},
    Row{"message: unknown kind", "2"},
    Row{"message: unknown version", "2"},
    Row{"message: the first epoch is not named", "11"},
    Row{"message: a presence flag is neither 0 nor 1", "2"},
    Row{"pre-prepare: justification", "2"},
    Row{"pre-prepare: count of view changes", "2"},
    Row{"status: mode", "2"},
    Row{"header: wrong length", "2"},
    Row{"header: unknown version", "2"},
    Row{"header: unknown flags", "2"},
    Row{"block: batch count", "2"},
    Row{"block: body root", "2"},
    Row{"certificate: too short", "2"},
    Row{"certificate: unknown version", "2"},
    Row{"certificate: members count", "2"},
    Row{"certificate: a padding bit is set", "2"},
    Row{"certificate: phase", "2"},
};

/// What layer 2 counts (src/sim/whole).
constexpr std::array kWholeFaults{"crash",
                                  "blackout",
                                  "partition",
                                  "one way",
                                  "flapping",
                                  "slow node",
                                  "clock jumps",
                                  "slow disk",
                                  "checkpoint",
                                  "receipt verified",
                                  "power cut during start",
                                  "power cut between two effects",
                                  "power cut in a log write",
                                  "power cut in a checkpoint",
                                  "log: new segment",
                                  "log: torn turn dropped",
                                  "log: record read from its second copy",
                                  "log: bodies lost",
                                  "log: amnesia found",
                                  "write lost",
                                  "write misdirected",
                                  "data directory lost",
                                  "bit of the ledger flipped",
                                  "bit of the log flipped",
                                  "ledger repaired",
                                  "start refused",
                                  "log: recycled",
                                  "member added",
                                  "member removed",
                                  "member's key rotated",
                                  "epoch ended",
                                  "opens again",
                                  "hears of a later epoch",
                                  "begins an epoch VOTING",
                                  "begins an epoch RECOVERING",
                                  "begins an epoch FRESH",
                                  "batches of the epoch before made anew",
                                  "epoch chain verified",
                                  "read as the model says",
                                  "proof of another key refused",
                                  "blocks of a poisoned answer refused",
                                  "batches of a poisoned answer refused"};

constexpr RefusalReason kRefusalLast = RefusalReason::crowding;

/// No simulated member gives these: docs/simulator.md.
bool is_never_given(RefusalReason reason) { return reason == RefusalReason::wrong_parent || reason == RefusalReason::flags; }

std::string_view rule_of(RefusalReason reason) {
  if (reason == RefusalReason::tenure) return "R4, R8";
  if (reason == RefusalReason::not_leader) return "V6";
  if (reason == RefusalReason::crowding) return "R1c";
  return reason == RefusalReason::epoch_end ? "R4, 11, V4e" : "R1";
}

class Table {
 public:
  void add(std::string_view kind, const Row& row, std::uint64_t count) {
    out_.missing += count == 0 ? 1 : 0;
    out_.table += fmt::format("| {} | {} | {} | {} |\n", kind, row.name, row.rule,
                              count == 0 ? "**0: not reached**" : std::to_string(count));
    listed_.insert(std::string(row.name));
  }
  void unlisted(std::string_view kind, const std::map<std::string, std::uint64_t>& counts) {
    for (const auto& [name, count] : counts) {
      if (listed_.contains(name)) continue;
      out_.table += fmt::format("| {} | {} | not in the list | {} |\n", kind, name, count);
      ++out_.unlisted;
    }
    listed_.clear();
  }
  Reached take() { return std::move(out_); }

 private:
  Reached out_{"| | what | rule | times |\n|---|---|---|---|\n"};
  std::set<std::string> listed_;
};

std::uint64_t count_of(const std::map<std::string, std::uint64_t>& counts, std::string_view name) {
  auto found = counts.find(std::string(name));
  return found == counts.end() ? 0 : found->second;
}

/// Without the kind of message in front and the member behind.
std::string reason_of(const std::string& rejected) {
  auto reason = rejected.substr(rejected.find(": ") + 2);
  constexpr std::string_view kOfMember = "signature of member";
  return reason.starts_with(kOfMember) ? std::string(kOfMember) : reason;
}

}  // namespace

bool has_branches(EventKind kind) {
  return kind == EventKind::view_entered || kind == EventKind::view_change_sent || kind == EventKind::recovering;
}

std::string branch_name(const Event& event) {
  static constexpr std::array kEntered{"by NEW-VIEW", "by tenure end", "by a certificate of the view", "at start"};
  static constexpr std::array kSent{" after the timer", " to join others", ", the leader left", " to hand over",
                                        ", the tenure too long", " for fairness"};
  static constexpr std::array kRecovering{"votes lost", "a new log", "not over"};
  auto name = std::string(consensus::to_name(event.kind));
  auto value = static_cast<std::size_t>(event.value);
  if (event.kind == EventKind::view_entered && value < kEntered.size()) return name + " " + kEntered[value];
  if (event.kind == EventKind::view_change_sent && value < kSent.size()) return name + kSent[value];
  if (event.kind == EventKind::recovering && value >= 1 && value <= kRecovering.size())
    return name + ", " + kRecovering[value - 1];
  return name;
}

Reached reached_table(const Tally& tally) {
  Table table;
  for (unsigned fault = 0; fault < static_cast<unsigned>(Fault::count); ++fault) {
    auto name = to_name(static_cast<Fault>(fault));
    table.add("fault", {name, ""}, count_of(tally.faults, name));
  }
  for (unsigned lie = 0; lie < static_cast<unsigned>(Lie::count); ++lie) {
    auto name = "member " + std::string(to_name(static_cast<Lie>(lie)));
    table.add("lie", {name, ""}, count_of(tally.faults, name));
  }
  for (const auto& row : kOutcomes) table.add("outcome", row, count_of(tally.faults, row.name));
  table.unlisted("fault", tally.faults);

  auto branches = tally.branches;
  for (const auto& [kind, count] : tally.kinds)
    if (!has_branches(kind)) branches[std::string(consensus::to_name(kind))] += count;
  for (const auto& row : kBranches) table.add("event", row, count_of(branches, row.name));
  for (unsigned rule = 0; rule < static_cast<unsigned>(Rule::count); ++rule) {
    auto name = to_name(static_cast<Rule>(rule));
    table.add("rule", {name, name.substr(0, name.find(':'))}, count_of(branches, name));
  }
  table.unlisted("event", branches);

  for (unsigned reason = 1; reason <= static_cast<unsigned>(kRefusalLast); ++reason) {
    auto which = static_cast<RefusalReason>(reason);
    if (is_never_given(which)) continue;
    auto found = tally.refusals.find(which);
    table.add("proposal refused", {consensus::to_name(which), rule_of(which)},
              found == tally.refusals.end() ? 0 : found->second);
  }
  table.unlisted("proposal refused", {});

  std::map<std::string, std::uint64_t> rejected;
  for (const auto& [name, count] : tally.rejected) rejected[reason_of(name)] += count;
  for (const auto& row : kReasons) table.add("message rejected", row, count_of(rejected, row.name));
  table.unlisted("message rejected", rejected);
  return table.take();
}

Reached reached_whole_table(const Tally& tally) {
  Table table;
  for (auto name : kWholeFaults) table.add("layer 2", {name, ""}, count_of(tally.faults, name));
  for (unsigned lie = 0; lie < static_cast<unsigned>(Lie::count); ++lie) {
    auto name = "member " + std::string(to_name(static_cast<Lie>(lie)));
    const bool in_layer_1 = static_cast<Lie>(lie) == Lie::twins ||
                            (static_cast<Lie>(lie) >= kFirstOfBatches && static_cast<Lie>(lie) != Lie::poisons);
    if (!in_layer_1) table.add("lie", {name, ""}, count_of(tally.faults, name));
  }
  table.unlisted("layer 2", tally.faults);
  return table.take();
}

}  // namespace galen::sim
