#include "node/sync_server.hpp"

#include <algorithm>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/base/thread_clock.hpp"
#include "galen/base/thread_name.hpp"
#include "node/repair_answers.hpp"

namespace galen::node {
namespace {

constexpr FrameQueue::Share kRequestsOfOneMember{.items_max = 32, .bytes_max = 64 << 10};
constexpr std::uint64_t kInUseUs = 60'000'000;

}  // namespace

SyncServer::SyncServer(const Identity& identity, const ledger::Store& store, const ledger::SnapshotFiles& files,
                       Ports ports)
    : identity_(identity), store_(store), files_(files), ports_(std::move(ports)), queue_(kRequestsOfOneMember) {}

SyncServer::~SyncServer() { stop(); }

void SyncServer::start() {
  thread_ = std::thread([this] { run(); });
}

void SyncServer::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

void SyncServer::on_request(net::Frame frame) { (void)queue_.try_push(std::move(frame)); }

bool SyncServer::in_use(Height height) const {
  std::lock_guard lock(mutex_);
  auto found = used_us_.find(height);
  return found != used_us_.end() && system_clock().monotonic_us() - found->second < kInUseUs;
}

void SyncServer::used(Height height) {
  std::lock_guard lock(mutex_);
  used_us_[height] = system_clock().monotonic_us();
}

void SyncServer::run() {
  name_this_thread("sync serve");
  while (auto frame = queue_.pop()) {
    const auto cpu_began = thread_cpu_us();
    auto status = ports_.has_room(frame->from) ? answer(*frame) : Status();
    queue_.handled(frame->from, frame->lane, thread_cpu_us() - cpu_began);
    if (status) continue;
    if (status.error().code == ErrorCode::IO_ERROR || status.error().code == ErrorCode::CORRUPT)
      return ports_.fatal(status.error());
    if (auto end = lines_.admit(frame->from, "invalid request"))
      log::warn("invalid request from member={} reason={} error=\"{}\"{}", identity_.member_name(frame->from),
                to_reason(status.error().code), status.error().message, *end);
  }
}

Status SyncServer::answer(const net::Frame& frame) {
  const auto body = ByteSpan(frame.payload).subspan(1);
  switch (static_cast<PeerMessageKind>(frame.payload[0])) {
    case PeerMessageKind::fetch_snapshots: {
      auto heights = files_.heights();
      if (heights.size() > kSnapshotsOfferedMax) heights.erase(heights.begin(), heights.end() - kSnapshotsOfferedMax);
      ports_.send(frame.from, encode_snapshots(heights));
      return {};
    }
    case PeerMessageKind::fetch_manifest: {
      GALEN_ASSIGN(auto height, decode_fetch_manifest(body));
      auto manifest = files_.manifest(height);
      if (manifest) used(height);
      ports_.send(frame.from, peer_message(PeerMessageKind::manifest, manifest ? *manifest : Bytes{}));
      return {};
    }
    case PeerMessageKind::fetch_part: {
      GALEN_ASSIGN(auto wanted, decode_subject(body));
      auto part = files_.part(wanted.height, wanted.number);
      if (part) used(wanted.height);
      ports_.send(frame.from, encode_part_answer(wanted, part ? *part : Bytes{}));
      return {};
    }
    default: {
      GALEN_ASSIGN(auto wanted, decode_subject(body));
      const bool piece = static_cast<PeerMessageKind>(frame.payload[0]) == PeerMessageKind::fetch_past_piece;
      GALEN_ASSIGN(auto blocks, piece ? past_piece(wanted) : past(wanted));
      ports_.send(frame.from, std::move(blocks));
      return {};
    }
  }
}

Result<Bytes> SyncServer::past(const SyncSubject& wanted) {
  GALEN_ASSIGN(auto view, store_.snapshot());
  std::vector<Bytes> blocks;
  std::size_t bytes = 0;
  const auto count = std::min(wanted.number, kPastBlocksMax);
  for (auto height = wanted.height; height > 0 && blocks.size() < count; --height) {
    GALEN_ASSIGN(auto block, past_block(*view, height));
    if (!block) break;
    if (blocks.empty() && block->size() > kPastWholeBytesMax) {
      large_ = Large{height, std::move(*block)};
      return encode_past_in_pieces(height, large_->bytes.size());
    }
    // The first always goes, whatever its size.
    if (!blocks.empty() && bytes + block->size() > kPastAnswerBytes) break;
    bytes += block->size();
    blocks.push_back(std::move(*block));
  }
  return encode_past_answer(wanted.height, blocks);
}

Result<Bytes> SyncServer::past_piece(const SyncSubject& wanted) {
  if (!large_ || large_->height != wanted.height) {
    GALEN_ASSIGN(auto view, store_.snapshot());
    GALEN_ASSIGN(auto block, past_block(*view, wanted.height));
    if (!block || block->size() <= kPastWholeBytesMax)
      return encode_part_answer(wanted, {}, PeerMessageKind::past_piece);
    large_ = Large{wanted.height, std::move(*block)};
  }
  const auto& bytes = large_->bytes;
  const auto from = std::min<std::uint64_t>(std::uint64_t{wanted.number} * kPastPieceBytes, bytes.size());
  const auto to = std::min<std::uint64_t>(from + kPastPieceBytes, bytes.size());
  auto answer = encode_part_answer(wanted, ByteSpan(bytes).subspan(from, to - from), PeerMessageKind::past_piece);
  if (to == bytes.size()) large_.reset();
  return answer;
}

/// Damage of one's own is no answer for another, and no reason to stop for a question: the own scrub finds it.
Result<std::optional<Bytes>> SyncServer::past_block(const ledger::View& view, Height height) const {
  auto block = ledger::encode_past_block(view, height);
  if (block || !is_not_here(block.error())) return block;
  return std::optional<Bytes>{};
}

}  // namespace galen::node
