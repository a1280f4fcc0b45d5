// The inside of RecordVault: what is on its way, and the patient keys in use. Everything here is guarded by `mutex`.
// Invariants: a source is in `sources` while a plan or an unexecuted transaction names it; a patient key made here
// stays in `new_patient_keys` until the index holds it or every plan that needs it was given up, so that one patient
// never gets two.
#pragma once

#include <mutex>
#include <unordered_map>

#include "galen/vault/records.hpp"

namespace galen::vault {

struct FixedBytesHash {
  template <class Fixed>
  std::size_t operator()(const Fixed& id) const {
    std::size_t out = 0;
    std::memcpy(&out, id.data.data(), sizeof(out));  // random or hashed ids: their first bytes are as good as any hash
    return out;
  }
};
template <class Key, class Value>
using IdMap = std::unordered_map<Key, Value, FixedBytesHash>;

struct RecordVault::State {
  /// What a commitment covers; the bytes are the caller's.
  struct Canonical {
    ByteSpan bytes;
    ledger::v1::CanonMethod canon = ledger::v1::CANON_METHOD_RAW;
    std::uint32_t lossy_numbers = 0;
  };
  struct PatientKey {
    crypto::AeadKey key;
    WrappedPatientKey wrapped;
  };
  /// Not in the index yet. As long as nothing but plans needs it, it goes with the last of them; what was bound may
  /// stand in the log, and come back from there.
  struct NewPatientKey {
    PatientKey key;
    std::size_t plans = 0, bindings = 0;
  };
  /// One version of a source on its way.
  struct Flight {
    AnchorEntry entry;
    PlanGroup group = 0;
    std::optional<TransactionId> transaction_id;
  };
  struct PatientFlight {
    PatientEntry entry;
    PlanGroup group = 0;
    std::optional<TransactionId> transaction_id;
  };
  struct Bound {
    OutboxRecord record;
    std::uint64_t order = 0;      ///< of binding
    std::uint64_t seq_floor = 0;  ///< the log is needed from here on; exact once logged
    bool expired = false;
    std::vector<TransactionId> earlier;  ///< ids it went out under before and expired, so far as anyone knows here
  };

  State(Options o, Keyring k, RecordIndex i) : options(std::move(o)), keyring(std::move(k)), index(std::move(i)) {}

  const Options options;
  mutable std::mutex mutex;
  Keyring keyring;
  RecordIndex index;
  IdMap<SourceHash, std::vector<Flight>> sources;
  IdMap<PointerId, SourceHash> pointers;      ///< of `sources`
  IdMap<SourceHash, PatientFlight> patients;  ///< by lookup hash
  std::unordered_map<PlanGroup, std::vector<OutboxEntry>> unbound;
  IdMap<TransactionId, Bound> bound;
  IdMap<TransactionId, TransactionId> renamed;  ///< each of `earlier` to the present id
  IdMap<PrincipalId, NewPatientKey> new_patient_keys;
  mutable IdMap<PrincipalId, PatientKey> keys_recent, keys_older;  ///< a cache of two halves, of keys in the index
  std::uint32_t new_keys_in_epoch = 0;                             ///< made here and not yet counted by the index
  std::uint64_t order_next = 1;
  std::uint64_t logged_next = 0;  ///< one past the highest seq known to be taken
  std::size_t entries_in_flight = 0;

  // records_keys.cpp
  SourceHash source_hash(const Source& source) const;
  SourceHash patient_lookup(std::string_view system, std::string_view value) const;
  /// KEY_NOT_HERE when there is none.
  Result<PatientKey> patient_key(const PrincipalId& subject) const;
  /// Makes one when there is none.
  Result<PatientKey> patient_key_for_writing(const PrincipalId& subject);
  void cache(const PrincipalId& subject, const PatientKey& key) const;
  /// From an outbox record, when the index does not hold it yet.
  Status adopt_patient_key(const PrincipalId& subject, const WrappedPatientKey& wrapped);
  void patient_key_indexed(const PrincipalId& subject);
  void plan_uses_key(const OutboxEntry& entry);
  /// The plan was bound, or given up.
  void plan_is_over(const OutboxEntry& entry, bool is_bound);
  /// It was bound, and never left.
  void binding_is_over(const OutboxEntry& entry);
  void forget_if_unused(IdMap<PrincipalId, NewPatientKey>::iterator found);
  void forget_new_key(IdMap<PrincipalId, NewPatientKey>::iterator found);
  Result<RecordKey> record_key(const AnchorEntry& entry) const;
  /// Of the same method and the same loss, and over the same canonical bytes.
  Result<bool> matches(const AnchorEntry& entry, const Canonical& content) const;
  /// Of a record on its way or executed.
  Result<std::optional<AnchorEntry>> entry_of(const PointerId& pointer_id) const;
  Bytes seal_identifier(const PrincipalId& pseudonym, std::string_view system, std::string_view value) const;
  Result<LocalIdentifier> open_identifier(const PrincipalId& pseudonym, ByteSpan sealed) const;
  Result<AnchorEntry> new_entry(const SourceHash& source, const AnchorEntry* before,
                                const std::optional<PrincipalId>& subject, const Canonical& content);

  // records_life.cpp
  void bind_entries(OutboxRecord record, std::uint64_t seq_floor, std::vector<TransactionId> earlier);
  /// Forgets the transaction as one on its way, and its former ids.
  void unbind(const TransactionId& transaction_id);
  void set_flights(const OutboxRecord& record);
  void remove_flights(const std::vector<OutboxEntry>& entries);
  Result<bool> is_applied(const OutboxRecord& record) const;
  std::uint64_t needed_from(std::uint64_t log_next_seq) const;
  OutboxRecord make_record(const Transaction& transaction, std::vector<OutboxEntry> entries) const;
};

WrappedKey wrap(crypto::Suite suite, const crypto::AeadKey& under, ByteSpan key, ByteSpan associated_data);

}  // namespace galen::vault
