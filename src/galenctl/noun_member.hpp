// The verbs of the noun "member" that sign or submit; the others are beside their grammar in noun_member.cpp. Private.
#pragma once

#include <map>
#include <set>
#include <string>

#include "galenctl/context.hpp"

namespace galen::galenctl {

/// Who signs, and whether at all.
struct AdminOptions {
  std::string key;     ///< --admin-key; empty: the one that `dev up` made
  std::string author;  ///< --author; empty: the administrator of the node's member
  std::string genesis;
  bool dry_run = false;
};
struct ProposeOptions : AdminOptions {
  std::string change, member, paper, tls_ca;
};
struct VoteOptions : AdminOptions {
  std::string proposal;
  bool approve = false, reject = false;
};
struct ReadyOptions : AdminOptions {
  std::string paper;
};
struct AdminKeyOptions : AdminOptions {
  std::string present_key;
};
struct ProofOptions {
  std::string kind, name, id, admin, consensus_key, admin_key, tls_ca, member, out, genesis;
};

Result<int> propose_members(Context& context, const ProposeOptions& options);
Result<int> vote_members(Context& context, const VoteOptions& options);
Result<int> submit_readiness(Context& context, const ReadyOptions& options);
Result<int> set_admin_key(Context& context, const AdminKeyOptions& options);
Result<int> list_evidence(Context& context);
/// Epochs in which the chain has proven a member's double signature, by member id.
using ProvenEpochs = std::map<std::string, std::set<std::uint64_t>>;
Result<ProvenEpochs> proven_epochs(Client& client);
Result<int> make_proof(Context& context, const ProofOptions& options);

}  // namespace galen::galenctl
