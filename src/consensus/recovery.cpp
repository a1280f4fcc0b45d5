// Before the first vote: STATUS, fresh logs, and the way back from amnesia (docs/spec/consensus.md 8).
#include <algorithm>
#include <functional>

#include "consensus/mutation.hpp"
#include "consensus/state.hpp"
#include "galen/base/assert.hpp"

namespace galen::consensus {

namespace {

constexpr std::int64_t kClockAlarmMs = 500;
constexpr std::uint32_t kAnswersMax = 16;  ///< STATUS for each member, in the base time of V1
constexpr std::uint64_t kClockOffsetMaxMs = std::uint64_t{1} << 40;  ///< what others say of their clocks may be anything

SafetyState::VoteKey key_of(const VoteSubject& subject) { return {subject.view, subject.height}; }

bool is_above(const VoteSubject& seen, const std::optional<VoteSubject>& own) {
  return !own || key_of(seen) > key_of(*own);
}

}  // namespace

void Replica::State::ask_status(Target to) {
  if (to) last_asked[*to] = now;
  out->send_now(to, StatusRequest{status_nonce, view, tree.tip().height()});
}

void Replica::State::answer_status(MemberIndex from, const StatusRequest& request) {
  if (!ticked) return;
  help(from, request.view, request.commit_height);
  // Who asks is there, perhaps only now: at the beginning of an epoch members come one after the other.
  bool unheard = mode != Mode::voting && mode != Mode::diverged && answers.count(from) == 0;
  if (unheard && now >= last_asked[from] + pacemaker.base_ms() / 8) ask_status(from);
  // One signature at a time for each asker, and not for each of its messages: they cost it nothing.
  auto& given = answered[from];
  if (now >= given.since_ms + pacemaker.base_ms()) given = {now, 0};
  if (given.count >= kAnswersMax || !answering.insert(from).second) return;
  ++given.count;
  StatusAnswer answer;
  answer.sender = config.self;
  answer.asker = from;
  answer.nonce = request.nonce;
  answer.mode = mode;
  answer.view = view;
  answer.max_view_change = vc_target;
  answer.high = high_subject();
  answer.high_qc = high_qc;
  if (tip_certificate) answer.tip = tip_certificate->subject;
  answer.tip_qc = tip_certificate;
  answer.executed_height = executed.rbegin()->first;
  answer.wall_ms = wall;
  answer.seen_prepare = seen[from].prepare;
  answer.seen_commit = seen[from].commit;
  answer.seen_view_change = seen[from].view_change;
  auto bytes = status_sign_bytes(config.context, answer);
  sign(std::move(bytes), std::move(answer));
}

void Replica::State::on_status(const StatusAnswer& answer) {
  if (answer.asker != config.self || answer.nonce != status_nonce) return;
  if (answer.high_qc) on_certificate(*answer.high_qc);
  if (answer.tip_qc) on_certificate(*answer.tip_qc);
  auto ahead = answer.wall_ms > wall ? answer.wall_ms - wall : 0, behind = answer.wall_ms < wall ? wall - answer.wall_ms : 0;
  clock_offsets[answer.sender] = static_cast<std::int64_t>(std::min(ahead, kClockOffsetMaxMs)) -
                                 static_cast<std::int64_t>(std::min(behind, kClockOffsetMaxMs));
  check_clock();
  if (ended) return;
  answers.insert_or_assign(answer.sender, answer);
  if (mode == Mode::fresh || mode == Mode::starting) judge_start();
  if (mode == Mode::recovering) judge_recovery();
}

/// Has the answerer seen a promise of ours that our log does not know? What an earlier recovery has settled (all below the
/// floor) does not count, or a member that lost its log once would be called forgetful at every later start.
bool Replica::State::was_forgotten(const StatusAnswer& answer) const {
  auto floor = safety.floor();
  auto forgot = [&](const auto& seen_vote, const std::optional<VoteSubject>& own) {
    return seen_vote && seen_vote->subject.view >= floor && is_above(seen_vote->subject, own);
  };
  const auto& change = answer.seen_view_change;
  return forgot(answer.seen_prepare, safety.last_prepare()) || forgot(answer.seen_commit, safety.last_commit()) ||
         (change && change->target > floor && change->target > safety.max_view_change());
}

void Replica::State::judge_start() {
  for (const auto& [member, answer] : answers) {
    bool chain_has_begun = mode == Mode::fresh && answer.tip.height > 0;
    if (!chain_has_begun && !was_forgotten(answer)) continue;
    become_recovering();
    return;
  }
  // 8: a log as init makes it, of a chain that has begun
  if (mode == Mode::fresh && (!at_base() || log_is_lost())) return become_recovering();
  if (answers.size() + 1 >= config.members.quorum()) begin_voting();
}

void Replica::State::begin_voting() {
  bool was_fresh = mode == Mode::fresh;
  mode = Mode::voting;
  if (was_fresh) {
    persist(safety.mode_record(Mode::voting));
  }
  if (!view_entered) enter_view(0, 3, epoch_base);
  report(EventKind::voting_started, view, tree.tip().height());
  resend_promises(std::nullopt);
  if (!was_fresh && likely_leader() == config.self && !changing_views() && view < propose_from) {
    // The fence forbids to go on as leader here; do not make the others find out by their timers alone.
    report(EventKind::fenced, view, tree.tip().height());
    start_view_change(view + 1, ViewChangeCause::handing_over);
  }
  heed_view_changes();
}

void Replica::State::become_recovering() {
  // Who has nothing comes anew; who has blocks and no votes had some.
  auto reason = mode == Mode::fresh && !log_is_lost() ? RecoveryReason::new_log : RecoveryReason::votes_lost;
  mode = Mode::recovering;
  recovery_view.reset();
  recovery_claims.clear();
  persist(safety.mode_record(Mode::recovering));
  report(EventKind::recovering, view, tree.tip().height(), config.self, static_cast<std::uint64_t>(reason));
}

/// A log without a word beside blocks of its own.
bool Replica::State::log_is_lost() const { return had_chain && !safety.recorded(); }

/// Who is no member has nobody to ask. What its log says of itself is carried on to the epoch in which it is one.
void Replica::State::note_new_log() {
  if (mode != Mode::fresh) return;
  if (log_is_lost()) return become_recovering();
  if (!safety.recorded()) persist(safety.mode_record(Mode::fresh));
}

/// (a) of the recovery. To have brought us into view V+1, at least q members were in V or asked for it (L5 of
/// consensus-argument.md). So many of the honest ones among them have answered by now, and none of these claims less than
/// V: the claim that so many reach is enough, and the higher ones may be lies that would keep us silent for ever.
void Replica::State::judge_recovery() {
  for (const auto& [member, answer] : answers)
    if (answer.mode != Mode::recovering && answer.mode != Mode::fresh)
      recovery_claims.emplace(member, std::max(answer.view, answer.max_view_change));
  const auto& members = config.members;
  if (recovery_claims.size() < members.quorum()) return;
  std::vector<View> claims;
  for (const auto& [member, claim] : recovery_claims) claims.push_back(claim);
  std::sort(claims.begin(), claims.end(), std::greater<>());
  auto silent = members.size() - 1 - claims.size();
  auto honest = members.quorum() - members.faults();  // others, in a quorum with us and the other faulty ones
  GALEN_ASSERT(honest > silent);
  recovery_view = claims[honest - silent - 1];
  if constexpr (mutated(Mutation::recover_without_floor)) resume(0);
}

/// (c): the others have formed a view above all that we may have promised anything about.
void Replica::State::resume(View floor_given) {
  GALEN_ASSERT(mode == Mode::recovering && recovery_view);
  GALEN_ASSERT(mutated(Mutation::recover_without_floor) || floor_given > *recovery_view + 1);
  if constexpr (mutated(Mutation::recover_without_high_qc)) high_qc.reset();
  mode = Mode::voting;
  recovery_view.reset();
  if (floor_given > view) view_base.reset();
  view = std::max(view, floor_given);
  view_entered = true;
  propose_from = std::max(propose_from, view + 1);
  opening.reset();
  opened_with.reset();
  head.reset();
  opened_at_ms = now;
  give_chance();
  std::vector<SafetyRecord> records{safety.resumed_record(floor_given, high_qc), safety.view_record(view, high_qc)};
  view_token = persist(std::move(records));
  pacemaker.progress();
  report(EventKind::resumed, floor_given, tree.tip().height());
  heed_view_changes();
}

void Replica::State::check_clock() {
  if (clock_offsets.size() + 1 < config.members.quorum()) return;
  std::vector<std::int64_t> offsets{0};
  for (const auto& [member, offset] : clock_offsets) offsets.push_back(offset);
  std::sort(offsets.begin(), offsets.end());
  auto median = offsets[offsets.size() / 2];
  auto off = median < 0 ? -median : median;
  if (off > kClockAlarmMs && !clock_alarm)
    report(EventKind::clock_off, view, tree.tip().height(), config.self, static_cast<std::uint64_t>(off));
  clock_alarm = off > kClockAlarmMs;
}

}  // namespace galen::consensus
