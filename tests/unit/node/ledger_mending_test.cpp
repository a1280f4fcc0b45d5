// A start that finds its ledger damaged: it makes it anew, once, and leaves everything else as it is.
#include "node/ledger_mending.hpp"

#include "unit/node/data_dir_fixture.hpp"

namespace galen::node {
namespace {

namespace fs = std::filesystem;
using test::take;

class LedgerMendingTest : public test::DataDirTest {
 protected:
  /// What every start reads first.
  void damage_ledger() const { flip(ledger() + "/CURRENT", 0); }
  /// The largest table of the ledger, in its middle.
  std::string damage_a_table() const {
    fs::path largest;
    for (const auto& file : fs::directory_iterator(ledger()))
      if (file.path().extension() == ".sst" && (largest.empty() || file.file_size() > fs::file_size(largest)))
        largest = file.path();
    flip(largest, static_cast<std::streamoff>(fs::file_size(largest) / 2));
    return largest.filename();
  }
  std::string ledger() const { return config.data_dir + "/ledger"; }
  std::string aside() const { return damaged_ledger_path(config.data_dir); }
};

TEST_F(LedgerMendingTest, ADamagedLedgerIsMadeAnewAndTheOldOnePutAside) {
  live(2, {});
  damage_ledger();
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->store->applied_height(), 0u);
  EXPECT_NE(opened->recovered.safety.mode(), consensus::Mode::recovering) << "the vote log is whole";
  EXPECT_EQ(opened->vault->pending().size(), 2u);
  EXPECT_TRUE(fs::exists(aside() + "/CURRENT"));
  EXPECT_TRUE(fs::exists(aside() + "/wal/manifest")) << "what the log has of blocks above the last checkpoint";
  EXPECT_FALSE(is_ledger_suspect(config.data_dir));
}

TEST_F(LedgerMendingTest, ASecondOneIsRefusedUntilSomebodyHasLookedAtTheDisk) {
  damage_ledger();
  ASSERT_TRUE(open());
  damage_ledger();
  for (int i = 0; i < 2; ++i) {
    const auto refused = open();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::ALREADY_EXISTS) << "a service manager starts it again after others";
    for (const auto* what : {"ledger.damaged", "look at the disk", "move that copy away"})
      EXPECT_NE(refused.error().message.find(what), std::string::npos) << refused.error().message;
    EXPECT_EQ(refused.error().message.find("galend repair"), std::string::npos) << "it would remove the first copy";
  }
  fs::remove_all(aside());
  EXPECT_TRUE(open());
  EXPECT_TRUE(fs::exists(aside()));
}

// A start by itself reads a few of the bytes.
TEST_F(LedgerMendingTest, ASuspectedLedgerIsReadAsAWhole) {
  const auto table = damage_a_table();
  suspect_ledger(config.data_dir);
  ASSERT_TRUE(is_ledger_suspect(config.data_dir));
  ASSERT_TRUE(open());
  EXPECT_TRUE(fs::exists(aside() + "/" + table));
  EXPECT_FALSE(is_ledger_suspect(config.data_dir));
}

TEST_F(LedgerMendingTest, AWholeLedgerThatWasSuspectedStays) {
  suspect_ledger(config.data_dir);
  ASSERT_TRUE(open());
  EXPECT_FALSE(fs::exists(aside()));
  EXPECT_FALSE(is_ledger_suspect(config.data_dir));
}

TEST_F(LedgerMendingTest, DamageOfTheVaultLeavesTheLedgerAlone) {
  fs::remove_all(config.data_dir + "/vault");
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("backup"), std::string::npos) << refused.error().message;
  EXPECT_FALSE(fs::exists(aside()));
  EXPECT_FALSE(is_ledger_suspect(config.data_dir));
}

TEST_F(LedgerMendingTest, ALedgerWithoutTheFileThatNamesTheOthersIsDamaged) {
  fs::remove(ledger() + "/CURRENT");
  ASSERT_TRUE(open());
  EXPECT_TRUE(fs::exists(aside()));
}

// A volume that is not mounted looks like this.
TEST_F(LedgerMendingTest, AMissingLedgerIsNotMadeByItself) {
  fs::remove_all(ledger());
  for (int i = 0; i < 2; ++i) {
    const auto refused = open();
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("galend repair --ledger"), std::string::npos) << refused.error().message;
    EXPECT_FALSE(fs::exists(aside()));
    fs::create_directory(ledger());
  }
}

TEST_F(LedgerMendingTest, ACrashBetweenTheLastStepsIsGoneOnFrom) {
  damage_ledger();
  ASSERT_TRUE(open());
  for (const bool suspect : {false, true}) {
    fs::create_directories(config.data_dir + "/ledger.new");
    fs::rename(ledger(), config.data_dir + "/ledger.new/ledger");
    fs::remove_all(aside() + "/wal");
    if (suspect) suspect_ledger(config.data_dir);
    ASSERT_TRUE(open()) << suspect;
    EXPECT_TRUE(fs::exists(ledger() + "/CURRENT"));
    EXPECT_TRUE(fs::exists(aside() + "/wal/manifest"));
    EXPECT_FALSE(fs::exists(config.data_dir + "/ledger.new"));
  }
}

// All nodes open again when an epoch ends; none of them is to throw its ledger away just then.
TEST_F(LedgerMendingTest, ANodeThatOpensAgainLeavesASuspicionToTheNextStart) {
  suspect_ledger(config.data_dir);
  auto again = take(load_identity(config));
  EXPECT_TRUE(open_data_dir(config, again));
  EXPECT_TRUE(is_ledger_suspect(config.data_dir));
}

// Whoever may not look into the directory is told that there is no CURRENT.
TEST_F(LedgerMendingTest, OnlyWhatIsKnownToBeGoneIsDamage) {
  const Error none{ErrorCode::DATA_DIR_MISSING, ""};
  EXPECT_FALSE(is_ledger_damage(config.data_dir, none)) << "CURRENT is there";
  fs::remove(ledger() + "/CURRENT");
  EXPECT_TRUE(is_ledger_damage(config.data_dir, none));
  fs::create_symlink("CURRENT", ledger() + "/CURRENT");
  EXPECT_FALSE(is_ledger_damage(config.data_dir, none)) << "nobody can say";
  EXPECT_FALSE(is_ledger_damage(config.data_dir, {ErrorCode::IO_ERROR, ""}));
}

}  // namespace
}  // namespace galen::node
