// Who this node is: genesis, its place among the members, and its consensus key. Set once at start, then read by all threads.
#pragma once

#include "galen/crypto/signature.hpp"
#include "galen/types/genesis.hpp"

namespace galen::node {

struct Identity {
  Genesis genesis;
  MemberIndex self = 0;
  ChainContext context;
  crypto::PrivateKey consensus_key;

  const MemberSet& members() const { return genesis.member_set; }
  const PrincipalId& member_id() const { return members()[self].id; }
  const std::string& member_name(MemberIndex index) const { return genesis.members[index].name; }
};

}  // namespace galen::node
