// Who this node is, and who takes part beside it in the present epoch. Set once when a node opens, then read by all
// threads: a change of members makes the node open again (docs/spec/consensus.md 11).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "galen/crypto/signature.hpp"
#include "galen/types/genesis.hpp"

namespace galen::node {

struct Participant {
  Member member;
  std::string name;
  std::string ca_pem;  ///< its CA certificate; empty: only the fingerprint is known here
  std::optional<Hash> next_ca = std::nullopt;  ///< the fingerprint that is pinned for it from the next epoch on, if it is another
  bool operator==(const Participant&) const = default;
};

/// By index: the voters in the order of the epoch, then the learners, then the own member if it is neither.
struct Participants {
  MemberSet voters;
  std::size_t learners = 0;
  std::vector<Participant> all;
  std::vector<PrincipalId> former;  ///< voted in an earlier epoch and take no part now
};

enum class Role : std::uint8_t { voter, learner, none };
std::string_view to_name(Role role);

struct Identity {
  Genesis genesis;
  MemberIndex self = 0;  ///< among the participants: a voter's is its index in the epoch
  ChainContext context;  ///< of the epoch
  crypto::PrivateKey consensus_key;
  std::optional<Participants> participants = std::nullopt;  ///< nothing: the members of genesis
  /// Whether consensus_key is the one that the epoch names for the own member. Without it the node follows and signs nothing.
  bool can_sign = true;
  /// What is wrong with the vault's index, if something is: the node follows without it, and signs nothing.
  std::optional<std::string> vault_damage = std::nullopt;

  /// The voters.
  const MemberSet& members() const { return participants ? participants->voters : genesis.member_set; }
  /// Whoever may be connected, this node included.
  std::size_t peer_count() const { return participants ? participants->all.size() : genesis.members.size(); }
  const PrincipalId& id_of(MemberIndex index) const {
    return participants ? participants->all[index].member.id : genesis.members[index].id;
  }
  const PrincipalId& member_id() const { return id_of(self); }
  std::string_view member_name_or_none(MemberIndex index) const {
    return index < peer_count() ? std::string_view(member_name(index)) : "-";
  }
  const std::string& member_name(MemberIndex index) const {
    return participants ? participants->all[index].name : genesis.members[index].name;
  }
  Role role() const {
    if (self < members().size()) return Role::voter;
    return participants && self < members().size() + participants->learners ? Role::learner : Role::none;
  }
  bool is_voter() const { return role() == Role::voter; }
  /// What it says counts in this epoch: it has a vote, the key to give it with, and its data.
  bool votes() const { return is_voter() && can_sign && !vault_damage; }
};

}  // namespace galen::node
