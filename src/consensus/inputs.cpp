// What comes in: time, messages, batches, and what was asked for and is done (docs/spec/consensus.md 2). Each is noted
// where it belongs; what becomes possible by it is done afterwards, by settle().
#include <algorithm>

#include "consensus/state.hpp"

namespace galen::consensus {

void Replica::State::on(const Tick& tick) {
  now = std::max(now, tick.monotonic_ms);
  wall = tick.wall_ms;
  if (!ticked) {
    ticked = true;
    committed_at_ms = proposed_at_ms = opened_at_ms = now;
    status_nonce = rng.next();
    if (mode == Mode::recovering)
      report(EventKind::recovering, view, tree.tip().height(), config.self,
             static_cast<std::uint64_t>(RecoveryReason::not_over));
    // It may have diverged before it stopped: what is committed says so again.
    if (tree.tip().height() > 0) note_certified_roots(tree.tip().header());
    place_orphans();
    if (is_member())
      ask_status(std::nullopt);
    else
      note_new_log();
  }
  if (may_vote() && pacemaker.view_expired(now)) {
    // V1: below q only what was said is said again; the timer does not run then.
    if (!changing_views())
      start_view_change(view + 1, ViewChangeCause::timer);
    else if (vc_has_quorum)
      start_view_change(vc_target + 1, ViewChangeCause::timer);
  }
  // R8 by time: a leader that commits just often enough to stop every timer would keep its view for long.
  if (may_vote() && !changing_views() && work_outstanding() && now >= tenure_deadline_ms())
    start_view_change(view + 1, ViewChangeCause::tenure);
  leave_unfair_leader();
  if (pacemaker.resend_due(now)) resend();
}

void Replica::State::on(const MessageReceived& received) {
  auto from = received.from;
  if (from >= config.members.size() || from == config.self) return;
  if (!is_member()) {
    // Whatever shows that the chain goes on; the blocks come by BlockFetched.
    if (const auto* m = std::get_if<Certificate>(received.message.get()))
      heard_height = std::max(heard_height, m->certificate.subject.height);
    return;
  }
  last_heard[from] = std::max<std::uint64_t>(now, 1);
  struct Visitor {
    State& s;
    MemberIndex from;
    const MessagePtr& message;
    void operator()(const PrePrepare&) const { s.on_pre_prepare(from, message); }
    void operator()(const Prepare& m) const {
      auto& seen = s.seen[from].prepare;
      if (!seen || higher(m.subject, seen->subject)) seen = m;
      s.on_vote(from, VotePhase::prepare, m);
    }
    void operator()(const Commit& m) const {
      auto& seen = s.seen[from].commit;
      if (!seen || higher(m.subject, seen->subject)) seen = m;
      s.on_vote(from, VotePhase::commit, m);
    }
    void operator()(const ViewChange& m) const { s.on_view_change(from, m); }
    void operator()(const StatusRequest& m) const { s.answer_status(from, m); }
    void operator()(const StatusAnswer& m) const { s.on_status(m); }
    void operator()(const Executed& m) const { s.on_executed(m); }
    void operator()(const FetchSkeleton& m) const { s.on_fetch_skeleton(from, m); }
    void operator()(const Skeleton& m) const { s.on_skeleton(m.block); }
    void operator()(const FetchCertificate& m) const { s.on_fetch_certificate(from, m); }
    void operator()(const Certificate& m) const { s.on_certificate(m.certificate); }
  };
  std::visit(Visitor{*this, from, received.message}, *received.message);
}

void Replica::State::on(const BatchArrived& arrived) {
  if (!is_member() || ended) return;
  const auto& batch = arrived.batch;
  std::optional<MemberIndex> wanted_by;
  for (auto& [digest, node] : tree.nodes()) {
    if (node.missing.erase(batch.digest) == 0) continue;
    node.bodies.push_back(batch);
    wanted_by = node.header().proposer;
    // At once, or a leader could name more than any block may hold, and all of it would be fetched.
    if (auto reason = check_bodies(config.parameters, node)) refuse(node, *reason);
  }
  if (pool.add(batch, wall, now, wanted_by) == BatchPool::Added::refused)
    report(EventKind::batch_dropped, view, tree.tip().height(), batch.origin);
}

void Replica::State::on(const Signed& given) {
  auto place = signatures.find(given.token);
  if (place == signatures.end()) return;
  auto what = std::move(place->second);
  signatures.erase(place);
  struct Visitor {
    State& s;
    const Signature& signature;
    void operator()(PrePrepare& m) const { m.signature = signature, s.signed_pre_prepare(std::move(m)); }
    void operator()(Prepare& m) const { m.signature = signature, s.signed_prepare(std::move(m)); }
    void operator()(std::pair<Commit, QuorumCertificate>& m) const {
      m.first.signature = signature;
      s.signed_commit(std::move(m.first), m.second);
    }
    void operator()(ViewChange& m) const { m.header.signature = signature, s.signed_view_change(std::move(m)); }
    void operator()(Executed& m) const {
      m.signature = signature;
      s.out->send_now(std::nullopt, m);
      s.on_executed(m);
    }
    void operator()(StatusAnswer& m) const {
      m.signature = signature;
      s.answering.erase(m.asker);
      s.out->send_now(m.asker, std::move(m));
    }
  };
  std::visit(Visitor{*this, given.signature}, what);
}

void Replica::State::on(const Durable& given) {
  durable = std::max(durable, given.token);
  while (!undurable.empty() && undurable.front().first.value() <= durable) {
    auto promise = std::move(undurable.front().second);
    undurable.pop_front();
    // Our own promises count from here on, as everybody else's.
    if (auto* prepare = std::get_if<Prepare>(&promise))
      on_vote(config.self, VotePhase::prepare, *prepare);
    else if (auto* commit = std::get_if<Commit>(&promise))
      on_vote(config.self, VotePhase::commit, *commit);
    else
      note_view_change(std::get<ViewChange>(promise));
  }
}

void Replica::State::on(const PeerConnected& connected) {
  if (connected.member >= config.members.size() || connected.member == config.self || !ticked || ended) return;
  if (is_member())
    ask_status(connected.member);
  else
    fetch_blocks_at_ms = now;
}

void Replica::State::on(const StopRequested&) { stopping = true; }

}  // namespace galen::consensus
