// DIR/vault/index: the sealed index of what this member has anchored, and its patient table. RocksDB without a log of
// its own: what is not flushed is rebuilt from the outbox records in the node's log. Source ids and local patient ids
// stand in it only as keyed hashes or sealed; keys only wrapped. One writer (the vault thread), any readers.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "galen/base/failure_bell.hpp"
#include "galen/vault/outbox.hpp"

namespace galen::vault {

/// Where the flushed index stands in the node's log: outbox records below `seq` are not needed from it any more.
struct AppliedPosition {
  RequestId log_id;
  std::uint64_t seq = 0;
  bool operator==(const AppliedPosition&) const = default;
};

struct IndexedVersion {
  AnchorEntry entry;
  TransactionId transaction_id;
};

class RecordIndex {
 public:
  /// Makes an empty one, once (galend init). IO_ERROR, also when there is one.
  static Status create(const std::string& directory);
  /// DATA_DIR_MISSING when it is not there, CORRUPT, IO_ERROR.
  static Result<RecordIndex> open(const std::string& directory, std::shared_ptr<FailureBell> failures = nullptr);
  struct Inspection {
    std::vector<std::string> findings;       ///< what is wrong with its files, one sentence each
    bool unreadable = false;                 ///< one of them tells of what could not be read, whoever's fault that is
    std::optional<AppliedPosition> applied;  ///< of the last flush; nothing where that cannot be read
    std::vector<SlotIndex> slots_in_use;     ///< as far as they can be read
  };
  /// Opens for reading only. Reads every row, and looks for those that another names and that are not there.
  static Inspection inspect(const std::string& directory);
  RecordIndex(RecordIndex&&) noexcept;
  RecordIndex& operator=(RecordIndex&&) noexcept;
  ~RecordIndex();

  /// Writes all entries of an executed transaction, at once or not at all. Entries already there change nothing.
  Status apply(const OutboxRecord& record);

  /// Oldest first; empty when the source is unknown.
  Result<std::vector<PointerId>> versions(const SourceHash& source) const;
  Result<std::optional<IndexedVersion>> version(const PointerId& pointer_id) const;
  Result<std::optional<PrincipalId>> pseudonym(const SourceHash& lookup) const;
  /// Sealed identifiers of a pseudonym.
  Result<std::vector<Bytes>> identifiers(const PrincipalId& pseudonym) const;
  Result<std::optional<WrappedPatientKey>> patient_key(const PrincipalId& pseudonym) const;
  /// Patient keys wrapped under an epoch slot, as far as applied.
  Result<std::uint32_t> patient_keys_in(SlotIndex epoch) const;

  /// Epoch slots that some patient key is wrapped under.
  Result<std::vector<SlotIndex>> slots_in_use() const;
  /// Called now and then with how much was read, and of how much; false: give up.
  using Pause = std::function<bool(std::uint64_t read, std::uint64_t of)>;
  /// One sentence for each table file whose bytes are not those that were written, read from the medium. Any thread.
  std::vector<std::string> damaged_files(const Pause& pause) const;

  /// Makes everything applied durable together with `position`; returns after the sync.
  Status flush(const AppliedPosition& position);
  /// Something was applied since the last flush began.
  bool has_unflushed() const;
  /// Of the last flush.
  AppliedPosition applied_position() const;

 private:
  struct State;
  explicit RecordIndex(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace galen::vault
