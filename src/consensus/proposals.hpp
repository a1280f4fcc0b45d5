// The blocks above the committed tip, as a tree rooted in it, and what each child must look like. Owned by the core.
// A node exists only if its parent does. Bounded, and all that does not descend from a new tip goes.
#pragma once

#include <map>
#include <set>

#include "galen/consensus/replica.hpp"

namespace galen::consensus {

struct BlockNode {
  BlockSkeleton block;
  Hash digest;
  crypto::MerkleFrontier history;  ///< digests of blocks 0 … this one
  std::uint32_t tenure_position = 1;  ///< how many blocks of its view end with it
  TimestampMs tenure_start_ms = 0;    ///< time of the first of them
  std::optional<Height> base_exec;    ///< exec_height of the block that its view stands on
  /// The view whose leader proposed it last (or we did, and it is signed): its own, or a later one that opened with it again.
  std::optional<View> proposed_in;
  MessagePtr proposal;       ///< by which it was
  bool justified = false;    ///< the first of that view, and what the view stands on is exactly the parent, or itself (V4)
  bool certified = false;    ///< q members vouch for it: kept whatever we think of it
  std::optional<RefusalReason> refused;
  std::uint64_t received_ms = 0;      ///< monotonic
  std::set<Hash> missing;             ///< batches that have not arrived
  std::vector<PendingBatch> bodies;   ///< those that have
  std::uint64_t fetch_at_ms = 0;
  std::uint32_t fetches = 0;

  const BlockHeader& header() const { return block.header; }
  Height height() const { return block.header.height; }
  View view() const { return block.header.view; }
  /// What a vote for it in the given view is about.
  VoteSubject subject(View in_view) const { return {in_view, height(), digest}; }
};

class BlockTree {
 public:
  BlockTree(crypto::Suite suite, const CommittedTip& tip, crypto::MerkleFrontier history, std::size_t nodes_max);
  BlockTree(const BlockTree&) = delete;
  BlockTree& operator=(const BlockTree&) = delete;

  const BlockNode& tip() const { return *tip_; }
  BlockNode* find(const Hash& digest);
  const BlockNode* find(const Hash& digest) const;
  const BlockNode& parent_of(const BlockNode& node) const { return nodes_.at(node.header().parent); }
  /// Nothing if the parent is unknown, the height is not the parent's plus one, or the tree is full. The node that is
  /// there already if it is.
  BlockNode* insert(const BlockSkeleton& block, const Hash& digest);
  /// From the child of the tip up to the block; empty for the tip itself.
  std::vector<BlockNode*> path_to(const Hash& digest);
  /// A committed child of the tip becomes the tip.
  void advance_tip(const Hash& digest);
  /// Drops blocks of views below `view` that are neither `keep` nor its ancestors (V5).
  void drop_abandoned(View view, const Hash& keep);
  bool is_full() const { return nodes_.size() >= nodes_max_; }
  /// Drops all but the tip, these blocks and their ancestors.
  void keep_only(const std::vector<Hash>& blocks);
  /// Is the batch in the block or in one of its uncommitted ancestors?
  bool holds_batch(const BlockNode& node, const Hash& batch) const;

  std::map<Hash, BlockNode>& nodes() { return nodes_; }
  const std::map<Hash, BlockNode>& nodes() const { return nodes_; }
  bool only_tip() const { return nodes_.size() == 1; }

 private:
  crypto::Suite suite_;
  std::size_t nodes_max_;
  std::map<Hash, BlockNode> nodes_;
  const BlockNode* tip_;  ///< in nodes_, whose members never move: asked for at every step
};

/// What a proposal says its block stands on; nothing inside a view.
std::optional<VoteSubject> justified_block(const Justification& justification);
/// V4: the uncommitted maximum of a NEW-VIEW, unchanged: its header keeps the view it was born in.
bool proposes_again(const PrePrepare& message);
/// Of one view of one epoch: the views of another epoch are others, and block zero is of none.
bool in_same_view(const BlockHeader& parent, const BlockHeader& child);
/// What a header must be, given its parent: everything but proposer, batches, time and roots (R4, R8, history, lag, flags).
std::optional<RefusalReason> check_header(const Config& config, const BlockNode& parent, const BlockSkeleton& block);
/// What its batches must be; those that are still missing are not judged.
std::optional<RefusalReason> check_bodies(const GenesisParameters& parameters, const BlockNode& node);

}  // namespace galen::consensus
