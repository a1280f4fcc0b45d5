// What is said again, asked for, or given to those behind (docs/spec/consensus.md 9). Everything here is idempotent: a
// lost, late or repeated message costs time, never safety. Helping is limited per member, so nobody can be made to shout.
#include <algorithm>

#include "consensus/state.hpp"

namespace galen::consensus {

namespace {
/// Room for one more: for one that is vouched for if need be in place of another.
template <class Entries>
bool room_for(Entries& entries, std::size_t count_max, bool vouched) {
  if (entries.size() < count_max) return true;
  auto other = std::find_if(entries.begin(), entries.end(), [](const auto& entry) { return !entry.second.vouched; });
  if (!vouched || other == entries.end()) return false;
  entries.erase(other);
  return true;
}
}  // namespace

MemberIndex Replica::State::someone() {
  auto member = static_cast<MemberIndex>(rng.below(config.members.size() - 1));
  return member >= config.self ? static_cast<MemberIndex>(member + 1) : member;
}

Height Replica::State::best_height() const {
  auto tip = tree.tip().height();
  return commit_certificates.empty() ? tip : std::max(tip, commit_certificates.rbegin()->first);
}

/// Something the view's leader owes us: V1's timer runs. Not while our own execution is what holds the chain up.
bool Replica::State::work_outstanding() const {
  if (ended || !is_member()) return false;
  if (executed.rbegin()->first + config.parameters.exec_lag_max <= tree.tip().height()) return false;
  return pool.has_work(wall) || !tree.only_tip() || best_height() > tree.tip().height() ||
         now >= committed_at_ms + config.parameters.idle_block_interval_ms;
}

/// Beside such work.
bool Replica::State::unsettled() const {
  if (ended || !is_member()) return false;
  if (mode == Mode::fresh || mode == Mode::starting || mode == Mode::recovering) return true;
  return changing_views() || !wanted.empty();
}

void Replica::State::resend() {
  switch (mode) {
    case Mode::fresh:
    case Mode::starting:
      ask_status(std::nullopt);
      return;
    case Mode::recovering:
      ask_status(recovery_view ? Target(someone()) : Target());
      return;
    case Mode::diverged:
      ask_status(someone());
      return;
    case Mode::voting: break;
  }
  resend_promises(std::nullopt);
  if (is_active_leader()) {
    for (const auto& [height, message] : own_proposals)
      out->send_now(std::nullopt, std::get<PrePrepare>(*message));
  }
  ask_status(someone());
}

/// The stored bytes, never signed anew.
void Replica::State::resend_promises(Target to) {
  auto tip = tree.tip().height();
  for (const auto& [key, kept] : own_prepares)
    if (key.first == view && key.second > tip) out->send_after(kept.token, to, kept.message);
  for (const auto& [key, kept] : own_commits)
    if (key.second > tip) out->send_after(kept.token, to, kept.message);
  if (changing_views() && own_view_change) out->send_after(own_view_change->token, to, own_view_change->message);
}

/// A member shows that it is behind: give it what brings it forward.
void Replica::State::help(MemberIndex member, View their_view, Height their_commit) {
  bool is_behind = their_commit < tree.tip().height() || their_view < view;
  if (!is_behind || now < last_helped[member] + pacemaker.base_ms() / 8) return;
  last_helped[member] = now;
  if (their_commit < tree.tip().height() && tip_certificate) out->send_now(member, Certificate{*tip_certificate});
  if (their_view >= view) return;
  if (high_qc) out->send_now(member, Certificate{*high_qc});
  if (opening_message) out->send_now(member, std::get<PrePrepare>(*opening_message));
}

bool Replica::State::add_orphan(const Hash& digest, const BlockSkeleton& block, bool vouched) {
  if (leads_nowhere(block.header) || !room_for(orphans, config.room.strays, vouched)) return false;
  return orphans.emplace(digest, Orphan{block, vouched}).second;
}

void Replica::State::want_block(const Hash& digest, Height height, bool vouched) {
  if (height <= tree.tip().height() || tree.find(digest) != nullptr) return;
  if (auto known = orphans.find(digest); known != orphans.end()) {
    known->second.vouched |= vouched;
    return;
  }
  if (auto known = wanted.find(digest); known != wanted.end()) {
    if (vouched) known->second.height = height, known->second.vouched = true;
    return;
  }
  // What we PREPAREd is ours to give, even when a later view has passed it by: its certificate may still turn up and win.
  if (const auto* block = prepared_block(digest)) {
    add_orphan(digest, *block, true);
    return;
  }
  if (room_for(wanted, config.room.strays, vouched))
    wanted.emplace(digest, WantedBlock{height, vouched, now + config.fetch_delay_ms});
}

const BlockSkeleton* Replica::State::prepared_block(const Hash& digest) const {
  for (const auto& [key, prepared] : safety.prepares())
    if (prepared.message.subject.digest == digest) return &prepared.block;
  return nullptr;
}

void Replica::State::on_skeleton(const BlockSkeleton& block) {
  auto digest = block.header.digest(config.context.suite);
  auto place = wanted.find(digest);
  if (place == wanted.end() || place->second.height != block.header.height) return;
  bool vouched = place->second.vouched;
  wanted.erase(place);
  add_orphan(digest, block, vouched);
}

/// It cannot stand on the committed tip.
bool Replica::State::leads_nowhere(const BlockHeader& header) const {
  auto next = tree.tip().height() + 1;
  return header.height < next || (header.height == next && header.parent != tree.tip().digest);
}

/// Blocks that came before their parents. A log may hold votes for more blocks than the tree has room for: they wait.
/// Put into another's place, that one would be wanted again at once for what stands on it, and take its place back.
bool Replica::State::place_orphans() {
  if (orphans.empty()) return false;
  bool changed = std::erase_if(orphans, [&](const auto& entry) { return leads_nowhere(entry.second.block.header); }) > 0;
  // Wanting a parent may add one to the orphans, and take another away: by name, not by place.
  std::vector<std::pair<Height, Hash>> by_height;
  for (const auto& [digest, orphan] : orphans) by_height.emplace_back(orphan.block.header.height, digest);
  std::sort(by_height.begin(), by_height.end());
  for (const auto& waiting : by_height) {
    const auto& digest = waiting.second;
    auto place = orphans.find(digest);
    if (place == orphans.end()) continue;
    const auto parent = place->second.block.header.parent;
    if (tree.find(parent) == nullptr) {
      bool here = orphans.count(parent) > 0;
      want_block(parent, waiting.first - 1, place->second.vouched);
      changed |= !here && orphans.count(parent) > 0;  // it was among what we PREPAREd
      continue;
    }
    bool is_certified = std::any_of(certificates.begin(), certificates.end(),
                                    [&](const auto& entry) { return entry.first.digest == digest; });
    if (tree.is_full() && !is_certified && prepared_block(digest) != nullptr) continue;
    if (auto* node = add_node(place->second.block, digest))
      node->certified = is_certified;
    else if (tree.is_full())
      continue;
    changed = true;
    orphans.erase(digest);
  }
  return changed;
}

/// Of what we refused the batches are needed only when others have committed it, or what stands on it.
bool Replica::State::is_void(const BlockNode& node) const {
  return node.refused && !node.certified && node.height() > best_height();
}

void Replica::State::fetch_what_is_missing() {
  if (ended) return;
  if (!is_member()) return fetch_as_follower();
  auto again = std::max<std::uint64_t>(pacemaker.base_ms() / 4, 1);
  for (auto& [digest, node] : tree.nodes()) {
    if (node.missing.empty() || now < node.fetch_at_ms || is_void(node)) continue;
    node.fetch_at_ms = now + again;
    bool ask_leader = node.fetches++ == 0 && node.header().proposer != config.self;
    out->fetch_batches.push_back(
        {{node.missing.begin(), node.missing.end()}, ask_leader ? node.header().proposer : someone()});
  }
  for (auto& [digest, block] : wanted) {
    if (now < block.fetch_at_ms) continue;
    block.fetch_at_ms = now + again;
    out->send_now(someone(), FetchSkeleton{digest});
  }
  auto tip = tree.tip().height();
  auto best = best_height();
  bool far = best > tip + config.parameters.window;
  bool late = best > tip && now >= committed_at_ms + again;
  if ((far || late) && now >= fetch_blocks_at_ms) {
    fetch_blocks_at_ms = now + again;
    const auto& signers = commit_certificates.rbegin()->second.signers.signers;
    auto hint = signers[rng.below(signers.size())];
    if (hint == config.self) hint = someone();
    out->fetch_blocks.push_back({tip + 1, best, hint});
    report(EventKind::falling_behind, view, best, hint);
  }
}

/// Nobody sends it anything: it asks for what comes next, now and then.
void Replica::State::fetch_as_follower() {
  if (now < fetch_blocks_at_ms) return;
  fetch_blocks_at_ms = now + pacemaker.base_ms();
  auto next = tree.tip().height() + 1;
  auto hint = static_cast<MemberIndex>(rng.below(config.members.size()));
  out->fetch_blocks.push_back({next, std::max(heard_height, next), hint});
}

void Replica::State::on_fetch_skeleton(MemberIndex from, const FetchSkeleton& request) {
  const auto* node = tree.find(request.digest);
  if (node != nullptr && (node->height() > tree.tip().height() || ended))
    out->send_now(from, Skeleton{node->block});
  else if (auto orphan = orphans.find(request.digest); orphan != orphans.end())
    out->send_now(from, Skeleton{orphan->second.block});
  else if (const auto* block = prepared_block(request.digest); block && block->header.height > tree.tip().height())
    out->send_now(from, Skeleton{*block});
  else help(from, view, 0);
}

void Replica::State::on_fetch_certificate(MemberIndex from, const FetchCertificate& request) {
  if (tip_certificate && tip_certificate->subject.height >= request.height)
    out->send_now(from, Certificate{*tip_certificate});
  else if (high_qc && high_qc->subject.height >= request.height)
    out->send_now(from, Certificate{*high_qc});
}

}  // namespace galen::consensus
