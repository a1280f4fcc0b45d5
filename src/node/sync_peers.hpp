// What the sync thread has asked of which member, and what came back (docs/spec/snapshots.md 2): an answer that was not
// asked of its sender is dropped, one that fails its check bans it until the next start. What waits here waits in a
// share of its sender's, so that one that floods costs the others no answer.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <set>

#include "galen/net/frame.hpp"
#include "node/frame_queue.hpp"
#include "node/identity.hpp"
#include "node/sync_messages.hpp"

namespace galen::node {

class SyncPeers {
 public:
  using Send = std::function<bool(MemberIndex, Bytes)>;  ///< bulk lane; false when the member is not connected
  SyncPeers(const Identity& identity, Send send);

  /// The net thread; never waits.
  void on_answer(net::Frame frame);
  void close();
  bool closed() const { return closed_; }

  // The sync thread only.
  struct Answer {
    MemberIndex from = 0;
    PeerMessageKind kind{};
    SyncSubject subject;  ///< as it was asked
    Bytes body;           ///< behind the kind byte
  };
  /// False when the member cannot be asked now.
  bool ask(MemberIndex peer, PeerMessageKind answer, const SyncSubject& subject, Bytes message);
  /// The next answer to something asked; nothing after `timeout`, or when the node stops.
  std::optional<Answer> wait(std::chrono::milliseconds timeout);
  /// How much is on its way from a member.
  std::size_t open(MemberIndex peer) const;
  bool is_asked(PeerMessageKind answer, const SyncSubject& subject) const;
  void forget_all() { asked_.clear(); }

  /// Asked for nothing any more.
  void ban(MemberIndex peer, const Error& why);
  bool is_banned(MemberIndex peer) const { return banned_.contains(peer); }
  /// Members that may be asked, this one never among them, another one first each time.
  std::vector<MemberIndex> usable();
  std::vector<MemberIndex> banned() const { return {banned_.begin(), banned_.end()}; }
  bool all_banned() const { return banned_.size() + (identity_.is_voter() ? 1 : 0) >= identity_.members().size(); }

 private:
  struct Asked {
    MemberIndex peer;
    PeerMessageKind answer;
    SyncSubject subject;
    std::uint64_t deadline_us;
  };
  std::optional<Answer> match(net::Frame& frame);
  void forget_overdue();

  const Identity& identity_;
  const Send send_;
  FrameQueue queue_;
  std::atomic<bool> closed_{false};
  std::vector<Asked> asked_;
  std::set<MemberIndex> banned_;
  std::size_t turn_ = 0;
};

}  // namespace galen::node
