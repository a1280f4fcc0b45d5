#include "byzantine/liar.hpp"

#include "node/peer_messages.hpp"

namespace galen::byzantine {

namespace {

constexpr std::chrono::milliseconds kActs{100};
constexpr std::size_t kDueMax = 4096;

/// The consensus message in a payload of the votes lane; null for anything else.
consensus::MessagePtr message_in(crypto::Suite suite, ByteSpan payload) {
  if (payload.empty() || payload[0] != static_cast<std::uint8_t>(node::PeerMessageKind::consensus)) return nullptr;
  auto message = consensus::decode(suite, payload.subspan(1));
  return message ? std::make_shared<const consensus::Message>(std::move(*message)) : nullptr;
}

}  // namespace

Liar::Liar(node::Identity identity, std::uint64_t seed, std::uint32_t lies, MemberIndex victim)
    : identity_(std::move(identity)),
      key_(identity_.consensus_key),
      adversary_(seed, identity_.context, identity_.members(), key_, identity_.self, lies,
                 identity_.genesis.parameters.view_timeout_ms),
      ignored_(adversary_.does(sim::Lie::ignores_origin) ? std::optional(victim) : std::nullopt) {}

void Liar::start(Send send) {
  std::lock_guard lock(mutex_);
  send_ = std::move(send);
  thread_ = std::thread([this] { run(); });
}

void Liar::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Liar::says(Target to, std::shared_ptr<const Bytes> payload) {
  auto message = message_in(identity_.context.suite, *payload);
  std::lock_guard lock(mutex_);
  if (!message || !send_) return;
  if (const auto* proposal = std::get_if<consensus::PrePrepare>(message.get())) view_ = std::max(view_, proposal->view);
  if (const auto* prepare = std::get_if<consensus::Prepare>(message.get())) view_ = std::max(view_, prepare->subject.view);
  sim::Adversary::Outbox outbox;
  adversary_.says(to, message, outbox);
  schedule(outbox);
}

void Liar::note_batches(const consensus::Message& message) {
  const BlockSkeleton* block = nullptr;
  if (const auto* proposal = std::get_if<consensus::PrePrepare>(&message)) block = &proposal->block;
  if (const auto* skeleton = std::get_if<consensus::Skeleton>(&message)) block = &skeleton->block;
  if (block != nullptr) named_.insert(block->batch_digests.begin(), block->batch_digests.end());
}

bool Liar::hears_batch(ByteSpan body) const {
  if (!ignored_ || body.size() < kBatchHeaderBytes) return true;
  auto header = BatchHeader::decode(body.first(kBatchHeaderBytes));
  return !header || header->origin != *ignored_ || named_.contains(header->digest(identity_.context.suite));
}

bool Liar::hears(MemberIndex from, ByteSpan payload) {
  auto message = message_in(identity_.context.suite, payload);
  std::lock_guard lock(mutex_);
  if (!payload.empty() && payload[0] == static_cast<std::uint8_t>(node::PeerMessageKind::batch)) return hears_batch(payload.subspan(1));
  if (!message) return true;
  if (ignored_) note_batches(*message);
  sim::Adversary::Outbox outbox;
  adversary_.heard(message, outbox);
  schedule(outbox);
  return adversary_.hears(from, *message);
}

void Liar::schedule(sim::Adversary::Outbox& outbox) {
  auto now = Clock::now();
  for (const auto& outgoing : outbox) {
    if (due_.size() >= kDueMax) break;
    auto bytes = node::peer_message(node::PeerMessageKind::consensus, consensus::encode(*outgoing.message));
    due_.emplace(now + std::chrono::milliseconds(outgoing.delay_ms),
                 std::pair(outgoing.to, std::make_shared<const Bytes>(std::move(bytes))));
  }
  if (!outbox.empty()) changed_.notify_all();
}

void Liar::run() {
  auto acts_at = Clock::now() + kActs;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    auto now = Clock::now();
    if (now >= acts_at) {
      sim::Adversary::Outbox outbox;
      adversary_.acts(view_, outbox);
      schedule(outbox);
      acts_at = now + kActs;
    }
    while (!due_.empty() && due_.begin()->first <= now) {
      auto [to, bytes] = std::move(due_.begin()->second);
      due_.erase(due_.begin());
      send_(to, std::move(bytes));
    }
    changed_.wait_until(lock, due_.empty() ? acts_at : std::min(acts_at, due_.begin()->first));
  }
}

}  // namespace galen::byzantine
