#include "sim/whole/ledger_files.hpp"

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include <rocksdb/env.h>

namespace galen::sim {

namespace {

rocksdb::Status no_power() { return rocksdb::Status::IOError("no power"); }

}  // namespace

class LedgerFiles::Files final : public rocksdb::EnvWrapper {
 public:
  Files() : EnvWrapper(rocksdb::NewMemEnv(rocksdb::Env::Default())), memory_(target()) {}

  rocksdb::Status NewWritableFile(const std::string& name, std::unique_ptr<rocksdb::WritableFile>* out,
                                  const rocksdb::EnvOptions& options) override;
  rocksdb::Status RenameFile(const std::string& from, const std::string& to) override {
    if (!spend()) return no_power();
    auto status = target()->RenameFile(from, to);
    std::lock_guard lock(mutex_);
    if (auto found = synced_.find(from); status.ok() && found != synced_.end()) {
      synced_[to] = found->second;
      synced_.erase(from);
    }
    return status;
  }
  /// Not counted: RocksDB deletes in the background, when nobody waits for it.
  rocksdb::Status DeleteFile(const std::string& name) override {
    forget(name);
    return target()->DeleteFile(name);
  }

  bool spend() {
    std::lock_guard lock(mutex_);
    if (!calls_left_) return true;
    if (*calls_left_ > 0) --*calls_left_;
    return *calls_left_ > 0;
  }
  void synced(const std::string& name, std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    synced_[name] = bytes;
  }
  void forget(const std::string& name) {
    std::lock_guard lock(mutex_);
    synced_.erase(name);
  }
  void rewrite(const std::string& name, const std::string& content) {
    target()->DeleteFile(name).PermitUncheckedError();
    rocksdb::WriteStringToFile(target(), content, name, true).PermitUncheckedError();
  }

  std::unique_ptr<rocksdb::Env> memory_;
  mutable std::mutex mutex_;
  std::optional<std::uint64_t> calls_left_;
  std::map<std::string, std::uint64_t> synced_;  ///< bytes of each file that a power failure leaves
};

namespace {

/// Counts what is synced.
template <class Files>
class TrackedFile final : public rocksdb::WritableFileWrapper {
 public:
  TrackedFile(Files& files, std::string name, std::unique_ptr<rocksdb::WritableFile> file)
      : WritableFileWrapper(file.get()), files_(files), name_(std::move(name)), file_(std::move(file)) {}
  rocksdb::Status Append(const rocksdb::Slice& data) override {
    if (!files_.spend()) {
      file_->Append(rocksdb::Slice(data.data(), data.size() / 2)).PermitUncheckedError();
      return no_power();
    }
    bytes_ += data.size();
    return file_->Append(data);
  }
  rocksdb::Status Append(const rocksdb::Slice& data, const rocksdb::DataVerificationInfo&) override { return Append(data); }
  rocksdb::Status Sync() override {
    if (!files_.spend()) return no_power();
    files_.synced(name_, bytes_);
    return file_->Sync();
  }
  rocksdb::Status Fsync() override { return Sync(); }

 private:
  Files& files_;
  std::string name_;
  std::unique_ptr<rocksdb::WritableFile> file_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

rocksdb::Status LedgerFiles::Files::NewWritableFile(const std::string& name, std::unique_ptr<rocksdb::WritableFile>* out,
                                                    const rocksdb::EnvOptions& options) {
  if (name.find("/OPTIONS-") != std::string::npos) return rocksdb::Status::NotSupported("files of options are not kept");
  if (!spend()) return no_power();
  std::unique_ptr<rocksdb::WritableFile> file;
  auto status = target()->NewWritableFile(name, &file, options);
  if (!status.ok()) return status;
  synced(name, 0);
  *out = std::make_unique<TrackedFile<Files>>(*this, name, std::move(file));
  return status;
}

LedgerFiles::LedgerFiles(std::uint64_t seed) : files_(std::make_unique<Files>()), rng_(seed) {}
LedgerFiles::~LedgerFiles() = default;

rocksdb::Env& LedgerFiles::environment() { return *files_; }

void LedgerFiles::fail_power_after(std::uint64_t calls) {
  std::lock_guard lock(files_->mutex_);
  files_->calls_left_ = calls;
}

bool LedgerFiles::has_power() const {
  std::lock_guard lock(files_->mutex_);
  return !files_->calls_left_ || *files_->calls_left_ > 0;
}

void LedgerFiles::keep_power() {
  std::lock_guard lock(files_->mutex_);
  files_->calls_left_.reset();
}

void LedgerFiles::crash() {
  for (const auto& [name, synced] : files_->synced_) {
    std::string content;
    if (!rocksdb::ReadFileToString(files_->target(), name, &content).ok() || content.size() <= synced) continue;
    content.resize(synced + rng_.below(content.size() - synced + 1));
    files_->rewrite(name, content);
  }
  files_->calls_left_.reset();
}

bool LedgerFiles::flip_bit() {
  std::vector<std::string> names;
  for (const auto& [name, synced] : files_->synced_)
    if (synced > 0 && (name.ends_with(".sst") || name.find("MANIFEST") != std::string::npos)) names.push_back(name);
  if (names.empty()) return false;
  const auto& name = names[rng_.below(names.size())];
  std::string content;
  if (!rocksdb::ReadFileToString(files_->target(), name, &content).ok() || content.empty()) return false;
  content[rng_.below(content.size())] ^= static_cast<char>(1U << rng_.below(8));
  files_->rewrite(name, content);
  return true;
}

void LedgerFiles::remove_all() {
  files_ = std::make_unique<Files>();
}

}  // namespace galen::sim
