// Which detail of the ledger a caller is shown (D14): what concerns its own member or its own member's patients; of all else
// it sees headers. The one place that decides: every read call asks it, none compares members itself. It narrows what
// clients see, not what a member holds on its disk (docs/spec/privacy.md). Lives for one call, on one thread.
#pragma once

#include <map>

#include "galen/ledger/v1/state.pb.h"
#include "galen/ledger/view.hpp"
#include "galen/types/genesis.hpp"
#include "galen/types/receipt.hpp"
#include "galen/types/transaction.hpp"

namespace galen::node {

class Disclosure {
 public:
  /// `member` is the caller's, which is this node's own (authority.hpp). Both arguments outlive this.
  Disclosure(const ledger::View& view, const PrincipalId& member) : view_(view), member_(member) {}

  /// A principal whom the caller's member registered: a patient, a service.
  Result<bool> own(ByteSpan id);
  /// Its own patient, or one who has a consent to the member in force, whatever its purpose.
  Result<bool> patient(ByteSpan id);

  /// The custodian's, the home member's of its subject, and those whom she lets see her record.
  Result<bool> record(const ledger::v1::RecordState& state);
  /// The home member's of the patient, and the grantee's.
  Result<bool> consent(const ledger::v1::ConsentState& state);
  /// The home member's of the patient, and that of who asked.
  Result<bool> access(const ledger::v1::AccessEntry& entry);
  /// Members, admins and services are known to all; a patient's row as patient().
  Result<bool> principal(ByteSpan id, const ledger::v1::PrincipalState& state);
  /// The author's member's. Others see it only if each of its operations concerns them: a transaction is shown whole or not
  /// at all.
  Result<bool> transaction(const Transaction& transaction);
  /// An event's detail: the member's that vouched for the transaction, the author's member's, and those whom the operation concerns.
  /// `executed` is nothing for a transaction that was refused: what it named concerns nobody.
  Result<bool> event(const PrincipalId& origin, const PrincipalId& author, const ledger::v1::Operation* executed);
  /// A row of the state tree, there or not: a proof shows the whole of it, and the absence of a row can say as much.
  Result<bool> state_row(StateKind kind, ByteSpan key);

 private:
  Result<bool> operation(const ledger::v1::Operation& operation);
  Result<bool> consent_in_force(ByteSpan patient);
  bool is_member(ByteSpan id) const;
  template <class Value>
  Result<std::optional<Value>> load(StateKind kind, ByteSpan key) const;

  const ledger::View& view_;
  const PrincipalId member_;
  std::map<PrincipalId, bool> own_;        ///< whether the principal's home is member_
  std::map<PrincipalId, bool> consented_;
};

/// What the caller is told when it may not see a thing; `what` begins the sentence.
Error not_yours_to_read(std::string_view what);

}  // namespace galen::node
