// Verifying a receipt with genesis alone (docs/spec/formats.md 8). Used by galen-verify, galenctl and the API's tests; pure.
#pragma once

#include <string>
#include <vector>

#include "galen/ledger/v1/receipt.pb.h"
#include "galen/ledger/v1/state.pb.h"
#include "galen/types/epoch_chain.hpp"

namespace galen {

struct ReceiptVerdict {
  Height height = 0;
  TimestampMs time_ms = 0;
  TransactionId transaction_id;
  PrincipalId author;
  bool author_signed = false;        ///< assurance AUTHOR, else NODE
  PrincipalId origin;                ///< the member that vouches
  ErrorCode code = ErrorCode::OK;    ///< what executing it gave
  std::vector<std::string> operations;  ///< one line each, e.g. "anchor_record pointer 51c0…"
  std::vector<ledger::v1::AccessEntry> decisions;  ///< the answers of its Decide operations, when it was executed
  Signers certified_by;
};

/// BAD_PROOF, BAD_CERTIFICATE, BAD_SIGNATURE, WRONG_CHAIN, MALFORMED, TOO_LARGE, UNSUPPORTED_VERSION or a
/// transaction's own codes; the message names the part that fails.
Result<ReceiptVerdict> verify_receipt(const Genesis& genesis, const ledger::v1::Receipt& receipt);
/// The links of a receipt, and the field from them.
std::vector<EpochLink> epoch_links_of(const ledger::v1::Receipt& receipt);
void set_epoch_links(ledger::v1::Receipt& receipt, std::span<const EpochLink> links);

/// From the bytes of a .galen file: "GALENRCP" ‖ u16 version 1 ‖ Receipt protobuf.
Result<ledger::v1::Receipt> decode_receipt_file(ByteSpan bytes);
Bytes encode_receipt_file(const ledger::v1::Receipt& receipt);

/// A state value (or its absence) under a certified state root.
Status verify_state_proof(crypto::Suite suite, const Hash& state_root, std::uint8_t kind, ByteSpan key,
                          const std::optional<Bytes>& value, ByteSpan encoded_proof);

/// The next head after an entry: hash_tagged("galen/1 access", previous ‖ entry bytes).
Hash next_access_hash(crypto::Suite suite, const Hash& previous, ByteSpan entry);

/// Kinds of state rows (docs/spec/formats.md 5.1).
enum class StateKind : std::uint8_t {
  principal = 1,
  record = 2,
  consent = 3,
  grant_index = 4,
  access_head = 5,
  parameters = 6,
  membership = 7,
  epoch = 8,
  member = 9,
  member_claim = 10,
  proposal = 11,
  certified_roots = 12,
  equivocation = 13,
  leadership = 14,
};

}  // namespace galen
