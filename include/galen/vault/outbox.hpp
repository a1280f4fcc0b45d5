// An outbox record: what a node must find again after a crash before it lets a transaction leave (D15). It is put into
// the node's log in the same turn as the batch that carries the transaction. Only wrapped keys and keyed hashes stand
// in it beside the transaction's own bytes. Layout: docs/spec/commitments.md 5. Immutable; any thread.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "galen/types/transaction.hpp"
#include "galen/vault/keyring.hpp"

namespace galen::vault {

using SourceHash = FixedBytes<struct SourceHashTag, 32>;  ///< HMAC(index key, system | type | id)
/// AES-256-GCM of a 32-byte key: nonce 12 ‖ ciphertext 32 ‖ tag 16.
using WrappedKey = FixedBytes<struct WrappedKeyTag, 60>;

struct WrappedPatientKey {
  SlotIndex epoch = 0;
  WrappedKey key;
  bool operator==(const WrappedPatientKey&) const = default;
};

/// One record version: what the index keeps once the transaction is executed.
struct AnchorEntry {
  SourceHash source;
  PointerId pointer_id;
  PrincipalId subject;   ///< pseudonym; zero: none
  PointerId supersedes;  ///< zero: none
  Hash commitment;
  std::uint8_t canon = 1;
  WrappedKey record_key;  ///< under the subject's patient key
  WrappedPatientKey patient_key;
  std::uint32_t lossy_numbers = 0;  ///< numbers that method JCS wrote with other digits, by the author's leave
  bool operator==(const AnchorEntry&) const = default;
};
/// One patient of the patient table.
struct PatientEntry {
  SourceHash lookup;  ///< HMAC(index key, system | value)
  PrincipalId pseudonym;
  Bytes sealed_identifier;  ///< system and value under the patient table key
  WrappedPatientKey patient_key;
  bool operator==(const PatientEntry&) const = default;
};
using OutboxEntry = std::variant<AnchorEntry, PatientEntry>;

inline constexpr std::size_t kSealedIdentifierBytesMax = 2048;
inline constexpr std::size_t kAnchorEntryBytes = 283;

/// kAnchorEntryBytes, without lossy_numbers: who stores an entry with some writes them behind it, under another kind or
/// format.
void append(ByteWriter& out, const AnchorEntry& entry);
AnchorEntry read_anchor_entry(ByteReader& in);

struct OutboxRecord {
  PrincipalId author;
  RequestId request_id;
  TransactionId transaction_id;
  TimestampMs valid_until_ms = 0;
  std::optional<RequestId> replaces;  ///< the expired request this one takes up again, with the same pointers and keys
  Bytes transaction;                  ///< the exact bytes submitted
  std::vector<OutboxEntry> entries;
  bool operator==(const OutboxRecord&) const = default;

  Bytes encode() const;
  /// MALFORMED, UNSUPPORTED_VERSION.
  static Result<OutboxRecord> decode(ByteSpan bytes);
};

}  // namespace galen::vault
