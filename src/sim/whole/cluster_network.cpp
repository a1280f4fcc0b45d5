// What whole nodes send each other: consensus messages through their shipped encoding, bodies, and blocks to catch up.
#include <cstdio>

#include "sim/journal.hpp"
#include "sim/whole/cluster_node.hpp"

namespace galen::sim {

using namespace consensus;

namespace {

constexpr Height kBlocksAnswerMax = 20;

}  // namespace

bool Cluster::linked(const Node& a, const Node& b) const { return is_healed_ || is_calm_ || a.side == b.side; }

void Cluster::send(Node& node, const Target& to, const MessagePtr& message) {
  if (node.is_honest() && node.is_believed) checker_->said(node.index(), *message);
  if (node.adversary && !is_calm_) {
    Adversary::Outbox outbox;
    node.adversary->says(to, message, outbox);
    for (const auto& one : outbox) post(node, one.to, one.message, one.delay_ms);
    return;
  }
  auto decoded = decode(world_.context().suite, encode(*message));
  if (!decoded || !(*decoded == *message)) return fail("a message does not survive its encoding");
  auto arriving = std::make_shared<const Message>(std::move(*decoded));
  for (MemberIndex member = 0; member < nodes_.size(); ++member)
    if (member != node.index() && (!to || *to == member)) post(node, member, arriving, 0);
}

void Cluster::post(Node& from, MemberIndex to, const MessagePtr& message, std::uint64_t delay_ms) {
  auto& other = *nodes_[to];
  if (!linked(from, other) || is_lost()) return;
  at(delay_ms + latency(), [this, &from, &other, message] { deliver(from, other, message); });
  if (!is_healed_ && !is_calm_ && rng_.chance(1, 20))
    at(1 + rng_.below(3 * delay_max_), [this, &from, &other, message] { deliver(from, other, message); });
}

bool Cluster::verified(const Node& from, const MessagePtr& message) {
  if (judged_.first == message && judged_.second == from.index()) return verdict_;
  auto status =
      verify_message(world_.context(), world_.genesis().member_set, world_.keyring(), from.index(), *message);
  judged_ = {message, from.index()};
  verdict_ = status.has_value();
  if (verdict_) return true;
  if (from.is_honest()) fail("a message of an honest member does not verify: " + status.error().message);
  ++tally_.rejected[std::string(consensus::to_name(*message)) + ": " + status.error().message];
  return false;
}

void Cluster::deliver(Node& from, Node& to, const MessagePtr& message) {
  if (!to.up || !linked(from, to)) return;
  note(message->index() * 64 + from.index() * 8 + to.index());
  if (options_.journal != nullptr && !std::holds_alternative<Executed>(*message))
    options_.journal->delivered(now_, from.index(), to.index(), std::string(consensus::to_name(*message)));
  if (!verified(from, message)) return;
  if (to.adversary && !is_calm_) {
    Adversary::Outbox outbox;
    to.adversary->heard(message, outbox);
    for (const auto& one : outbox) post(to, one.to, one.message, one.delay_ms);
    if (!to.adversary->hears(from.index(), *message)) return;
  }
  give(to, MessageReceived{from.index(), message});
}

void Cluster::broadcast_batch(Node& node, const BatchPtr& batch) {
  for (auto& other : nodes_) {
    if (other->index() == node.index() || !linked(node, *other) || is_lost()) continue;
    at(latency(), [this, &to = *other, batch] { take_batch(to, batch, false); });
  }
}

void Cluster::offer(Node& node, const std::vector<Hash>& digests) {
  for (auto& other : nodes_) {
    if (other->index() == node.index() || !linked(node, *other) || is_lost()) continue;
    at(latency(), *other, [this, from = node.index(), &to = *other, digests] { give(to, BatchesOffered{from, digests}); });
  }
}

void Cluster::answer_batches(Node& from, Node& to, const std::vector<Hash>& digests) {
  if (!from.up || from.dying || !linked(from, to)) return;
  if (from.adversary && from.adversary->does(Lie::withholds) && rng_.chance(1, 2)) return;
  for (const auto& digest : digests)
    if (auto batch = from.pool->find(digest))
      at(latency(), [this, &from, &to, batch] {
        if (linked(from, to)) take_batch(to, batch, false);
      });
}

/// As many blocks as one answer may hold, up to the last one with a certificate of its own.
void Cluster::answer_blocks(Node& from, Node& to, Height first) {
  if (!from.up || from.dying || !linked(from, to)) return;
  if (from.adversary && from.adversary->does(Lie::withholds) && rng_.chance(1, 2)) return;
  auto snapshot = from.store->snapshot();
  if (!snapshot) return;
  std::vector<BlockPtr> blocks;
  std::optional<QuorumCertificate> certificate;
  std::size_t covered = 0;
  for (Height height = first; height < first + kBlocksAnswerMax && height <= (*snapshot)->height(); ++height) {
    auto block = (*snapshot)->block(height);
    auto own = (*snapshot)->commit_certificate(height);
    if (!block || *block == nullptr || !own) break;  // its ledger is hurt; reading for others finds out as well
    blocks.push_back(*block);
    if (*own && (*own)->subject.height == height) certificate = **own, covered = blocks.size();
  }
  blocks.resize(covered);
  if (!certificate) return;
  at(latency(), [this, &from, &to, blocks = std::move(blocks), certificate = *certificate] {
    if (!linked(from, to)) return;
    if (!verify_certificate(world_.context(), world_.genesis().member_set, world_.keyring(), certificate))
      return fail("certificate: a stored one does not verify");
    for (const auto& block : blocks) {
      if (!lives(to)) return;
      for (const auto& batch : block->batches) add_body(to, batch);
      std::vector<PendingBatch> batches;
      for (const auto& batch : block->batches)
        batches.push_back(
            {batch->digest(), batch->header().origin, batch->header().valid_until_ms, batch->bytes().size()});
      give(to, BlockFetched{block->skeleton, certificate, std::move(batches)});
    }
  });
}

void Cluster::trace(const Node& node, const std::string& text) const {
  if (options_.journal != nullptr) options_.journal->told(now_, node.index(), text);
  if (options_.trace)
    std::printf("%7llu  %u%s %s\n", static_cast<unsigned long long>(now_), node.index(), node.is_honest() ? " " : "!",
                text.c_str());
}

std::vector<std::string> Cluster::place_names() const {
  std::vector<std::string> out;
  for (const auto& node : nodes_) out.push_back(std::to_string(node->index()) + (node->is_honest() ? "" : " lies"));
  return out;
}

}  // namespace galen::sim
