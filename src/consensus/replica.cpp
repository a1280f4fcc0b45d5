#include "galen/consensus/replica.hpp"

#include <algorithm>

#include "consensus/mutation.hpp"
#include "consensus/state.hpp"
#include "galen/base/assert.hpp"

namespace galen::consensus {

namespace {

/// A few rounds do all there is to do in a step: five at most in 4,000 simulated runs. After so many, two rules undo
/// each other's work: a node that ends is noticed, one that turns for ever is not.
constexpr std::size_t kRoundsMax = 10'000;

std::uint64_t earliest(std::optional<std::uint64_t> a, std::uint64_t b) { return a ? std::min(*a, b) : b; }

}  // namespace

Replica::State::State(Config config_given, Recovered recovered)
    : config(std::move(config_given)),
      rng(config.rng_seed),
      epoch_base(recovered.epoch_base),
      safety(std::move(recovered.safety)),
      tree(config.context.suite, recovered.tip, std::move(recovered.history), config.room.blocks),
      pool(config.parameters, config.members.size(), config.pool_batches_per_origin),
      votes(config.members, config.room.votes_per_member),
      executed_pool(config.members),
      pacemaker(config.parameters.view_timeout_ms, rng),
      blamed(config.members.size()),
      seen(config.members.size()),
      last_heard(config.members.size(), 0),
      last_helped(config.members.size(), 0),
      answered(config.members.size()),
      last_asked(config.members.size(), 0),
      turns(config.members.size()),
      offers(config.members.size(), OffersOf(config.parameters.view_timeout_ms)) {
  GALEN_ASSERT(is_member() || config.self == kNoMember);
  GALEN_ASSERT(!recovered.executed.empty());
  GALEN_ASSERT(safety.epoch() == config.context.epoch && recovered.tip.header.height >= epoch_base);
  // The base of a later epoch is the end of the one before, and what ended is another Replica's.
  GALEN_ASSERT(recovered.tip.header.epoch == config.context.epoch ? !recovered.tip.header.epoch_end()
                                                                  : at_base() && recovered.tip.header.epoch_end());
  mode = safety.mode() == Mode::voting ? Mode::starting : safety.mode();
  had_chain = recovered.tip.header.height > 0;
  view = safety.view().value_or(0);
  view_entered = safety.view().has_value();
  // 8: the restart fence
  if (view_entered && !mutated(Mutation::no_restart_fence)) propose_from = view + 1;
  high_qc = safety.high_qc();
  if (!at_base()) tip_certificate = recovered.tip.certificate;  // the base's is another epoch's: nobody verifies it here
  if (tip_certificate && (!high_qc || higher(tip_certificate->subject, high_qc->subject))) high_qc = tip_certificate;
  if constexpr (mutated(Mutation::forget_high_qc)) high_qc.reset();
  vc_target = safety.max_view_change();
  if (safety.view_change()) {
    vc_reported = safety.view_change()->header.high;
    own_view_change = Kept<ViewChange>{*safety.view_change()};
    view_changes.emplace(config.self, *safety.view_change());
  }
  // R1
  if (!mutated(Mutation::forget_votes)) last_prepare = safety.last_prepare();
  safety.prune(recovered.tip.header.height);
  for (const auto& subject : recovered.executed) executed.emplace(subject.height, subject);
  pending_members = std::move(recovered.pending_members);
  if (recovered.executed.back().height > epoch_base) leader_skips = std::move(recovered.leader_skips);
  for (const auto& [digest, valid_until_ms] : recovered.recent_batches) pool.remember_in_chain(digest, valid_until_ms);
  for (const auto& batch : recovered.pending) pool.add(batch, batch.valid_until_ms, 0, kNoMember);
  for (const auto& [key, prepared] : safety.prepares()) {
    if (key.second <= tree.tip().height()) continue;
    orphans.emplace(prepared.message.subject.digest, Orphan{prepared.block, true});
    own_prepares.emplace(key, Kept<Prepare>{prepared.message});
    votes.add(VotePhase::prepare, prepared.message);
  }
  for (const auto& [key, commit] : safety.commits()) {
    if (!mutated(Mutation::forget_votes)) committed_votes.insert(key);
    if (key.second <= tree.tip().height()) continue;
    own_commits.emplace(key, Kept<Commit>{commit});
    votes.add(VotePhase::commit, commit);
  }
}

void Replica::State::report(EventKind kind, View event_view, Height height, MemberIndex member, std::uint64_t value) {
  out->events.push_back({kind, event_view, height, member, value});
}

std::uint64_t Replica::State::sign(Bytes bytes, PendingSignature what) {
  GALEN_ASSERT(is_member());
  auto token = next_signature++;
  signatures.emplace(token, std::move(what));
  out->sign_requests.push_back({token, std::move(bytes)});
  return token;
}

void Replica::State::settle() {
  std::size_t rounds = 0;
  for (bool changed = true; changed;) {
    GALEN_ASSERT(++rounds <= kRoundsMax);
    changed = place_orphans();
    view_base = base_of_view();
    changed |= try_tenure_entry();
    changed |= try_lead();
    changed |= take_early_proposals();
    changed |= try_commit_votes();
    changed |= try_prepare();
    changed |= try_commit();
    changed |= try_propose();
  }
  if (stopping && !stop_reported && !(is_active_leader() && view >= propose_from)) {
    stop_reported = true;
    report(EventKind::ready_to_stop, view, tree.tip().height());
  }
}

void Replica::State::arm_timers() {
  bool outstanding = work_outstanding();  // V1
  pacemaker.wait_for_view(may_vote() && (changing_views() ? vc_has_quorum : outstanding), now);
  pacemaker.wait_for_answers(outstanding || unsettled(), now);
  std::optional<std::uint64_t> wake;
  if (pacemaker.view_deadline()) wake = earliest(wake, *pacemaker.view_deadline());
  if (pacemaker.resend_at()) wake = earliest(wake, *pacemaker.resend_at());
  if (may_vote() && !changing_views() && outstanding && tenure_deadline_ms() > now)
    wake = earliest(wake, tenure_deadline_ms());
  auto heartbeat = committed_at_ms + config.parameters.idle_block_interval_ms;
  if (is_member() && !ended && heartbeat > now) wake = earliest(wake, heartbeat);
  if (!is_member() && !ended) wake = earliest(wake, fetch_blocks_at_ms);
  if (pool.size() > 0 && proposed_at_ms + config.gather_ms > now && is_active_leader())
    wake = earliest(wake, proposed_at_ms + config.gather_ms);
  if (is_member() &&
      !ended) {  // what fetch_what_is_missing() goes through, and no more: else it would wake at once for ever
    for (const auto& [digest, node] : tree.nodes())
      if (!node.missing.empty() && !is_void(node)) wake = earliest(wake, node.fetch_at_ms);
    for (const auto& [digest, block] : wanted) wake = earliest(wake, block.fetch_at_ms);
  }
  if (may_offer() && pool.size() > 0) wake = earliest(wake, offer_round_ms);
  if (ask_offerer_ms) wake = earliest(wake, *ask_offerer_ms);
  out->wake_at_ms = wake;
}

Replica::Replica(Config config, Recovered recovered)
    : state_(std::make_unique<State>(std::move(config), std::move(recovered))) {}
Replica::~Replica() = default;
Replica::Replica(Replica&&) noexcept = default;

Effects Replica::State::step(const Tick* tick, const Input& input) {
  Effects effects(next_token);
  out = &effects;
  if (tick != nullptr) on(*tick);
  std::visit([this](const auto& given) { on(given); }, input);
  if (ticked) {
    settle();
    fetch_what_is_missing();
    offer_batches();
    fetch_offered();
    arm_timers();
  }
  out = nullptr;
  return effects;
}

Effects Replica::step(const Input& input) { return state_->step(nullptr, input); }
Effects Replica::step(const Tick& tick, const Input& input) { return state_->step(&tick, input); }

bool Replica::wants_batch(const Hash& digest) const {
  return std::any_of(state_->tree.nodes().begin(), state_->tree.nodes().end(), [&](const auto& entry) {
    return entry.second.missing.count(digest) > 0 && !state_->is_void(entry.second);
  });
}

ReplicaStatus Replica::status() const {
  const auto& s = *state_;
  ReplicaStatus out;
  out.mode = s.mode;
  out.view = s.view;
  out.max_view_change = s.vc_target;
  out.leader = s.likely_leader();
  out.skipped = skipped_at(s.leader_skips, s.view, s.base_of_view().value_or(s.executed.rbegin()->first));
  out.view_timeout_ms = s.pacemaker.timeout_ms();
  out.committed = s.tree.tip().height();
  out.executed = s.executed.rbegin()->first;
  out.highest_known = std::max(s.best_height(), s.heard_height);
  out.high = s.high_subject();
  out.pending_batches = s.pool.size();
  out.in_flight = s.tree.nodes().size() - 1;
  out.stopping = s.stopping;
  out.ended = s.ended;
  out.last_heard_ms = s.last_heard;
  if (s.is_member()) out.last_heard_ms[s.config.self] = s.now;
  return out;
}

std::vector<SafetyRecord> Replica::safety_records() const { return state_->safety.records(); }
Recovered Replica::next_epoch() const { return state_->next_epoch(); }

PersistToken Effects::persist(std::vector<SafetyRecord> records) {
  PersistToken token((*next_token_)++);
  persists_.push_back({token, std::move(records)});
  return token;
}

MessagePtr Effects::push(Target to, MessagePtr message, std::optional<PersistToken> after) {
  sends_.push_back({to, message, after});
  return message;
}

}  // namespace galen::consensus
