// Looking for damage in the index: of a stopped node all that is in it and whether its rows fit each other, of a
// running one its table files against the checksums they were written with.
#include <fcntl.h>
#include <rocksdb/metadata.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>

#include "galen/base/crc32c.hpp"
#include "record_index_state.hpp"

namespace galen::vault {
namespace {

constexpr std::size_t kFindingsMax = 20;
constexpr std::size_t kPieceBytes = 1 << 20;

/// A file of the index that is in use; `checksum` is that of all its bytes, as RocksDB keeps it in the manifest.
struct TableFile {
  std::uint64_t number = 0, bytes = 0;
  std::string path, checksum;
};

std::vector<TableFile> table_files(rocksdb::DB& database) {
  std::vector<rocksdb::LiveFileMetaData> live;
  database.GetLiveFilesMetaData(&live);
  std::vector<TableFile> out;
  for (const auto& file : live)
    out.push_back({file.file_number, file.size, file.directory + "/" + file.relative_filename, file.file_checksum});
  return out;
}

bool is_live(rocksdb::DB& database, const TableFile& file) {
  const auto files = table_files(database);
  return std::any_of(files.begin(), files.end(), [&](const auto& other) { return other.number == file.number; });
}

Error broken(std::string what) { return {ErrorCode::CORRUPT, what.append(kIndexAdvice)}; }

/// Read from the medium, not from what the system remembers of it.
bool is_whole(const TableFile& file, const std::function<bool(std::uint64_t read)>& pause) {
  const int fd = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  Bytes piece(kPieceBytes);
  std::uint32_t crc = 0;
  std::uint64_t read = 0;
  ssize_t count = 0;
  bool going = true;
  while (going && (count = ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(read))) > 0) {
    crc = crc32c(ByteSpan(piece).first(static_cast<std::size_t>(count)), crc);
    read += static_cast<std::uint64_t>(count);
    going = pause(read);
  }
  ::close(fd);
  if (!going) return true;
  const bool checked = file.checksum.empty() || as_text(ByteWriter(4).u32(crc).bytes()) == file.checksum;
  return count == 0 && read == file.bytes && checked;
}

}  // namespace

std::vector<std::string> RecordIndex::damaged_files(const Pause& pause) const {
  auto& database = *state_->database;
  const auto files = table_files(database);
  std::uint64_t before = 0, total = 0;
  for (const auto& file : files) total += file.bytes;
  std::vector<std::string> out;
  bool going = true;
  for (const auto& file : files) {
    const bool whole = is_whole(file, [&](std::uint64_t read) { return going = pause(before + read, total); });
    if (!going) break;
    // One that is gone by now was merged into others meanwhile.
    if (!whole && is_live(database, file))
      out.push_back(("vault/index/" + std::filesystem::path(file.path).filename().string() +
                     " does not have the checksum it was written with")
                        .append(kIndexAdvice));
    before += file.bytes;
  }
  return out;
}

RecordIndex::Inspection RecordIndex::inspect(const std::string& directory) {
  if (auto present = check_present(directory); !present) return {{present.error().message}, true, {}, {}};
  const auto options = database_options();
  State state;
  rocksdb::DB* database = nullptr;
  auto status = rocksdb::DB::OpenForReadOnly(options, directory + "/index", family_descriptors(options),
                                             &state.families, &database);
  if (!status.ok()) {
    const auto what = "the vault's index cannot be opened: " + status.ToString();
    const bool lost = is_loss(status);
    return {{lost ? what + std::string(kIndexAdvice) : what}, !lost, {}, {}};
  }
  state.database.reset(database);
  Inspection out;
  auto& findings = out.findings;
  for (std::size_t i = 0; i < kFamilies; ++i)
    if (auto read = state.each(static_cast<Family>(i), [](ByteSpan, ByteSpan) { return Status(); }); !read) {
      findings.push_back(std::string(kFamilyNames[i]) + ": " + read.error().message);
      out.unreadable |= read.error().code == ErrorCode::IO_ERROR;
    }
  if (findings.empty()) status = database->VerifyFileChecksums(rocksdb::ReadOptions());
  if (findings.empty() && !status.ok() && !status.IsNotSupported()) {
    findings.push_back(("a file of the vault's index is damaged: " + status.ToString()).append(kIndexAdvice));
    out.unreadable = !is_loss(status);
  }
  if (findings.empty()) state.check_references(findings);
  if (auto applied = state.read_applied()) out.applied = *applied;
  if (auto slots = state.slots_in_use()) out.slots_in_use = std::move(*slots);
  return out;
}

Status RecordIndex::State::each(Family family, const Row& row) const {
  rocksdb::ReadOptions every;
  every.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(database->NewIterator(every, families[family]));
  for (it->SeekToFirst(); it->Valid(); it->Next()) GALEN_TRY(row(span(it->key()), span(it->value())));
  return to_status(it->status(), "read a row");
}

void RecordIndex::State::check_references(std::vector<std::string>& findings) const {
  const auto note = [&findings](const Status& status) -> Status {
    if (!status) findings.push_back(status.error().message);
    return findings.size() < kFindingsMax ? Status{} : status;
  };
  // Each row says in its finding what is wrong with it; what ends a walk early stands there already.
  constexpr auto kSaid = "the finding says it";
  each(kSources, [&](ByteSpan key, ByteSpan value) { return note(check_source(key, value)); }).ignore(kSaid);
  each(kPointers, [&](ByteSpan key, ByteSpan) { return note(check_version(key)); }).ignore(kSaid);
  each(kLookups, [&](ByteSpan, ByteSpan value) -> Status {
    const auto pseudonym = PrincipalId::from(value);
    if (!pseudonym) return note(damaged_row());
    const auto row = patient(*pseudonym);
    if (!row) return note(row.error());
    return *row ? Status{} : note(broken("a patient's identifier in the vault's index leads to no patient"));
  }).ignore(kSaid);
  note(check_counts()).ignore(kSaid);
}

Status RecordIndex::State::check_source(ByteSpan source, ByteSpan pointers) const {
  if (pointers.empty() || pointers.size() % PointerId::kSize != 0) return damaged_row();
  ByteReader in(pointers);
  while (in.remaining() > 0) {
    const auto id = in.fixed<PointerId>();
    GALEN_ASSIGN(const auto found, version(id));
    if (!found) return broken("a source in the vault's index names record " + id.hex() + ", which is not there");
    if (as_text(found->entry.source.span()) != as_text(source))
      return broken("record " + id.hex() + " in the vault's index belongs to another source");
  }
  return {};
}

Status RecordIndex::State::check_version(ByteSpan pointer_id) const {
  const auto id = PointerId::from(pointer_id);
  if (!id) return damaged_row();
  GALEN_ASSIGN(const auto found, version(*id));
  if (!found) return damaged_row();
  GALEN_ASSIGN(const auto list, get(kSources, found->entry.source));
  bool listed = false;
  for (ByteReader in(list ? as_bytes(*list) : ByteSpan()); in.remaining() > 0 && !listed;)
    listed = in.fixed<PointerId>() == *id;
  if (!listed) return broken("no source in the vault's index names record " + id->hex());
  GALEN_ASSIGN(const auto subject, patient(found->entry.subject));
  if (!subject) return broken("the vault's index has no patient key for record " + id->hex());
  return {};
}

Status RecordIndex::State::check_counts() const {
  std::map<SlotIndex, std::uint32_t> counted, kept;
  GALEN_TRY(each(kPatients, [&](ByteSpan, ByteSpan value) -> Status {
    const auto row = PatientRow::decode(value);
    if (!row) return damaged_row();
    ++counted[row->key.epoch];
    return {};
  }));
  GALEN_TRY(each(kEpochs, [&](ByteSpan key, ByteSpan value) -> Status {
    kept[ByteReader(key).u16()] = ByteReader(value).u32();
    return {};
  }));
  if (counted == kept) return {};
  return broken("the vault's index does not hold as many patient keys as it counts");
}

}  // namespace galen::vault
