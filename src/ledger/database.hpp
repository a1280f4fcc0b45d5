// The RocksDB instance below DIR/ledger: its settings (docs/spec/ledger-storage.md), its column families, the keys of
// the rows, and the one place where a RocksDB status becomes an Error. Any thread. Once a write, a flush or a
// background job has failed, every later write is refused: the process is about to stop, and nothing may be written on
// top.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "galen/ledger/store.hpp"

namespace galen::ledger {

enum class Family : std::size_t { meta, blocks, certificates, transactions, state, lists, tree };
inline constexpr std::size_t kFamilyCount = 7;
inline constexpr const char* kFamilyNames[kFamilyCount] = {"meta",  "blocks", "certificates", "transactions",
                                                           "state", "lists",  "tree"};

/// Keys of `blocks`: u64 height ‖ u8 part, so that files hold disjoint height ranges and are never merged again.
enum class BlockPart : std::uint8_t { info = 0, body = 1, outcomes = 2 };
std::string block_key(Height height, BlockPart part);

/// Keys of `certificates`: u8 kind ‖ u64 height.
enum class CertificateKind : std::uint8_t { commit = 1, executed = 2 };
std::string certificate_key(CertificateKind kind, Height height);

/// Keys of `tree`: pages (tree_node.hpp), and what each block changed since the pages were written.
std::string changes_key(
    Height height);  ///< 'c' ‖ u64 height -> u8 format ‖ u32 count ‖ each u32 length ‖ state row key
Bytes encode_changes(const std::map<std::string, std::optional<Bytes>>& state_rows);
Result<std::vector<std::string>> decode_changes(ByteSpan bytes);

/// Rows of `meta`.
inline constexpr const char* kFormatKey = "format";  ///< u16 version ‖ u8 suite ‖ chain id
inline constexpr const char* kHeadKey = "head";      ///< u64 applied height ‖ digest
inline constexpr const char* kPagesKey = "pages";    ///< u64 height of the tree pages ‖ root
struct HeightAndHash {
  Height height = 0;
  Hash hash;
  Bytes encode() const;
  static Result<HeightAndHash> decode(ByteSpan bytes);
};

inline rocksdb::Slice to_slice(ByteSpan bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline ByteSpan to_span(const rocksdb::Slice& slice) {
  return {reinterpret_cast<const std::uint8_t*>(slice.data()), slice.size()};
}

class Database {
 public:
  enum class Mode { create, open, read_only };
  /// Checks the format row and that the chain is `options.context`'s.
  static Result<std::shared_ptr<Database>> open(const StoreOptions& options, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB& db() { return *db_; }
  rocksdb::ColumnFamilyHandle* family(Family family) const { return handles_[static_cast<std::size_t>(family)]; }
  const ChainContext& context() const { return context_; }

  /// nullopt when there is no such row. `snapshot` may be nullptr.
  Result<std::optional<Bytes>> get(Family family, std::string_view key,
                                   const rocksdb::Snapshot* snapshot = nullptr) const;
  /// Rows of many keys, which ascend, read together. `found` hears of each that could be read, nothing where there is no
  /// such row; of one that failed it does not hear.
  using FoundRow = std::function<void(std::size_t index, std::optional<ByteSpan> value)>;
  void get_many(Family family, std::span<const rocksdb::Slice> keys, const rocksdb::Snapshot* snapshot,
                const FoundRow& found) const;
  Status write(rocksdb::WriteBatch& batch);
  Status put(Family family, std::string_view key, ByteSpan value);
  /// All families at once, waits until it is on disk.
  Status flush();
  /// Whether tables hold every block from `first` to `last`. What is written goes to tables with its blocks, all
  /// families at once: a gap in the heights is a table that the manifest lost, with rows of all families. Costs no
  /// reading: their keys stand in the manifest. While past blocks come in, one table may hold heights on both sides of
  /// older ones and hide a gap.
  Status check_heights(Height first, Height last) const;
  bool failed() const { return failed_->load(); }
  /// From here on nothing is written.
  void mark_failed() { failed_->store(true); }

  /// IO_ERROR, for damaged bytes CORRUPT, with RocksDB's own words; `doing` completes "While …".
  static Error to_error(const rocksdb::Status& status, std::string_view doing);
  /// CORRUPT with `what`, a sentence, and with what an operator can do.
  static Error corrupt(std::string what);

 private:
  Database() = default;
  Status check_format(const StoreOptions& options, Mode mode);

  ChainContext context_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  rocksdb::ColumnFamilyHandle* default_handle_ = nullptr;
  std::shared_ptr<std::atomic<bool>> failed_;
};

/// Makes a batch whose entries carry checksums of their own on the way into the memtables.
rocksdb::WriteBatch make_batch(std::size_t reserve_bytes = 0);

/// A RocksDB snapshot, given back when the last holder goes.
class DatabaseSnapshot {
 public:
  explicit DatabaseSnapshot(std::shared_ptr<Database> database);
  ~DatabaseSnapshot();
  DatabaseSnapshot(const DatabaseSnapshot&) = delete;
  DatabaseSnapshot& operator=(const DatabaseSnapshot&) = delete;
  const rocksdb::Snapshot* get() const { return snapshot_; }
  Database& database() const { return *database_; }

 private:
  std::shared_ptr<Database> database_;
  const rocksdb::Snapshot* snapshot_;
};

}  // namespace galen::ledger
