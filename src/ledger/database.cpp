#include "ledger/database.hpp"

#include <algorithm>
#include <filesystem>

#include <rocksdb/cache.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>

#include "galen/base/log.hpp"
#include "galen/storage/checked_env.hpp"
#include "galen/storage/silent_logger.hpp"

namespace galen::ledger {
namespace {

constexpr std::uint16_t kStoreFormat = 1;
constexpr std::uint8_t kChangesFormat = 1;
constexpr std::size_t kProtectionBytesPerKey = 8;
constexpr double kMemtableFilterRatio = 0.005;  ///< of the write buffer: 1.3 MB, enough for a million rows

/// Remembers that RocksDB failed in the background: the next write must not be what finds out.
class FailureListener : public rocksdb::EventListener {
 public:
  FailureListener(std::shared_ptr<std::atomic<bool>> failed, std::shared_ptr<FailureBell> bell)
      : failed_(std::move(failed)), bell_(std::move(bell)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    // Closing in the middle of a flush is no failure: what was not flushed is replayed.
    if (status->IsShutdownInProgress()) return;
    log::error("ledger storage failed why=\"{}\"", status->ToString());
    // First who acts on what it was; a write that is refused knows only that it was something.
    if (bell_) bell_->ring(Database::to_error(*status, "writing the ledger in the background"));
    failed_->store(true);
  }

 private:
  std::shared_ptr<std::atomic<bool>> failed_;
  std::shared_ptr<FailureBell> bell_;
};

rocksdb::DBOptions database_options(const StoreOptions& store, const std::shared_ptr<std::atomic<bool>>& failed) {
  rocksdb::DBOptions options;
  options.atomic_flush = true;
  options.paranoid_checks = true;
  options.flush_verify_memtable_count = true;
  options.verify_sst_unique_id_in_manifest = true;
  options.max_bgerror_resume_count = 0;
  // No failed write is passed over, not even of a file nobody needs; simulated files refuse that one.
  options.fail_if_options_file_error = store.environment == nullptr;
  options.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  options.allow_mmap_reads = false;
  options.allow_mmap_writes = false;
  // Without a log of its own, closing would flush: durable heights must come from checkpoints alone.
  options.avoid_flush_during_shutdown = true;
  options.max_open_files = 512;
  options.max_background_jobs = 2;
  options.bytes_per_sync = 1 << 20;
  options.skip_stats_update_on_db_open = true;
  // Tables in memory open faster than the threads start that would open them side by side.
  if (store.environment != nullptr) options.max_file_opening_threads = 1;
  // Quiet when idle (D17): no timers of its own.
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log = std::make_shared<storage::SilentLogger>();
  options.listeners.push_back(std::make_shared<FailureListener>(failed, store.failures));
  return options;
}

rocksdb::ColumnFamilyOptions family_options(const StoreOptions& store, Family family,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  // Ids, hashes and signatures do not compress.
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = store.write_buffer_bytes;
  options.max_write_buffer_number = 4;
  options.paranoid_file_checks = true;
  // A simulated run follows from its seed; compactions run when their thread pleases.
  options.disable_auto_compactions = store.environment != nullptr;
  options.memtable_protection_bytes_per_key = kProtectionBytesPerKey;
  options.level_compaction_dynamic_level_bytes = true;
  // Files of blocks hold disjoint heights: below level 0, where a move costs nothing, a damaged one can be taken out alone.
  if (family == Family::blocks) options.level0_file_num_compaction_trigger = 1;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  // Asking for what is not there is the usual case of dedup and of a new pointer: every table and memtable would be searched
  // for it. Filters stay with their open tables (max_open_files bounds them): by way of the cache each question costs
  // a lookup more in every table.
  if (family == Family::transactions || family == Family::state || family == Family::tree) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.optimize_filters_for_memory = true;
    options.memtable_whole_key_filtering = true;
    options.memtable_prefix_bloom_size_ratio = kMemtableFilterRatio;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::string sequence_key(std::uint8_t first, std::uint64_t number) {
  return to_string(ByteWriter(9).u8(first).u64(number).bytes());
}

/// Some of RocksDB's words come in lines; reason and advice are one line, wherever they are shown.
std::string one_line(const rocksdb::Status& status) {
  auto text = status.ToString();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// RocksDB has no code for it. The path, which may be any word, stands in its text as well.
bool is_held_elsewhere(const rocksdb::Status& status) {
  const auto text = status.ToString();
  return status.IsIOError() && (text.find("While lock file") != std::string::npos ||
                                text.find("lock hold by current process") != std::string::npos);
}

Error open_error(const rocksdb::Status& status, const std::string& path) {
  if (is_held_elsewhere(status))
    return make_error(ErrorCode::DATA_DIR_LOCKED, "The ledger in " + path + " is in use by another process.");
  // It names a file that is not there, or what it names is damaged.
  if (status.IsCorruption() || status.IsPathNotFound())
    return Database::corrupt("The ledger in " + path + " does not open: " + one_line(status) + ".");
  return Database::to_error(status, "opening the ledger in " + path);
}

}  // namespace

std::string block_key(Height height, BlockPart part) {
  return to_string(ByteWriter(9).u64(height).u8(static_cast<std::uint8_t>(part)).bytes());
}

std::string certificate_key(CertificateKind kind, Height height) {
  return sequence_key(static_cast<std::uint8_t>(kind), height);
}

std::string changes_key(Height height) { return sequence_key('c', height); }

Bytes encode_changes(const std::map<std::string, std::optional<Bytes>>& state_rows) {
  std::size_t size = 5;
  for (const auto& [key, value] : state_rows) size += 4 + key.size();
  ByteWriter out(size);
  out.u8(kChangesFormat).u32(static_cast<std::uint32_t>(state_rows.size()));
  for (const auto& [key, value] : state_rows) out.sized(as_bytes(key));
  return std::move(out).take();
}

Result<std::vector<std::string>> decode_changes(ByteSpan bytes) {
  ByteReader in(bytes);
  bool format_known = in.u8() == kChangesFormat;
  auto count = in.u32();
  std::vector<std::string> keys;
  if (format_known && count <= in.remaining() / 4) {
    keys.reserve(count);
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) keys.push_back(to_string(in.sized(kRowKeyBytesMax + 1)));
    if (in.done()) return keys;
  }
  return make_error(ErrorCode::CORRUPT, "The row of a block's changed keys does not decode.");
}

Bytes HeightAndHash::encode() const { return std::move(ByteWriter(40).u64(height).raw(hash)).take(); }

Result<HeightAndHash> HeightAndHash::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  HeightAndHash out;
  out.height = in.u64();
  out.hash = in.fixed<Hash>();
  if (!in.done()) return make_error(ErrorCode::CORRUPT, "A height row of the ledger does not decode.");
  return out;
}

Result<std::shared_ptr<Database>> Database::open(const StoreOptions& options, Mode mode) {
  auto path = (std::filesystem::path(options.directory) / "ledger").string();
  auto* environment = options.environment != nullptr ? options.environment : storage::checked_env();
  const auto there = environment->FileExists(path + "/CURRENT");
  if (!there.ok() && !there.IsNotFound()) return to_error(there, "looking for the ledger in " + path);
  const bool exists = there.ok();
  if (mode == Mode::create && exists)
    return make_error(ErrorCode::ALREADY_EXISTS, "There is a ledger in " + path + " already.");
  if (mode != Mode::create && !exists)
    return make_error(ErrorCode::DATA_DIR_MISSING,
                      std::string("There is no ledger in ").append(path).append(". ").append(kRepairAdvice));

  std::shared_ptr<Database> database(new Database);
  database->context_ = options.context;
  database->failed_ = std::make_shared<std::atomic<bool>>(false);
  rocksdb::DBOptions db_options = database_options(options, database->failed_);
  db_options.env = environment;
  db_options.create_if_missing = db_options.create_missing_column_families = mode == Mode::create;
  auto cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  families.emplace_back(rocksdb::kDefaultColumnFamilyName, family_options(options, Family::meta, cache));
  for (std::size_t i = 0; i < kFamilyCount; ++i)
    families.emplace_back(kFamilyNames[i], family_options(options, static_cast<Family>(i), cache));

  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  auto status = mode == Mode::read_only ? rocksdb::DB::OpenForReadOnly(db_options, path, families, &handles, &db)
                                        : rocksdb::DB::Open(db_options, path, families, &handles, &db);
  if (!status.ok()) return open_error(status, path);
  database->db_.reset(db);
  database->default_handle_ = handles.front();
  database->handles_.assign(handles.begin() + 1, handles.end());
  GALEN_TRY(database->check_format(options, mode));
  return database;
}

Status Database::check_format(const StoreOptions& options, Mode mode) {
  if (mode == Mode::create) {
    ByteWriter row(35);
    row.u16(kStoreFormat).u8(static_cast<std::uint8_t>(options.context.suite)).raw(options.context.chain_id);
    GALEN_TRY(put(Family::meta, kFormatKey, row.bytes()));
    return flush();
  }
  GALEN_ASSIGN(auto row, get(Family::meta, kFormatKey));
  if (!row) return make_error(ErrorCode::CORRUPT, "The ledger has no format row: it was not made to its end.");
  ByteReader in(*row);
  auto format = in.u16();
  if (in.ok() && format != kStoreFormat)
    return make_error(ErrorCode::UNSUPPORTED_VERSION,
                      "The ledger has format " + std::to_string(format) + ", this release reads 1.");
  auto suite = in.u8();
  auto chain_id = in.fixed<Hash>();
  if (!in.done()) return make_error(ErrorCode::CORRUPT, "The ledger's format row does not decode.");
  if (suite != static_cast<std::uint8_t>(options.context.suite) || chain_id != options.context.chain_id)
    return make_error(ErrorCode::WRONG_CHAIN, "The ledger was made for another genesis.");
  return {};
}

Database::~Database() {
  if (!db_) return;
  for (auto* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  if (default_handle_ != nullptr) db_->DestroyColumnFamilyHandle(default_handle_);
}

Error Database::to_error(const rocksdb::Status& status, std::string_view doing) {
  auto what = "While " + std::string(doing) + ": " + one_line(status);
  if (!status.IsCorruption()) return make_error(ErrorCode::IO_ERROR, std::move(what));
  return corrupt(what + ".");
}

Error Database::corrupt(std::string what) {
  return make_error(ErrorCode::CORRUPT, std::move(what.append(" ").append(kRepairAdvice)));
}

Result<std::optional<Bytes>> Database::get(Family family_of, std::string_view key,
                                           const rocksdb::Snapshot* snapshot) const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  rocksdb::PinnableSlice value;
  auto status = db_->Get(options, family(family_of), rocksdb::Slice(key.data(), key.size()), &value);
  if (status.IsNotFound()) return std::optional<Bytes>{};
  if (!status.ok())
    return to_error(status, std::string("reading ") + kFamilyNames[static_cast<std::size_t>(family_of)]);
  return std::optional<Bytes>(to_bytes(to_span(value)));
}

void Database::get_many(Family family_of, std::span<const rocksdb::Slice> keys, const rocksdb::Snapshot* snapshot,
                        const FoundRow& found) const {
  constexpr std::size_t kAtOnce = 256;  // their blocks stay pinned together
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  for (std::size_t first = 0; first < keys.size(); first += kAtOnce) {
    const auto some = keys.subspan(first, std::min(kAtOnce, keys.size() - first));
    std::vector<rocksdb::PinnableSlice> values(some.size());
    std::vector<rocksdb::Status> statuses(some.size());
    db_->MultiGet(options, family(family_of), some.size(), some.data(), values.data(), statuses.data(), true);
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (statuses[i].ok())
        found(first + i, to_span(values[i]));
      else if (statuses[i].IsNotFound())
        found(first + i, std::nullopt);
    }
  }
}

Status Database::write(rocksdb::WriteBatch& batch) {
  if (failed())
    return make_error(ErrorCode::IO_ERROR, "The ledger's storage has failed before; nothing more is written.");
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  auto status = db_->Write(options, &batch);
  if (status.ok()) return {};
  mark_failed();
  return to_error(status, "writing to the ledger");
}

Status Database::put(Family family_of, std::string_view key, ByteSpan value) {
  auto batch = make_batch(value.size() + 64);
  batch.Put(family(family_of), rocksdb::Slice(key.data(), key.size()), to_slice(value));
  return write(batch);
}

Status Database::flush() {
  if (failed())
    return make_error(ErrorCode::IO_ERROR, "The ledger's storage has failed before; nothing more is flushed.");
  rocksdb::FlushOptions options;
  options.wait = true;
  auto families = handles_;
  auto status = db_->Flush(options, families);
  if (status.ok() && !failed()) return {};
  mark_failed();
  return to_error(status, "flushing the ledger");
}

Status Database::check_heights(Height first, Height last) const {
  rocksdb::ColumnFamilyMetaData tables;
  db_->GetColumnFamilyMetaData(family(Family::blocks), &tables);
  std::vector<std::pair<Height, Height>> ranges;
  for (const auto& level : tables.levels)
    for (const auto& file : level.files)
      ranges.emplace_back(ByteReader(as_bytes(file.smallestkey)).u64(), ByteReader(as_bytes(file.largestkey)).u64());
  std::sort(ranges.begin(), ranges.end());
  auto next = first;
  for (const auto& [lowest, highest] : ranges)
    if (lowest <= next && highest >= next) next = highest + 1;
  if (next > last) return {};
  return corrupt("The ledger's newest block is " + std::to_string(last) + ", and no table holds block " +
                 std::to_string(next) + ": the disk has not kept what it called written.");
}

rocksdb::WriteBatch make_batch(std::size_t reserve_bytes) {
  return rocksdb::WriteBatch(reserve_bytes, 0, kProtectionBytesPerKey, 0);
}

DatabaseSnapshot::DatabaseSnapshot(std::shared_ptr<Database> database)
    : database_(std::move(database)), snapshot_(database_->db().GetSnapshot()) {}

DatabaseSnapshot::~DatabaseSnapshot() { database_->db().ReleaseSnapshot(snapshot_); }

}  // namespace galen::ledger
