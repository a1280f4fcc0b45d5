#include "node/verify_pool.hpp"

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/base/thread_clock.hpp"
#include "galen/base/thread_name.hpp"
#include "node/fetch_answers.hpp"
#include "node/repair_answers.hpp"

namespace galen::node {
namespace {

/// As many votes as its send queue holds; its credits bound the bytes before this does.
constexpr FrameQueue::Share kShareOfOneMember{.items_max = 8'192, .bytes_max = 16u << 20};

/// Honest members send none; one of a later version may send a few of kinds that are unknown here.
constexpr TokenBucket kPatience(256, 1'000'000);

/// One behind asks for what it lacks as long as it hears of it, and no oftener than this: neither another one here, nor
/// this node at the word of one that says it is ahead.
constexpr TokenBucket kHints(2, 500'000);

/// Own copies of a batch may come from several members at once; only the first is worth its signatures.
bool known(const BatchPool& pool, const Hash& digest) { return pool.find(digest) != nullptr; }

}  // namespace

VerifyPool::VerifyPool(const Identity& identity, CoreLoop& core, BatchPool& pool, BlockSync& sync,
                       const ledger::Store& store, Health& health, Ports ports, std::size_t threads)
    : identity_(identity),
      core_(core),
      pool_(pool),
      sync_(sync),
      store_(store),
      health_(health),
      ports_(std::move(ports)),
      keys_(identity.context.suite, identity.members()),
      thread_count_(1 + std::max<std::size_t>(1, threads)),
      queue_(kShareOfOneMember),
      patience_(identity.peer_count(), kPatience),
      hints_(identity.peer_count(), kHints) {}

VerifyPool::~VerifyPool() { stop(); }

void VerifyPool::start() {
  for (std::size_t i = 0; i < thread_count_; ++i) threads_.emplace_back([this, i] { run(i == 0); });
}

void VerifyPool::stop() {
  queue_.close();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void VerifyPool::on_frame(net::Frame frame) {
  if (!queue_.try_push(std::move(frame))) ++health_.counters.frames_dropped;
}

void VerifyPool::run(bool votes_only) {
  name_this_thread("verify");
  while (auto frame = votes_only ? queue_.pop_vote() : queue_.pop()) {
    auto began = system_clock().monotonic_us();
    // Not the wall clock: what a frame waits for is not its sender's doing, and neither is what else the machine does.
    auto cpu_began = thread_cpu_us();
    auto status = handle(*frame);
    queue_.handled(frame->from, frame->lane, thread_cpu_us() - cpu_began);
    health_.counters.verify_us += system_clock().monotonic_us() - began;
    if (status) continue;
    if (status.error().code == ErrorCode::IO_ERROR || status.error().code == ErrorCode::CORRUPT)
      return ports_.fatal(status.error());
    on_invalid(frame->from, status.error());
  }
}

void VerifyPool::on_invalid(MemberIndex from, const Error& error) {
  ++health_.counters.frames_invalid;
  if (auto end = lines_.admit(from, "invalid message"))
    log::warn("invalid message from member={} reason={} error=\"{}\"{}", identity_.member_name(from), to_reason(error.code),
              error.message, *end);
  std::unique_lock lock(patience_mutex_);
  if (patience_[from].take(system_clock().monotonic_us())) return;
  lock.unlock();
  ports_.shut_out(from);
}

Status VerifyPool::handle(const net::Frame& frame) {
  if (frame.payload.empty()) return Error{ErrorCode::MALFORMED, "an empty message"};
  auto body = ByteSpan(frame.payload).subspan(1);
  const auto kind = static_cast<PeerMessageKind>(frame.payload[0]);
  if (frame.lane == net::Lane::votes && kind != PeerMessageKind::consensus)
    return Error{ErrorCode::MALFORMED, "only votes may travel among the votes"};
  // A certificate of another epoch says nothing here, and who is in another epoch does not count for a read of this one.
  // Nor are its batches any good here.
  if (kind == PeerMessageKind::fetch_high || kind == PeerMessageKind::high || kind == PeerMessageKind::offer) {
    const auto epoch = health_.peer_epoch(frame.from);
    if (epoch != 0 && epoch != identity_.context.epoch) return {};
  }
  switch (kind) {
    case PeerMessageKind::consensus: return on_consensus(frame.from, body);
    case PeerMessageKind::batch: return on_batch(frame.from, body);
    case PeerMessageKind::offer: return on_offer(frame.from, body);
    case PeerMessageKind::fetch_batches:
    case PeerMessageKind::fetch_blocks:
    case PeerMessageKind::fetch_tree:
    case PeerMessageKind::fetch_stored:
    case PeerMessageKind::fetch_high: return on_question(kind, frame.from, body);
    case PeerMessageKind::high: return ports_.high_answer(frame.from, body);
    case PeerMessageKind::blocks: return sync_.on_blocks(frame.from, body);
    case PeerMessageKind::tree:
    case PeerMessageKind::stored: return ports_.repair_answer(frame.from, frame.payload), Status();
    default: break;
  }
  return Error{ErrorCode::MALFORMED, "an unknown kind of message"};
}

Status VerifyPool::on_consensus(MemberIndex from, ByteSpan body) {
  GALEN_ASSIGN(auto decoded, consensus::decode_of_epoch(identity_.context.suite, body));
  auto& message = decoded.message;
  if (decoded.epoch != identity_.context.epoch) {
    // How much is missing here. Nothing rests on it, and nothing here can verify it: what a member says of itself is shown, not
    // what it says of others.
    auto* executed = std::get_if<consensus::Executed>(&message);
    if (executed && executed->sender == from && decoded.epoch > identity_.context.epoch)
      health_.set_peer_height(from, executed->subject.height);
    on_other_epoch(from, decoded.epoch);
    return {};
  }
  if (auto* prepare = std::get_if<consensus::Prepare>(&message); prepare && core_.vote_is_late(prepare->subject.height))
    return {};
  if (auto* commit = std::get_if<consensus::Commit>(&message); commit && core_.vote_is_late(commit->subject.height))
    return {};
  if (auto* executed = std::get_if<consensus::Executed>(&message)) {
    // What a member says of itself over its own connection is enough for a list of peers.
    if (executed->sender == from) health_.set_peer_height(from, executed->subject.height);
    if (core_.executed_is_late(executed->subject.height)) return {};
  }
  GALEN_TRY(consensus::verify_message(identity_.context, identity_.members(), keys_, from, message));
  core_.on_message({from, std::make_shared<const consensus::Message>(std::move(message))});
  return {};
}

void VerifyPool::on_other_epoch(MemberIndex from, Epoch epoch) {
  {
    std::lock_guard lock(patience_mutex_);
    if (!hints_[from].take(system_clock().monotonic_us())) return;
  }
  if (epoch > identity_.context.epoch) return sync_.follow(from, core_.committed_height() + 1);
  // Unsigned, and of use to nobody but for its epoch.
  const consensus::Message word = consensus::FetchCertificate{core_.committed_height() + 1};
  (void)ports_.send(from, net::Lane::votes,
                    peer_message(PeerMessageKind::consensus, consensus::encode_in(identity_.context.epoch, word)));
}

Status VerifyPool::on_batch(MemberIndex from, ByteSpan body) {
  GALEN_ASSIGN(const auto header, BatchHeader::decode(body.first(std::min(body.size(), kBatchHeaderBytes))));
  if (header.epoch != identity_.context.epoch) {
    if (header.epoch > identity_.context.epoch) on_other_epoch(from, header.epoch);
    return {};
  }
  GALEN_ASSIGN(auto batch, Batch::decode(identity_.context, body));
  if (known(pool_, batch.digest())) return {};
  GALEN_TRY(batch.verify_signatures(identity_.context, identity_.members()));
  core_.on_batch(std::make_shared<const Batch>(std::move(batch)));
  return {};
}

Status VerifyPool::on_offer(MemberIndex from, ByteSpan body) {
  GALEN_ASSIGN(auto digests, decode_offer(body));
  core_.on_offer({from, std::move(digests)});
  return {};
}

// An answer is much longer than its question: none is made for a member that does not take what it has asked for before.
Status VerifyPool::on_question(PeerMessageKind kind, MemberIndex from, ByteSpan body) {
  if (!ports_.has_room(from)) return {};
  auto send = [&](Bytes answer) { return ports_.send(from, net::Lane::bulk, std::move(answer)); };
  if (kind == PeerMessageKind::fetch_batches) return answer_fetch_batches(pool_, body, send);
  if (kind == PeerMessageKind::fetch_high) {
    GALEN_ASSIGN(auto nonce, decode_fetch_high(body));
    send(peer_message(PeerMessageKind::high, encode_high(ports_.high(nonce))));
    return {};
  }
  GALEN_ASSIGN(auto view, store_.snapshot());
  std::optional<Bytes> answer;
  if (kind == PeerMessageKind::fetch_blocks) {
    GALEN_ASSIGN(answer, answer_fetch_blocks(*view, body));
  } else {
    GALEN_ASSIGN(answer, kind == PeerMessageKind::fetch_tree ? answer_fetch_tree(*view, body) : answer_fetch_stored(*view, body));
  }
  if (answer) send(std::move(*answer));
  return {};
}

}  // namespace galen::node
