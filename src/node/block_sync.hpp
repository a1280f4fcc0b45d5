// Catch-up: blocks of this epoch that this node missed, fetched from its peers and verified before the core sees them. One request at a
// time, the next peer when one does not answer, or little or late; nothing is believed without a certificate. Any thread.
#pragma once

#include <functional>
#include <mutex>

#include "galen/consensus/effects.hpp"
#include "galen/consensus/verify.hpp"
#include "node/core_loop.hpp"
#include "node/peer_messages.hpp"

namespace galen::node {

class BlockSync {
 public:
  struct Ports {
    std::function<bool(MemberIndex, Bytes)> send;       ///< bulk lane; false when the peer is not connected
    std::function<void(FetchedBlock)> deliver;          ///< to the core; waits when it is behind
    std::function<bool(Height missing)> may_fetch;      ///< no: a snapshot takes the place of so many blocks
  };
  BlockSync(const Identity& identity, Health& health, Ports ports);

  /// The core misses committed blocks. Repeated while a request is running it does nothing.
  void fetch(const consensus::Effects::FetchBlocks& wanted);
  /// A member is in a later epoch than this node: it has the blocks from `next` on, up to the end of this epoch at least.
  void follow(MemberIndex ahead, Height next);
  /// An answer. MALFORMED or BAD_CERTIFICATE: the peer lies, the next one is asked.
  Status on_blocks(MemberIndex from, ByteSpan body);

 private:
  struct Request {
    Height from = 0, to = 0;
    std::uint32_t count = 0;  ///< of them asked for now
    MemberIndex peer = 0;
    std::uint64_t asked_us = 0;
  };
  MemberIndex after(MemberIndex peer) const;
  /// Worth to be asked again at once.
  static bool did_well(const Request& request, std::size_t blocks, std::size_t bytes);
  bool is_later(const SyncBlock& entry) const;
  void ask(Height from, Height to, MemberIndex hint);
  /// Blocks of an answer up to the last one that a certificate covers, and that certificate; those of later epochs are left
  /// out: their members are known once this epoch's end is executed.
  Status check(ByteSpan body, Height from, std::vector<BlockPtr>& blocks, QuorumCertificate& certificate) const;

  const Identity& identity_;
  Health& health_;
  const Ports ports_;
  const consensus::MemberKeys keys_;
  std::mutex mutex_;
  std::optional<Request> running_;
};

}  // namespace galen::node
