// What proves that somebody holds a key which is to act for a member, and that a learner has executed the chain
// (docs/spec/formats.md 6.7): the bytes that are signed. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "galen/ledger/v1/transaction.pb.h"
#include "galen/types/members.hpp"

namespace galen {

/// 1 to limits::kMemberNameBytesMax bytes of UTF-8 without control characters.
bool is_member_name(std::string_view name);

/// A hospital that asks to be let in; its consensus key signs all of it.
struct MemberAdmission {
  PrincipalId member;
  PublicKey consensus_key;
  Hash tls_ca;
  PrincipalId admin;
  PublicKey admin_key;
  std::string name;  ///< is_member_name

  Bytes sign_bytes(const Hash& chain_id) const;
  /// What is proposed: all of it, with the signature over sign_bytes.
  ledger::v1::AddLearner with_proof(const Signature& proof) const;
};

/// What a member's next consensus key signs.
Bytes member_key_sign_bytes(const Hash& chain_id, const PrincipalId& member, const PublicKey& key);
/// What an administrator's new key signs.
Bytes admin_key_sign_bytes(const Hash& chain_id, const PrincipalId& admin, const PublicKey& key);
/// What a learner's consensus key signs: the root of the state that it came to at this height.
Bytes learner_ready_sign_bytes(const Hash& chain_id, const PrincipalId& member, Height height, const Hash& state_root);

}  // namespace galen
