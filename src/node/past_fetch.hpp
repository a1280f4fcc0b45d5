// Takes past blocks downwards, from one member after the other; each is verified before anybody sees it
// (docs/spec/snapshots.md 1.4). Used by the joiner and by backfilling; the sync thread.
#pragma once

#include <functional>

#include "galen/ledger/past_block.hpp"
#include "node/sync_peers.hpp"

namespace galen::node {

class PastFetch {
 public:
  /// The block that is wanted now; nothing: no more.
  using Wanted = std::function<Result<std::optional<ledger::PastWanted>>()>;
  using Take = std::function<Status(const ledger::PastBlock&)>;

  explicit PastFetch(SyncPeers& peers) : peers_(peers) {}

  /// One question to one member, and what its answer brings, checked with the members of each block's epoch. Returns how
  /// many blocks were taken: 0 when nobody could be asked, or the one asked has none. Errors are ours: those of `wanted`
  /// and `take`.
  Result<std::size_t> step(const EpochChain& epochs, const Wanted& wanted, const Take& take);

 private:
  struct Taken {
    std::size_t blocks = 0, bytes = 0;
  };
  Result<Taken> take_answer(const EpochChain& epochs, const SyncPeers::Answer& answer, const Wanted& wanted,
                            const Take& take);
  /// A block that fits no answer, piece after piece; nothing when they end too early.
  std::optional<Bytes> fetch_pieces(MemberIndex peer, Height height, std::size_t bytes);
  std::optional<SyncPeers::Answer> wait_for(MemberIndex peer, PeerMessageKind kind);
  std::optional<MemberIndex> ask(Height highest);

  SyncPeers& peers_;
  std::optional<MemberIndex> last_good_;  ///< asked again first: it sent much, and at once
};

}  // namespace galen::node
