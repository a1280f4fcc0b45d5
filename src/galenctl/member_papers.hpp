// What a hospital hands to the members that are to let it in or change its keys: small JSON files, each signed with the
// consensus key concerned (docs/spec/formats.md 6.6). Made where the key lies, checked again before anybody proposes it;
// nothing in them is secret.
#pragma once

#include <string>

#include "galen/crypto/signature.hpp"
#include "galen/ledger/v1/transaction.pb.h"
#include "galen/types/genesis.hpp"
#include "galen/types/membership.hpp"

namespace galen::galenctl {

std::string admission_paper(const Genesis& genesis, const MemberAdmission& admission, const crypto::PrivateKey& key);
std::string rotation_paper(const Genesis& genesis, const PrincipalId& member, const crypto::PrivateKey& key);
std::string readiness_paper(const Genesis& genesis, const PrincipalId& member, Height height, const Hash& state_root,
                            const crypto::PrivateKey& key);

/// Of the file: INVALID_ARGUMENT when it is another paper or lacks something, WRONG_CHAIN, BAD_POSSESSION_PROOF.
Result<ledger::v1::AddLearner> load_admission(const Genesis& genesis, const std::string& path);
Result<ledger::v1::RotateMemberKey> load_rotation(const Genesis& genesis, const std::string& path);
/// Whose key it is stands on the chain: the signature is the node's to check.
Result<ledger::v1::LearnerReady> load_readiness(const Genesis& genesis, const std::string& path);

}  // namespace galen::galenctl
