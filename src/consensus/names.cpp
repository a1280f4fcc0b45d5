// Names of modes, messages, events and reasons, for logs and metrics.
#include "galen/consensus/effects.hpp"
#include "galen/consensus/messages.hpp"

namespace galen::consensus {

std::string_view to_name(Mode mode) {
  switch (mode) {
    case Mode::fresh: return "FRESH";
    case Mode::starting: return "STARTING";
    case Mode::voting: return "VOTING";
    case Mode::recovering: return "RECOVERING";
    case Mode::diverged: return "DIVERGED";
  }
  return "?";
}

std::string_view to_name(const Message& message) {
  static constexpr std::string_view kNames[] = {"PRE-PREPARE", "PREPARE",  "COMMIT",         "VIEW-CHANGE",
                                                "STATUS?",     "STATUS",   "EXECUTED",       "SKELETON?",
                                                "SKELETON",    "CERTIFICATE?", "CERTIFICATE"};
  static_assert(std::size(kNames) == std::variant_size_v<Message>);
  return kNames[message.index()];
}

std::string_view to_name(EventKind kind) {
  switch (kind) {
    case EventKind::voting_started: return "voting_started";
    case EventKind::view_entered: return "view_entered";
    case EventKind::view_change_sent: return "view_change_sent";
    case EventKind::proposal_refused: return "proposal_refused";
    case EventKind::recovering: return "recovering";
    case EventKind::resumed: return "resumed";
    case EventKind::diverged: return "diverged";
    case EventKind::root_mismatch: return "root_mismatch";
    case EventKind::equivocation: return "equivocation";
    case EventKind::fork: return "fork";
    case EventKind::fenced: return "fenced";
    case EventKind::falling_behind: return "falling_behind";
    case EventKind::clock_off: return "clock_off";
    case EventKind::batch_dropped: return "batch_dropped";
    case EventKind::ready_to_stop: return "ready_to_stop";
    case EventKind::epoch_ended: return "epoch_ended";
    case EventKind::passed_over: return "passed_over";
  }
  return "?";
}

std::string_view to_name(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::header: return "header";
    case RefusalReason::history: return "history";
    case RefusalReason::time_order: return "time_order";
    case RefusalReason::clock: return "clock";
    case RefusalReason::exec_height: return "exec_height";
    case RefusalReason::tenure: return "tenure";
    case RefusalReason::epoch_end: return "epoch_end";
    case RefusalReason::duplicate_batch: return "duplicate_batch";
    case RefusalReason::expired_batch: return "expired_batch";
    case RefusalReason::far_batch: return "far_batch";
    case RefusalReason::bytes: return "bytes";
    case RefusalReason::wrong_parent: return "wrong_parent";
    case RefusalReason::flags: return "flags";
    case RefusalReason::not_leader: return "not_leader";
    case RefusalReason::crowding: return "crowding";
  }
  return "?";
}

}  // namespace galen::consensus
