// Proposals judged, PREPARE and COMMIT: the voting rules R1-R8 (docs/spec/consensus.md 3).
#include <algorithm>

#include "consensus/mutation.hpp"
#include "consensus/state.hpp"
#include "galen/base/assert.hpp"

namespace galen::consensus {

namespace {

constexpr std::size_t kEvidenceMax = 64;  ///< of one member: more prove nothing more

}  // namespace

void Replica::State::on_pre_prepare(MemberIndex from, const MessagePtr& message) {
  const auto& m = std::get<PrePrepare>(*message);
  const auto& header = m.block.header;
  if (ended) return help(from, m.view, header.height == 0 ? 0 : header.height - 1);
  bool again = proposes_again(m);
  if ((header.view != m.view && !again) || m.view < view) {
    if (wanted.count(m.digest) > 0) on_skeleton(m.block);
    if (m.view < view) help(from, m.view, header.height == 0 ? 0 : header.height - 1);
    return;
  }
  // What is committed here may still open a view, and others need it there.
  if (header.height <= tree.tip().height() && !again) return;
  if (header.height > tree.tip().height() + 2 * limits::kWindowMax + config.room.blocks) return;
  if (m.justification.certificate) on_certificate(*m.justification.certificate);
  auto& queue = early[m.sender];
  if (m.view < queue.view) return;
  if (m.view > queue.view) queue = {m.view, {}};
  auto [place, inserted] = queue.by_height.emplace(header.height, message);
  if (!inserted && std::get<PrePrepare>(*place->second).digest != m.digest)
    blame(m.sender, {m.view, header.height, m.digest}, place->second, message);
  bool has_reason = m.justification.kind != Justification::Kind::none;
  if (!inserted && has_reason && std::get<PrePrepare>(*place->second).justification.kind == Justification::Kind::none)
    place->second = message;  // one without a reason must not mask the one that opens the view
  if (queue.by_height.size() > 2 * limits::kWindowMax) queue.by_height.erase(place);
}

/// The first of its epoch.
bool Replica::State::stands_on_base(const BlockHeader& header) const {
  return header.height == epoch_base + 1 && (!at_base() || header.parent == tree.tip().digest);
}

bool Replica::State::is_justified(const PrePrepare& m) const {
  auto base = justified_block(m.justification);
  const auto& header = m.block.header;
  if (proposes_again(m)) return base == VoteSubject{base->view, header.height, m.digest};
  if (!base) return m.view == 0 && at_base() && stands_on_base(header);
  bool nothing_certified = base->height == 0;
  if (nothing_certified && !stands_on_base(header)) return false;
  if (!nothing_certified && (header.parent != base->digest || header.height != base->height + 1)) return false;
  if (m.justification.kind == Justification::Kind::new_view) return true;
  const auto* parent = tree.find(header.parent);
  return parent != nullptr && parent->header().tenure_end() && parent->view() + 1 == m.view;
}

/// Proposals that came early: enter the view they justify, or judge them once their parent is known.
bool Replica::State::take_early_proposals() {
  if (ended) return false;
  bool changed = false;
  for (auto& [sender, queue] : early) {
    if (queue.by_height.empty()) continue;
    if (queue.view > view) {
      const auto& first = std::get<PrePrepare>(*queue.by_height.begin()->second);
      if (first.justification.kind == Justification::Kind::none || !is_justified(first)) continue;
      if (mode == Mode::recovering && first.justification.kind == Justification::Kind::new_view) {
        const auto& given = first.justification.view_changes;
        bool mine = std::any_of(given.begin(), given.end(), [&](const auto& h) { return h.sender == config.self; });
        if (!mine && recovery_view && queue.view > *recovery_view + 1) resume(queue.view);
      }
      if (!may_enter(queue.view)) continue;
      // Whoever sent it: what it holds opens the view (V3). Whether its sender leads it is asked of each proposal.
      enter_view(queue.view, first.justification.kind == Justification::Kind::new_view ? 0 : 1, base_of(first));
      changed = true;
    }
    if (queue.view < view) {
      queue.by_height.clear();
      continue;
    }
    if (queue.view > view) continue;
    for (auto place = queue.by_height.begin(); place != queue.by_height.end();) {
      auto became = take_early_proposal(place->second, place == queue.by_height.begin());
      changed |= became == Early::changed;
      place = became == Early::waits ? std::next(place) : queue.by_height.erase(place);
    }
  }
  return changed;
}

/// One of our view. It waits for its parent, for the execution that tells the leader, or for its height.
Replica::State::Early Replica::State::take_early_proposal(const MessagePtr& message, bool is_first) {
  const auto& m = std::get<PrePrepare>(*message);
  const auto& header = m.block.header;
  auto tip_height = tree.tip().height();
  bool has_reason = m.justification.kind != Justification::Kind::none;
  if (header.height <= tip_height && !proposes_again(m)) {
    if (has_reason && view_leader() == m.sender) opening_message = message;  // committed meanwhile; others may need it
    return Early::over;
  }
  if (header.height > tip_height && tree.find(header.parent) == nullptr) {
    auto leader = view_leader();
    bool may_lead = !leader || *leader == m.sender;
    if (is_first && may_lead) want_block(header.parent, header.height - 1, false);
    return Early::waits;
  }
  auto base = base_of(m);
  auto leader = base ? leader_on(m.view, *base) : std::nullopt;
  if (!leader) return Early::waits;
  if (*leader != m.sender && !mutated(Mutation::anyone_leads)) {  // V6, R1
    report(EventKind::proposal_refused, m.view, header.height, m.sender, static_cast<std::uint64_t>(RefusalReason::not_leader));
    return Early::over;
  }
  if (!view_base) view_base = base;
  // A leader may not fill the tree with what nobody can vote for yet.
  if (header.height > tip_height + 2 * limits::kWindowMax && !is_justified(m)) return Early::waits;
  if (has_reason) opening_message = message;
  return take_proposal(message) ? Early::changed : Early::over;
}

/// What nothing vouches for goes: blocks that leaders proposed and nobody may ever vote for are not to keep others out.
void Replica::State::make_room(const Hash& parent) {
  std::vector<Hash> kept{parent};
  if (last_prepare) kept.push_back(last_prepare->digest);
  for (const auto& [digest, node] : tree.nodes())
    if (node.certified) kept.push_back(digest);
  tree.keep_only(kept);
}

BlockNode* Replica::State::add_node(const BlockSkeleton& block, const Hash& digest) {
  bool is_new = tree.find(digest) == nullptr;
  if (is_new && tree.is_full()) make_room(block.header.parent);
  auto* node = tree.insert(block, digest);
  if (node == nullptr || !is_new) return node;
  wanted.erase(digest);
  node->received_ms = now;
  node->fetch_at_ms = now + config.fetch_delay_ms;
  for (const auto& batch : block.batch_digests) {
    if (const auto* known = pool.find(batch)) node->bodies.push_back(*known);
    else node->missing.insert(batch);
  }
  return node;
}

/// It signed two values for one place.
void Replica::State::blame(MemberIndex member, const VoteSubject& place, MessagePtr first, MessagePtr second) {
  report(EventKind::equivocation, place.view, place.height, member);
  auto& given = blamed[member];
  if (given.size() >= kEvidenceMax || !given.emplace(place.view, place.height).second) return;
  out->evidence.push_back({member, place.view, place.height, std::move(first), std::move(second)});
}

bool Replica::State::take_proposal(const MessagePtr& message) {
  const auto& m = std::get<PrePrepare>(*message);
  bool again = proposes_again(m);
  if (again && !is_justified(m)) return false;
  if (again) opened_with = m.digest;
  if (m.block.header.height <= tree.tip().height()) return false;
  for (const auto& [digest, other] : tree.nodes()) {
    // Of one leader: where two NEW-VIEWs of a view stand on different blocks, it may have two (V6).
    bool same_place = other.proposed_in == m.view && other.height() == m.block.header.height &&
                      std::get<PrePrepare>(*other.proposal).sender == m.sender;
    if (same_place && digest != m.digest && !mutated(Mutation::two_prepares_at_a_height)) {
      blame(m.sender, {m.view, m.block.header.height, m.digest}, other.proposal, message);
      return false;
    }
  }
  bool justified = is_justified(m);
  // V5; the block itself is of this view, or kept.
  if (justified) tree.drop_abandoned(m.view, tree.find(m.digest) != nullptr && again ? m.digest : m.block.header.parent);
  auto* node = add_node(m.block, m.digest);
  if (node == nullptr) return false;
  bool changed = node->proposed_in != m.view;
  if (changed) {
    node->proposed_in = m.view;
    node->proposal = message;
    node->justified = false;
    node->refused.reset();
  }
  if (!node->justified && justified) node->justified = changed = true;
  if (!changed || node->refused) return changed;
  const auto& parent = tree.parent_of(*node);
  auto reason = check_header(config, parent, m.block);
  std::set<Hash> distinct(m.block.batch_digests.begin(), m.block.batch_digests.end());
  bool repeated = distinct.size() != m.block.batch_digests.size();
  for (const auto& batch : distinct) repeated = repeated || pool.in_chain(batch) || tree.holds_batch(parent, batch);
  if (!reason && repeated) reason = RefusalReason::duplicate_batch;
  // 1.11: by the clock at receipt, wider as views fail; never asked again, so not of a block that is proposed again.
  auto skew = config.parameters.clock_skew_max_ms * pacemaker.patience();
  auto time = m.block.header.time_ms;
  if (!reason && !again && (time > wall + skew || time + skew < wall)) reason = RefusalReason::clock;
  if (reason) refuse(*node, *reason);
  return true;
}

void Replica::State::refuse(BlockNode& node, RefusalReason reason) {
  if (node.refused) return;
  node.refused = reason;
  report(EventKind::proposal_refused, node.proposed_in.value_or(node.view()), node.height(), node.header().proposer,
         static_cast<std::uint64_t>(reason));
}

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
  if (node.refused || node.proposed_in != view) return false;
  bool voted_in_view = last_prepare && last_prepare->view == view;
  constexpr bool kR1 = !mutated(Mutation::two_prepares_at_a_height);
  constexpr bool kOneChain = !mutated(Mutation::no_single_chain);
  if (kR1 && voted_in_view && node.height() <= last_prepare->height) return false;  // R1
  // The mutation without R1 votes for siblings, each once.
  if (!kR1 && voted_in_view &&
      std::pair(node.height(), node.digest) <= std::pair(last_prepare->height, last_prepare->digest))
    return false;
  bool parent_certified = certified_in(view, node.header().parent);
  bool after_opening = opened_with == node.header().parent;
  if (kOneChain && !voted_in_view && !node.justified && !parent_certified && !after_opening) return false;  // R2
  bool extends_last = voted_in_view && node.header().parent == last_prepare->digest;
  if (kOneChain && voted_in_view && !extends_last && !parent_certified) return false;  // R3
  if (!node.justified && node.height() > tree.tip().height() + config.parameters.window) return false;
  if (!node.missing.empty()) return false;
  bool known = false;
  if (!roots_agree(node, known)) {
    if (known) {
      report(EventKind::root_mismatch, view, node.header().exec_height, node.header().proposer);
      refuse(node, RefusalReason::exec_height);
    }
    return false;
  }
  const auto* next = pending_change(node.header().exec_height);
  auto reason = check_bodies(config.parameters, node);
  if (node.header().next_members_hash != (next ? *next : Hash{})) reason = RefusalReason::epoch_end;
  if (reason) refuse(node, *reason);
  return !reason;
}

bool Replica::State::try_prepare() {
  if (!may_vote() || changing_views() || view < safety.floor() || !view_entered) return false;
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
  // What was decided may have been overtaken while the signature was made.
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
    if (subject.height <= tree.tip().height() || subject.view < safety.floor()) continue;
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
