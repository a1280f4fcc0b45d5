// The verify threads: everything a peer sends is decoded and its signatures are checked here, in parallel, before it reaches
// the core; cheap checks come first (D6, D21). They also answer peers' requests for batches and blocks. Who has used least of
// their time comes first, and one thread takes nothing but votes (node/frame_queue.hpp): a member that floods slows itself.
//
// What is of another epoch is not judged here. A later one means that blocks are missing: they are asked of the sender. In an
// earlier one the sender is behind, and gets a word of this one, so that it asks (docs/spec/consensus.md 11).
#pragma once

#include <functional>
#include <thread>

#include "galen/base/log_limit.hpp"
#include "galen/base/token_bucket.hpp"
#include "galen/consensus/verify.hpp"
#include "galen/ledger/store.hpp"
#include "galen/net/mesh.hpp"
#include "node/block_sync.hpp"
#include "node/core_loop.hpp"
#include "node/frame_queue.hpp"
#include "node/peer_messages.hpp"

namespace galen::node {

class VerifyPool {
 public:
  struct Ports {
    std::function<bool(MemberIndex, net::Lane, Bytes)> send;  ///< false: not connected, or no room
    std::function<bool(MemberIndex)> has_room;                ///< for an answer: who reads none gets none made
    std::function<void(MemberIndex, ByteSpan)> repair_answer;  ///< to what this node asked while mending or diverged
    std::function<HighAnswer(std::uint64_t nonce)> high;         ///< for a linearizable read of another member
    std::function<Status(MemberIndex, ByteSpan)> high_answer;    ///< to one of this node
    std::function<void(MemberIndex)> shut_out;  ///< it sends much that is invalid
    std::function<void(const Error&)> fatal;
  };
  /// `threads`, at least one, and one more for votes alone.
  VerifyPool(const Identity& identity, CoreLoop& core, BatchPool& pool, BlockSync& sync, const ledger::Store& store,
             Health& health, Ports ports, std::size_t threads);
  ~VerifyPool();

  void start();
  void stop();
  /// The net thread; never waits. A frame that finds its sender's share of the queue full is dropped: the protocols above
  /// repeat what matters.
  void on_frame(net::Frame frame);
  /// CPU time that the frames of a member have cost since the start.
  std::uint64_t cpu_us(MemberIndex member) const { return queue_.cpu_us(member); }

 private:
  void run(bool votes_only);
  Status handle(const net::Frame& frame);
  void on_invalid(MemberIndex from, const Error& error);
  Status on_consensus(MemberIndex from, ByteSpan body);
  void on_other_epoch(MemberIndex from, Epoch epoch);
  Status on_batch(MemberIndex from, ByteSpan body);
  Status on_offer(MemberIndex from, ByteSpan body);
  Status on_question(PeerMessageKind kind, MemberIndex from, ByteSpan body);

  const Identity& identity_;
  CoreLoop& core_;
  BatchPool& pool_;
  BlockSync& sync_;
  const ledger::Store& store_;
  Health& health_;
  const Ports ports_;
  const consensus::MemberKeys keys_;
  const std::size_t thread_count_;
  FrameQueue queue_;
  LogLimit lines_;
  std::mutex patience_mutex_;
  std::vector<TokenBucket> patience_;  ///< by member: invalid frames that may still come
  std::vector<TokenBucket> hints_;  ///< by member in another epoch: words that may still go to it, or be believed of it
  std::vector<std::thread> threads_;
};

}  // namespace galen::node
