// The inside of RecordIndex. Rows, by column family (docs/spec/commitments.md 7):
//   sources   source hash -> pointer ids, 32 bytes each, oldest first
//   pointers  pointer id  -> u8 1 ‖ anchor entry ‖ transaction id
//   lookups   patient lookup hash -> pseudonym
//   patients  pseudonym   -> u16 epoch slot ‖ wrapped key ‖ sealed identifiers, each with a u32 length
//   epochs    u16 slot    -> u32 number of patient keys under it
//   default   "applied"   -> log id ‖ u64 seq
#pragma once

#include <rocksdb/db.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <unordered_set>

#include "galen/vault/record_index.hpp"

namespace galen::vault {

enum Family : std::size_t { kMeta, kSources, kPointers, kLookups, kPatients, kEpochs, kFamilies };
inline constexpr const char* kFamilyNames[kFamilies] = {"default", "sources",  "pointers",
                                                        "lookups", "patients", "epochs"};
inline constexpr std::string_view kAppliedKey = "applied";
/// Of a row in kPointers; the second one has the count of lossy numbers behind the first one's fields.
inline constexpr std::uint8_t kRowFormat = 1, kLossyRowFormat = 2;
/// DATA_DIR_MISSING where there is no index, IO_ERROR where nobody can say: who may not look knows nothing.
Status check_present(const std::string& directory);
/// Whether what it failed to open for is gone or damaged, and no matter of rights, of the lock or of the disk.
bool is_loss(const rocksdb::Status& status);
/// What an operator can do about an index whose bytes are not what was written.
inline constexpr std::string_view kIndexAdvice = ": put back vault/ from the newest backup";

inline rocksdb::Slice slice(ByteSpan bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline ByteSpan span(const rocksdb::Slice& slice) { return as_bytes(std::string_view(slice.data(), slice.size())); }
Status to_status(const rocksdb::Status& status, const char* what);
rocksdb::Options database_options();
std::vector<rocksdb::ColumnFamilyDescriptor> family_descriptors(const rocksdb::Options& options);
Error damaged_row();

struct PatientRow {
  WrappedPatientKey key;
  std::vector<Bytes> identifiers;

  Bytes encode() const;
  static std::optional<PatientRow> decode(ByteSpan bytes);
};

struct RecordIndex::State {
  std::unique_ptr<rocksdb::DB> database;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  mutable std::mutex applied_mutex;
  AppliedPosition applied;
  std::atomic<bool> unflushed{false};
  std::unordered_set<std::string> known_patients;  ///< whose key is in the index; bounded, cleared when full

  ~State();
  Result<std::optional<std::string>> get(Family family, ByteSpan key) const;
  Result<AppliedPosition> read_applied() const;
  Result<std::optional<PatientRow>> patient(const PrincipalId& pseudonym) const;
  Result<std::optional<IndexedVersion>> version(const PointerId& pointer_id) const;
  /// Of kEpochs.
  Result<std::vector<SlotIndex>> slots_in_use() const;

  // record_index_inspect.cpp
  using Row = std::function<Status(ByteSpan key, ByteSpan value)>;
  /// Every row, past the cache; ends with the first error.
  Status each(Family family, const Row& row) const;
  /// What names a row must find it.
  void check_references(std::vector<std::string>& findings) const;
  Status check_source(ByteSpan source, ByteSpan pointers) const;
  Status check_version(ByteSpan pointer_id) const;
  Status check_counts() const;
};

}  // namespace galen::vault
