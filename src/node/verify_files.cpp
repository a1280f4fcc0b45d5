#include "galen/node/verify_files.hpp"

#include "galen/node/log.hpp"
#include "galen/vault/keyring.hpp"
#include "galen/vault/record_index.hpp"
#include "node/kept_outbox.hpp"
#include "node/log_records.hpp"
#include "node/vault_position.hpp"

namespace galen::node {
namespace {

class FilesCheck {
 public:
  explicit FilesCheck(const std::string& data_dir) : data_dir_(data_dir) {}

  std::vector<FileFinding> run() {
    keyring_ = vault::Keyring::inspect(data_dir_ + "/keyring");
    index_ = vault::RecordIndex::inspect(data_dir_ + "/vault");
    check_log();
    for (const auto& what : keyring_.findings) found("keyring", kKeyringFile, what);
    for (const auto& what : index_.findings) found("vault", kIndexFolder, what);
    check_position();
    check_slots();
    return std::move(findings_);
  }

 private:
  static constexpr const char* kKeyringFile = "/keyring/keyring.bin";
  static constexpr const char* kIndexFolder = "/vault/index";

  void found(const char* where, const std::string& file, std::string what) {
    findings_.push_back({where, data_dir_ + file, std::move(what)});
  }
  void check_log();
  void note(const ReplayedRecord& record);
  void note_outbox(const ReplayedRecord& record);
  void say_verdict(const LogVerdict& verdict);
  void check_outbox();
  void check_position();
  void check_slots();

  const std::string data_dir_;
  std::vector<FileFinding> findings_;
  vault::Keyring::Inspection keyring_;
  vault::RecordIndex::Inspection index_;
  std::unique_ptr<Log> log_;  ///< nothing where it cannot be opened
  bool started_over_ = false;
  std::set<vault::SlotIndex> outbox_slots_;
  std::vector<std::pair<LogSeq, std::string>> bad_outbox_;
};

void FilesCheck::note(const ReplayedRecord& record) {
  started_over_ |= record.type == kLogAmnesia;
  if (record.type == kLogOutbox) note_outbox(record);
}

void FilesCheck::note_outbox(const ReplayedRecord& record) {
  const auto outbox = vault::OutboxRecord::decode(record.payload);
  if (!outbox) return bad_outbox_.emplace_back(record.seq, outbox.error().message), void();
  for (const auto& entry : outbox->entries)
    outbox_slots_.insert(std::visit([](const auto& one) { return one.patient_key.epoch; }, entry));
}

void FilesCheck::check_log() {
  // Opening reads every frame and writes nothing.
  auto opened = Log::open(
      data_dir_, [this](const ReplayedRecord& record) { note(record); }, posix_read_access());
  if (!opened) return found("log", "/wal", opened.error().message);
  log_ = std::move(opened->log);
  say_verdict(opened->verdict);
  check_outbox();
}

void FilesCheck::say_verdict(const LogVerdict& verdict) {
  std::string names;
  for (const auto& name : verdict.files) names += (names.empty() ? " (" : ", ") + name;
  if (!names.empty()) names += ")";
  const auto file = verdict.files.size() == 1 ? "/wal/" + *verdict.files.begin() : std::string("/wal");
  if (verdict.kind != LogVerdict::Kind::clean) found("log", file, verdict.reason + names);
  if (verdict.records_repaired > 0)
    found("log", file,
          std::to_string(verdict.records_repaired) +
              " records are damaged in one copy; a start reads them from the other" + names);
  if (verdict.mirrors_bad > 0)
    found("log", file, std::to_string(verdict.mirrors_bad) + " second copies of records are damaged" + names);
  if (verdict.torn_tail)
    found("log", file,
          "the last turn is not whole: a crash cut it off, or it is damaged; a start drops it and keeps what either "
          "copy of its votes and outbox records holds" +
              names);
}

/// As a start does: what the index has by now is passed over.
void FilesCheck::check_outbox() {
  const bool same_log = index_.applied && index_.applied->log_id == log_->log_id();
  for (const auto& [seq, why] : bad_outbox_)
    if (!same_log || seq >= index_.applied->seq)
      found("log", "/wal",
            "record " + std::to_string(seq) + " of the log is no outbox record that can be read: " + why);
}

void FilesCheck::check_position() {
  // Also beside a damaged index: that is what it is there for.
  const auto kept = load_kept_outbox(data_dir_);
  if (!kept) found("vault", "/vault.outbox", kept.error().message);
  if (kept && *kept && (*kept)->copy_damaged)
    found("vault", "/vault.outbox", "one of its two copies is damaged; a start writes both anew");
  if (!index_.findings.empty() || !index_.applied || !log_) return;
  const auto* reach = kept && *kept ? &(*kept)->reach : nullptr;
  const auto status = check_vault_follows(*index_.applied, reach_of(*log_, started_over_), false, reach);
  if (!status) found("vault", kIndexFolder, status.error().message);
}

/// The index names slots of the keyring, and so do records on their way to it.
void FilesCheck::check_slots() {
  if (!keyring_.epochs) return;
  outbox_slots_.insert(index_.slots_in_use.begin(), index_.slots_in_use.end());
  const std::vector<vault::SlotIndex> used(outbox_slots_.begin(), outbox_slots_.end());
  if (auto status = vault::check_keyring_follows(*keyring_.epochs, used); !status)
    found("keyring", kKeyringFile, status.error().message);
}

}  // namespace

std::vector<FileFinding> verify_files(const std::string& data_dir) { return FilesCheck(data_dir).run(); }

}  // namespace galen::node
