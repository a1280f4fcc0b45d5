// Questions that one thread asks peers and waits for: the scrub's for blocks, a diverged node's for pages of the state
// tree. One at a time; what comes from another peer, late, or to another question is dropped.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>

#include "node/peer_messages.hpp"

namespace galen::node {

class PeerQuestion {
 public:
  using Send = std::function<bool(MemberIndex, Bytes)>;  ///< bulk lane; false when the peer is not connected
  explicit PeerQuestion(Send send) : send_(std::move(send)) {}

  /// Sends kind ‖ body; the answer, of kind `answer`, begins with the same body and is returned without it. Nothing when
  /// the peer is not connected, says nothing for some seconds, or does not have what is asked for.
  std::optional<Bytes> ask(MemberIndex peer, PeerMessageKind kind, PeerMessageKind answer, ByteSpan body);
  /// Any thread. `message` with its kind; false unless it was asked for.
  bool on_answer(MemberIndex from, ByteSpan message);
  /// Ends a waiting ask, and all later ones at once.
  void stop();

 private:
  const Send send_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<MemberIndex> peer_;
  Bytes asked_;  ///< how the answer begins, its kind included
  std::optional<Bytes> answer_;
  bool stopped_ = false;
};

}  // namespace galen::node
