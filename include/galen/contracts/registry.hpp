// Which contract runs an operation, who may ask for it, and with what assurance at least (D7). Rules version 1. Pure;
// the thread that executes. Changing anything here changes what is valid: released rules are not edited.
#pragma once

#include "galen/contracts/contract.hpp"
#include "galen/ledger/v1/transaction.pb.h"

namespace galen::contracts {

inline constexpr std::uint32_t kRulesVersionNewest = 1;

/// The least assurance for a kind of operation, the same on every replica.
Assurance min_assurance(ledger::v1::Operation::KindCase kind);

/// May a principal of this kind author such an operation at all? Denied by default.
bool may_author(ledger::v1::PrincipalKind author, ledger::v1::Operation::KindCase kind);

/// What can be said without state: lengths, enumerations, fields that belong together. INVALID_ARGUMENT or BAD_PURPOSE,
/// naming the field; EVIDENCE_INVALID. `place`: index in its transaction. Admission calls it early; execution calls it
/// again.
Status check_operation(const ledger::v1::Operation& operation, std::uint32_t place = 0);

/// Runs one operation: shape, assurance, author's kind, then the contract. The result's bytes stand in the receipt
/// (a serialised AccessEntry for Decide, else empty). After an error the caller undoes what was written.
Result<Bytes> run_operation(const Context& context, const ledger::v1::Operation& operation, StateView& state);

/// A row of the state that the chain starts with.
struct GenesisRow {
  StateKind kind;
  Bytes key;
  Bytes value;
};
/// Principals of members and admins, and the parameters.
std::vector<GenesisRow> genesis_state(const Genesis& genesis);

}  // namespace galen::contracts
