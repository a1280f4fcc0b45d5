// What the scrub reads. Files are read past RocksDB, whose cache would answer in place of the medium.
#include "galen/ledger/scrub.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <rocksdb/sst_file_reader.h>

#include "galen/base/crc32c.hpp"
#include "ledger/store_state.hpp"
#include "ledger/verification.hpp"

namespace galen::ledger {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr const char* kChecksumName = "FileChecksumCrc32c";

std::string name_of(Family family) { return kFamilyNames[static_cast<std::size_t>(family)]; }

/// A file made without a checksum of the whole: those of its blocks remain.
bool blocks_are_whole(const std::string& path) {
  rocksdb::Options options;
  rocksdb::SstFileReader reader(options);
  return reader.Open(path).ok() && reader.VerifyChecksum().ok();
}

}  // namespace

Scrub::Scrub(Store& store, const Genesis& genesis) : store_(store), genesis_(genesis) {}

std::vector<TableFile> Scrub::files() const {
  std::vector<rocksdb::LiveFileMetaData> live;
  store_.state_->database->db().GetLiveFilesMetaData(&live);
  std::vector<TableFile> out;
  for (const auto& file : live) {
    const bool known = file.file_checksum_func_name == kChecksumName;
    out.push_back({file.file_number, file.directory + "/" + file.relative_filename, file.column_family_name,
                   file.smallestkey, file.largestkey, file.size, file.level,
                   known ? file.file_checksum : std::string()});
  }
  std::sort(out.begin(), out.end(), [](const TableFile& a, const TableFile& b) { return a.number < b.number; });
  return out;
}

bool Scrub::is_live(const TableFile& file) const {
  auto live = files();
  return std::any_of(live.begin(), live.end(), [&](const TableFile& other) { return other.number == file.number; });
}

Result<bool> Scrub::is_whole(const TableFile& file, const std::function<bool(std::uint64_t bytes_read)>& pause) const {
  const int fd = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT && !is_live(file)) return true;
  if (fd < 0) return false;
  (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  Bytes piece(kPieceBytes);
  std::uint32_t crc = 0;
  std::uint64_t read = 0;
  bool given_up = false, failed = false;
  for (;;) {
    const auto count = ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(read));
    failed = count < 0;
    if (count <= 0) break;
    crc = crc32c(ByteSpan(piece).first(static_cast<std::size_t>(count)), crc);
    read += static_cast<std::uint64_t>(count);
    given_up = !pause(read);
    if (given_up) break;
  }
  ::close(fd);
  if (given_up) return true;
  bool whole = !failed && read == file.bytes;
  if (whole && file.checksum.empty()) whole = blocks_are_whole(file.path);
  if (whole && !file.checksum.empty()) whole = as_text(ByteWriter(4).u32(crc).bytes()) == file.checksum;
  return whole || !is_live(file);
}

std::vector<VerifyFinding> Scrub::check_block(Height height) const {
  VerifyOptions options;
  options.genesis = &genesis_;
  Verification verification(options, store_.state_->database);
  verification.run_block(height);
  return verification.take_report().findings;
}

Scrub::StateRows Scrub::check_state(std::string cursor, std::size_t rows) const {
  StateRows out;
  auto snapshot = store_.snapshot();
  if (!snapshot) {
    out.findings.push_back({0, "state", snapshot.error().message});
    return out;
  }
  auto& view = *(*snapshot)->state_;
  const auto height = view.head.header.height;
  auto found = [&](std::string what) { out.findings.push_back({height, "state", std::move(what)}); };
  rocksdb::ReadOptions read;
  read.snapshot = view.rocksdb_snapshot();
  read.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(view.database->db().NewIterator(read, view.database->family(Family::state)));
  for (it->Seek(cursor); it->Valid() && out.rows < rows; it->Next(), ++out.rows) {
    const auto leaf = leaf_change(view.suite(), it->key().ToStringView(), to_bytes(to_span(it->value())));
    auto proof = view.tree->prove(leaf.path, height);
    if (!proof && proof.error().code == ErrorCode::NOT_FOUND)
      break;  // the tree no longer keeps this height: go on at the next
    if (!proof)
      found(proof.error().message);
    else if (!proof->terminal || proof->terminal->path != leaf.path || proof->terminal->value_hash != *leaf.value_hash)
      found("The row at path " + leaf.path.hex() + " is not what the state tree says.");
  }
  if (!it->status().ok())
    found(Database::to_error(it->status(), "reading state").message);
  else if (it->Valid())
    out.cursor = it->key().ToString();
  return out;
}

std::uint64_t Scrub::state_rows() const {
  auto& database = *store_.state_->database;
  std::uint64_t rows = 0;
  (void)database.db().GetIntProperty(database.family(Family::state), rocksdb::DB::Properties::kEstimateNumKeys, &rows);
  return rows;
}

std::optional<Scrub::Heights> Scrub::heights(const TableFile& file) const {
  const auto applied = store_.applied_height();
  if (!applied) return std::nullopt;
  ByteReader first(as_bytes(file.key_first)), last(as_bytes(file.key_last));
  Heights out{0, *applied};
  if (file.family == name_of(Family::blocks)) {
    out = {first.u64(), last.u64()};
  } else if (file.family == name_of(Family::certificates)) {
    // Rows of one kind stand together: a file with both may hold any height.
    if (first.u8() == last.u8()) out = {first.u64(), last.u64()};
  } else {
    return std::nullopt;
  }
  out.last = std::min(out.last, *applied);
  return out;
}

}  // namespace galen::ledger
