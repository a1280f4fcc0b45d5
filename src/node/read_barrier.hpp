// Up to which height a linearizable read has to wait (docs/spec/consensus.md, "Reads"): the highest PREPARE-QC that q members know,
// asked after the read began. Whatever was acknowledged before has a COMMIT-QC, so q members held its PREPARE-QC, and one
// honest member at least is among those who answer. Certificates are verified, so nobody can make a reader wait for a
// height that does not come; nobody who may have forgotten or got wrong what it voted counts.
//
// All reads that begin while one round is on its way share the next one; a round that gets no quorum within a while is asked anew,
// for all that wait. Any thread. Memory: an entry per member.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "galen/consensus/verify.hpp"
#include "node/identity.hpp"
#include "node/peer_messages.hpp"

namespace galen::node {

class ReadBarrier {
 public:
  struct Ports {
    std::function<bool(MemberIndex, Bytes)> send;        ///< bulk lane; false when the member is not connected
    std::function<HighAnswer(std::uint64_t nonce)> own;  ///< what this node would answer
    std::function<std::uint64_t()> now_ms;               ///< monotonic
  };
  /// Longer than a healthy round trip; a lost question or answer costs this.
  static constexpr std::uint64_t kRoundMs = 1'000;

  ReadBarrier(const Identity& identity, std::uint64_t first_nonce, Ports ports);

  using Ticket = std::uint64_t;
  /// A read begins now.
  Ticket begin();
  struct Look {
    std::optional<Height> height;         ///< execute up to here, then read
    std::vector<MemberIndex> silent;      ///< without it: who has not answered lately
    std::vector<MemberIndex> not_voting;  ///< and whose answer does not count
  };
  /// How far it is; asks again when it has taken long.
  Look look(Ticket ticket);

  /// Invalid answers are the sender's fault; answers to other questions are dropped.
  Status on_answer(MemberIndex from, ByteSpan body);

 private:
  struct Round {
    std::uint64_t nonce = 0;
    std::uint64_t since_ms = 0;
    std::map<MemberIndex, bool> answered;  ///< whether it counts
    Height height = 0;
  };
  void start_round();
  void take(MemberIndex from, const HighAnswer& answer);
  void finish_if_enough();

  const Identity& identity_;
  const consensus::MemberKeys keys_;
  const Ports ports_;
  std::mutex mutex_;
  std::uint64_t nonce_;          ///< of the newest round; a ticket is the nonce of the first round that will do
  std::optional<Round> round_;   ///< on its way
  bool wanted_ = false;          ///< somebody waits for the round after it
  std::optional<Round> done_;    ///< the last one with a quorum
  std::map<MemberIndex, bool> heard_;  ///< who has answered it or the one before it, for those who are told who did not
};

}  // namespace galen::node
