// Transactions that their author signs with a key of his own: built here, checked by the node, signed, submitted. What is
// signed is what we built, never what the node sends back.
#pragma once

#include "galen/crypto/signature.hpp"
#include "galen/ledger/v1/transaction.pb.h"
#include "galen/types/genesis.hpp"
#include "galenctl/context.hpp"

namespace galen::galenctl {

struct Authored {
  PrincipalId author;
  const crypto::PrivateKey* key = nullptr;  ///< nothing: the member vouches, and the caller must be the author
  ledger::v1::Operation operation;
  bool dry_run = false;                     ///< ask whether it would be accepted, sign and submit nothing
};

/// The outcome, COMMITTED; none of a dry run. Errors are the node's, BAD_PROOF when it wants other bytes signed than ours.
Result<std::optional<v1::TransactionOutcome>> submit(Context& context, const Genesis& genesis, Authored authored);

}  // namespace galen::galenctl
