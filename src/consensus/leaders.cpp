// Who leads a view (V6, docs/spec/consensus.md 6): a function of the view and of the block it stands on, its base. The leader
// is not known here while the base is missing or its exec_height was not executed; a proposal waits for that, and nothing
// else does: whoever is a view's leader, what may be voted for in it is the same (consensus-argument.md 2).
#include "consensus/state.hpp"

namespace galen::consensus {

/// Of a view that stands on a block with this exec_height.
std::optional<MemberIndex> Replica::State::leader_on(View of_view, Height base_exec) const {
  if (base_exec > std::max(epoch_base, executed.rbegin()->first)) return std::nullopt;
  // Nothing can be committed there any more, and skips that ended before the tip's view are not kept.
  if (!at_base() && of_view < tree.tip().view()) return std::nullopt;
  return leader_of(config.members.size(), leader_skips, of_view, base_exec);
}

/// exec_height of the base of the view that the message proposes in; nothing while the parent is not here.
std::optional<Height> Replica::State::base_of(const PrePrepare& m) const {
  const auto& header = m.block.header;
  if (proposes_again(m)) return header.exec_height;
  const auto* parent = tree.find(header.parent);
  if (parent == nullptr) return std::nullopt;
  return in_same_view(parent->header(), header) ? parent->base_exec : parent->header().exec_height;
}

/// Of a block that is voted for in a view.
std::optional<Height> Replica::State::base_of(const BlockNode& node, View in_view) const {
  return node.view() == in_view && !is_base(node) ? node.base_exec : node.header().exec_height;
}

/// Of the view we are in, as far as the blocks here tell.
std::optional<Height> Replica::State::base_of_view() const {
  if (view_base) return view_base;
  if (view == 0) return epoch_base;
  if (opening) {  // of another's NEW-VIEW whose maximum was missing when it came
    auto maximum = *justified_block(*opening);
    if (maximum.height == 0) return epoch_base;
    if (const auto* node = tree.find(maximum.digest)) return base_of(*node, view);
  }
  const auto& tip = tree.tip();
  // R4: a view that follows a committed tenure_end block cannot stand on another.
  bool follows_tip = !at_base() && tip.header().tenure_end() && tip.view() + 1 == view;
  if (follows_tip || (!at_base() && tip.view() == view)) return base_of(tip, view);
  auto told_by = [&](const std::optional<QuorumCertificate>& certificate) -> std::optional<Height> {
    const auto* node = certificate && certificate->subject.view == view ? tree.find(certificate->subject.digest) : nullptr;
    return node == nullptr ? std::nullopt : base_of(*node, view);
  };
  if (auto base = told_by(high_qc)) return base;
  if (auto base = told_by(tip_certificate)) return base;
  for (const auto& [subject, certificate] : certificates)
    if (auto base = told_by(certificate)) return base;
  return std::nullopt;
}

std::optional<MemberIndex> Replica::State::view_leader() const {
  auto base = base_of_view();
  return base ? leader_on(view, *base) : std::nullopt;
}

/// The same, or a guess: for what binds nobody else.
MemberIndex Replica::State::likely_leader() const {
  if (auto known = view_leader()) return *known;
  const auto* high = high_qc ? tree.find(high_qc->subject.digest) : nullptr;
  const auto& node = high != nullptr ? *high : tree.tip();
  return leader_of(config.members.size(), leader_skips, view, node.header().exec_height);
}

}  // namespace galen::consensus
