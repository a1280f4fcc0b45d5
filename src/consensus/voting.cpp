// PREPARE and COMMIT: the voting rules R1-R7 (docs/spec/consensus.md 3). What a header must be, R4 and R8, is in proposals.cpp.
#include <algorithm>

#include "consensus/mutation.hpp"
#include "consensus/state.hpp"

namespace galen::consensus {

bool Replica::State::certified_in(View in_view, const Hash& digest) const {
  auto names = [&](const std::optional<QuorumCertificate>& c) {
    return c && c->subject.view == in_view && c->subject.digest == digest;
  };
  if (names(high_qc) || names(tip_certificate)) return true;
  for (const auto& [subject, certificate] : certificates)
    if (subject.view == in_view && subject.digest == digest) return true;
  return false;
}

/// Do the roots the header claims agree with ours? `known` is false as long as we have not executed that far.
bool Replica::State::roots_agree(const BlockNode& node, bool& known) {
  auto ours = executed.find(node.header().exec_height);
  known = ours != executed.end();
  return known && ours->second.state_root == node.header().state_root &&
         ours->second.results_root == node.header().results_root;
}

/// The set that must follow a block with this exec_height; nothing: it must not end the epoch. What was pending before the
/// epoch began is what began it.
const Hash* Replica::State::pending_change(Height exec_height) const {
  auto found = pending_members.find(exec_height);
  return exec_height < epoch_base || found == pending_members.end() ? nullptr : &found->second;
}

/// R1-R4 and the validity of the block; false also while something is still missing.
bool Replica::State::may_prepare(BlockNode& node) {
  if (node.refused || node.proposed_in != view) return false;  // R1: valid, of my view
  bool voted_in_view = last_prepare && last_prepare->view == view;
  constexpr bool kR1 = !mutated(Mutation::two_prepares_at_a_height);
  constexpr bool kOneChain = !mutated(Mutation::no_single_chain);
  if (kR1 && voted_in_view && node.height() <= last_prepare->height) return false;  // R1
  // The mutation without R1 votes for siblings, each once.
  if (!kR1 && voted_in_view &&
      std::pair(node.height(), node.digest) <= std::pair(last_prepare->height, last_prepare->digest))
    return false;
  bool parent_certified = certified_in(view, node.header().parent);
  bool after_opening = opened_with == node.header().parent;                                                 // V4
  if (kOneChain && !voted_in_view && !node.justified && !parent_certified && !after_opening) return false;  // R2
  bool extends_last = voted_in_view && node.header().parent == last_prepare->digest;
  if (kOneChain && voted_in_view && !extends_last && !parent_certified) return false;  // R3
  if (!node.justified && node.height() > tree.tip().height() + config.parameters.window) return false;
  if (!node.missing.empty()) return false;  // R1: whole
  bool known = false;
  if (!roots_agree(node, known)) {
    if (known) {
      report(EventKind::root_mismatch, view, node.header().exec_height, node.header().proposer);
      refuse(node, RefusalReason::exec_height);
    }
    return false;
  }
  const auto* next = pending_change(node.header().exec_height);  // V4e: the end, if and only if a change is pending
  auto reason = check_bodies(config.parameters, node);
  if (node.header().next_members_hash != (next ? *next : Hash{})) reason = RefusalReason::epoch_end;
  if (reason) refuse(node, *reason);
  return !reason;
}

bool Replica::State::try_prepare() {
  if (!may_vote() || changing_views() || view < safety.floor() || !view_entered) return false;  // R1; 8 (c)
  std::vector<BlockNode*> candidates;
  for (auto& [digest, node] : tree.nodes())
    if (node.proposed_in == view && node.height() > tree.tip().height()) candidates.push_back(&node);
  std::sort(candidates.begin(), candidates.end(),
            [](const auto* a, const auto* b) { return a->height() < b->height(); });
  bool changed = false;
  for (auto* node : candidates) {
    if (!may_prepare(*node)) continue;
    last_prepare = node->subject(view);
    Prepare vote{{config.self, *last_prepare, {}}};
    sign(sign_bytes(config.context, vote), vote);
    changed = true;
  }
  return changed;
}

void Replica::State::signed_prepare(Prepare vote) {
  // R1 once more: what was decided may have been overtaken while the signature was made.
  const auto& subject = vote.subject;
  const auto* node = tree.find(subject.digest);
  if (!may_vote() || subject.view != view || changing_views() || node == nullptr) return;
  if (subject.height <= tree.tip().height()) return;
  auto token = persist(safety.prepare_record(vote, node->block));
  out->send_after(token, std::nullopt, vote);
  own_prepares.insert_or_assign({subject.view, subject.height}, Kept<Prepare>{vote, token});
  undurable.emplace_back(token, vote);
}

void Replica::State::on_vote(MemberIndex from, VotePhase phase, const SignedVote& vote) {
  const auto& subject = vote.subject;
  auto tip_height = tree.tip().height();
  if (subject.height <= tip_height) {
    // Ordinary when it is the last of n votes; a member that repeats itself that far back has missed the commit.
    if (from != config.self && (ended || subject.height + config.parameters.window < tip_height))
      help(from, subject.view, subject.height - 1);
    return;
  }
  if (subject.height > tip_height + 4 * limits::kWindowMax) {
    if (from != config.self && now >= last_asked[from] + pacemaker.base_ms()) ask_status(from);
    return;
  }
  auto added = votes.add(phase, vote);
  if (added.contradicts) {
    auto message_of = [&](const SignedVote& given) {
      bool is_prepare = phase == VotePhase::prepare;
      return std::make_shared<const Message>(is_prepare ? Message(Prepare{given}) : Message(Commit{given}));
    };
    blame(from, subject, message_of(*added.contradicts), message_of(vote));
  }
  if (added.certificate) on_certificate(*added.certificate);
}

/// R6, R7: a certificate counts in any mode, wherever it comes from.
void Replica::State::on_certificate(const QuorumCertificate& certificate) {
  const auto& subject = certificate.subject;
  if (ended && subject.height > tree.tip().height()) {
    // R4: no honest member PREPAREd what stands on the end.
    if (certificate.phase != VotePhase::commit) return;
    report(EventKind::fork, subject.view, subject.height);
    become_diverged(subject.height);
    return;
  }
  // 8 (c)
  if (mode == Mode::recovering && !ended && recovery_view && subject.view > *recovery_view + 1) {
    if (!high_qc || higher(subject, high_qc->subject)) high_qc = certificate;
    resume(subject.view);
    if constexpr (mutated(Mutation::recover_without_high_qc)) return;
  }
  if (!high_qc || higher(subject, high_qc->subject)) high_qc = certificate;
  heard_height = std::max(heard_height, subject.height);
  auto tip_height = tree.tip().height();
  if (subject.height > tip_height) {
    if (auto* node = tree.find(subject.digest)) node->certified = true;
    else want_block(subject.digest, subject.height, true);
    if (subject.height <= tip_height + 4 * limits::kWindowMax)
      certificates.emplace(subject, certificate);
    if (certificates.size() > config.room.blocks) certificates.erase(certificates.begin());
    if (certificate.phase == VotePhase::commit) {
      auto [place, inserted] = commit_certificates.emplace(subject.height, certificate);
      if (!inserted && place->second.subject.digest != subject.digest) {
        report(EventKind::fork, subject.view, subject.height);
        become_diverged(subject.height);
      }
      if (commit_certificates.size() > 4 * limits::kWindowMax)
        commit_certificates.erase(std::prev(commit_certificates.end(), 2));
    }
  } else if (subject.height == tip_height && subject.digest != tree.tip().digest &&
             certificate.phase == VotePhase::commit) {
    report(EventKind::fork, subject.view, subject.height);
    become_diverged(subject.height);
  }
  // A quorum voted in that view, so it was entered as V3 asks; entering promises nothing.
  if (subject.view > view && may_enter(subject.view)) enter_view(subject.view, 2, std::nullopt);
}

/// R5: no VIEW-CHANGE of ours above the view reported less, be it durable or only decided.
bool Replica::State::may_commit(const SafetyState::VoteKey& place) const {
  if constexpr (mutated(Mutation::commit_without_r5)) return true;
  if (!safety.commit_allowed(place.first, place.second)) return false;
  return vc_target <= place.first || SafetyState::VoteKey{vc_reported.view, vc_reported.height} >= place;
}

/// R5, late ones included.
bool Replica::State::try_commit_votes() {
  if (!may_vote()) return false;
  bool changed = false;
  for (const auto& [subject, certificate] : certificates) {
    SafetyState::VoteKey key{subject.view, subject.height};
    if (subject.height <= tree.tip().height() || subject.view < safety.floor()) continue;  // 8 (c)
    if (committed_votes.count(key) > 0 || !may_commit(key)) continue;
    committed_votes.insert(key);
    Commit vote{{config.self, subject, {}}};
    sign(sign_bytes(config.context, vote), std::pair(vote, certificate));
    changed = true;
  }
  return changed;
}

void Replica::State::signed_commit(Commit vote, const QuorumCertificate& certificate) {
  const auto& subject = vote.subject;
  SafetyState::VoteKey key{subject.view, subject.height};
  if (mode != Mode::voting || !may_commit(key) || subject.height + config.parameters.window < tree.tip().height()) return;
  auto token = persist(safety.commit_record(vote, certificate));
  out->send_after(token, std::nullopt, vote);
  own_commits.insert_or_assign(key, Kept<Commit>{vote, token});
  undurable.emplace_back(token, vote);
}

}  // namespace galen::consensus
