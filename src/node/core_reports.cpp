// What a turn of the core is in words: the log's lines and the status of a node.

#include <fmt/format.h>

#include "galen/base/log.hpp"
#include "node/core_loop.hpp"

namespace galen::node {
namespace {

constexpr Height kCatchingUpBlocks = 64;

}  // namespace

void CoreLoop::report(const consensus::Event& event) {
  using consensus::EventKind;
  auto name = consensus::to_name(event.kind);
  switch (event.kind) {
    case EventKind::diverged:
    case EventKind::fork:
      log::error("{} view={} height={} member={}", name, event.view, event.height,
                 identity_.member_name_or_none(event.member));
      if (event.kind == EventKind::diverged) ports_.diverged(event.height);
      break;
    case EventKind::recovering:
      report_recovering(event);
      break;
    case EventKind::equivocation:
    case EventKind::root_mismatch:
    case EventKind::proposal_refused:
    case EventKind::clock_off:
    case EventKind::batch_dropped:
      if (auto end = lines_.admit(event.member, name))
        log::warn("{} view={} height={} member={} value={}{}", name, event.view, event.height,
                  identity_.member_name_or_none(event.member), event.value, *end);
      break;
    case EventKind::passed_over:
      log::warn("passed_over member={} by leader={} view={} height={}: this node asks for the next view",
                identity_.member_name_or_none(event.member),
                identity_.member_name_or_none(static_cast<MemberIndex>(event.value)), event.view, event.height);
      break;
    case EventKind::ready_to_stop:
      ports_.ready_to_stop();
      break;
    case EventKind::view_change_sent:
      ++health_.counters.view_changes;
      [[fallthrough]];
    default:
      log::info("{} view={} height={} value={}", name, event.view, event.height, event.value);
  }
}

// A new log is what a member has that comes to a running chain: nothing went wrong. Promises that are gone are another
// matter.
void CoreLoop::report_recovering(const consensus::Event& event) {
  using consensus::RecoveryReason;
  switch (static_cast<RecoveryReason>(event.value)) {
    case RecoveryReason::new_log:
      log::info("recovering reason=new_log height={}: the chain had begun; follows without voting until a later view",
                event.height);
      break;
    case RecoveryReason::not_over:
      log::info("recovering reason=not_over height={}: follows without voting until a later view", event.height);
      break;
    case RecoveryReason::votes_lost:
      log::error(
          "recovering reason=votes_lost view={} height={}: the log does not hold what this node voted; follows "
          "without voting until a later view",
          event.view, event.height);
      break;
  }
}

// What keeps this node's word from counting, whatever its Replica makes of its log.
void CoreLoop::note_no_vote(CoreStatus& status) const {
  if (status.mode == galen::v1::NODE_MODE_DIVERGED) return;
  if (!identity_.is_voter()) {
    const bool learns = identity_.role() == Role::learner;
    status.mode = learns ? galen::v1::NODE_MODE_LEARNER : galen::v1::NODE_MODE_NO_MEMBER;
    status.detail = learns ? "has no vote: follows and executes until it is promoted (galenctl member list)"
                           : "no member of this epoch: follows as long as the others let it";
    if (identity_.vault_damage)
      status.detail += fmt::format("; {}: {}", to_reason(ErrorCode::VAULT_DAMAGED), *identity_.vault_damage);
  } else if (const auto told = health_.removed_by(); told.size() > identity_.members().faults()) {
    std::string names;
    for (auto member : told) names += (names.empty() ? "" : ", ") + identity_.member_name(member);
    status.mode = galen::v1::NODE_MODE_NO_MEMBER;
    status.detail = fmt::format(
        "this member was removed, say {}: the node keeps what it has and is told nothing new; stop it when "
        "it is not needed any more",
        names);
  } else if (identity_.vault_damage) {
    status.mode = galen::v1::NODE_MODE_RECOVERING;
    status.detail = fmt::format("{} ({}): follows and executes without voting, and takes on no work: {}",
                                to_reason(ErrorCode::VAULT_DAMAGED), static_cast<unsigned>(ErrorCode::VAULT_DAMAGED),
                                *identity_.vault_damage);
  } else if (!identity_.can_sign) {
    const auto key = identity_.participants->all[identity_.self].member.consensus_key.hex();
    status.mode = galen::v1::NODE_MODE_RECOVERING;
    status.detail = fmt::format(
        "{} ({}): follows and executes without voting, for node.toml names no file of the consensus key {}... "
        "that epoch {} has for this member. Name it as keys.consensus or keys.consensus_next and start "
        "again, or have a new key voted for",
        to_reason(ErrorCode::CANNOT_SIGN), static_cast<unsigned>(ErrorCode::CANNOT_SIGN), key.substr(0, 16),
        identity_.context.epoch);
  }
}

void CoreLoop::publish_status() {
  auto status = replica_.status();
  CoreStatus out;
  out.view = status.view;
  out.leader = status.leader;
  out.skipped = std::move(status.skipped);
  out.view_timeout_ms = status.view_timeout_ms;
  out.committed_height = status.committed;
  std::optional<std::string> behind;
  const auto& members = identity_.members();
  const auto known = std::max(status.highest_known, health_.vouched_height(members.size(), members.faults()));
  if (known > status.executed + kCatchingUpBlocks)
    behind = fmt::format("executed {} of {} blocks", status.executed, known);
  switch (status.mode) {
    case consensus::Mode::fresh:
      out.mode = galen::v1::NODE_MODE_FRESH;
      out.detail = "a new log: asks the other members whether the chain has begun";
      break;
    case consensus::Mode::starting:
      out.mode = galen::v1::NODE_MODE_STARTING;
      out.detail = "asks the other members what they saw of this node before its first vote";
      break;
    case consensus::Mode::voting:
      out.mode = galen::v1::NODE_MODE_VOTING;
      if (behind) {
        out.mode = galen::v1::NODE_MODE_CATCHING_UP;
        out.detail = *behind;
      }
      break;
    case consensus::Mode::recovering:
      out.mode = galen::v1::NODE_MODE_RECOVERING;
      out.detail =
          "the vote log is new or incomplete on a running chain: follows and executes without voting until a "
          "certificate of a later view";
      if (behind) out.detail += "; " + *behind;
      break;
    case consensus::Mode::diverged:
      out.mode = galen::v1::NODE_MODE_DIVERGED;
      out.detail = "this node's state differs from the one that a quorum certified";
      if (auto file = health_.divergence_file(); !file.empty()) out.detail += "; in what stands in " + file;
      break;
  }
  note_no_vote(out);
  if (behind && !identity_.is_voter()) out.detail += "; " + *behind;
  if (health_.disk_full && out.mode != galen::v1::NODE_MODE_DIVERGED) {
    out.mode = galen::v1::NODE_MODE_DISK_FULL;
    out.detail =
        "the data directory's volume is full: this node neither votes nor writes until space is freed, then goes on "
        "by itself";
  }
  health_.set_core(out);
}

}  // namespace galen::node
