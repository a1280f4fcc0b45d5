#include "consensus/proposals.hpp"

#include <algorithm>

#include "consensus/mutation.hpp"
#include "galen/base/assert.hpp"
#include "galen/consensus/verify.hpp"

namespace galen::consensus {

BlockTree::BlockTree(crypto::Suite suite, const CommittedTip& tip, crypto::MerkleFrontier history, std::size_t nodes_max)
    : suite_(suite), nodes_max_(nodes_max) {
  GALEN_ASSERT(history.size() == tip.header.height + 1);
  BlockNode node{.block = {tip.header, {}}, .digest = tip.digest, .history = std::move(history)};
  node.tenure_position = tip.tenure_position;
  node.tenure_start_ms = tip.header.time_ms;
  node.base_exec = tip.base_exec_height;
  node.certified = true;
  tip_ = &nodes_.emplace(tip.digest, std::move(node)).first->second;
}

BlockNode* BlockTree::find(const Hash& digest) {
  auto place = nodes_.find(digest);
  return place == nodes_.end() ? nullptr : &place->second;
}
const BlockNode* BlockTree::find(const Hash& digest) const {
  auto place = nodes_.find(digest);
  return place == nodes_.end() ? nullptr : &place->second;
}

BlockNode* BlockTree::insert(const BlockSkeleton& block, const Hash& digest) {
  if (auto* node = find(digest)) return node;
  const auto* parent = find(block.header.parent);
  if (parent == nullptr || block.header.height != parent->height() + 1 || is_full()) return nullptr;
  BlockNode node{.block = block, .digest = digest, .history = parent->history};
  node.history.append(crypto::merkle_leaf(suite_, digest));
  bool same_view = in_same_view(parent->header(), block.header);
  node.tenure_position = same_view ? parent->tenure_position + 1 : 1;
  node.tenure_start_ms = same_view ? parent->tenure_start_ms : block.header.time_ms;
  node.base_exec = same_view ? parent->base_exec : parent->header().exec_height;
  return &nodes_.emplace(digest, std::move(node)).first->second;
}

std::vector<BlockNode*> BlockTree::path_to(const Hash& digest) {
  std::vector<BlockNode*> path;
  for (auto* node = find(digest); node != nullptr && node != tip_; node = find(node->header().parent))
    path.push_back(node);
  std::reverse(path.begin(), path.end());
  return path;
}

void BlockTree::advance_tip(const Hash& digest) {
  const auto* next = find(digest);
  GALEN_ASSERT(next != nullptr && next->header().parent == tip_->digest);
  tip_ = next;
  // A node lives if its parent does: by rising height, parents come first.
  std::vector<std::pair<Height, Hash>> by_height;
  for (const auto& [key, node] : nodes_) by_height.emplace_back(node.height(), key);
  std::sort(by_height.begin(), by_height.end());
  std::set<Hash> living{digest};
  for (const auto& [height, key] : by_height)
    if (living.count(nodes_.at(key).header().parent) > 0) living.insert(key);
  std::erase_if(nodes_, [&](const auto& entry) { return living.count(entry.first) == 0; });
}

void BlockTree::drop_abandoned(View view, const Hash& keep) {
  std::set<Hash> kept{tip_->digest};
  for (const auto* node : path_to(keep)) kept.insert(node->digest);
  if (keep != tip_->digest && kept.size() == 1) return;  // not known yet: nothing can be told
  std::erase_if(nodes_, [&](const auto& entry) { return entry.second.view() < view && kept.count(entry.first) == 0; });
  // What stood on a dropped block goes as well.
  for (bool again = true; again;) {
    again = std::erase_if(nodes_, [&](const auto& entry) {
              return &entry.second != tip_ && nodes_.count(entry.second.header().parent) == 0;
            }) > 0;
  }
}

void BlockTree::keep_only(const std::vector<Hash>& blocks) {
  std::set<Hash> kept{tip_->digest};
  for (const auto& block : blocks)
    for (const auto* node : path_to(block)) kept.insert(node->digest);
  std::erase_if(nodes_, [&](const auto& entry) { return kept.count(entry.first) == 0; });
}

bool BlockTree::holds_batch(const BlockNode& node, const Hash& batch) const {
  for (const auto* at = &node; at != tip_; at = &parent_of(*at)) {
    const auto& digests = at->block.batch_digests;
    if (std::find(digests.begin(), digests.end(), batch) != digests.end()) return true;
  }
  return false;
}

std::optional<VoteSubject> justified_block(const Justification& justification) {
  if (justification.kind == Justification::Kind::new_view) {
    if constexpr (mutated(Mutation::leaders_own_high_qc))
      return justification.certificate ? justification.certificate->subject : VoteSubject{};
    return maximum_high(justification.view_changes);
  }
  if (justification.kind == Justification::Kind::tenure_end && justification.certificate)
    return justification.certificate->subject;
  return std::nullopt;
}

bool proposes_again(const PrePrepare& m) {
  const auto& certificate = m.justification.certificate;
  return m.justification.kind == Justification::Kind::new_view && m.block.header.view < m.view && certificate &&
         certificate->subject.digest == m.digest;
}

bool in_same_view(const BlockHeader& parent, const BlockHeader& child) {
  return parent.view == child.view && parent.epoch == child.epoch && parent.height > 0;
}

std::optional<RefusalReason> check_header(const Config& config, const BlockNode& parent, const BlockSkeleton& block) {
  const auto& h = block.header;
  const auto& p = parent.header();
  if (h.epoch_end() == h.next_members_hash.is_zero()) return RefusalReason::epoch_end;
  if (h.epoch_end() && h.tenure_end() && !mutated(Mutation::end_left_open)) return RefusalReason::epoch_end;  // V4e
  if ((h.flags & ~(kTenureEnd | kEpochEnd)) != 0) return RefusalReason::flags;
  if (h.version != 1 || h.chain_id != config.context.chain_id || h.epoch != config.context.epoch ||
      h.rules_version != config.rules_version || h.batch_count != block.batch_digests.size() ||
      h.batch_count > limits::kBlockBatchesMax)
    return RefusalReason::header;
  if (h.height != p.height + 1 || h.parent != parent.digest) return RefusalReason::wrong_parent;
  if (h.history_size != h.height || h.history_root != parent.history.root()) return RefusalReason::history;
  if (h.time_ms <= p.time_ms) return RefusalReason::time_order;
  if (h.exec_height >= h.height || h.exec_height < p.exec_height ||
      h.exec_height + config.parameters.exec_lag_max < h.height)
    return RefusalReason::exec_height;
  if (h.exec_height == p.exec_height && p.height > 0 &&
      (h.state_root != p.state_root || h.results_root != p.results_root))
    return RefusalReason::exec_height;
  bool same_view = in_same_view(p, h);
  if (!mutated(Mutation::child_of_tenure_end) && same_view && p.tenure_end()) return RefusalReason::tenure;  // R4
  if (!mutated(Mutation::child_of_epoch_end) && p.epoch_end() && p.epoch == h.epoch) return RefusalReason::epoch_end;  // R4
  auto position = same_view ? parent.tenure_position + 1 : 1;
  bool ends_something = h.tenure_end() || h.epoch_end();
  if (position >= config.parameters.tenure_blocks && !ends_something) return RefusalReason::tenure;  // R8
  return std::nullopt;
}

std::optional<RefusalReason> check_bodies(const GenesisParameters& parameters, const BlockNode& node) {
  auto time = node.header().time_ms;
  std::uint64_t bytes = 0;
  std::map<MemberIndex, std::uint64_t> of_origin;
  for (const auto& batch : node.bodies) {
    if (batch.valid_until_ms < time) return RefusalReason::expired_batch;
    if (batch.valid_until_ms > time + parameters.ttl_max_ms) return RefusalReason::far_batch;
    bytes += batch.bytes;
    of_origin[batch.origin] += batch.bytes;
    if (of_origin[batch.origin] > parameters.member_block_bytes_max) return RefusalReason::bytes;
  }
  if (bytes > parameters.block_bytes_max) return RefusalReason::bytes;
  return std::nullopt;
}

}  // namespace galen::consensus
