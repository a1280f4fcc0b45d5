// What `galend init` makes of a directory where it failed before, what it refuses there, and what a configuration is
// refused for before anything is opened.
#include "galen/node/init.hpp"

#include <sys/resource.h>

#include <csignal>

#include "unit/node/data_dir_fixture.hpp"

namespace galen::node {
namespace {

namespace fs = std::filesystem;
using test::take;

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class InitTest : public test::DataDirTest {
 protected:
  InitTest() {
    config.path = "node.toml";
    config.limits.log_segment_mib = 1;
  }
  /// A member that has nothing yet.
  void begin_fresh() {
    config.data_dir = dir.path() + "/fresh";
    config.keys.master = dir.path() + "/fresh.key";
  }
  std::string path(const std::string& name) const { return config.data_dir + name; }
  void expect_refused(ErrorCode code, const std::string& words) const {
    const auto made = init_data_dir(config);
    ASSERT_FALSE(made) << words;
    EXPECT_EQ(made.error().code, code) << made.error().message;
    EXPECT_NE(made.error().message.find(words), std::string::npos) << made.error().message;
  }
  void expect_invalid(const std::string& words) const {
    const auto checked = check_config(config);
    ASSERT_FALSE(checked) << words;
    EXPECT_EQ(checked.error().code, ErrorCode::CONFIG_INVALID) << checked.error().message;
    EXPECT_NE(checked.error().message.find("node.toml: " + words), std::string::npos) << checked.error().message;
  }
  /// Of another chain with the same members.
  std::string other_genesis() const {
    auto draft = *genesis;
    draft.name = "another consortium";
    return Genesis::to_json(draft);
  }
};

TEST_F(InitTest, AfterAFailureItGoesOnWithTheKeysThatAreMade) {
  begin_fresh();
  fs::create_directories(path("/genesis.json/in-the-way"));
  expect_refused(ErrorCode::IO_ERROR, "genesis.json");
  const auto keyring = read(path("/keyring/keyring.bin")), master = read(config.keys.master);
  ASSERT_FALSE(keyring.empty() || master.empty());
  fs::remove_all(path("/genesis.json"));
  auto made = init_data_dir(config);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(read(path("/keyring/keyring.bin")), keyring);
  EXPECT_EQ(read(config.keys.master), master);
  EXPECT_TRUE(open());
  expect_refused(ErrorCode::ALREADY_EXISTS, "initialised before");
}

// As a full disk does it: nothing longer than this can be written.
TEST_F(InitTest, NothingHalfMadeIsLeftBehind) {
  begin_fresh();
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit little{.rlim_cur = 64, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
  const auto failed = init_data_dir(config);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, ignored);
  ASSERT_FALSE(failed);
  EXPECT_TRUE(fs::is_empty(path("/ledger")));
  const auto made = init_data_dir(config);
  EXPECT_TRUE(made) << made.error().message;
}

TEST_F(InitTest, ALogThatHasLostItsManifestIsLeftAsItIs) {
  lose_manifest();
  const auto segment = read(path("/wal/segment-000001"));
  expect_refused(ErrorCode::ALREADY_EXISTS, "no manifest");
  EXPECT_EQ(read(path("/wal/segment-000001")), segment);
}

TEST_F(InitTest, AMasterKeyWithoutItsDataDirectoryTellsOfAMemberThatHadOne) {
  config.data_dir = dir.path() + "/not-mounted";
  const auto master = read(config.keys.master);
  expect_refused(ErrorCode::ALREADY_EXISTS, "had a data directory before");
  EXPECT_FALSE(fs::exists(config.data_dir));
  EXPECT_EQ(read(config.keys.master), master);
}

TEST_F(InitTest, NoLogIsMadeWhereThereIsNoDataDirectory) {
  const auto made = config.data_dir;
  config.data_dir = dir.path() + "/not-mounted";
  EXPECT_FALSE(repair_log(config));
  EXPECT_FALSE(fs::exists(config.data_dir));
  config.data_dir = made;
  fs::remove_all(path("/wal"));
  EXPECT_TRUE(repair_log(config));
}

TEST_F(InitTest, WhatIsLostIsNotMadeAnewBesideWhatIsLeft) {
  fs::remove_all(path("/wal"));
  fs::rename(path("/keyring/keyring.bin"), path("/kept"));
  expect_refused(ErrorCode::ALREADY_EXISTS, "backup of keyring/");
  fs::rename(path("/kept"), path("/keyring/keyring.bin"));
  fs::rename(config.keys.master, path("/kept"));
  expect_refused(ErrorCode::CONFIG_INVALID, "keys.master: ");
  EXPECT_FALSE(fs::exists(config.keys.master));
  fs::rename(path("/kept"), config.keys.master);
  for (const char* database : {"/ledger", "/vault/index"}) {
    fs::rename(path(database) + "/CURRENT", path("/kept"));
    const auto files = std::distance(fs::directory_iterator(path(database)), fs::directory_iterator());
    expect_refused(ErrorCode::ALREADY_EXISTS, "no whole database");
    EXPECT_EQ(std::distance(fs::directory_iterator(path(database)), fs::directory_iterator()), files);
    fs::rename(path("/kept"), path(database) + "/CURRENT");
  }
  EXPECT_FALSE(fs::exists(path("/wal")));
  EXPECT_TRUE(init_data_dir(config)) << "as galend repair --log";
}

TEST_F(InitTest, TheWrongGenesisIsRefusedAndTheGoodCopyStays) {
  { ASSERT_TRUE(open()); }
  const auto copy = read(genesis_copy_path(config.data_dir));
  ASSERT_EQ(copy, read(config.genesis));
  write("genesis.json", other_genesis());
  const auto expect_wrong = [&](const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::WRONG_CHAIN);
    EXPECT_NE(error.message.find("put back the genesis.json of the chain"), std::string::npos) << error.message;
    EXPECT_EQ(read(genesis_copy_path(config.data_dir)), copy);
  };
  expect_wrong(open().error());
  std::ofstream(path("/ledger.suspect")).flush();
  expect_wrong(look_at_suspected(config).error());
  fs::remove(path("/ledger.suspect"));
  expect_wrong(repair_ledger(config).error());
  fs::rename(path("/ledger/CURRENT"), path("/kept"));  // then it cannot say of which chain it is
  expect_wrong(open().error());
  fs::rename(path("/kept"), path("/ledger/CURRENT"));
  EXPECT_FALSE(fs::exists(path("/ledger.damaged")));
  fs::remove_all(path("/wal"));
  expect_wrong(init_data_dir(config).error());
  write("genesis.json", copy);
  EXPECT_TRUE(init_data_dir(config));
  EXPECT_TRUE(open());
}

TEST_F(InitTest, AFileThatIsNotThereIsToldWithItsSetting) {
  const auto sound = config;
  config.genesis = dir.path() + "/nowhere.json";
  expect_invalid("genesis: ");
  config = sound;
  config.keys.consensus = dir.path() + "/nowhere.pem";
  expect_invalid("keys.consensus: ");
  config = sound;
  config.keys.consensus_next = dir.path() + "/nowhere.pem";
  expect_invalid("keys.consensus_next: ");
  config = sound;
  fs::remove(config.keys.master);
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::CONFIG_INVALID);
  EXPECT_NE(refused.error().message.find("node.toml: keys.master: "), std::string::npos) << refused.error().message;
  const auto accepted = accept_older_vault(config);
  ASSERT_FALSE(accepted);
  EXPECT_EQ(accepted.error().code, ErrorCode::CONFIG_INVALID);
}

TEST_F(InitTest, AMemberOfGenesisHasTheIdItHasThere) {
  config.member_id = "abc";
  expect_invalid("member_id must be 64 hex digits");
  config.member_id = genesis->members[1].id.hex();
  expect_invalid("member_id is not that of member \"member 0\"");
  config.member_id = genesis->members[0].id.hex();
  EXPECT_TRUE(check_config(config));
  config.member = "a later one";
  expect_invalid("member_id is that of a member of");
}

TEST_F(InitTest, WhoMayNotLookIntoTheDirectoryDoesNotTakeTheLedgerForMissing) {
  config.peers.addresses.clear();
  EXPECT_TRUE(check_config(config)) << "the ledger knows the members";
  fs::remove_all(path("/ledger"));
  expect_invalid("[peers.addresses] has no line");
  fs::create_symlink("ledger", path("/ledger"));
  EXPECT_TRUE(check_config(config)) << "nobody can say";
}

}  // namespace
}  // namespace galen::node
