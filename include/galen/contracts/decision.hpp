// May this organisation see this patient's record for this purpose, now? A pure function of the consents between the
// two and block time: the same inputs give the same answer on every replica and in every verifier
// (docs/spec/formats.md 5.5).
#pragma once

#include <span>

#include "galen/contracts/contract.hpp"

namespace galen::contracts {

struct ConsentView {
  ConsentId id;
  ledger::v1::ConsentState state;
};

struct Decision {
  bool permit = false;
  ledger::v1::DecisionReason reason = ledger::v1::DECISION_REASON_NO_CONSENT;
  std::optional<ConsentId> consent;  ///< the newest one that gave the reason
};

/// `consents` are those between patient and organisation, oldest first. Each is asked in order: revoked? past its end?
/// not yet begun? another purpose? Any that passes permits. Otherwise the answer names the last question that any of
/// them reached, since that is the one whose answer would have to change.
Decision decide(std::span<const ConsentView> consents, TimestampMs time_ms, std::uint32_t purpose);

}  // namespace galen::contracts
