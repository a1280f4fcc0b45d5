// The scrub of a running node, with a real ledger that is damaged below it and another node that still has what is
// lost.
#include "node/scrubber.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "galen/ledger/past_block.hpp"
#include "galen/node/log.hpp"
#include "ledger/database.hpp"
#include "node/fetch_answers.hpp"
#include "node/ledger_mending.hpp"
#include "node/repair_answers.hpp"
#include "node/sync_server.hpp"
#include "unit/node/large_block.hpp"

namespace galen::node {
namespace {

using execution::test::take;
using execution::test::TestNode;

class ScrubberTest : public execution::test::ExecutionTest {
 protected:
  ScrubberTest() : identity{chain.genesis, 0, chain.genesis.context(), chain.keys[0]}, peer(chain) {
    for (int i = 0; i < 20; ++i) {
      auto block =
          chain.block({chain.batch(0, {chain.item(service_a, {anchor(), anchor()})})}, executed ? &*executed : nullptr);
      executed = node.apply(block);
      certify(node, *executed);
    }
    for (const auto& block : chain.blocks) certify(peer, peer.apply(block));
    EXPECT_TRUE(node.store().checkpoint());
    std::filesystem::create_directories(directory() + "/wal");
    EXPECT_TRUE(Log::create(directory(), {.segment_bytes = 64 * 1024}));
    settle();
  }
  /// RocksDB moves and rewrites fresh files by itself, and would stop the ledger at a damaged one: it does so now.
  /// There is no cache from here on: what the start read of the oldest blocks would answer for the medium.
  void settle() {
    node.stop();
    {
      ledger::StoreOptions options;
      options.directory = directory();
      options.context = chain.genesis.context();
      auto database = take(ledger::Database::open(options, ledger::Database::Mode::open));
      rocksdb::CompactRangeOptions all;
      all.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
      EXPECT_TRUE(database->db().CompactRange(all, database->family(ledger::Family::blocks), nullptr, nullptr).ok());
    }
    node.block_cache_bytes = 0;
    node.reopen();
  }
  void certify(TestNode& at, const execution::ExecutedBlock& block) {
    EXPECT_TRUE(at.store().put_certificate(chain.executed_certificate(block)));
  }
  const std::string& directory() const { return node.directory(); }
  ledger::TableFile blocks_file() {
    ledger::TableFile out;
    for (const auto& file : ledger::Scrub(node.store(), chain.genesis).files())
      if (file.family == "blocks" && file.bytes > out.bytes) out = file;
    return out;
  }
  static void flip(const std::string& path, std::uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const auto byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
  }

  /// Members 1 to 3 answer from the peer's ledger, each in its own way.
  bool answer(Scrubber& scrubber, MemberIndex to, const Bytes& question) {
    ++asked[to];
    if (!connected.contains(to)) return false;
    auto view = take(peer.store().snapshot());
    const bool piece = question[0] == static_cast<std::uint8_t>(PeerMessageKind::fetch_past_piece);
    auto reply = piece ? served(question) : take(answer_fetch_stored(*view, ByteSpan(question).subspan(1)));
    pieces += piece ? 1 : 0;
    if (liars.contains(to) && reply.size() > 64) reply[reply.size() / 2] ^= 1;
    // What was not asked is taken for no answer, though it names the same block.
    auto other = reply;
    other[0] = static_cast<std::uint8_t>(PeerMessageKind::tree);
    EXPECT_FALSE(scrubber.on_answer(to, other));
    EXPECT_FALSE(scrubber.on_answer(static_cast<MemberIndex>(to + 1), reply));
    EXPECT_TRUE(scrubber.on_answer(to, reply));
    return true;
  }
  /// By the thread that hands out past blocks.
  Bytes served(const Bytes& question) {
    std::promise<Bytes> out;
    const ledger::SnapshotFiles files(peer.directory());
    SyncServer server(identity, peer.store(), files,
                      {.send = [&](MemberIndex, Bytes bytes) { out.set_value(std::move(bytes)); },
                       .has_room = [](MemberIndex) { return true; },
                       .fatal = [&](const Error& error) { ADD_FAILURE() << error.message; }});
    server.start();
    net::Frame frame;
    frame.payload = question;
    server.on_request(std::move(frame));
    auto answer = out.get_future().get();
    server.stop();
    return answer;
  }
  std::unique_ptr<Scrubber> make() {
    auto self = std::make_shared<Scrubber*>(nullptr);
    auto scrubber = std::make_unique<Scrubber>(
        identity, node.store(), health,
        Scrubber::Options{.data_dir = directory(), .period_s = 0, .reader_age_max_ms = 0, .retry_ms = 0},
        Scrubber::Ports{.send = [this, self](MemberIndex to, Bytes bytes) { return answer(**self, to, bytes); },
                        .checkpoint = [this] { ++checkpoints; },
                        .fatal = [](const Error& error) { ADD_FAILURE() << error.message; },
                        .vault_damage = [this](const Scrubber::Pause& pause) { return look_at_vault(pause); }});
    *self = scrubber.get();
    return scrubber;
  }

  std::vector<std::string> look_at_vault(const Scrubber::Pause& pause) {
    EXPECT_TRUE(pause(1, 2));
    return vault_looks++ == 0 ? vault_first : vault_then;
  }

  Identity identity;
  Health health;
  TestNode peer;
  std::vector<std::string> vault_first, vault_then;  ///< what its files look like, the first time and later
  int vault_looks = 0;
  std::set<MemberIndex> connected{1, 2, 3}, liars;
  std::map<MemberIndex, int> asked;
  int checkpoints = 0, pieces = 0;
  std::optional<execution::ExecutedBlock> executed;  ///< the newest
};

/// Another block on top, which makes up most of the ledger.
class LargeBlockScrubTest : public ScrubberTest {
 protected:
  LargeBlockScrubTest() {
    auto block = chain.block(test::large_batches(chain, service_a, service_b, ask()), &*executed);
    certify(peer, peer.apply(block));
    certify(node, node.apply(block));
    EXPECT_TRUE(node.store().checkpoint());
    settle();
  }
  Height large() const { return chain.parent.height; }
};

TEST_F(ScrubberTest, NothingIsFoundInAWholeLedger) {
  EXPECT_TRUE(make()->pass());
  EXPECT_EQ(health.scrub().found, 0u);
  EXPECT_GT(health.scrub().last_pass_ms, 0u);
  EXPECT_TRUE(asked.empty());
}

TEST_F(ScrubberTest, AFlippedByteIsFoundFetchedAndGone) {
  const auto file = blocks_file();
  flip(file.path, file.bytes / 3);
  connected = {2, 3};
  liars = {2};
  EXPECT_TRUE(make()->pass());
  EXPECT_GE(health.scrub().found, 2u) << "the file, and blocks in it";
  EXPECT_EQ(health.scrub().repaired, health.scrub().found);
  EXPECT_EQ(health.scrub().left, "");
  EXPECT_GT(asked[3], 0) << "what 2 sends does not prove itself";
  EXPECT_NE(blocks_file().number, file.number);

  const auto before = health.scrub();
  auto second = make();
  EXPECT_TRUE(second->pass());
  EXPECT_EQ(health.scrub().found, before.found)
      << "the counts go on where the last life left them, and nothing is left to find";
}

TEST_F(LargeBlockScrubTest, ABlockThatFitsNoFrameIsTakenInPieces) {
  auto encoded = take(ledger::encode_past_block(peer.view(), large()));
  ASSERT_GT(encoded->size(), limits::kFrameBytesMax);
  const auto file = blocks_file();
  ASSERT_GT(file.bytes, encoded->size() / 2) << "the byte in its middle is one of the large block";
  flip(file.path, file.bytes / 2);
  liars = {1};
  EXPECT_TRUE(make()->pass());
  EXPECT_GE(health.scrub().found, 2u);
  EXPECT_EQ(health.scrub().repaired, health.scrub().found);
  EXPECT_EQ(health.scrub().left, "");
  EXPECT_GT(asked[2], 0) << "what 1 sends does not prove itself";
  EXPECT_GE(pieces, 2 * static_cast<int>(encoded->size() / kPastPieceBytes));
  EXPECT_NE(blocks_file().number, file.number);
  EXPECT_EQ(take(ledger::encode_past_block(node.view(), large())), encoded);
}

// Else any member stops this node by asking for every block until it meets the damage.
TEST_F(ScrubberTest, AQuestionThatMeetsDamageIsAnsweredUpToItAndStopsNothing) {
  const auto file = blocks_file();
  flip(file.path, file.bytes / 3);
  const auto highest = node.view().height();
  auto view = take(node.store().snapshot());
  const auto question = encode_fetch_blocks({.from = 1, .count_max = kFetchBlocksMax});
  auto answer = take(answer_fetch_blocks(*view, ByteSpan(question).subspan(1)));
  EXPECT_LT(answer ? take(decode_blocks(ByteSpan(*answer).subspan(1))).size() : 0, highest);

  std::promise<Bytes> past;
  const ledger::SnapshotFiles files(directory());
  SyncServer server(identity, node.store(), files,
                    {.send = [&](MemberIndex, Bytes bytes) { past.set_value(std::move(bytes)); },
                     .has_room = [](MemberIndex) { return true; },
                     .fatal =
                         [&](const Error& error) {
                           ADD_FAILURE() << error.message;
                           past.set_value(encode_past_answer(0, {}));
                         }});
  server.start();
  net::Frame frame;
  frame.from = 1;
  frame.payload = encode_subject(PeerMessageKind::fetch_past, {highest, kPastBlocksMax});
  server.on_request(std::move(frame));
  const auto message = past.get_future().get();
  server.stop();
  EXPECT_LT(take(decode_past_answer(ByteSpan(message).subspan(1))).blocks.size(), highest);
}

TEST_F(ScrubberTest, WhatNobodyHasIsSaidAndFoundAgain) {
  const auto file = blocks_file();
  flip(file.path, file.bytes / 3);
  connected = {};
  EXPECT_TRUE(make()->pass());
  EXPECT_NE(health.scrub().left.find("galend repair --ledger"), std::string::npos) << health.scrub().left;
  EXPECT_EQ(health.scrub().repaired, 0u);
  EXPECT_EQ(blocks_file().number, file.number) << "bytes that nobody can make again are kept";
  connected = {1};
  EXPECT_TRUE(make()->pass());
  EXPECT_GE(health.scrub().repaired, 2u);
}

TEST_F(ScrubberTest, DamageIsShownUntilAPassHasMendedIt) {
  const auto file = blocks_file();
  flip(file.path, file.bytes / 3);
  vault_first = vault_then = {"vault/index/000012.sst: put back the backup"};
  connected = {};
  auto scrubber = make();
  EXPECT_TRUE(scrubber->pass());
  EXPECT_EQ(health.scrub().left, vault_then[0]) << "the newest";
  vault_then.clear();
  EXPECT_TRUE(scrubber->pass());
  EXPECT_NE(health.scrub().left.find("galend repair --ledger"), std::string::npos) << health.scrub().left;
  connected = {1};
  EXPECT_TRUE(scrubber->pass());
  EXPECT_EQ(health.scrub().left, "");
}

TEST_F(ScrubberTest, DamageThatNoPeerCanMendIsLeftToTheNextStart) {
  for (const auto& file : ledger::Scrub(node.store(), chain.genesis).files())
    if (file.family == "state") flip(file.path, 40);
  EXPECT_TRUE(make()->pass());
  EXPECT_GE(health.scrub().found, 1u);
  EXPECT_EQ(health.scrub().repaired, 0u);
  EXPECT_NE(health.scrub().left.find("galend repair --ledger"), std::string::npos) << health.scrub().left;
  EXPECT_TRUE(is_ledger_suspect(directory()));
  EXPECT_TRUE(asked.empty());
}

TEST_F(ScrubberTest, ADamagedFileThatCannotBeTakenOutIsLeftToTheNextStart) {
  const auto files = ledger::Scrub(node.store(), chain.genesis).files();
  const auto file = std::find_if(files.begin(), files.end(),
                                 [](const auto& one) { return one.family == "certificates" && one.level == 0; });
  ASSERT_NE(file, files.end());
  flip(file->path, file->bytes - 20);  // its footer: who has it open reads its rows all the same
  EXPECT_TRUE(make()->pass());
  EXPECT_NE(health.scrub().left.find("cannot be taken out"), std::string::npos) << health.scrub().left;
  EXPECT_TRUE(is_ledger_suspect(directory()));
}

TEST_F(ScrubberTest, DamageOfTheVaultIsSaidWhenItIsThereTwice) {
  vault_first = {"keyring: a slot that is being written", "vault/index/000012.sst: put back the backup"};
  vault_then = {"vault/index/000012.sst: put back the backup"};
  EXPECT_TRUE(make()->pass());
  EXPECT_EQ(vault_looks, 2);
  EXPECT_EQ(health.scrub().found, 1u);
  EXPECT_EQ(health.scrub().repaired, 0u);
  EXPECT_EQ(health.scrub().left, vault_then[0]);
  EXPECT_TRUE(std::filesystem::remove(directory() + "/vault.suspect")) << "the next start looks at it";
  vault_then.clear();
  EXPECT_TRUE(make()->pass());
  EXPECT_FALSE(std::filesystem::exists(directory() + "/vault.suspect"));
  EXPECT_EQ(vault_looks, 3) << "a whole one is looked at once";
  EXPECT_EQ(health.scrub().found, 1u);
}

TEST_F(ScrubberTest, OfTheKeyringNothingIsLeftToTheNextStartWhichReadsAllOfItAnyway) {
  vault_first = vault_then = {"keyring/keyring.bin: slot 7 of the keyring is damaged in one copy"};
  EXPECT_TRUE(make()->pass());
  EXPECT_EQ(health.scrub().left, vault_then[0]);
  EXPECT_FALSE(std::filesystem::exists(directory() + "/vault.suspect"));
}

TEST_F(ScrubberTest, AStrangeFileOfPlacesBeginsAnew) {
  for (const char* text : {"", "1", "2 1 1 1 1 1 1\n", "1 5 9 0 0 0 0\n", "garbage\n", "1 1 2 3 4 5 6 7 8\n"}) {
    std::ofstream(directory() + "/scrub") << text;
    EXPECT_TRUE(make()->pass()) << text;
  }
}

TEST_F(ScrubberTest, AQuestionThatIsNoneIsRefused) {
  auto view = take(peer.store().snapshot());
  EXPECT_EQ(answer_fetch_stored(*view, Bytes(7)).error().code, ErrorCode::MALFORMED);
  EXPECT_EQ(answer_fetch_tree(*view, Bytes(40)).error().code, ErrorCode::MALFORMED);
  const auto question = ByteWriter(8).u64(view->height() + 1).bytes();
  EXPECT_EQ(take(answer_fetch_stored(*view, question)).size(), 9u) << "not here";
  const auto too_deep = ByteWriter(41).u64(view->height()).u8(7).raw(Hash{}).bytes();
  EXPECT_EQ(take(answer_fetch_tree(*view, too_deep)).size(), 42u);
}

}  // namespace
}  // namespace galen::node
