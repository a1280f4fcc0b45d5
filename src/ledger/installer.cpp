#include "galen/ledger/installer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "ledger/checked_file.hpp"
#include "ledger/epoch_rows.hpp"
#include "ledger/past_store.hpp"

namespace galen::ledger {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFlushBytes = 16u << 20;
constexpr const char* kManifestKey = "joining";  ///< row of `meta`: the manifest, as it was verified
constexpr char kPartKeyFirst = 'P';              ///< rows of `meta`: 'P' ‖ u32 index of a part whose rows are here

std::string joining(const std::string& data_dir) { return data_dir + "/joining"; }
std::string begun_mark(const std::string& data_dir) { return joining(data_dir) + "/begun"; }
std::string complete_mark(const std::string& data_dir) { return joining(data_dir) + "/complete"; }

std::string part_key(std::uint32_t index) {
  return to_string(ByteWriter(5).u8(static_cast<std::uint8_t>(kPartKeyFirst)).u32(index).bytes());
}

Status to_status(const std::error_code& error, const std::string& doing) {
  return error ? Status(ErrorCode::IO_ERROR, "cannot " + doing + ": " + error.message()) : Status{};
}

Status sync(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  return synced ? Status{} : Status(ErrorCode::IO_ERROR, "cannot sync " + path);
}

Status move(const std::string& from, const std::string& to, const std::string& data_dir) {
  std::error_code error;
  fs::rename(from, to, error);
  GALEN_TRY(to_status(error, "rename " + from));
  GALEN_TRY(sync(joining(data_dir)));
  return sync(data_dir);
}

/// Links between epochs that had ended when the snapshot was made; those above come with their blocks.
Status put_epochs(Database& database, const SnapshotManifest& manifest) {
  const auto last = epoch_above(manifest.headers.front());
  for (std::size_t i = 0; i < manifest.epochs.size() && i + 2 <= last; ++i)
    GALEN_TRY(database.put(Family::meta, epoch_key(i + 2), encode_epoch_row(manifest.epochs[i])));
  return {};
}

/// No bell: a failure is an error of the next write, and nothing is promised of what can be taken again.
StoreOptions in_joining(StoreOptions options) {
  options.directory = joining(options.directory);
  options.failures = nullptr;
  return options;
}

}  // namespace

Installer::~Installer() = default;

Status Installer::abandon(const std::string& data_dir) {
  std::error_code error;
  // The marks first: a kill in between leaves nothing that passes for whole.
  for (const auto& mark : {begun_mark(data_dir), complete_mark(data_dir)}) fs::remove(mark, error);
  fs::remove_all(joining(data_dir), error);
  return to_status(error, "remove " + joining(data_dir));
}

Result<std::unique_ptr<Installer>> Installer::begin(const StoreOptions& options, const SnapshotManifest& manifest) {
  GALEN_TRY(abandon(options.directory));
  std::error_code error;
  fs::create_directories(joining(options.directory) + "/ledger", error);
  GALEN_TRY(to_status(error, "create " + joining(options.directory)));
  std::unique_ptr<Installer> out(new Installer);
  out->options_ = options;
  out->manifest_ = manifest;
  out->parts_.resize(manifest.nodes.size());
  GALEN_ASSIGN(out->database_, Database::open(in_joining(options), Database::Mode::create));
  const auto& certifying = *manifest.certifying();
  const auto& last = manifest.certificate;
  PastPosition past{manifest.height() + 1, manifest.headers.front().digest(options.context.suite),
                    certifying.results_root, manifest.frontier.encode()};
  GALEN_TRY(out->database_->put(Family::meta, kPastKey, past.encode()));
  GALEN_TRY(out->database_->put(Family::certificates, certificate_key(CertificateKind::commit, last.subject.height),
                                last.encode()));
  GALEN_TRY(put_epochs(*out->database_, manifest));
  GALEN_TRY(out->database_->put(Family::meta, kManifestKey, manifest.encode()));
  GALEN_TRY(out->database_->flush());
  // A kill before this leaves a database that may not even open: it is begun anew.
  GALEN_TRY(write_checked_file(begun_mark(options.directory), as_bytes("begun")));
  out->past_ = std::make_unique<PastPosition>(std::move(past));
  return out;
}

Result<std::unique_ptr<Installer>> Installer::resume(const StoreOptions& options) {
  const auto nothing = make_error(ErrorCode::NOT_FOUND, "No snapshot is on its way into this node.");
  if (!read_checked_file(begun_mark(options.directory), 64)) return nothing;
  std::unique_ptr<Installer> out(new Installer);
  out->options_ = options;
  auto database = Database::open(in_joining(options), Database::Mode::open);
  if (!database) return nothing;  // it can be made again, and a disk that fails is found at once
  out->database_ = std::move(*database);
  GALEN_ASSIGN(auto manifest, out->database_->get(Family::meta, kManifestKey));
  if (!manifest) return nothing;
  GALEN_ASSIGN(out->manifest_, SnapshotManifest::decode(options.context.suite, *manifest));
  GALEN_ASSIGN(auto past, PastPosition::load(*out->database_));
  if (!past) return nothing;
  out->past_ = std::make_unique<PastPosition>(std::move(*past));
  out->parts_.resize(out->manifest_.nodes.size());
  for (std::uint32_t index = 0; index < out->parts_.size(); ++index) {
    GALEN_ASSIGN(auto there, out->database_->get(Family::meta, part_key(index)));
    out->parts_[index] = there.has_value();
  }
  return out;
}

std::vector<std::uint32_t> Installer::missing_parts() const {
  std::vector<std::uint32_t> out;
  for (std::uint32_t index = 0; index < parts_.size(); ++index)
    if (!parts_[index] && manifest_.nodes[index].kind != SnapshotNode::Kind::empty) out.push_back(index);
  return out;
}

Status Installer::flush() {
  unflushed_bytes_ = 0;
  return database_->flush();
}

Status Installer::flush_if_due(std::size_t bytes) {
  unflushed_bytes_ += bytes;
  return unflushed_bytes_ < kFlushBytes ? Status{} : flush();
}

Status Installer::add_part(std::uint32_t index, std::span<const StateRow> rows) {
  GALEN_ASSERT(index < parts_.size() && !parts_[index]);
  auto batch = make_batch();
  for (const auto& row : rows) batch.Put(database_->family(Family::state), row.key, to_slice(row.value));
  batch.Put(database_->family(Family::meta), part_key(index), std::string(1, '\1'));
  GALEN_TRY(database_->write(batch));
  parts_[index] = true;
  return flush_if_due(batch.GetDataSize());
}

Result<std::optional<Bytes>> Installer::state(std::uint8_t kind, ByteSpan key) const {
  return database_->get(Family::state, state_row_key(kind, key));
}

Result<std::optional<PastWanted>> Installer::past_wanted(std::uint64_t ttl_max_ms) const {
  const auto& snapshot = manifest_.headers.front();
  const auto wanted = past_->wanted();
  if (wanted.height == 0) return std::optional<PastWanted>{};
  if (past_->floor > snapshot.height) return std::optional(wanted);
  GALEN_ASSIGN(auto row, database_->get(Family::blocks, block_key(past_->floor, BlockPart::info)));
  if (!row) return make_error(ErrorCode::CORRUPT, "The lowest block that was fetched has no info row.");
  GALEN_ASSIGN(auto lowest, BlockInfo::decode(*row));
  const bool too_old = lowest.header.time_ms + ttl_max_ms < snapshot.time_ms;
  if (too_old && past_->floor <= snapshot.exec_height) return std::optional<PastWanted>{};
  return std::optional(wanted);
}

Status Installer::add_past(const PastBlock& past, const PastRows& rows) {
  GALEN_ASSIGN(auto bytes, put_past(*database_, *past_, past, rows, manifest_.headers));
  return flush_if_due(bytes);
}

Status Installer::finish() {
  GALEN_ASSERT(missing_parts().empty());
  GALEN_TRY(database_->flush());
  database_.reset();
  {
    // Without pages, opening makes the tree from the rows and compares its root with the one of the head.
    GALEN_ASSIGN(auto store, Store::open(in_joining(options_)));
    GALEN_ASSIGN([[maybe_unused]] auto durable, store->checkpoint());
  }
  GALEN_ASSIGN(database_, Database::open(in_joining(options_), Database::Mode::open));
  auto batch = make_batch();
  batch.Delete(database_->family(Family::meta), kManifestKey);
  batch.DeleteRange(database_->family(Family::meta), std::string(1, kPartKeyFirst),
                    std::string(1, static_cast<char>(kPartKeyFirst + 1)));
  GALEN_TRY(database_->write(batch));
  GALEN_TRY(database_->flush());
  database_.reset();
  GALEN_TRY(write_checked_file(complete_mark(options_.directory), as_bytes("complete")));
  GALEN_TRY(sync(complete_mark(options_.directory)));
  GALEN_TRY(sync(joining(options_.directory)));
  return sync(options_.directory);
}

Result<bool> install_joined(const std::string& data_dir) {
  const auto arrived = joining(data_dir) + "/ledger", ledger = data_dir + "/ledger", old = joining(data_dir) + "/old";
  std::error_code ignored;
  const bool here = fs::exists(arrived, ignored);
  if (!read_checked_file(complete_mark(data_dir), 64)) {
    if (!here) GALEN_TRY(Installer::abandon(data_dir));  // what a crash left of the old ledger
    return false;
  }
  if (here) {
    // A ledger made anew between two starts stands beside what the first rename has put away.
    if (fs::exists(ledger, ignored)) {
      fs::remove_all(old, ignored);
      GALEN_TRY(move(ledger, old, data_dir));
    }
    GALEN_TRY(move(arrived, ledger, data_dir));
  }
  GALEN_TRY(Installer::abandon(data_dir));
  return true;
}

}  // namespace galen::ledger
