// What follows a COMMIT-QC: blocks given out in order, each once, and the outcomes members certify
// (docs/spec/consensus.md 7).
#include <algorithm>

#include "consensus/state.hpp"
#include "galen/base/assert.hpp"

namespace galen::consensus {

namespace {
constexpr std::size_t kCertifiedRootsMax = 1024;
constexpr Height kExecutedWindow = 64;
}  // namespace

/// R6: the highest certified block whose chain is here, with all its ancestors, as far as their batches have arrived.
bool Replica::State::try_commit() {
  if (ended) return false;
  for (auto place = commit_certificates.rbegin(); place != commit_certificates.rend(); ++place) {
    if (tree.find(place->second.subject.digest) == nullptr) continue;
    auto path = tree.path_to(place->second.subject.digest);
    std::vector<Hash> digests;
    for (const auto* node : path) {
      if (!node->missing.empty()) break;
      digests.push_back(node->digest);
    }
    std::vector<QuorumCertificate> nearest(digests.size());
    auto best = place->second;
    for (auto i = path.size(); i-- > 0;) {
      auto own = commit_certificates.find(path[i]->height());
      if (own != commit_certificates.end() && own->second.subject.digest == path[i]->digest) best = own->second;
      if (i < nearest.size()) nearest[i] = best;
    }
    for (std::size_t i = 0; i < digests.size() && !ended; ++i) commit_block(*tree.find(digests[i]), nearest[i]);
    return !digests.empty();
  }
  return false;
}

void Replica::State::commit_block(BlockNode& node, const QuorumCertificate& certificate) {
  out->commits.push_back({node.block, node.digest, certificate});
  watch_turns(node);
  for (const auto& batch : node.bodies) pool.remember_in_chain(batch.digest, batch.valid_until_ms);
  pool.expire(node.header().time_ms);
  note_certified_roots(node.header());
  auto height = node.height();
  tree.advance_tip(node.digest);
  tip_certificate = certificate;
  if (!high_qc || higher(certificate.subject, high_qc->subject)) high_qc = certificate;
  votes.prune(height);
  executed_pool.prune(height > kExecutedWindow ? height - kExecutedWindow : 0);
  safety.prune(height);
  auto is_past = [height](const auto& entry) { return entry.first.second <= height; };
  std::erase_if(own_prepares, is_past);
  std::erase_if(own_commits, is_past);
  std::erase_if(committed_votes, [height](const auto& key) { return key.second <= height; });
  std::erase_if(certificates, [height](const auto& entry) { return entry.first.height <= height; });
  std::erase_if(commit_certificates, [height](const auto& entry) { return entry.first <= height; });
  std::erase_if(own_proposals, [height](const auto& entry) { return entry.first <= height; });
  std::erase_if(wanted, [height](const auto& entry) { return entry.second.height <= height; });
  pacemaker.committed();
  committed_at_ms = now;
  if (tree.tip().header().epoch_end()) end_epoch();
}

/// What is said from here on helps others to get here; nothing is promised any more.
void Replica::State::end_epoch() {
  ended = true;
  early.clear();
  orphans.clear();
  wanted.clear();
  report(EventKind::epoch_ended, view, tree.tip().height());
  if (commit_certificates.empty()) return;
  report(EventKind::fork, view, tree.tip().height() + 1);  // something stands on it all the same (R4)
  become_diverged(tree.tip().height() + 1);
}

Recovered Replica::State::next_epoch() const {
  GALEN_ASSERT(ended);
  const auto& tip = tree.tip();
  Recovered out;
  out.safety = consensus::next_epoch(safety, tip.header(), is_member());
  out.tip = {tip.header(), tip.digest, tip_certificate, 1};
  out.epoch_base = tip.height();
  out.history = tip.history;
  for (const auto& [height, subject] : executed) out.executed.push_back(subject);
  out.pending_members = pending_members;
  out.recent_batches = pool.chain();
  return out;
}

void Replica::State::on(const BlockFetched& fetched) {
  const auto& header = fetched.block.header;
  const auto& tip = tree.tip();
  if (header.height != tip.height() + 1 || ended) return;
  auto digest = header.digest(config.context.suite);
  bool is_certified = fetched.certificate.subject.height > header.height || fetched.certificate.subject.digest == digest;
  if (header.parent != tip.digest || !is_certified) {
    report(EventKind::fork, header.view, header.height);
    become_diverged(header.height);
    return;
  }
  // Or a batch that is in the chain would stay in the pool and be proposed once more.
  GALEN_ASSERT(fetched.batches.size() == fetched.block.batch_digests.size());
  auto* node = add_node(fetched.block, digest);
  if (node == nullptr) return;  // the tree is full: commits make room
  node->missing.clear();
  node->bodies = fetched.batches;
  node->certified = true;
  commit_block(*node, fetched.certificate);
  if (is_member()) on_certificate(fetched.certificate);
  else fetch_blocks_at_ms = now + pacemaker.base_ms() / 4;
}

void Replica::State::note_certified_roots(const BlockHeader& header) {
  auto certified = std::pair(header.state_root, header.results_root);
  auto ours = executed.find(header.exec_height);
  if (ours != executed.end()) {
    if (std::pair(ours->second.state_root, ours->second.results_root) != certified) become_diverged(header.exec_height);
  } else if (header.exec_height > executed.rbegin()->first) {
    certified_roots.emplace(header.exec_height, certified);
    if (certified_roots.size() > kCertifiedRootsMax) certified_roots.erase(certified_roots.begin());
  }
}

void Replica::State::on(const BlockExecuted& given) {
  const auto& subject = given.subject;
  if (subject.height != executed.rbegin()->first + 1 || (ended && subject.height > tree.tip().height())) return;
  executed.emplace(subject.height, subject);
  if (given.next_members) pending_members.emplace(subject.height, *given.next_members);
  if (subject.height > epoch_base) leader_skips = given.leader_skips;  // those of the epoch before are of other views
  auto kept = config.parameters.exec_lag_max + 2 * limits::kWindowMax;
  while (executed.size() > kept) executed.erase(executed.begin());
  while (!pending_members.empty() && pending_members.begin()->first < executed.begin()->first)
    pending_members.erase(pending_members.begin());
  auto certified = certified_roots.find(subject.height);
  if (certified != certified_roots.end() && certified->second != std::pair(subject.state_root, subject.results_root))
    become_diverged(subject.height);
  std::erase_if(certified_roots, [&](const auto& entry) { return entry.first <= subject.height; });
  // Outcomes are certified by the members of the block's epoch. Nobody waits for that of one that was caught up with.
  bool is_ours = is_member() && subject.height > epoch_base && mode != Mode::diverged;
  if (!is_ours || subject.height + 2 * limits::kWindowMax < best_height()) return;
  Executed message{config.self, subject, {}};
  sign(sign_bytes(config.context, message), message);
}

void Replica::State::on_executed(const Executed& message) {
  const auto& subject = message.subject;
  auto tip_height = tree.tip().height();
  if (subject.height <= epoch_base) return;  // of another epoch's members
  if (subject.height + kExecutedWindow < tip_height || subject.height > tip_height + kExecutedWindow) return;
  auto certificate = executed_pool.add(message);
  if (!certificate) return;
  auto ours = executed.find(subject.height);
  if (ours != executed.end() && ours->second != subject) become_diverged(subject.height);
  else if (subject.height > executed.rbegin()->first)
    certified_roots.emplace(subject.height, std::pair(subject.state_root, subject.results_root));
  out->executed_certificates.push_back(std::move(*certificate));
}

void Replica::State::become_diverged(Height height) {
  if (mode == Mode::diverged) return;
  mode = Mode::diverged;
  report(EventKind::diverged, view, height);
}

}  // namespace galen::consensus
