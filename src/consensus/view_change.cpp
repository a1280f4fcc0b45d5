// The view change: V1-V6 (docs/spec/consensus.md 6). Entering a view promises nothing to others; asking for one does.
#include <algorithm>

#include "consensus/mutation.hpp"
#include "consensus/state.hpp"
#include "galen/base/assert.hpp"

namespace galen::consensus {

VoteSubject Replica::State::high_subject() const {
  if (high_qc) return high_qc->subject;
  return {};
}

/// From here on nothing below `target` is voted for (R1), and no COMMIT above what is reported (R5), even before the
/// signature is made.
void Replica::State::start_view_change(View target, ViewChangeCause cause) {
  target = std::max(target, safety.floor());
  if (!may_vote() || target <= vc_target || target <= view) return;
  vc_target = target;
  vc_reported = high_subject();
  vc_has_quorum = false;
  pacemaker.restart_view_timer();
  ViewChange message{{config.self, target, vc_reported, tree.tip().height(), {}}, high_qc};
  if constexpr (mutated(Mutation::under_report_high_qc)) {
    message.high_qc = tip_certificate;
    message.header.high = vc_reported = tip_certificate ? tip_certificate->subject : VoteSubject{};
  }
  sign(view_change_sign_bytes(config.context, message.header), std::move(message));
  report(EventKind::view_change_sent, target, tree.tip().height(), config.self, static_cast<std::uint64_t>(cause));
}

void Replica::State::signed_view_change(ViewChange message) {
  if (!may_vote() || message.header.target != vc_target) return;  // a higher one is on its way
  auto token = persist(safety.view_change_record(message));
  out->send_after(token, std::nullopt, message);
  own_view_change = Kept<ViewChange>{message, token};
  undurable.emplace_back(token, std::move(message));
}

void Replica::State::on_view_change(MemberIndex from, const ViewChange& message) {
  auto& known = seen[from].view_change;
  if (!known || message.header.target > known->target) known = message.header;
  if (message.high_qc) on_certificate(*message.high_qc);
  if (message.header.target <= view || ended)
    help(from, message.header.target - 1, message.header.commit_height);
  else
    note_view_change(message);
}

void Replica::State::note_view_change(const ViewChange& message) {
  const auto& header = message.header;
  auto [place, inserted] = view_changes.emplace(header.sender, message);
  if (!inserted) {
    if (header.target <= place->second.header.target) return;
    place->second = message;
  }
  heed_view_changes();
  if (changing_views() && !vc_has_quorum && view_changes_at_least(vc_target) >= quorum_of(config.members)) {
    vc_has_quorum = true;  // V1: from here the timer runs again
    pacemaker.restart_view_timer();
  }
}

/// V2: also of what came while this member could not vote.
void Replica::State::heed_view_changes() {
  // The largest view that f+1 members want at least; one member alone moves nobody.
  std::vector<View> targets;
  for (const auto& [member, other] : view_changes) targets.push_back(other.header.target);
  std::sort(targets.rbegin(), targets.rend());
  auto joined = mutated(Mutation::one_member_joins_all) ? 0 : config.members.faults();
  if (targets.size() > joined && targets[joined] > vc_target && targets[joined] > view)
    start_view_change(targets[joined], ViewChangeCause::joining);
  // A leader that leaves its own view has ended it: waiting for it would help nobody, and it can burn no other's view.
  auto leader = view_leader();
  auto of_leader = leader && *leader != config.self ? view_changes.find(*leader) : view_changes.end();
  if (of_leader != view_changes.end() && of_leader->second.header.target > view && !changing_views())
    start_view_change(view + 1, ViewChangeCause::leader_left);
}

std::size_t Replica::State::view_changes_at_least(View target) const {
  return static_cast<std::size_t>(std::count_if(view_changes.begin(), view_changes.end(), [&](const auto& entry) {
    return entry.second.header.target >= target;
  }));
}

/// V3, and R1: not below a view that this member has asked for.
bool Replica::State::may_enter(View target) const { return !ended && target > view && vc_target <= target; }

/// R8: the others wait three times as long as a leader takes, and longer in trouble, so none that ends its tenure is
/// left early. A leader without work ends it with its first idle block.
std::uint64_t Replica::State::tenure_deadline_ms() const {
  if (config.tenure_ms == 0) return UINT64_MAX;
  return opened_at_ms + std::max(config.tenure_ms, config.parameters.idle_block_interval_ms) * (2 + pacemaker.patience());
}

/// V3, leader: q VIEW-CHANGEs for exactly this view.
bool Replica::State::try_lead() {
  if (!may_vote() || view_changes.size() < quorum_of(config.members)) return false;
  std::map<View, std::vector<MemberIndex>> wanting;
  for (const auto& [member, message] : view_changes) wanting[message.header.target].push_back(member);
  if constexpr (mutated(Mutation::mixed_targets)) {
    for (auto& [target, senders] : wanting) {
      senders.clear();
      for (const auto& [member, message] : view_changes)
        if (message.header.target <= target) senders.push_back(member);
    }
  }
  for (const auto& [target, senders] : wanting) {
    if (senders.size() < quorum_of(config.members) || !may_enter(target)) continue;
    Justification justification{Justification::Kind::new_view, {}, {}};
    for (std::size_t i = 0; i < quorum_of(config.members); ++i)
      justification.view_changes.push_back(view_changes.at(senders[i]).header);
    const auto& maximum = maximum_high(justification.view_changes);  // V4
    for (const auto& given : justification.view_changes)
      if (given.high == maximum) justification.certificate = view_changes.at(given.sender).high_qc;
    if constexpr (mutated(Mutation::leaders_own_high_qc)) {
      if (auto own = view_changes.find(config.self); own != view_changes.end())
        justification.certificate = own->second.high_qc;
    }
    auto base = *justified_block(justification);
    const auto* node = base.height == 0 ? nullptr : tree.find(base.digest);
    if (base.height > 0 && node == nullptr) {
      want_block(base.digest, base.height, true);
      continue;  // V6: it cannot tell yet whether it leads
    }
    auto base_exec = node == nullptr ? std::optional(epoch_base) : base_of(*node, target);
    if (!base_exec || leader_on(target, *base_exec) != config.self) continue;
    enter_view(target, 0, base_exec);
    opening = std::move(justification);
    return true;
  }
  return false;
}

/// V3: a certificate on the view's tenure_end block opens the next view without a view change.
bool Replica::State::try_tenure_entry() {
  auto opens = [&](const QuorumCertificate& certificate) {
    const auto& subject = certificate.subject;
    if (subject.view < view || !may_enter(subject.view + 1)) return false;
    const auto* node = tree.find(subject.digest);
    return node != nullptr && node->header().tenure_end() && node->view() == subject.view;
  };
  const QuorumCertificate* found = nullptr;
  for (const auto& [subject, certificate] : certificates)
    if (opens(certificate)) found = &certificate;
  if (found == nullptr && high_qc && opens(*high_qc)) found = &*high_qc;
  if (found == nullptr && tip_certificate && opens(*tip_certificate)) found = &*tip_certificate;
  if (found == nullptr) return false;
  auto certificate = *found;
  enter_view(certificate.subject.view + 1, 1, tree.find(certificate.subject.digest)->header().exec_height);
  opening = Justification{Justification::Kind::tenure_end, {}, std::move(certificate)};
  return true;
}

void Replica::State::enter_view(View target, std::uint64_t how, std::optional<Height> base) {
  GALEN_ASSERT(may_enter(target) || !view_entered);
  view = target;
  view_entered = true;
  view_base = base;
  opening.reset();
  opening_message.reset();
  opened_with.reset();
  head.reset();
  own_proposals.clear();
  opened_at_ms = now;
  give_chance();
  vc_has_quorum = false;
  if (how == 2) propose_from = std::max(propose_from, view + 1);  // we have been here before
  std::erase_if(own_prepares, [&](const auto& entry) { return entry.first.first < view; });
  std::erase_if(view_changes, [&](const auto& entry) { return entry.second.header.target <= view; });
  view_token = persist(safety.view_record(view, high_qc));
  pacemaker.progress();
  report(EventKind::view_entered, view, tree.tip().height(), view_leader().value_or(kNoMember), how);
}

}  // namespace galen::consensus
