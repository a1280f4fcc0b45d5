// What is checked before a transaction may take room in the pool: cheap things first, then state. Refusing here is a
// courtesy and a shield, not the rule: the rule is execution's, which checks everything again (a refusal at admission
// is not final). Any thread; the view is a snapshot.
#pragma once

#include "galen/execution/block_runner.hpp"

namespace galen::execution {

struct AdmissionRequest {
  Bytes transaction;
  Authorization authorization;
  /// The principal that the front end authenticated. Assurance NODE: must be the author. AUTHOR: may be anyone of the
  /// member, or nobody (the patients' listener).
  std::optional<PrincipalId> caller;
  TimestampMs now_ms = 0;  ///< the node's wall clock; block time may be a little apart
};

struct Admitted {
  BatchItem item;
  /// Set when the id was executed before: the answer, nothing is to be submitted.
  std::optional<ledger::TransactionEntry> first;
};

class Admission {
 public:
  /// `self` is this node's member, whatever its place in the list of an epoch.
  Admission(const Genesis& genesis, const PrincipalId& self);

  /// Decodes, checks the authorization's signature, the caller, expiry, the author's state, each operation's shape and
  /// assurance, and looks for a first answer. Operations are not run: two in one block may depend on each other.
  Result<Admitted> admit(const ledger::View& view, AdmissionRequest request) const;

  struct Validation {
    Hash transaction_hash;
    Bytes sign_bytes;          ///< what the author signs for assurance AUTHOR
    BlockRunner::Trial trial;  ///< what executing it now would give
  };
  /// For validate_only. MEMBER_NOT_ACTIVE on the node of a member that has no vote. The signature may be missing although an operation asks for one: the trial then assumes that
  /// the author's registered key will sign.
  Result<Validation> validate(const ledger::View& view, const AdmissionRequest& request) const;

 private:
  Result<BatchItem> decode(const AdmissionRequest& request, bool signature_may_be_missing) const;

  Genesis genesis_;
  PrincipalId self_;
  BlockRunner runner_;
};

}  // namespace galen::execution
