// What whole nodes send each other: consensus messages through their shipped encoding, bodies, and blocks to catch up.
#include <cstdio>

#include "galen/types/batch_origin.hpp"
#include "node/block_sync.hpp"
#include "node/peer_messages.hpp"
#include "sim/journal.hpp"
#include "sim/whole/cluster_node.hpp"

namespace galen::sim {

using namespace consensus;

namespace {

constexpr Height kBlocksAnswerMax = 20;
constexpr std::uint64_t kInBytesOneIn = 8;

}  // namespace

bool Cluster::linked(const Node& from, const Node& to) const {
  return is_healed_ || is_calm_ || (from.side == to.side && !from.unheard && !to.deaf);
}

void Cluster::send(Node& node, const Target& to, const MessagePtr& message) {
  if (node.is_honest() && node.is_believed)
    checker_->said(static_cast<MemberIndex>(node.place), *message, node.epoch(), node.index());
  if (node.adversary && !is_calm_) {
    Adversary::Outbox outbox;
    node.adversary->says(to, message, outbox);
    return post_lies(node, outbox);
  }
  auto decoded = decode_of_epoch(node.identity.context.suite, encode_in(node.epoch(), *message));
  if (!decoded || decoded->epoch != node.epoch() || !(decoded->message == *message))
    return fail("a message does not survive its encoding");
  auto arriving = std::make_shared<const Message>(std::move(decoded->message));
  for (MemberIndex member = 0; member < node.identity.members().size(); ++member)
    if (member != node.index() && (!to || *to == member)) post(node, member, arriving, 0);
}

void Cluster::post(Node& from, MemberIndex to, const MessagePtr& message, std::uint64_t delay_ms) {
  auto& other = node_of(from.epoch(), to);
  if (!linked(from, other) || is_lost()) return;
  auto arrives = [this, &from, &other, epoch = from.epoch(), message] { deliver(from, other, epoch, message); };
  const auto slow = from.slow_ms + other.slow_ms;
  at(delay_ms + latency() + (slow == 0 ? 0 : rng_.below(slow)), arrives);
  if (!is_healed_ && !is_calm_ && rng_.chance(1, 20)) at(1 + rng_.below(3 * delay_max_), arrives);
}

void Cluster::post_lies(Node& from, const Adversary::Outbox& outbox) {
  for (const auto& one : outbox) post(from, one.to, one.message, one.delay_ms);
}

bool Cluster::verified(const Node& from, MemberIndex sender, Epoch epoch, const MessagePtr& message) {
  if (judged_.first == message && judged_.second == sender) return verdict_;
  const auto& set = world_.of(epoch);
  auto status = verify_message(set.context, set.members, *set.keyring, sender, *message);
  judged_ = {message, sender};
  verdict_ = status.has_value();
  if (verdict_) return true;
  if (from.is_honest()) fail("a message of an honest member does not verify: " + status.error().message);
  ++tally_.rejected[std::string(consensus::to_name(*message)) + ": " + status.error().message];
  return false;
}

void Cluster::deliver(Node& from, Node& to, Epoch epoch, const MessagePtr& message) {
  if (!to.up || to.dying || !linked(from, to)) return;
  note(message->index() * 256 + from.place * 16 + to.place);
  if (options_.journal != nullptr && !std::holds_alternative<Executed>(*message))
    options_.journal->delivered(now_, from.place, to.place, std::string(consensus::to_name(*message)));
  // The epoch travels beside the message: nothing in it may be judged by another epoch's members.
  if (to.epoch() < epoch) return hear_of_epoch(to, from, epoch);
  if (to.epoch() > epoch)
    return at(latency(), [this, &from, &to, ours = to.epoch()] { hear_of_epoch(from, to, ours); });
  auto sender = world_.of(epoch).index_of(from.place);
  if (!sender || !verified(from, *sender, epoch, message)) return;
  if (to.adversary && !is_calm_) {
    Adversary::Outbox outbox;
    to.adversary->heard(message, outbox);
    post_lies(to, outbox);
    if (!to.adversary->hears(*sender, *message)) return;
  }
  give(to, MessageReceived{*sender, message});
}

void Cluster::broadcast_batch(Node& node, const BatchPtr& batch) {
  for (auto& other : nodes_) {
    if (other->place == node.place || !linked(node, *other) || is_lost()) continue;
    at(latency(), [this, &to = *other, batch] { take_batch(to, batch, false); });
  }
}

void Cluster::offer(Node& node, const std::vector<Hash>& digests) {
  for (auto& other : nodes_) {
    if (other->index() == node.index() || !linked(node, *other) || is_lost()) continue;
    at(latency(), *other, [this, from = node.index(), &to = *other, digests] { give(to, BatchesOffered{from, digests}); });
  }
}

bool Cluster::withholds(const Node& node) {
  const bool keeps = node.adversary && node.adversary->does(Lie::withholds) && rng_.chance(1, 2);
  if (keeps) node.adversary->tells(Lie::withholds);
  return keeps;
}

bool Cluster::poisons(const Node& node) {
  const bool is_poisoned = node.adversary && node.adversary->does(Lie::poisons) && !is_calm_ && rng_.chance(1, 2);
  if (is_poisoned) node.adversary->tells(Lie::poisons);
  return is_poisoned;
}

void Cluster::answer_batches(Node& from, Node& to, const std::vector<Hash>& digests) {
  if (!from.up || from.dying || !linked(from, to) || withholds(from)) return;
  for (const auto& digest : digests) {
    auto batch = from.pool->find_for_others(digest);
    if (batch == nullptr) continue;
    if (!poisons(from)) {
      at(latency(), [this, &from, &to, batch] {
        if (linked(from, to)) take_batch(to, batch, false);
      });
      continue;
    }
    const auto& set = world_.of(from.epoch());
    auto changed = Batch::decode(set.context, changed_bit(batch->bytes()));
    if (changed && changed->digest() == digest && verify_origin(set.context, set.members, *changed))
      return fail("batch: one is taken for another");
    count("batches of a poisoned answer refused");
  }
}

/// As many blocks of one epoch as one answer may hold, up to the last one with a certificate of its own.
void Cluster::answer_blocks(Node& from, Node& to, Height first) {
  if (!from.up || from.dying || !linked(from, to) || withholds(from)) return;
  auto snapshot = from.store->snapshot();
  if (!snapshot) return;
  std::vector<BlockPtr> blocks;
  std::optional<QuorumCertificate> certificate;
  std::size_t covered = 0;
  for (Height height = first; height < first + kBlocksAnswerMax && height <= (*snapshot)->height(); ++height) {
    auto block = (*snapshot)->block(height);
    auto own = (*snapshot)->commit_certificate(height);
    if (!block || *block == nullptr || !own) break;  // its ledger is hurt; reading for others finds out as well
    if (!blocks.empty() && (*block)->skeleton.header.epoch != blocks.front()->skeleton.header.epoch) break;
    blocks.push_back(*block);
    if (*own && (*own)->subject.height == height) certificate = **own, covered = blocks.size();
  }
  blocks.resize(covered);
  if (!certificate) return;
  const auto& set = world_.of(to.epoch());
  if (!set.index_of(from.place) || blocks.front()->skeleton.header.epoch != to.epoch()) return;
  const bool is_poisoned = poisons(from);
  // Some as the bytes that they are, for the node's own check of them, which costs many signatures.
  if (is_poisoned || rng_.chance(1, kInBytesOneIn)) {
    node::BlocksWriter writer;
    for (const auto& block : blocks) writer.add(block->encode(), block == blocks.back() ? certificate : std::nullopt);
    auto answer = std::move(writer).take();
    answer.erase(answer.begin());  // its kind travels with the frame
    if (is_poisoned) answer = changed_bit(answer);
    return at(latency(), [this, &from, &to, first, answer = std::move(answer)] {
      if (lives(to) && linked(from, to)) take_blocks(to, checked(from, to, first, answer));
    });
  }
  if (!verify_certificate(set.context, set.members, *set.keyring, *certificate))
    return fail("certificate: a stored one does not verify");
  at(latency(), [this, &from, &to, blocks = std::move(blocks), certificate = *certificate] {
    if (!linked(from, to)) return;
    std::vector<node::FetchedBlock> fetched;
    for (const auto& block : blocks) fetched.push_back({block, certificate});
    take_blocks(to, fetched);
  });
}

/// One bit of it is another one.
Bytes Cluster::changed_bit(Bytes bytes) {
  bytes[rng_.below(bytes.size())] ^= static_cast<std::uint8_t>(1U << rng_.below(8));
  return bytes;
}

/// What the shipped fetcher takes of an answer.
std::vector<node::FetchedBlock> Cluster::checked(Node& from, Node& to, Height first, ByteSpan answer) {
  std::vector<node::FetchedBlock> taken;
  const auto sender = world_.of(to.epoch()).index_of(from.place);
  if (!sender) return taken;  // it has gone over
  node::Health health;
  node::BlockSync sync(
      to.identity, health,
      {[](MemberIndex, Bytes) { return true; }, [&](node::FetchedBlock block) { taken.push_back(std::move(block)); },
       [](Height) { return true; }});
  sync.fetch({first, first + kBlocksAnswerMax - 1, *sender});
  auto status = sync.on_blocks(*sender, answer);
  if (status) return taken;
  if (from.is_honest()) fail("certificate: an honest member's answer is refused: " + status.error().message);
  count("blocks of a poisoned answer refused");
  return {};
}

void Cluster::take_blocks(Node& to, const std::vector<node::FetchedBlock>& blocks) {
  for (const auto& [block, certificate] : blocks) {
    // It may have gone over meanwhile, or is not there yet.
    if (!lives(to) || block->skeleton.header.epoch != to.epoch()) return;
    for (const auto& batch : block->batches) add_body(to, batch, false);
    std::vector<PendingBatch> batches;
    for (const auto& batch : block->batches)
      batches.push_back(
          {batch->digest(), batch->header().origin, batch->header().valid_until_ms, batch->bytes().size()});
    give(to, BlockFetched{block->skeleton, certificate, std::move(batches)});
  }
}

void Cluster::trace(const Node& node, const std::string& text) const {
  if (options_.journal != nullptr) options_.journal->told(now_, node.place, text);
  if (options_.trace)
    std::printf("%7llu  %zu%s %s\n", static_cast<unsigned long long>(now_), node.place, node.is_honest() ? " " : "!",
                text.c_str());
}

std::vector<std::string> Cluster::place_names() const {
  std::vector<std::string> out;
  for (const auto& node : nodes_) out.push_back(std::to_string(node->place) + (node->is_honest() ? "" : " lies"));
  return out;
}

}  // namespace galen::sim
