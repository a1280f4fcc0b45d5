// A vault whose index is damaged: the node follows without it and gives no vote, and loses nothing of what the log
// holds.
#include "node/vault_damage.hpp"

#include "galen/node/verify_files.hpp"
#include "node/kept_outbox.hpp"
#include "unit/node/data_dir_fixture.hpp"

namespace galen::node {
namespace {

namespace fs = std::filesystem;
using test::take;

constexpr LogRecordType kFiller = 999;  ///< of a kind that the start does not know

class VaultDamageTest : public test::DataDirTest {
 protected:
  std::string vault() const { return config.data_dir + "/vault"; }
  std::size_t kept() const {
    const auto kept = take(load_kept_outbox(config.data_dir));
    return kept ? kept->records.size() : 0;
  }
  std::string mark() const { return config.data_dir + "/vault.suspect"; }
  /// A busy chain: nothing that stood in the log is in it any more.
  static void turn_over(Log& log) {
    for (int turn = 0; turn < 40; ++turn) append(log, {kFiller, false, Bytes(8'000)});
    log.recycle(log.stats().next_seq);
    append(log, {kFiller, true, Bytes(8)});
  }
  /// What every start reads first; returns where the backup is.
  std::string damage_index() const {
    const auto backup = dir.path() + "/backup";
    fs::copy(vault(), backup, fs::copy_options::recursive);
    flip(vault() + "/index/CURRENT", 0);
    return backup;
  }
  /// The vault as it is now goes back to what it was at the beginning, and the log begins after that; returns where the
  /// good one is.
  std::string older_vault(int documents) {
    const auto empty = dir.path() + "/empty", good = dir.path() + "/good";
    fs::copy(vault(), empty, fs::copy_options::recursive);
    {
      auto opened = open();
      EXPECT_TRUE(opened) << opened.error().message;
      for (int turn = 0; turn < 40; ++turn) append(*opened->log, {kFiller, false, Bytes(8'000)});
      EXPECT_TRUE(opened->vault->flush(opened->log->log_id(), opened->log->stats().next_seq).has_value());
      opened->log->recycle(opened->log->stats().next_seq);
      append(*opened->log, {kFiller, true, Bytes(8)});
      EXPECT_GT(opened->log->stats().oldest_seq, 1u);
    }
    live(documents, {});
    fs::rename(vault(), good);
    fs::rename(empty, vault());
    return good;
  }
  void put_back(const std::string& backup) const {
    fs::remove_all(vault());
    fs::rename(backup, vault());
  }
  /// The index's largest table, among its rows.
  void damage_a_table() const {
    fs::path largest;
    for (const auto& file : fs::directory_iterator(vault() + "/index"))
      if (file.path().extension() == ".sst" && (largest.empty() || file.file_size() > fs::file_size(largest)))
        largest = file.path();
    flip(largest, static_cast<std::streamoff>(fs::file_size(largest) / 3));
  }
  /// Documents whose transactions are executed and stand in the index's tables.
  void fill_index(int documents) {
    auto vault = take(vault::RecordVault::open(vault_options()));
    auto log = std::move(take(Log::open(config.data_dir, [](const ReplayedRecord&) {})).log);
    for (int i = 0; i < documents; ++i) {
      const auto record = take(vault::OutboxRecord::decode(outbox_record(vault)));
      ASSERT_TRUE(vault.on_outcome(record.transaction_id, vault::Outcome::committed));
    }
    ASSERT_TRUE(vault.flush(log->log_id(), log->stats().next_seq));
  }
};

TEST_F(VaultDamageTest, ANodeFollowsWithoutItAndVotesAgainWithTheBackup) {
  live(3, {batch(0)});
  const auto backup = damage_index();
  for (int start = 0; start < 2; ++start) {
    auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->vault, nullptr);
    EXPECT_EQ(kept(), 3u);
    EXPECT_FALSE(identity->votes());
    ASSERT_TRUE(identity->vault_damage);
    EXPECT_NE(identity->vault_damage->find("backup"), std::string::npos) << *identity->vault_damage;
    EXPECT_NE(opened->recovered.safety.mode(), consensus::Mode::recovering) << "the vote log is whole";
    EXPECT_EQ(opened->recovered.pending.size(), 1u);
  }
  put_back(backup);
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(identity->votes());
  EXPECT_EQ(opened->vault->pending().size(), 3u);
  EXPECT_EQ(kept(), 0u) << "it stands in the log again";
  opened = kill_and_open(*opened);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->vault->pending().size(), 3u);
}

// The log turns over while nobody has a backup at hand.
TEST_F(VaultDamageTest, TheLogGoesOnAndTheBackupMissesNothing) {
  live(3, {});
  const auto backup = damage_index();
  for (int start = 0; start < 2; ++start) {
    auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    turn_over(*opened->log);
    EXPECT_GT(opened->log->stats().oldest_seq, 3u);
    EXPECT_EQ(kept(), 3u);
  }
  put_back(backup);
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->vault->pending().size(), 3u);
  EXPECT_EQ(kept(), 0u);
  for (int start = 0; start < 2; ++start) {
    opened = kill_and_open(*opened);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->vault->pending().size(), 3u);
  }
}

TEST_F(VaultDamageTest, ACrashBeforeTheFileGoesTakesUpEachOnce) {
  live(3, {});
  const auto backup = damage_index();
  ASSERT_TRUE(open());
  fs::copy(config.data_dir + "/vault.outbox", dir.path() + "/vault.outbox");
  put_back(backup);
  {
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
  }
  fs::copy(dir.path() + "/vault.outbox", config.data_dir + "/vault.outbox");
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->vault->pending().size(), 3u);
  EXPECT_EQ(kept(), 0u);
}

TEST_F(VaultDamageTest, AnOlderVaultIsAcceptedWithWhatWasKept) {
  older_vault(2);
  for (int start = 0; start < 2; ++start) {
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->vault, nullptr);
    EXPECT_EQ(kept(), 2u);
    turn_over(*opened->log);
  }
  ASSERT_TRUE(accept_older_vault(config));
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_TRUE(opened->vault);
  EXPECT_EQ(opened->vault->pending().size(), 2u);
}

TEST_F(VaultDamageTest, AnOlderVaultIsDoneWithoutUntilTheGoodOneIsBack) {
  const auto good = older_vault(2);
  for (int start = 0; start < 2; ++start) {
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->vault, nullptr);
    EXPECT_EQ(kept(), 2u);
    turn_over(*opened->log);
  }
  put_back(good);
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_TRUE(opened->vault);
  EXPECT_EQ(opened->vault->pending().size(), 2u);
  EXPECT_EQ(kept(), 0u);
}

// A log that is damaged or begun anew says nothing of where the other one began: what was kept does.
TEST_F(VaultDamageTest, AnOlderVaultIsNotTakenBecauseTheLogIsLost) {
  const auto good = older_vault(2);
  {
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    turn_over(*opened->log);
  }
  lose_manifest();
  for (int start = 0; start < 2; ++start) {
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->vault, nullptr) << "start " << start;
  }
  fs::remove_all(config.data_dir + "/wal");
  fs::create_directory(config.data_dir + "/wal");
  ASSERT_TRUE(repair_log(config));
  {
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->vault, nullptr);
  }
  put_back(good);
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_TRUE(opened->vault);
  EXPECT_EQ(opened->vault->pending().size(), 2u);
}

TEST_F(VaultDamageTest, AnOlderVaultThatIsDamagedAsWellIsNotAccepted) {
  fill_index(400);
  damage_a_table();
  const auto refused = accept_older_vault(config);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::CORRUPT);
}

TEST_F(VaultDamageTest, ALogThatIsBegunAnewMeanwhileHoldsWhatTheOldOneHeld) {
  live(3, {});
  const auto backup = damage_index();
  lose_manifest();
  for (int start = 0; start < 2; ++start) {
    auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(kept(), 3u);
    EXPECT_EQ(opened->recovered.safety.mode(), consensus::Mode::recovering);
  }
  put_back(backup);
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->vault->pending().size(), 3u);
}

TEST_F(VaultDamageTest, WhatIsKeptIsCheckedBesideTheDamagedIndex) {
  live(3, {});
  damage_index();
  ASSERT_TRUE(open());
  const auto names_kept = [this] {
    const auto findings = verify_files(config.data_dir);
    return std::any_of(findings.begin(), findings.end(),
                       [](const auto& one) { return one.file.ends_with("/vault.outbox"); });
  };
  EXPECT_FALSE(names_kept());
  const auto path = config.data_dir + "/vault.outbox";
  const auto half = static_cast<std::streamoff>(fs::file_size(path) / 2);
  for (const std::streamoff offset : {std::streamoff{1}, half + 1}) {
    flip(path, offset);
    EXPECT_TRUE(names_kept()) << "one copy";
    ASSERT_TRUE(open());
    EXPECT_FALSE(names_kept()) << "written anew";
  }
  flip(path, 1);
  flip(path, half + 1);
  EXPECT_TRUE(names_kept());
}

TEST_F(VaultDamageTest, WithADamagedLedgerBothAreSeenTo) {
  live(2, {});
  damage_index();
  flip(config.data_dir + "/ledger/CURRENT", 0);
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->vault, nullptr);
  EXPECT_EQ(opened->store->applied_height(), 0u) << "made anew";
}

TEST_F(VaultDamageTest, WhatIsNotThereOrBelongsToTheKeyringIsRefused) {
  const auto refused = [this] {
    const auto opened = open();
    EXPECT_FALSE(opened);
    return opened ? ErrorCode::OK : opened.error().code;
  };
  suspect_vault(config.data_dir);
  fs::rename(vault() + "/index/CURRENT", dir.path() + "/CURRENT");
  EXPECT_EQ(refused(), ErrorCode::DATA_DIR_MISSING) << "its volume may not be mounted";
  EXPECT_TRUE(fs::exists(mark())) << "it was not looked at";
  fs::rename(dir.path() + "/CURRENT", vault() + "/index/CURRENT");
  const auto keyring = config.data_dir + "/keyring/keyring.bin";
  const auto size = fs::file_size(keyring);
  fs::copy(keyring, dir.path() + "/keyring.bin");
  fs::resize_file(keyring, size / 2);
  EXPECT_EQ(refused(), ErrorCode::CORRUPT);
  const auto backup = damage_index();
  EXPECT_EQ(refused(), ErrorCode::CORRUPT) << "nor is it hidden by a damaged index";
  put_back(backup);
  fs::copy(dir.path() + "/keyring.bin", keyring, fs::copy_options::overwrite_existing);
  EXPECT_TRUE(open());
}

TEST_F(VaultDamageTest, ASuspectedIndexIsReadAsAWhole) {
  fill_index(400);
  damage_a_table();
  {
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    ASSERT_TRUE(opened->vault) << "a start does not read every byte";
  }
  suspect_vault(config.data_dir);
  EXPECT_TRUE(take(open_again()).vault)
      << "at the end of an epoch all members that suspect theirs would lose their votes at once";
  for (int start = 0; start < 2; ++start) {
    EXPECT_EQ(take(open()).vault, nullptr) << "start " << start;
    EXPECT_EQ(take(open_again()).vault, nullptr) << "what the start found stays found, " << start;
    suspect_vault(config.data_dir);
    EXPECT_EQ(take(open_again()).vault, nullptr) << "whatever is suspected since, " << start;
  }
  EXPECT_TRUE(fs::exists(mark()));
}

TEST_F(VaultDamageTest, AWholeIndexThatWasSuspectedIsUsed) {
  fill_index(10);
  suspect_vault(config.data_dir);
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->vault);
  EXPECT_FALSE(fs::exists(mark()));
}

}  // namespace
}  // namespace galen::node
