// Votes of all members, counted per (phase, view, height, digest), and the certificates they add up to. Owned by the core.
// Bounded: kept only for heights near the tip, and of each member only so many, the highest.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "galen/consensus/messages.hpp"

namespace galen::consensus {

class VotePool {
 public:
  VotePool(const MemberSet& members, std::size_t per_member_max)
      : members_(&members), per_member_max_(per_member_max), by_member_(members.size()) {}

  struct Added {
    bool is_new = false;
    std::optional<SignedVote> contradicts;         ///< what the member said before at this (phase, view, height)
    std::optional<QuorumCertificate> certificate;  ///< this vote made the quorum
  };
  Added add(VotePhase phase, const SignedVote& vote);
  /// Drops what is at or below the height.
  void prune(Height committed);

 private:
  using Slot = std::tuple<VotePhase, View, Height>;
  using Tally = std::map<MemberIndex, Signature>;
  void remove(MemberIndex member, const Slot& slot);

  const MemberSet* members_;
  std::size_t per_member_max_;
  std::map<std::pair<VotePhase, VoteSubject>, Tally> tallies_;
  std::vector<std::map<Slot, Hash>> by_member_;  ///< what each member voted where
};

/// EXECUTED of all members, per subject; one per member and height.
class ExecutedPool {
 public:
  explicit ExecutedPool(const MemberSet& members) : members_(&members) {}
  /// The certificate, when this message makes the quorum.
  std::optional<ExecutedCertificate> add(const Executed& message);
  void prune(Height below);

 private:
  const MemberSet* members_;
  std::map<ExecutedSubject, std::map<MemberIndex, Signature>> tallies_;
  std::map<Height, std::set<MemberIndex>> heard_;
};

}  // namespace galen::consensus
