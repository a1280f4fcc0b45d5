#include "galen/storage/checked_env.hpp"

#include <atomic>
#include <memory>
#include <string>

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

namespace galen::storage {
namespace {

using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

/// Of a file that began empty. RocksDB appends from one thread at a time, and may sync from another.
class CheckedFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  CheckedFile(std::unique_ptr<FSWritableFile> file, std::string path, rocksdb::FileSystem& files)
      : FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), files_(files) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    return counted(data.size(), FSWritableFileOwnerWrapper::Append(data, options, debug));
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo& checksum,
                  IODebugContext* debug) override {
    return counted(data.size(), FSWritableFileOwnerWrapper::Append(data, options, checksum, debug));
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    auto done = FSWritableFileOwnerWrapper::Truncate(size, options, debug);
    if (done.ok()) appended_ = size;
    return done;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    auto done = FSWritableFileOwnerWrapper::Sync(options, debug);
    return done.ok() ? looked_back(options, debug) : done;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    auto done = FSWritableFileOwnerWrapper::Fsync(options, debug);
    return done.ok() ? looked_back(options, debug) : done;
  }

 private:
  IOStatus counted(std::size_t bytes, IOStatus done) {
    if (done.ok()) appended_ += bytes;
    return done;
  }
  IOStatus looked_back(const IOOptions& options, IODebugContext* debug) {
    std::uint64_t there = 0;
    auto asked = files_.GetFileSize(path_, options, &there, debug);
    if (!asked.ok() || there >= appended_) return asked;
    return IOStatus::IOError(path_, std::to_string(there) + " of " + std::to_string(appended_) +
                                        " bytes are there: the disk did not do a write that it called done");
  }

  const std::string path_;
  rocksdb::FileSystem& files_;
  std::atomic<std::uint64_t> appended_{0};
};

class CheckedFiles : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "galen.CheckedFiles"; }
  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                           std::unique_ptr<FSWritableFile>* out, IODebugContext* debug) override {
    auto made = FileSystemWrapper::NewWritableFile(path, options, out, debug);
    if (made.ok()) *out = std::make_unique<CheckedFile>(std::move(*out), path, *target());
    return made;
  }
};

}  // namespace

rocksdb::Env* checked_env() {
  // Never destroyed: threads of RocksDB's default environment may outlive main().
  static rocksdb::Env* const env =
      rocksdb::NewCompositeEnv(std::make_shared<CheckedFiles>(rocksdb::FileSystem::Default())).release();
  return env;
}

}  // namespace galen::storage
