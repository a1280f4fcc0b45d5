#include "node/sync_peers.hpp"

#include <algorithm>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"

namespace galen::node {
namespace {

/// More than is ever asked of one member at a time.
constexpr FrameQueue::Share kAnswersOfOneMember{.items_max = 8, .bytes_max = 16u << 20};
constexpr std::uint64_t kAnswerTimeoutUs = 20'000'000;
constexpr std::uint64_t kSlowWaitUs = 100'000;

/// A manifest and a list of snapshots name no subject: one of each may be asked of a member at a time.
bool has_subject(PeerMessageKind kind) {
  return kind == PeerMessageKind::part || kind == PeerMessageKind::past || kind == PeerMessageKind::past_piece;
}

}  // namespace

SyncPeers::SyncPeers(const Identity& identity, Send send)
    : identity_(identity), send_(std::move(send)), queue_(kAnswersOfOneMember) {}

void SyncPeers::on_answer(net::Frame frame) { (void)queue_.try_push(std::move(frame)); }

void SyncPeers::close() {
  closed_ = true;
  queue_.close();
}

bool SyncPeers::ask(MemberIndex peer, PeerMessageKind answer, const SyncSubject& subject, Bytes message) {
  if (!send_(peer, std::move(message))) return false;
  asked_.push_back({peer, answer, subject, system_clock().monotonic_us() + kAnswerTimeoutUs});
  return true;
}

std::optional<SyncPeers::Answer> SyncPeers::wait(std::chrono::milliseconds timeout) {
  const auto until = system_clock().monotonic_us() + static_cast<std::uint64_t>(timeout.count()) * 1000;
  while (!closed()) {
    forget_overdue();
    const auto now = system_clock().monotonic_us();
    const auto left = std::min(until > now ? until - now : 0, kSlowWaitUs);
    if (auto frame = queue_.pop_within(std::chrono::microseconds(left))) {
      queue_.handled(frame->from, frame->lane, 0);  // members take turns here by what they send, whatever it costs
      if (auto answer = match(*frame)) return answer;
    }
    if (system_clock().monotonic_us() >= until) break;
  }
  return std::nullopt;
}

std::optional<SyncPeers::Answer> SyncPeers::match(net::Frame& frame) {
  const auto kind = static_cast<PeerMessageKind>(frame.payload[0]);
  std::optional<SyncSubject> subject;
  if (has_subject(kind)) {
    ByteReader in(ByteSpan(frame.payload).subspan(1));
    subject.emplace();
    subject->height = in.u64();
    subject->number = in.u32();
    if (!in.ok()) return std::nullopt;
    if (kind == PeerMessageKind::past) subject->number = 0;  // how many came; what was asked for is the height
  }
  auto found = std::find_if(asked_.begin(), asked_.end(), [&](const Asked& asked) {
    return asked.peer == frame.from && asked.answer == kind && (!subject || asked.subject == *subject);
  });
  if (found == asked_.end()) return std::nullopt;
  Answer answer{frame.from, kind, found->subject, Bytes(frame.payload.begin() + 1, frame.payload.end())};
  asked_.erase(found);
  return answer;
}

void SyncPeers::forget_overdue() {
  const auto now = system_clock().monotonic_us();
  std::erase_if(asked_, [now](const Asked& asked) { return asked.deadline_us < now; });
}

std::size_t SyncPeers::open(MemberIndex peer) const {
  return static_cast<std::size_t>(
      std::count_if(asked_.begin(), asked_.end(), [peer](const Asked& asked) { return asked.peer == peer; }));
}

bool SyncPeers::is_asked(PeerMessageKind answer, const SyncSubject& subject) const {
  return std::any_of(asked_.begin(), asked_.end(),
                     [&](const Asked& asked) { return asked.answer == answer && asked.subject == subject; });
}

void SyncPeers::ban(MemberIndex peer, const Error& why) {
  if (!banned_.insert(peer).second) return;
  log::error("sync refuses member={} from now on: it sent what failed its check reason={} error=\"{}\"",
             identity_.member_name(peer), to_reason(why.code), why.message);
  std::erase_if(asked_, [peer](const Asked& asked) { return asked.peer == peer; });
}

std::vector<MemberIndex> SyncPeers::usable() {
  const auto members = identity_.members().size();
  std::vector<MemberIndex> out;
  ++turn_;
  for (std::size_t i = 0; i < members; ++i) {
    const auto peer = static_cast<MemberIndex>((turn_ + i) % members);
    if (peer != identity_.self && !banned_.contains(peer)) out.push_back(peer);
  }
  return out;
}

}  // namespace galen::node
