// The record vault of a member: turns "this document of this source system" into a pointer, exactly once, and answers
// for it later. The life of an anchor:
//   plan_anchor -> the node builds the transaction from the plans -> bind() -> the outbox bytes go into the log in the
//   same turn as the batch leaves (logged()) -> the block is executed -> on_outcome() -> flush() now and then.
// What was planned but not executed lives in the in-flight table here and in the node's log, nowhere else; the index
// holds executed transactions only. Thread-safe; the vault thread does everything but verify and the lookups.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "galen/base/failure_bell.hpp"
#include "galen/types/canonical.hpp"
#include "galen/vault/commitment.hpp"
#include "galen/vault/record_index.hpp"

namespace galen::vault {

/// Plans of one request, given up or bound together; they may supersede each other. A counted number.
using PlanGroup = std::uint64_t;

struct Source {
  std::string_view system;  ///< e.g. the base URL or OID of the source system
  std::string_view type;    ///< e.g. the FHIR resource type
  std::string_view id;
};

/// A document's bytes as they came, and how its canonical bytes are made.
struct RecordContent {
  RecordContent(ByteSpan as_they_are) : bytes(as_they_are) {}  // NOLINT: most content is raw
  RecordContent(ByteSpan content, ledger::v1::CanonMethod method, Lossy allowed)
      : bytes(content), canon(method), lossy(allowed) {}
  ByteSpan bytes;
  ledger::v1::CanonMethod canon = ledger::v1::CANON_METHOD_RAW;
  Lossy lossy = Lossy::refuse;
};

/// What only the ledger knows of a source's versions, for the one who plans with the vault.
struct Standing {
  /// Of an executed version by now; without it every one is taken for CURRENT, as it was anchored. Called under the
  /// vault's lock.
  std::function<Result<ledger::v1::RecordStatus>(const PointerId&)> status_of;
  /// The transaction that is being planned again: what it anchored is its answer, whatever became of that since.
  std::optional<TransactionId> retried;
};

struct AnchorPlan {
  AnchorEntry entry;
  ledger::v1::CanonMethod canon() const { return static_cast<ledger::v1::CanonMethod>(entry.canon); }
};
struct AlreadyAnchored {
  PointerId pointer_id;
  TransactionId transaction_id;
};
/// The same source is on its way in another request or earlier in this one. With `same_bytes` the pointer is the answer
/// once that transaction is executed; otherwise plan again after its outcome.
struct InFlight {
  PointerId pointer_id;
  bool same_bytes = false;
  bool same_group = false;
  std::optional<TransactionId> transaction_id;  ///< nothing while not yet bound
};
using AnchorOutcome = std::variant<AlreadyAnchored, InFlight, AnchorPlan>;

struct PatientPlan {
  PatientEntry entry;
};
struct KnownPatient {
  PrincipalId pseudonym;
  std::optional<TransactionId> in_flight;  ///< registered by a transaction that is not executed yet
  bool unbound = false;                    ///< planned by another request that is not bound yet: ask again
};
using PatientOutcome = std::variant<KnownPatient, PatientPlan>;

enum class Outcome { committed, rejected, expired };

class RecordVault {
 public:
  struct Options {
    std::string keyring_directory;
    std::string vault_directory;
    std::string master_key_file;
    crypto::Suite suite = crypto::Suite::p256_sha256;
    std::size_t patient_keys_cached_max = 8192;
    std::shared_ptr<FailureBell> failures = nullptr;  ///< told when the index fails in a thread of its own
    std::size_t in_flight_max = 200'000;  ///< entries; beyond it plans are RESOURCE_EXHAUSTED
  };
  /// Makes master key and keyring (galend init).
  static Status create(const Options& options);
  /// DATA_DIR_MISSING, CORRUPT (also when the keyring is older than the index), IO_ERROR …
  static Result<RecordVault> open(const Options& options);
  /// Whether master key and keyring can be used, whatever the index is; the errors of open().
  static Status check_keys(const Options& options);
  RecordVault(RecordVault&&) noexcept;
  RecordVault& operator=(RecordVault&&) noexcept;
  ~RecordVault();

  /// `subject`: the patient's pseudonym or nothing; a new version keeps its predecessor's (SUBJECT_MISMATCH otherwise,
  /// nothing takes it over), and the same bytes theirs. The canonical bytes are compared with every stored version of
  /// the same method and the same loss; also the errors of canonical_bytes(). A version that is not CURRENT has no
  /// successor: what is new starts anew. When the newest was entered in error, nothing of the source stands, and the
  /// same bytes start anew too. Reserves the source until bind or abandon.
  Result<AnchorOutcome> plan_anchor(PlanGroup group, const Source& source, const std::optional<PrincipalId>& subject,
                                    const RecordContent& content, const Standing& standing = {});
  /// A pseudonym for a local patient id: the known one, or a new random one (or `wanted`) to be registered.
  Result<PatientOutcome> plan_patient(PlanGroup group, std::string_view system, std::string_view value,
                                      const std::optional<PrincipalId>& wanted = std::nullopt);

  /// Binds all plans of the group to the transaction that carries them; returns the outbox record's bytes for the log.
  Result<Bytes> bind(PlanGroup group, const Transaction& transaction);
  /// Gives up plans that are not bound.
  void abandon(PlanGroup group);
  /// Gives up what was bound and never left this thread: neither the log nor another member has heard of it.
  void take_back(const TransactionId& transaction_id);
  /// The outbox record of a transaction stands in the log at `seq`.
  void logged(const TransactionId& transaction_id, std::uint64_t seq);
  /// After expiry: the same operations under a new request_id. Returns the new outbox bytes, linked to the old request.
  Result<Bytes> rebind(const TransactionId& expired, const Transaction& transaction);
  /// committed: the entries move into the index. rejected: they are forgotten, the source is free again. expired: they
  /// stay until rebind. A transaction that was taken up again under a new id still counts when it turns out committed:
  /// tell the outcomes of former ids too. Unknown ids are ignored (a transaction without records, or one told twice).
  Status on_outcome(const TransactionId& transaction_id, Outcome outcome);

  /// Start-up: every outbox record of the log, in order. Those the index holds already are skipped.
  Status replay(const RequestId& log_id, std::uint64_t seq, ByteSpan outbox_bytes);
  /// Bound and without an outcome, oldest first: to be submitted again after a restart.
  std::vector<OutboxRecord> pending() const;
  /// One of them, by its present id or a former one.
  std::optional<OutboxRecord> bound(const TransactionId& transaction_id) const;
  /// Something newer of one of its sources, or another registration of its patient, is here: executed or on its way.
  /// `status_of` as in Standing: what follows a version that is not CURRENT names none before it.
  Result<bool> is_outrun(const OutboxRecord& record,
                         const std::function<Result<ledger::v1::RecordStatus>(const PointerId&)>& status_of) const;

  /// The seq the log will give next, once it is open: what is bound from now on stands there or later. flush() tells it
  /// too.
  void log_goes_on(std::uint64_t log_next_seq);
  /// Makes the index durable and says from which seq the log is still needed for the vault. `log_next_seq` = the seq
  /// the log will give next.
  Result<std::uint64_t> flush(const RequestId& log_id, std::uint64_t log_next_seq);
  /// Executed entries are in the index that no flush has made durable: their keys are in the log alone.
  bool has_unflushed() const;
  /// Everything pending was carried over into another log, where it stands at `seq` or later; what it had in the log
  /// before means nothing any more. Makes the index durable.
  Status move_to_log(const RequestId& log_id, std::uint64_t seq);
  /// Of the last flush.
  AppliedPosition applied_position() const;

  /// OK when the canonical bytes of `content`, made as they were made for this record, are those anchored: also after
  /// method JCS wrote numbers of either with other digits, if that was allowed then. COMMITMENT_MISMATCH (also when the
  /// content has no canonical bytes), KEY_NOT_HERE. Any thread.
  Status verify(const PointerId& pointer_id, ByteSpan content) const;
  /// What opens the commitment of an executed record, for one who has its bytes (docs/spec/evidence.md 6). Any thread.
  struct Opening {
    RecordKey key;
    Bytes document;  ///< what was committed to
  };
  Result<Opening> open_record(const PointerId& pointer_id, ByteSpan content) const;
  /// Numbers of the record that were written with other digits; nothing when it is not of this member. Any thread.
  Result<std::optional<std::uint32_t>> lossy_numbers(const PointerId& pointer_id) const;
  /// Newest first or nothing: pointers of a source, executed ones only. Any thread.
  Result<std::vector<PointerId>> pointers_of(const Source& source) const;
  struct LocalIdentifier {
    std::string system, value;
  };
  Result<std::optional<PrincipalId>> pseudonym_of(std::string_view system, std::string_view value) const;
  Result<std::vector<LocalIdentifier>> identifiers_of(const PrincipalId& pseudonym) const;

  std::size_t in_flight() const;

  /// While the node runs: what does not read as it was written in the index's table files and the keyring, one sentence
  /// each. A slot of the keyring that is just being written may look damaged for a moment. Any thread.
  std::vector<std::string> damaged_files(const RecordIndex::Pause& pause) const;

 private:
  struct State;
  explicit RecordVault(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace galen::vault
