// What a contract sees: a context, a view of the state, and a meter. Nothing else reaches it: no clock, randomness,
// I/O, thread, float, locale or unordered iteration, so that every replica computes the same bytes
// (docs/spec/formats.md 5). One owner thread, the one that executes blocks. Contracts never include the ledger: the
// executor stands between.
#pragma once

#include <optional>

#include "galen/ledger/v1/state.pb.h"
#include "galen/types/genesis.hpp"
#include "galen/types/receipt.hpp"

namespace galen::contracts {

/// How strongly an author stands behind a transaction (D6): `node` = the origin's member vouches, `author` = signed
/// with the author's own registered key.
enum class Assurance : std::uint8_t { node = 1, author = 2 };

/// Lists that contracts write. Their rows are derived from blocks and are no leaves of the state tree.
enum class ListKind : std::uint8_t {
  patient_records = 1,   ///< key: pseudonym; sequence: height; value: pointer ids anchored in that block, 32 bytes each
  patient_accesses = 2,  ///< key: access_head_key; sequence: 1, 2 …; value: AccessEntry
  patient_consents = 3,  ///< key: pseudonym; sequence: height; value: consent ids granted in that block, 32 bytes each
  proposals = 4,         ///< key: empty; sequence: height; value: ids of what was proposed in that block, 32 bytes each
};

/// Everything that an operation may depend on besides the state.
struct Context {
  crypto::Suite suite = crypto::Suite::p256_sha256;
  const Genesis* genesis = nullptr;
  Height height = 0;
  TimestampMs time_ms = 0;  ///< block time
  TransactionId transaction_id;
  std::uint32_t operation = 0;  ///< index in the transaction
  PrincipalId author;
  const ledger::v1::PrincipalState* author_state = nullptr;  ///< active
  Assurance assurance = Assurance::node;
  PrincipalId origin;  ///< member whose batch carries the transaction
  std::uint32_t rules_version = 1;
};

/// Work of one operation, counted in units: what bounds it is a validity rule, so the limit is part of the rules
/// version.
class Meter {
 public:
  static constexpr std::uint32_t kRead = 1;
  static constexpr std::uint32_t kWrite = 2;
  static constexpr std::uint32_t kKeyCheck = 8;  ///< decoding a public key
  static constexpr std::uint32_t kSignatureCheck = 32;
  static constexpr std::uint32_t kUnitsPerOperationMax = 128;

  void charge(std::uint32_t units) { used_ += units; }
  bool exhausted() const { return used_ > kUnitsPerOperationMax; }
  std::uint32_t used() const { return used_; }
  void reset() { used_ = 0; }

 private:
  std::uint32_t used_ = 0;
};

/// Reads and writes of one transaction. Writes are seen by later reads at once, and undone by the executor if the
/// transaction fails. A read that the disk refuses is remembered by the implementation, which then discards the whole
/// block: it must never turn into an outcome, so it is no result here.
class StateView {
 public:
  virtual ~StateView() = default;
  /// Nothing if there is no such row.
  virtual std::optional<Bytes> get(StateKind kind, ByteSpan key) = 0;
  virtual void put(StateKind kind, ByteSpan key, ByteSpan value) = 0;
  /// Adds an id to the row that (list, owner) has for this block; one row a block and owner, whatever the count.
  virtual void append_id(ListKind list, ByteSpan owner, ByteSpan id) = 0;
  /// One row of its own.
  virtual void append_row(ListKind list, ByteSpan key, std::uint64_t sequence, ByteSpan value) = 0;
  /// A stored value does not decode: our own fault or the disk's, never the author's.
  virtual void mark_corrupt(StateKind kind) = 0;
  virtual Meter& meter() = 0;
};

/// Compartment of the ordinary record; confidential episodes get their own in a later rules version.
inline constexpr std::uint32_t kGeneralCompartment = 0;

/// patient ‖ grantee
Bytes grant_index_key(const PrincipalId& patient, const PrincipalId& grantee);
/// pseudonym ‖ u32 compartment; also the key of the list patient_accesses
Bytes access_head_key(const PrincipalId& patient, std::uint32_t compartment = kGeneralCompartment);

}  // namespace galen::contracts
