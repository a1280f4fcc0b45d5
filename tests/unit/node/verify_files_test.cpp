// What `galend verify` says of the files beside the ledger: damage with the file it is in, and parts that are sound and
// do not fit each other.
#include "galen/node/verify_files.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "galen/crypto/random.hpp"
#include "galen/node/data_dir.hpp"
#include "galen/node/log.hpp"
#include "galen/vault/records.hpp"
#include "node/log_records.hpp"

namespace galen::node {
namespace {

class VerifyFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/galen-verify-files-XXXXXX";  // where another user can go as well
    parent_ = ::mkdtemp(pattern.data());
    directory_ = parent_ + "/data";
    ASSERT_TRUE(DataDir::create(directory_));
    ASSERT_TRUE(Log::create(directory_, {.segment_bytes = 64 * 1024}));
    ASSERT_TRUE(vault::RecordVault::create(options()));
    append({kLogConsensus, true, Bytes(900, 0x61)});
  }
  void TearDown() override { std::filesystem::remove_all(parent_); }
  vault::RecordVault::Options options() const {
    return {.keyring_directory = directory_ + "/keyring",
            .vault_directory = directory_ + "/vault",
            .master_key_file = parent_ + "/master.key"};
  }
  std::unique_ptr<Log> open() {
    auto opened = Log::open(directory_, [](const ReplayedRecord&) {});
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(opened->log);
  }
  void append(const OwnedLogRecord& record) {
    const std::vector<OwnedLogRecord> records{record};
    EXPECT_TRUE(open()->append_turn(records));
  }
  /// The index has everything the log holds.
  void flush_vault() {
    const auto log = open();
    auto vault = vault::RecordVault::open(options());
    ASSERT_TRUE(vault) << vault.error().message;
    ASSERT_TRUE(vault->flush(log->log_id(), log->stats().next_seq));
  }
  static Bytes outbox(vault::SlotIndex slot) {
    vault::OutboxRecord record;
    vault::PatientEntry patient;
    patient.pseudonym = crypto::random_fixed<PrincipalId>();
    patient.patient_key.epoch = slot;
    record.entries = {patient};
    return record.encode();
  }
  void expect(const std::string& where, const std::string& file, const std::string& what) {
    std::string all;
    bool found = false;
    for (const auto& one : verify_files(directory_)) {
      all += one.where + " " + one.file + ": " + one.what + "\n";
      found =
          found || (one.where == where && one.file == directory_ + file && one.what.find(what) != std::string::npos);
    }
    EXPECT_TRUE(found) << "wanted: " << where << " " << file << ": " << what << "\nsaid: " << all;
  }
  void set_modes(mode_t folders, mode_t files) {
    ASSERT_EQ(::chmod(parent_.c_str(), 0755), 0);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(parent_))
      ASSERT_EQ(::chmod(entry.path().c_str(), entry.is_directory() ? folders : files), 0);
  }
  std::size_t find(const std::string& segment, const std::string& bytes) const {
    std::ifstream in(directory_ + "/wal/" + segment, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {}).find(bytes);
  }
  void flip(const std::string& file, std::uint64_t offset) {
    std::fstream at(directory_ + file, std::ios::in | std::ios::out | std::ios::binary);
    at.seekg(static_cast<std::streamoff>(offset));
    const auto byte = static_cast<char>(at.get() ^ 1);
    at.seekp(static_cast<std::streamoff>(offset));
    at.put(byte);
  }

  std::string parent_, directory_;
};

TEST_F(VerifyFilesTest, WholeFilesHaveNothingToSay) {
  append({kLogOutbox, true, outbox(2)});
  for (const auto& one : verify_files(directory_)) ADD_FAILURE() << one.where << " " << one.what;
}

TEST_F(VerifyFilesTest, DamageNamesItsFile) {
  append({kLogConsensus, true, Bytes(900, 0x62)});
  std::string segment = "segment-000001";
  auto payload = find(segment, std::string(100, 0x61));
  if (payload == std::string::npos) payload = find(segment = "segment-000002", std::string(100, 0x61));
  ASSERT_NE(payload, std::string::npos);
  flip("/wal/" + segment, payload);
  expect("log", "/wal/" + segment, segment);
  flip("/wal/manifest", 3);
  expect("log", "/wal", "manifest");
  flip("/keyring/keyring.bin", 40);
  expect("keyring", "/keyring/keyring.bin", "one copy");
  std::filesystem::resize_file(directory_ + "/keyring/keyring.bin", 1000);
  expect("keyring", "/keyring/keyring.bin", "backup");
  std::filesystem::remove_all(directory_ + "/vault/index");
  expect("vault", "/vault/index", "backup");
}

/// As one whom nothing lets write: root may.
[[noreturn]] void read_as_nobody(const std::string& directory) {
  if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
  const auto lock = DataDir::open_to_read(directory);
  if (!lock) std::fprintf(stderr, "%s\n", lock.error().message.c_str());
  const bool writable = ::access(directory.c_str(), W_OK) == 0 || DataDir::open(directory);
  const auto findings = verify_files(directory);
  for (const auto& one : findings) std::fprintf(stderr, "%s: %s\n", one.file.c_str(), one.what.c_str());
  ::_exit(lock && !writable && findings.empty() ? 0 : 1);
}

// A copy of a directory that is mounted read-only, for somebody who looks into what happened.
TEST_F(VerifyFilesTest, ADirectoryThatCannotBeWrittenIsReadAllTheSame) {
  { ASSERT_TRUE(DataDir::open(directory_)); }
  set_modes(0555, 0444);
  EXPECT_EXIT(read_as_nobody(directory_), testing::ExitedWithCode(0), "");
  {
    const auto held = DataDir::open_to_read(directory_);
    ASSERT_TRUE(held) << held.error().message;
    EXPECT_EXIT(read_as_nobody(directory_), testing::ExitedWithCode(1), "in use by") << "a lock counts there too";
  }
  set_modes(0755, 0444);
  std::filesystem::remove(directory_ + "/lock");
  set_modes(0555, 0444);
  EXPECT_EXIT(read_as_nobody(directory_), testing::ExitedWithCode(0), "");
  set_modes(0755, 0644);
}

// The keyring's own checksums hold: what is wrapped under the missing slot would be lost without a word.
TEST_F(VerifyFilesTest, AKeyringThatLacksASlotInUseIsAnOlderCopy) {
  append({kLogOutbox, true, outbox(3)});
  expect("keyring", "/keyring/keyring.bin", "older copy");
}

TEST_F(VerifyFilesTest, AnOutboxRecordThatAStartCannotReadIsNamed) {
  append({kLogOutbox, true, Bytes(50, 7)});
  expect("log", "/wal", "no outbox record that can be read");
  flush_vault();
  for (const auto& one : verify_files(directory_)) ADD_FAILURE() << "a start passes it over: " << one.what;
}

}  // namespace
}  // namespace galen::node
