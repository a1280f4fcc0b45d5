#include "node/sync_server.hpp"

#include <algorithm>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
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
    if (!ports_.has_room(frame->from)) continue;
    auto status = answer(*frame);
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
      GALEN_ASSIGN(auto blocks, past(wanted));
      ports_.send(frame.from, std::move(blocks));
      return {};
    }
  }
}

Result<Bytes> SyncServer::past(const SyncSubject& wanted) const {
  GALEN_ASSIGN(auto view, store_.snapshot());
  std::vector<Bytes> blocks;
  std::size_t bytes = 0;
  const auto count = std::min(wanted.number, kPastBlocksMax);
  for (auto height = wanted.height; height > 0 && blocks.size() < count; --height) {
    auto block = ledger::encode_past_block(*view, height);
    if (!block && !is_not_here(block.error())) return block.error();
    if (!block || !*block) break;
    // The first always goes, whatever its size.
    if (!blocks.empty() && bytes + (*block)->size() > kPastAnswerBytes) break;
    bytes += (*block)->size();
    blocks.push_back(std::move(**block));
  }
  return encode_past_answer(wanted.height, blocks);
}

}  // namespace galen::node
