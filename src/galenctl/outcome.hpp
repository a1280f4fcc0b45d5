// What became of a transaction, for people, programs and exit codes.
#pragma once

#include "galen/base/bytes.hpp"
#include "galenctl/modes.hpp"
#include "galenctl/output.hpp"

namespace galen::galenctl {

inline void write_outcome(JsonWriter& writer, const v1::TransactionOutcome& outcome) {
  writer.key("outcome").begin_object().field("transaction_id", to_hex(as_bytes(outcome.transaction_id())));
  writer.field("state", state_name(outcome.state()))
      .field("height", outcome.height())
      .field("time_ms", outcome.time_ms());
  writer.field("reason", outcome.reason()).field("duplicate", outcome.duplicate()).end_object();
}

/// Success only for COMMITTED; the error carries the replicas' reason.
inline Status check_outcome(const v1::TransactionOutcome& outcome) {
  switch (outcome.state()) {
    case v1::TRANSACTION_STATE_COMMITTED:
      return {};
    case v1::TRANSACTION_STATE_REJECTED:
      return make_error(error_code_from_reason(outcome.reason()),
                        "every replica refused the transaction at height " + std::to_string(outcome.height()));
    case v1::TRANSACTION_STATE_EXPIRED:
      return make_error(ErrorCode::EXPIRED, "the transaction was not ordered before its valid_until");
    default:
      return make_error(ErrorCode::DEADLINE_EXCEEDED, "the node does not know yet what became of the transaction");
  }
}

}  // namespace galen::galenctl
