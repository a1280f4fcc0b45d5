// What the core wants done. The shell carries effects out in any order, but for three rules: a send_after leaves only when
// its token is durable; commits are taken in order; records of one step are durable together or not at all, and never
// before the bodies of the batches that arrived before that step. Built by the core thread, read by the shell.
#pragma once

#include <concepts>
#include <optional>
#include <vector>

#include "galen/consensus/messages.hpp"
#include "galen/consensus/safety.hpp"

namespace galen::consensus {

/// Names a set of records to be made durable; ascending in the order of their creation, and Durable{t} covers all below t.
class PersistToken {
 public:
  /// Of what stood in the log when the process started.
  static PersistToken before_start() { return PersistToken(0); }
  std::uint64_t value() const { return value_; }
  auto operator<=>(const PersistToken&) const = default;

 private:
  friend class Effects;  // only persist() makes one, so nothing can be sent behind a record that was never asked for
  explicit PersistToken(std::uint64_t value) : value_(value) {}
  std::uint64_t value_;
};

/// Promises: they may leave only behind their record.
template <class T>
concept DurableMessage = std::same_as<T, Prepare> || std::same_as<T, Commit> || std::same_as<T, ViewChange>;
/// Everything else binds nobody after a crash.
template <class T>
concept PromptMessage = !DurableMessage<T> && std::constructible_from<Message, T>;

/// To one member, or to all others.
using Target = std::optional<MemberIndex>;

enum class EventKind : std::uint8_t {
  voting_started,      ///< the check before the first vote is through
  view_entered,        ///< member: who leads it, kNoMember if that is not known yet; value: 0 by NEW-VIEW, 1 by tenure end, 2 by a certificate of the view, 3 at start
  view_change_sent,    ///< view: target; value: ViewChangeCause
  proposal_refused,    ///< value: RefusalReason
  recovering,          ///< follows without voting; value: RecoveryReason
  resumed,             ///< amnesia recovery is through; view: the floor
  diverged,            ///< ALARM: a quorum certifies other roots at height
  root_mismatch,       ///< a proposal holds other roots than ours; member: its proposer
  equivocation,        ///< member signed two values for (view, height)
  fork,                ///< ALARM: a certificate contradicts a committed block: more than f members are faulty
  fenced,              ///< leader of its view after a restart: hands over instead of proposing
  falling_behind,      ///< blocks asked from others up to height
  clock_off,           ///< ALARM: local clock is off the members' median; value: milliseconds
  batch_dropped,       ///< the pool of this origin is full
  ready_to_stop,       ///< after StopRequested: nothing of ours is outstanding
  epoch_ended,         ///< the block at height is committed and ends the epoch: build the Replica of the next one
  passed_over,         ///< F2: batches of member wait and the leader of view (value) takes none: we ask for the next
};
std::string_view to_name(EventKind kind);

enum class RecoveryReason : std::uint8_t {
  votes_lost = 1,  ///< ALARM: others saw promises that the log does not hold, or it is empty beside a ledger that is not
  new_log,         ///< nothing of its own, on a chain that had begun: as expected of a member that comes later
  not_over,        ///< an earlier one, taken up again after a restart
};

enum class RefusalReason : std::uint8_t {
  header = 1, history, time_order, clock, exec_height, tenure, epoch_end, duplicate_batch, expired_batch, far_batch,
  bytes, wrong_parent, flags, not_leader, crowding,
};
std::string_view to_name(RefusalReason reason);

enum class ViewChangeCause : std::uint8_t { timer = 0, joining = 1, leader_left = 2, handing_over = 3, tenure = 4, fairness = 5 };

/// F1: of one offer, made or taken.
inline constexpr std::size_t kOfferedMax = 256;

struct Event {
  EventKind kind;
  View view = 0;
  Height height = 0;
  MemberIndex member = 0;
  std::uint64_t value = 0;
};

class Effects {
 public:
  struct Persist {
    PersistToken token;
    std::vector<SafetyRecord> records;
  };
  struct Send {
    Target to;
    MessagePtr message;
    std::optional<PersistToken> after;  ///< nothing: may leave at once
  };
  /// To be answered with Signed{token}: the member's consensus key over `bytes`.
  struct SignRequest {
    std::uint64_t token = 0;
    Bytes bytes;
  };
  /// In height order, each height once. Every batch is present. `certificate` is a COMMIT-QC of this block, or of its
  /// nearest descendant that has one.
  struct CommittedBlock {
    BlockSkeleton block;
    Hash digest;
    QuorumCertificate certificate;
  };
  /// Two messages that one member signed for one place, in the order of their arrival: proof of its fault for whoever
  /// has the members of the epoch. Once for each (member, view, height), and a bounded number for each member.
  struct Evidence {
    MemberIndex member = 0;
    View view = 0;
    Height height = 0;
    MessagePtr first, second;  ///< both PRE-PREPARE, PREPARE or COMMIT
  };
  struct FetchBatches {
    std::vector<Hash> digests;
    MemberIndex hint = 0;  ///< ask this member first
    bool offered = false;  ///< no block needs them: the member offered them (F1)
  };
  /// Committed blocks are missing; may be repeated while a fetch is running: the shell then ignores it.
  struct FetchBlocks {
    Height from = 0;
    Height to = 0;
    MemberIndex hint = 0;
  };

  /// `next_token` is the counter of the replica that fills these effects.
  explicit Effects(std::uint64_t& next_token) : next_token_(&next_token) {}

  PersistToken persist(std::vector<SafetyRecord> records);
  template <DurableMessage T>
  MessagePtr send_after(PersistToken token, Target to, T message) {
    return push(to, std::make_shared<const Message>(std::move(message)), token);
  }
  template <PromptMessage T>
  MessagePtr send_now(Target to, T message) {
    return push(to, std::make_shared<const Message>(std::move(message)), std::nullopt);
  }

  const std::vector<Persist>& persists() const { return persists_; }
  std::vector<Persist>& take_persists() { return persists_; }
  const std::vector<Send>& sends() const { return sends_; }

  std::vector<SignRequest> sign_requests;
  std::vector<CommittedBlock> commits;
  std::vector<FetchBatches> fetch_batches;
  std::vector<FetchBlocks> fetch_blocks;
  std::vector<Hash> offers;  ///< F1: batches that wait here, to be named to all others; at most kOfferedMax
  std::vector<ExecutedCertificate> executed_certificates;  ///< one per height, to be stored beside the block
  std::vector<Evidence> evidence;
  std::vector<Event> events;
  /// Monotonic milliseconds at which the next Tick is wanted at the latest; nothing: none is needed.
  std::optional<std::uint64_t> wake_at_ms;

 private:
  MessagePtr push(Target to, MessagePtr message, std::optional<PersistToken> after);

  std::uint64_t* next_token_;
  std::vector<Persist> persists_;
  std::vector<Send> sends_;
};

}  // namespace galen::consensus
