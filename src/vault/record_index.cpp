#include "galen/vault/record_index.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <map>

#include "galen/storage/checked_env.hpp"
#include "galen/storage/silent_logger.hpp"
#include "record_index_state.hpp"

namespace galen::vault {
namespace {

constexpr std::size_t kKnownPatientsMax = 65536;

/// A flush or compaction that failed while nobody waited for it.
class FailureListener : public rocksdb::EventListener {
 public:
  explicit FailureListener(std::shared_ptr<FailureBell> bell) : bell_(std::move(bell)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    if (status->IsShutdownInProgress()) return;
    auto message = "the vault's index failed in the background: " + status->ToString();
    if (!status->IsCorruption()) return bell_->ring({ErrorCode::IO_ERROR, std::move(message)});
    bell_->ring({ErrorCode::CORRUPT, message.append(kIndexAdvice)});
  }

 private:
  std::shared_ptr<FailureBell> bell_;
};

rocksdb::WriteOptions write_options() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  options.protection_bytes_per_key = 8;
  return options;
}

}  // namespace

Status to_status(const rocksdb::Status& status, const char* what) {
  if (status.ok()) return {};
  auto message = std::string("the vault's index cannot ") + what + ": " + status.ToString();
  if (!status.IsCorruption()) return {ErrorCode::IO_ERROR, std::move(message)};
  return {ErrorCode::CORRUPT, message.append(kIndexAdvice)};
}

Status check_present(const std::string& directory) {
  std::error_code error;
  const auto current = directory + "/index/CURRENT";
  const auto type = std::filesystem::status(current, error).type();
  if (type == std::filesystem::file_type::not_found)
    return {ErrorCode::DATA_DIR_MISSING, std::string("the vault's index is missing").append(kIndexAdvice)};
  if (error) return {ErrorCode::IO_ERROR, "cannot look at " + current + ": " + error.message()};
  return {};
}

// A file that is gone, or a name that leads nowhere, is no corruption to RocksDB.
bool is_loss(const rocksdb::Status& status) { return !status.IsIOError() || status.IsPathNotFound(); }

rocksdb::Options database_options() {
  rocksdb::Options options;
  options.env = storage::checked_env();
  options.create_missing_column_families = true;
  options.atomic_flush = true;
  options.paranoid_checks = true;
  options.paranoid_file_checks = true;
  options.verify_sst_unique_id_in_manifest = true;
  options.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  options.max_bgerror_resume_count = 0;
  options.max_background_jobs = 2;
  options.max_open_files = 256;
  options.fail_if_options_file_error = true;
  options.stats_dump_period_sec = 0;  // quiet when idle
  options.stats_persist_period_sec = 0;
  options.info_log = std::make_shared<storage::SilentLogger>();
  options.memtable_protection_bytes_per_key = 8;
  options.write_buffer_size = 16 << 20;
  options.memtable_prefix_bloom_size_ratio = 0.05;  // nearly every source asked for is new: let the filter say so
  options.memtable_whole_key_filtering = true;
  options.compression = rocksdb::kNoCompression;  // keys, hashes and ciphertext do not shrink
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(16 << 20);
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;  // point reads only
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> family_descriptors(const rocksdb::Options& options) {
  std::vector<rocksdb::ColumnFamilyDescriptor> out;
  for (const auto* name : kFamilyNames) out.emplace_back(name, rocksdb::ColumnFamilyOptions(options));
  return out;
}

Error damaged_row() {
  return {ErrorCode::CORRUPT,
          std::string("a row of the vault's index does not follow its layout").append(kIndexAdvice)};
}

Bytes PatientRow::encode() const {
  ByteWriter out;
  out.u16(key.epoch).raw(key.key.span());
  for (const auto& identifier : identifiers) out.sized(identifier);
  return std::move(out).take();
}

std::optional<PatientRow> PatientRow::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  PatientRow row;
  row.key.epoch = in.u16();
  row.key.key = in.fixed<WrappedKey>();
  while (in.ok() && in.remaining() > 0) row.identifiers.push_back(to_bytes(in.sized(kSealedIdentifierBytesMax)));
  return in.done() ? std::optional(std::move(row)) : std::nullopt;
}

RecordIndex::State::~State() {
  if (!database) return;
  for (auto* family : families)
    if (family != nullptr) database->DestroyColumnFamilyHandle(family);
  (void)database->Close();
}

Result<std::optional<std::string>> RecordIndex::State::get(Family family, ByteSpan key) const {
  std::string value;
  const auto status = database->Get(rocksdb::ReadOptions(), families[family], slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  GALEN_TRY(to_status(status, "read a row"));
  return std::optional(std::move(value));
}

Result<AppliedPosition> RecordIndex::State::read_applied() const {
  AppliedPosition out;
  GALEN_ASSIGN(const auto value, get(kMeta, as_bytes(kAppliedKey)));
  if (!value) return out;
  ByteReader in(as_bytes(*value));
  out.log_id = in.fixed<RequestId>();
  out.seq = in.u64();
  if (!in.done()) return damaged_row();
  return out;
}

Result<std::optional<PatientRow>> RecordIndex::State::patient(const PrincipalId& pseudonym) const {
  GALEN_ASSIGN(const auto value, get(kPatients, pseudonym));
  if (!value) return std::optional<PatientRow>();
  auto row = PatientRow::decode(as_bytes(*value));
  if (!row) return damaged_row();
  return row;
}

Result<std::optional<IndexedVersion>> RecordIndex::State::version(const PointerId& pointer_id) const {
  GALEN_ASSIGN(const auto value, get(kPointers, pointer_id));
  if (!value) return std::optional<IndexedVersion>();
  ByteReader in(as_bytes(*value));
  const auto format = in.u8();
  IndexedVersion out;
  out.entry = read_anchor_entry(in);
  out.transaction_id = in.fixed<TransactionId>();
  if (format == kLossyRowFormat) out.entry.lossy_numbers = in.u32();
  const bool lossy = out.entry.lossy_numbers != 0;
  if (!in.done() || format != (lossy ? kLossyRowFormat : kRowFormat)) return damaged_row();
  return std::optional(out);
}

Result<std::vector<SlotIndex>> RecordIndex::State::slots_in_use() const {
  std::vector<SlotIndex> out;
  GALEN_TRY(each(kEpochs, [&out](ByteSpan key, ByteSpan value) -> Status {
    ByteReader slot(key), count(value);
    const auto index = slot.u16();
    if (count.u32() > 0) out.push_back(index);
    return slot.done() && count.done() ? Status{} : Status(damaged_row());
  }));
  return out;
}

namespace {

/// Rows one apply() changes, read once and written once however many entries touch them.
class Changes {
 public:
  explicit Changes(const std::function<Result<std::optional<std::string>>(Family, ByteSpan)>& get) : get_(get) {}
  Result<std::string*> row(Family family, ByteSpan key) {
    auto [found, inserted] = rows_.try_emplace({family, to_string(key)});
    if (inserted) {
      GALEN_ASSIGN(auto value, get_(family, key));
      if (value) found->second = std::move(*value);
    }
    return &found->second;
  }
  const std::map<std::pair<Family, std::string>, std::string>& rows() const { return rows_; }

 private:
  const std::function<Result<std::optional<std::string>>(Family, ByteSpan)>& get_;
  std::map<std::pair<Family, std::string>, std::string> rows_;
};

bool contains_pointer(const std::string& list, const PointerId& id) {
  const auto wanted = as_text(id.span());
  for (std::size_t at = 0; at + PointerId::kSize <= list.size(); at += PointerId::kSize)
    if (std::string_view(list).substr(at, PointerId::kSize) == wanted) return true;
  return false;
}

Status add_patient(Changes& changes, const PrincipalId& pseudonym, const WrappedPatientKey& key,
                   const Bytes* identifier) {
  GALEN_ASSIGN(auto* row, changes.row(kPatients, pseudonym));
  PatientRow patient;
  if (row->empty()) {
    patient.key = key;
    const auto slot = std::move(ByteWriter().u16(key.epoch)).take();
    GALEN_ASSIGN(auto* count, changes.row(kEpochs, slot));
    const auto before = count->empty() ? 0 : ByteReader(as_bytes(*count)).u32();
    *count = to_string(std::move(ByteWriter().u32(before + 1)).take());
  } else {
    auto decoded = PatientRow::decode(as_bytes(*row));
    if (!decoded) return damaged_row();
    patient = std::move(*decoded);
  }
  if (identifier != nullptr) patient.identifiers.push_back(*identifier);
  *row = to_string(patient.encode());
  return {};
}

}  // namespace

RecordIndex::RecordIndex(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecordIndex::RecordIndex(RecordIndex&&) noexcept = default;
RecordIndex& RecordIndex::operator=(RecordIndex&&) noexcept = default;
RecordIndex::~RecordIndex() = default;

Status RecordIndex::create(const std::string& directory) {
  auto options = database_options();
  options.create_if_missing = true;
  options.error_if_exists = true;
  // With all families at once: who only looks at an index, before its node ever ran, makes none.
  State state;
  rocksdb::DB* database = nullptr;
  const auto status =
      rocksdb::DB::Open(options, directory + "/index", family_descriptors(options), &state.families, &database);
  state.database.reset(database);
  return to_status(status, "be made");
}

Result<RecordIndex> RecordIndex::open(const std::string& directory, std::shared_ptr<FailureBell> failures) {
  // An index that is missing is lost, not empty: importing again would anchor everything twice.
  GALEN_TRY(check_present(directory));
  auto options = database_options();
  if (failures) options.listeners.push_back(std::make_shared<FailureListener>(std::move(failures)));
  auto state = std::make_unique<State>();
  rocksdb::DB* database = nullptr;
  const auto status =
      rocksdb::DB::Open(options, directory + "/index", family_descriptors(options), &state->families, &database);
  auto opened = to_status(status, "be opened");
  if (!opened && !status.IsCorruption() && is_loss(status))
    return Error{ErrorCode::CORRUPT, opened.error().message.append(kIndexAdvice)};
  GALEN_TRY(opened);
  state->database.reset(database);
  GALEN_ASSIGN(state->applied, state->read_applied());
  return RecordIndex(std::move(state));
}

Status RecordIndex::apply(const OutboxRecord& record) {
  auto& state = *state_;
  const std::function<Result<std::optional<std::string>>(Family, ByteSpan)> get =
      [&state](Family family, ByteSpan key) { return state.get(family, key); };
  Changes changes(get);
  rocksdb::WriteBatch batch;
  std::vector<PrincipalId> patients;
  for (const auto& entry : record.entries) {
    if (const auto* anchor = std::get_if<AnchorEntry>(&entry)) {
      GALEN_ASSIGN(auto* list, changes.row(kSources, anchor->source));
      if (contains_pointer(*list, anchor->pointer_id)) continue;
      list->append(as_text(anchor->pointer_id.span()));
      auto stored = *anchor;
      stored.patient_key = {};  // the patient's row is the one place of it, where an erasure replaces it
      ByteWriter row(kAnchorEntryBytes + 37);
      row.u8(stored.lossy_numbers == 0 ? kRowFormat : kLossyRowFormat);
      append(row, stored);
      row.raw(record.transaction_id.span());
      if (stored.lossy_numbers != 0) row.u32(stored.lossy_numbers);
      GALEN_TRY(to_status(batch.Put(state.families[kPointers], slice(anchor->pointer_id), slice(row.bytes())), "add"));
      if (state.known_patients.contains(anchor->subject.str())) continue;
      GALEN_TRY(add_patient(changes, anchor->subject, anchor->patient_key, nullptr));
      patients.push_back(anchor->subject);
    } else {
      const auto& patient = std::get<PatientEntry>(entry);
      GALEN_ASSIGN(auto* pseudonym, changes.row(kLookups, patient.lookup));
      if (!pseudonym->empty()) continue;
      *pseudonym = patient.pseudonym.str();
      GALEN_TRY(add_patient(changes, patient.pseudonym, patient.patient_key, &patient.sealed_identifier));
      patients.push_back(patient.pseudonym);
    }
  }
  for (const auto& [key, value] : changes.rows())
    GALEN_TRY(to_status(batch.Put(state.families[key.first], key.second, value), "add"));
  GALEN_TRY(to_status(state.database->Write(write_options(), &batch), "write"));
  state.unflushed = true;
  if (state.known_patients.size() > kKnownPatientsMax) state.known_patients.clear();
  for (const auto& patient : patients) state.known_patients.insert(patient.str());
  return {};
}

Result<std::vector<PointerId>> RecordIndex::versions(const SourceHash& source) const {
  std::vector<PointerId> out;
  GALEN_ASSIGN(const auto value, state_->get(kSources, source));
  if (!value) return out;
  if (value->size() % PointerId::kSize != 0) return damaged_row();
  ByteReader in(as_bytes(*value));
  while (in.remaining() > 0) out.push_back(in.fixed<PointerId>());
  return out;
}

Result<std::optional<IndexedVersion>> RecordIndex::version(const PointerId& pointer_id) const {
  return state_->version(pointer_id);
}

Result<std::optional<PrincipalId>> RecordIndex::pseudonym(const SourceHash& lookup) const {
  GALEN_ASSIGN(const auto value, state_->get(kLookups, lookup));
  if (!value) return std::optional<PrincipalId>();
  auto out = PrincipalId::from(*value);
  if (!out) return damaged_row();
  return out;
}

Result<std::vector<Bytes>> RecordIndex::identifiers(const PrincipalId& pseudonym) const {
  GALEN_ASSIGN(auto row, state_->patient(pseudonym));
  return row ? std::move(row->identifiers) : std::vector<Bytes>();
}

Result<std::optional<WrappedPatientKey>> RecordIndex::patient_key(const PrincipalId& pseudonym) const {
  GALEN_ASSIGN(const auto row, state_->patient(pseudonym));
  return row ? std::optional(row->key) : std::nullopt;
}

Result<std::vector<SlotIndex>> RecordIndex::slots_in_use() const { return state_->slots_in_use(); }

Result<std::uint32_t> RecordIndex::patient_keys_in(SlotIndex epoch) const {
  GALEN_ASSIGN(const auto value, state_->get(kEpochs, std::move(ByteWriter().u16(epoch)).take()));
  return value ? ByteReader(as_bytes(*value)).u32() : 0U;
}

bool RecordIndex::has_unflushed() const { return state_->unflushed; }

Status RecordIndex::flush(const AppliedPosition& position) {
  state_->unflushed = false;  // before: what is applied meanwhile may not be in it
  ByteWriter value;
  value.raw(position.log_id.span()).u64(position.seq);
  GALEN_TRY(
      to_status(state_->database->Put(write_options(), state_->families[kMeta],
                                      rocksdb::Slice(kAppliedKey.data(), kAppliedKey.size()), slice(value.bytes())),
                "write"));
  rocksdb::FlushOptions options;
  options.wait = true;
  GALEN_TRY(to_status(state_->database->Flush(options, state_->families), "flush"));
  const std::lock_guard lock(state_->applied_mutex);
  state_->applied = position;
  return {};
}

AppliedPosition RecordIndex::applied_position() const {
  const std::lock_guard lock(state_->applied_mutex);
  return state_->applied;
}

}  // namespace galen::vault
