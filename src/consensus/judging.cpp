// Proposals from their arrival to the tree (docs/spec/consensus.md 3): kept while they cannot be judged, justified, refused; and who
// signed two values for one place.
#include <algorithm>

#include "consensus/mutation.hpp"
#include "consensus/state.hpp"

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
  auto [place, inserted] = queue.by_height.emplace(header.height, EarlyProposal{message, wall});
  auto& kept = place->second.message;
  if (!inserted && std::get<PrePrepare>(*kept).digest != m.digest)
    blame(m.sender, {m.view, header.height, m.digest}, kept, message);
  bool has_reason = m.justification.kind != Justification::Kind::none;
  if (!inserted && has_reason && std::get<PrePrepare>(*kept).justification.kind == Justification::Kind::none)
    kept = message;  // V4: one without a reason must not mask the one that opens the view
  if (queue.by_height.size() > 2 * limits::kWindowMax) queue.by_height.erase(place);
}

/// The first of its epoch.
bool Replica::State::stands_on_base(const BlockHeader& header) const {
  return header.height == epoch_base + 1 && (!at_base() || header.parent == tree.tip().digest);
}

/// R2: its reason stands on exactly the block that it extends, or proposes again (V4).
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
      const auto& first = std::get<PrePrepare>(*queue.by_height.begin()->second.message);
      bool by_new_view = first.justification.kind == Justification::Kind::new_view;
      if (first.justification.kind == Justification::Kind::none || !is_justified(first)) continue;
      if (mode == Mode::recovering && by_new_view) {  // 8 (c)
        const auto& given = first.justification.view_changes;
        bool mine = std::any_of(given.begin(), given.end(), [&](const auto& h) { return h.sender == config.self; });
        if (!mine && recovery_view && queue.view > *recovery_view + 1) resume(queue.view);
      }
      if (!may_enter(queue.view)) continue;
      // V3, whoever sent it: what it holds opens the view. Whether its sender leads it is asked of each proposal.
      enter_view(queue.view, by_new_view ? 0 : 1, base_of(first));
      // So it is this member's opening as well, should it lead the view (V6): a liar that has the q VIEW-CHANGEs first,
      // its own among them, would else keep the leader from its view by telling it of them. Not what bears our own
      // name: then we were here before, and do not remember what we proposed.
      if (by_new_view && sender != config.self) opening = first.justification;
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
Replica::State::Early Replica::State::take_early_proposal(const EarlyProposal& proposal, bool is_first) {
  const auto& message = proposal.message;
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
  return take_proposal(proposal) ? Early::changed : Early::over;
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

bool Replica::State::take_proposal(const EarlyProposal& proposal) {
  const auto& message = proposal.message;
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
  const bool is_new = node->proposed_in != m.view;
  bool changed = is_new;
  if (is_new) {
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
  // By the clock at receipt, wider as views fail; never asked again, so not of a block that is proposed again (V4).
  auto skew = config.parameters.clock_skew_max_ms * pacemaker.patience();
  auto time = m.block.header.time_ms, then = proposal.received_ms;
  if (!reason && is_new && !again && (time > then + skew || time + skew < then)) reason = RefusalReason::clock;
  if (!reason && is_new && !again && crowds(*node)) reason = RefusalReason::crowding;
  if (reason) refuse(*node, *reason);
  return true;
}

/// R1c: what a leader brings stays until it is in the chain, and while nothing is decided it could bring more in each
/// of its views. An honest one names its oldest batches again.
bool Replica::State::crowds(const BlockNode& node) const {
  const auto window = std::uint64_t{config.parameters.window} * config.parameters.block_bytes_max;
  const auto room = config.room.guest_bytes > 0 ? config.room.guest_bytes : 2 * window;
  return !node.missing.empty() && pool.guest_bytes(node.header().proposer) >= room;
}

void Replica::State::refuse(BlockNode& node, RefusalReason reason) {
  if (node.refused) return;
  node.refused = reason;
  report(EventKind::proposal_refused, node.proposed_in.value_or(node.view()), node.height(), node.header().proposer,
         static_cast<std::uint64_t>(reason));
}

}  // namespace galen::consensus
