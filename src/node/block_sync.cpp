#include "node/block_sync.hpp"

#include <algorithm>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/types/batch_origin.hpp"
#include "node/peer_messages.hpp"

namespace galen::node {
namespace {

constexpr std::uint64_t kAnswerTimeoutUs = 2'000'000;
constexpr std::uint64_t kPromptUs = 500'000;

}  // namespace

BlockSync::BlockSync(const Identity& identity, Health& health, Ports ports)
    : identity_(identity), health_(health), ports_(std::move(ports)), keys_(identity.context.suite, identity.members()) {}

// The core of who follows without a vote hears of no certificate and wants the next block only, four times a second:
// how far the chain is, and whether a snapshot takes the place of its blocks, the members' EXECUTED say.
void BlockSync::fetch(const consensus::Effects::FetchBlocks& wanted) {
  const auto& members = identity_.members();
  const auto to = std::max(wanted.to, health_.vouched_height(members.size(), members.faults()));
  if (!ports_.may_fetch(to - wanted.from + 1)) return;
  std::lock_guard lock(mutex_);
  auto now = system_clock().monotonic_us();
  if (running_ && now < running_->asked_us + kAnswerTimeoutUs) {
    running_->to = std::max(running_->to, to);
    return;
  }
  // After a timeout another peer is asked than the one that did not answer.
  ask(wanted.from, to, running_ ? after(running_->peer) : wanted.hint);
}

void BlockSync::follow(MemberIndex ahead, Height next) {
  fetch({.from = next, .to = std::max<Height>(next + kFetchBlocksMax - 1, health_.peer_height(ahead)), .hint = ahead});
}

MemberIndex BlockSync::after(MemberIndex peer) const {
  return static_cast<MemberIndex>((peer + 1) % identity_.members().size());
}

// One that sends a block at a time, each just before the timeout, would else keep this node behind for ever.
bool BlockSync::did_well(const Request& request, std::size_t blocks, std::size_t bytes) {
  const bool prompt = system_clock().monotonic_us() <= request.asked_us + kPromptUs;
  return prompt && (blocks >= request.count || bytes > kBlocksAnswerBytesMax / 2);
}

void BlockSync::ask(Height from, Height to, MemberIndex hint) {
  auto members = identity_.members().size();
  for (std::size_t i = 0; i < members; ++i) {
    auto peer = static_cast<MemberIndex>((hint + i) % members);
    if (peer == identity_.self) continue;
    auto count = static_cast<std::uint32_t>(std::min<Height>(kFetchBlocksMax, to >= from ? to - from + 1 : 1));
    if (!ports_.send(peer, encode_fetch_blocks({from, count}))) continue;
    running_ = Request{from, to, count, peer, system_clock().monotonic_us()};
    return;
  }
  running_.reset();
}

Status BlockSync::on_blocks(MemberIndex from, ByteSpan body) {
  Request request;
  {
    std::lock_guard lock(mutex_);
    if (!running_ || running_->peer != from) return {};  // late: somebody else was asked meanwhile
    request = *running_;
  }
  std::vector<BlockPtr> blocks;
  QuorumCertificate certificate;
  auto status = check(body, request.from, blocks, certificate);
  // Nothing of this epoch: either its end is here and executed in a moment, or the peer lies. Its question stays open,
  // so that one that goes on lying is left at the timeout.
  if (status && blocks.empty()) return {};
  if (status) {
    health_.counters.catch_up_blocks += blocks.size();
    for (auto& block : blocks) ports_.deliver({block, certificate});
  }
  std::lock_guard lock(mutex_);
  if (!running_ || running_->peer != from || running_->from != request.from) return status;
  Height next = request.from + blocks.size();
  const bool is_end = status && blocks.back()->skeleton.header.epoch_end();
  auto to = running_->to;
  running_.reset();
  if (!status)
    ask(request.from, to, after(from));
  else if (!is_end && next <= to && ports_.may_fetch(to - next + 1))
    ask(next, to, did_well(request, blocks.size(), body.size()) ? from : after(from));
  return status;
}

bool BlockSync::is_later(const SyncBlock& entry) const {
  auto header = BlockHeader::decode(entry.block.first(std::min(entry.block.size(), kHeaderBytes)));
  return header && header->epoch > identity_.context.epoch;
}

// Parent links below one verified certificate certify the whole answer, so that a block costs no signature check of its own.
// They certify no batch's signature: each is checked, for what is stored here is handed on.
Status BlockSync::check(ByteSpan body, Height from, std::vector<BlockPtr>& blocks, QuorumCertificate& certificate) const {
  GALEN_ASSIGN(auto answer, decode_blocks(body));
  const auto later = std::find_if(answer.begin(), answer.end(), [&](const SyncBlock& entry) { return is_later(entry); });
  if (later == answer.begin() && !answer.empty()) return {};  // the end of this epoch is here, and executed in a moment
  answer.erase(later, answer.end());
  while (!answer.empty() && !answer.back().certificate) answer.pop_back();
  if (answer.empty()) return Error{ErrorCode::BAD_CERTIFICATE, "blocks: no certificate in the answer"};
  certificate = *answer.back().certificate;
  GALEN_TRY(consensus::verify_certificate(identity_.context, identity_.members(), keys_, certificate));
  if (certificate.phase != VotePhase::commit)
    return Error{ErrorCode::BAD_CERTIFICATE, "blocks: the certificate is none of commits"};
  for (const auto& entry : answer) {
    GALEN_ASSIGN(auto block, Block::decode(identity_.context, entry.block));
    blocks.push_back(std::make_shared<const Block>(std::move(block)));
  }
  Hash expected = certificate.subject.digest;
  for (std::size_t i = blocks.size(); i-- > 0;) {
    const auto& header = blocks[i]->skeleton.header;
    if (header.height != from + i || header.digest(identity_.context.suite) != expected) {
      blocks.clear();
      return Error{ErrorCode::BAD_PROOF, "blocks: the answer is no chain that ends in its certificate"};
    }
    expected = header.parent;
  }
  for (const auto& block : blocks)
    for (const auto& batch : block->batches) GALEN_TRY(verify_origin(identity_.context, identity_.members(), *batch));
  return {};
}

}  // namespace galen::node
