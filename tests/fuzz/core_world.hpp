// Four members whose world is a fuzzer's bytes: what arrives, in which order, when time passes, what a disk has written,
// who crashes. Three are honest and run the shipped core; the fourth runs it as well, and says besides whatever the bytes
// make of its own messages and of what it has heard, with its own key alone and past the check that every node makes
// (verify_message). So all that happens is what at most f liars, any network and any crash can do, and what must never happen
// is judged from outside by the simulator's checker (src/sim/checker.hpp). One thread, no clock, no randomness: an input
// gives the same run for ever.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "fuzz/choices.hpp"
#include "galen/consensus/replica.hpp"
#include "sim/checker.hpp"
#include "sim/keyring.hpp"

namespace galen::fuzz {

class CoreWorld {
 public:
  explicit CoreWorld(Choices& choices);
  ~CoreWorld();

  /// One thing that happens.
  void act();
  /// The network and the disks are well again and the liar is silent: work must be done within a bounded time.
  void heal();

 private:
  static constexpr std::size_t kMembers = 4;
  struct Entry;
  struct Member;
  struct InFlight {
    MemberIndex from, to;
    consensus::MessagePtr message;
  };

  // core_world.cpp
  void start(Member& member);
  consensus::Recovered recovered(Member& member);
  void give(Member& member, const consensus::Input& input);
  void carry_out(Member& member, consensus::Effects effects, bool was_tick);
  void check_bounds(const Member& member);
  void say(Member& member, const consensus::Target& to, const consensus::MessagePtr& message);
  void deliver(std::size_t place, bool keeps = false);
  void sign(Member& member, std::size_t which);
  void sync(Member& member);
  void execute(Member& member);
  void execute_next(Member& member);
  const BlockHeader& header_at(const Member& member, Height height) const;
  void answer_fetches(Member& member);
  void submit(MemberIndex origin, std::uint8_t to, TimestampMs valid_for_ms);
  void add_batch(Member& member, const consensus::PendingBatch& batch);
  void pass(std::uint64_t ms);
  void calm_round();
  TimestampMs wall() const;
  bool is_honest(const Member& member) const;
  Member& one();
  void require(bool holds, const char* what) const;

  // core_lies.cpp
  void lie();
  void hear(const consensus::MessagePtr& message);
  consensus::Message some_message();
  void change(consensus::Message& message);
  void change(BlockSkeleton& block);
  std::optional<QuorumCertificate> some_certificate();
  VoteSubject some_subject();
  Hash some_hash();
  consensus::MessagePtr own(consensus::Message message) const;

  Choices& choices_;
  sim::TagKeyring keyring_;
  ChainContext context_;
  MemberSet set_;
  BlockHeader block_zero_;
  Hash zero_digest_;
  MemberIndex liar_ = 0;
  bool is_fresh_ = false;    ///< the logs are new: nobody crashes, since a new log beside a chain is an amnesia
  bool is_healed_ = false;
  std::optional<Height> change_from_;  ///< after this height a change of members is pending, so the epoch ends
  std::optional<sim::Checker> checker_;
  std::array<std::unique_ptr<Member>, kMembers> members_;
  std::deque<InFlight> network_;
  std::map<Hash, consensus::PendingBatch> batches_;
  std::set<Hash> from_logs_;  ///< batches that a start found in its log, and no block held
  std::uint64_t now_ = 1'000;
  std::uint64_t submitted_ = 0;

  // What the liar knows.
  std::deque<consensus::MessagePtr> heard_;
  std::map<std::pair<VotePhase, VoteSubject>, std::map<MemberIndex, Signature>> votes_;
  std::map<View, std::map<MemberIndex, consensus::ViewChangeHeader>> view_changes_;
};

}  // namespace galen::fuzz
