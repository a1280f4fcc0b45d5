// The leader: when to propose, on what, with which batches (docs/spec/consensus.md 5). Proposing promises nothing by
// itself; what keeps a leader from signing two blocks for one place is the fence (propose_from) and view_token.
#include <algorithm>

#include "consensus/mutation.hpp"
#include "consensus/state.hpp"
#include "galen/base/assert.hpp"

namespace galen::consensus {

bool Replica::State::is_active_leader() const {
  return may_vote() && view_entered && !changing_views() && view_leader() == config.self;
}

std::size_t Replica::State::own_in_flight() const {
  if (!head) return 0;
  const auto* node = tree.find(*head);
  return node == nullptr ? 0 : node->height() - tree.tip().height();
}

/// The block to build on, and for the first proposal of the view why; nothing while it is not known.
const BlockNode* Replica::State::proposal_parent(Justification& justification) {
  if (head) return tree.find(*head);
  if (!opening) return view == 0 && at_base() ? &tree.tip() : nullptr;
  justification = *opening;
  auto base = *justified_block(justification);
  if (base.height == 0) return at_base() ? &tree.tip() : nullptr;
  const auto* node = tree.find(base.digest);
  if (node == nullptr) want_block(base.digest, base.height, true);
  return node;
}

/// The newest outcome we can vouch for that is not older than the parent's.
bool Replica::State::roots_for(const BlockNode& parent, BlockHeader& header) const {
  const auto& [height, subject] = *executed.rbegin();
  if (height >= parent.header().exec_height) {
    header.exec_height = height;
    header.state_root = subject.state_root;
    header.results_root = subject.results_root;
  } else {
    header.exec_height = parent.header().exec_height;
    header.state_root = parent.header().state_root;
    header.results_root = parent.header().results_root;
  }
  return header.exec_height < header.height && header.exec_height + config.parameters.exec_lag_max >= header.height;
}

bool Replica::State::wants_to_propose(const BlockNode& parent, const BatchPool::Selection& batches, bool ends_epoch,
                                      bool& tenure_end) {
  bool first = !head;
  bool waiting = !batches.digests.empty();
  bool heartbeat = !waiting && tree.only_tip() && now >= committed_at_ms + config.parameters.idle_block_interval_ms;
  bool announce = first && opening && opening->kind == Justification::Kind::new_view;
  bool stuck = first && !tree.only_tip() && now >= opened_at_ms + pacemaker.base_ms() / 4;
  bool same_view = parent.view() == view && !is_base(parent);
  auto position = same_view ? parent.tenure_position + 1 : 1;
  auto tenure_start = same_view ? parent.tenure_start_ms : wall;
  // R8
  tenure_end = position >= config.parameters.tenure_blocks || heartbeat || stopping ||
               (config.tenure_ms > 0 && (wall >= tenure_start + config.tenure_ms || now >= opened_at_ms + config.tenure_ms));
  if (heartbeat || announce || stuck || stopping || ends_epoch) return true;
  if (!waiting) return false;
  // A lone client never waits; under load, blocks in flight give the next one time to fill.
  return own_in_flight() == 0 || batches.full || now >= proposed_at_ms + config.gather_ms;
}

bool Replica::State::try_propose() {
  if (!is_active_leader() || view < propose_from || view < safety.floor()) return false;  // 8: the restart fence
  if (durable < view_token.value()) return false;  // 4: the view before its blocks
  Justification justification;
  const auto* parent = proposal_parent(justification);
  if (parent == nullptr) return false;
  bool tenure_is_over = parent->view() == view && !is_base(*parent) && parent->header().tenure_end();
  if (tenure_is_over && !mutated(Mutation::child_of_tenure_end)) return false;  // R4
  bool epoch_is_over = !is_base(*parent) && parent->header().epoch_end();
  bool by_new_view = justification.kind == Justification::Kind::new_view;
  bool left_open = mutated(Mutation::end_left_open) && epoch_is_over;
  if (by_new_view && parent->height() > tree.tip().height() && !left_open) {
    // V4: what is not committed may have no COMMIT left to come in its own view (R5). Proposed again it is committed in
    // this one, and nothing grows meanwhile: neither window nor exec_lag_max can ever be used up by views that fail.
    // So an epoch_end that its view left behind is settled (V4e): nothing else could ever stand on it.
    return propose({config.self, view, parent->block, std::move(justification), {}, parent->digest});
  }
  if (epoch_is_over && !mutated(Mutation::child_of_epoch_end)) return false;  // R4
  if (parent->height() + 1 > tree.tip().height() + config.parameters.window) return false;
  BlockSkeleton block;
  auto& header = block.header;
  header.height = parent->height() + 1;
  header.time_ms = std::max(wall, parent->header().time_ms + 1);
  auto batches = pool.select(header.time_ms, first_in_turn(header.height, config.members.size()),
                             [&](const Hash& batch) { return tree.holds_batch(*parent, batch); });
  if (!roots_for(*parent, header)) return false;
  const auto* next_members = pending_change(header.exec_height);
  bool tenure_end = false;
  if (!wants_to_propose(*parent, batches, next_members != nullptr, tenure_end)) return false;
  header.flags = tenure_end ? kTenureEnd : 0;
  if (next_members != nullptr) {
    header.flags = kEpochEnd | (mutated(Mutation::end_left_open) ? header.flags : 0);
    header.next_members_hash = *next_members;
  }
  header.chain_id = config.context.chain_id;
  header.epoch = config.context.epoch;
  header.view = view;
  header.parent = parent->digest;
  header.batch_count = static_cast<std::uint32_t>(batches.digests.size());
  header.history_size = header.height;
  header.history_root = parent->history.root();
  header.rules_version = config.rules_version;
  header.proposer = config.self;
  block.batch_digests = std::move(batches.digests);
  header.body_root = body_root(config.context.suite, block.batch_digests);
  PrePrepare message{config.self, view, std::move(block), std::move(justification), {}, {}};
  message.digest = message.block.header.digest(config.context.suite);
  auto refusal = check_header(config, *parent, message.block);
  if (refusal == RefusalReason::exec_height) return false;  // the parent claims other roots than ours: one of us has diverged
  GALEN_ASSERT(!refusal.has_value());
  return add_node(message.block, message.digest) != nullptr && propose(std::move(message));
}

bool Replica::State::propose(PrePrepare message) {
  head = message.digest;
  proposed_at_ms = now;
  auto bytes = pre_prepare_sign_bytes(config.context, message);
  sign(std::move(bytes), std::move(message));
  return true;
}

void Replica::State::signed_pre_prepare(PrePrepare message) {
  if (message.view != view || !is_active_leader() || tree.find(message.digest) == nullptr) return;
  auto height = message.block.header.height;
  auto sent = out->send_now(std::nullopt, std::move(message));
  own_proposals.emplace(height, sent);
  const auto& m = std::get<PrePrepare>(*sent);
  if (m.justification.kind != Justification::Kind::none) opening_message = sent;
  take_proposal({sent, wall});
}

}  // namespace galen::consensus
