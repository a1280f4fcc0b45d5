// A joiner and the members that serve it, in one process: who lies is refused, what was taken is kept, what has no
// certificate is no reason to join.
#include <filesystem>
#include <fstream>

#include "galen/base/crc32c.hpp"
#include "galen/crypto/sparse_merkle.hpp"
#include "node/backfill.hpp"
#include "node/joiner.hpp"
#include "node/sync_server.hpp"
#include "unit/execution/chain_fixture.hpp"
#include "unit/node/large_block.hpp"

namespace galen::node {
namespace {

using execution::test::ExecutionTest;
using execution::test::take;
using execution::test::TempDir;

constexpr MemberIndex kJoiner = 3, kBad = 1;

class JoinerTest : public ExecutionTest {
 protected:
  void SetUp() override {
    auto executed = run(first_batches());
    for (int i = 0; i < 8; ++i) executed = node.apply(chain.block({chain.batch(0, records(30))}, &executed));
    auto frozen = take(node.store().snapshot());
    snapshot_ = frozen->height();
    auto certifying = chain.block({chain.batch(0, records(3))}, &executed);
    node.apply(certifying);
    ledger::SnapshotFiles::Source source;
    source.view = frozen.get();
    source.headers = {frozen->head().header, certifying->skeleton.header};
    source.certificate = chain.commit_certificate(certifying->skeleton.header);
    source.context = chain.genesis.context();
    source.pace = [] { return true; };
    ASSERT_TRUE(ledger::SnapshotFiles(node.directory()).make(source).has_value());
    std::filesystem::copy(node.directory() + "/snapshots", bad_dir_.path() + "/snapshots",
                          std::filesystem::copy_options::recursive);
    chain.genesis.parameters.ttl_max_ms = 250;  // a few blocks' time
    identity_.emplace(Identity{chain.genesis, kJoiner, chain.genesis.context(),
                               crypto::PrivateKey::generate(execution::test::kSuite)});
    for (MemberIndex member = 0; member < 3; ++member) {
      files_.push_back(std::make_unique<ledger::SnapshotFiles>(member == kBad ? bad_dir_.path() : node.directory()));
      servers_.push_back(std::make_unique<SyncServer>(
          *identity_, node.store(), *files_.back(),
          SyncServer::Ports{.send = [this, member](MemberIndex, Bytes bytes) { deliver(member, std::move(bytes)); },
                            .has_room = [](MemberIndex) { return true; },
                            .fatal = [](const Error& error) { ADD_FAILURE() << error.message; }}));
      servers_.back()->start();
    }
    // The joiner has block 0, as galend init makes it.
    auto store = take(ledger::Store::create(options()));
    take(execution::Executor(chain.genesis, *store).start());
    take(store->checkpoint());
    meet();
  }
  virtual std::vector<BatchPtr> first_batches() { return {chain.batch(0, records(300))}; }
  void TearDown() override {
    for (auto& server : servers_) server->stop();
  }

  std::vector<BatchItem> records(int count) {
    std::vector<BatchItem> items;
    for (int i = 0; i < count; ++i) items.push_back(chain.item(service_a, {anchor()}));
    return items;
  }
  static net::Frame frame(MemberIndex from, Bytes payload) {
    net::Frame out;
    out.from = from;
    out.payload = std::move(payload);
    return out;
  }
  void deliver(MemberIndex from, Bytes bytes) { peers_->on_answer(frame(from, std::move(bytes))); }
  /// A process's life: nobody is banned yet.
  void meet() {
    peers_ = std::make_unique<SyncPeers>(*identity_, [this](MemberIndex to, Bytes bytes) {
      ++asked_[to];
      servers_[to]->on_request(frame(kJoiner, std::move(bytes)));
      return true;
    });
  }
  std::unique_ptr<Joiner> joiner(Height behind_min = 5) {
    return std::make_unique<Joiner>(*identity_, options(), behind_min, *peers_,
                                    Joiner::Ports{.applied = [this] { return applied_; },
                                                  .pause_blocks = [this](bool paused) { paused_ = paused; },
                                                  .say = [](const std::string&) {},
                                                  .has_room = [this] { return has_room_; },
                                                  .own_lowest = [this] { return own_lowest_; }});
  }
  ledger::StoreOptions options() const {
    ledger::StoreOptions out;
    out.directory = dir_.path();
    out.context = chain.genesis.context();
    return out;
  }
  /// Changes a file of the bad member so that its checksum is right again.
  void damage(const std::string& name) {
    const auto path = bad_dir_.path() + "/snapshots/" + std::to_string(snapshot_) + "/" + name;
    std::ifstream in(path, std::ios::binary);
    Bytes bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    ASSERT_GT(bytes.size(), 100u);
    bytes.resize(bytes.size() - 4);
    bytes.back() ^= 1;
    write_bad(name, std::move(bytes));
  }
  void write_bad(const std::string& name, Bytes bytes) {
    const auto checksum = ByteWriter().u32(crc32c(bytes)).bytes();
    bytes.insert(bytes.end(), checksum.begin(), checksum.end());
    std::ofstream(bad_dir_.path() + "/snapshots/" + std::to_string(snapshot_) + "/" + name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  std::size_t parts() const {
    std::size_t count = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(bad_dir_.path() + "/snapshots/" + std::to_string(snapshot_)))
      count += entry.path().filename().string().starts_with("part-");
    return count;
  }
  void expect_whole_after_backfill() {
    ASSERT_TRUE(take(ledger::install_joined(dir_.path())));
    auto store = take(ledger::Store::open(options()));
    EXPECT_EQ(store->applied_height(), snapshot_);
    Backfill backfill(*identity_, *store, *peers_);
    EXPECT_TRUE(backfill.due());
    EXPECT_GT(store->backfill_floor(), 1u);
    while (backfill.due()) ASSERT_TRUE(take(backfill.step()));
    for (const auto& block : chain.blocks) {
      if (block->skeleton.header.height > snapshot_) break;
      for (const auto& batch : block->batches)
        for (const auto& item : batch->items())
          EXPECT_EQ(take(store->latest().transaction(item.transaction.id())),
                    take(node.view().transaction(item.transaction.id())));
    }
  }

  TempDir dir_, bad_dir_;
  Height snapshot_ = 0;
  std::optional<Identity> identity_;
  std::vector<std::unique_ptr<ledger::SnapshotFiles>> files_;
  std::vector<std::unique_ptr<SyncServer>> servers_;
  std::unique_ptr<SyncPeers> peers_;
  std::map<MemberIndex, std::size_t> asked_;
  bool paused_ = false, has_room_ = true;
  Height applied_ = 0;
  std::optional<ledger::PastWanted> own_lowest_;
};

class LargeBlockTest : public JoinerTest {
 protected:
  std::vector<BatchPtr> first_batches() override { return test::large_batches(chain, service_a, service_b, ask()); }
  Height large() const { return 2; }  // block 1 registers everybody
};

TEST_F(JoinerTest, JoinsFromSeveralMembersThenFillsDownwards) {
  ASSERT_GE(parts(), 4u);
  EXPECT_EQ(take(joiner()->attempt()), Joiner::Outcome::complete);
  EXPECT_TRUE(peers_->banned().empty());
  for (MemberIndex member = 0; member < 3; ++member) EXPECT_GT(asked_[member], 1u);
  EXPECT_TRUE(servers_[0]->in_use(snapshot_));
  expect_whole_after_backfill();
}

TEST_F(JoinerTest, AMemberWithABadPartIsRefused) {
  for (std::size_t i = 0; i < parts(); ++i) damage("part-" + std::to_string(i));
  EXPECT_EQ(take(joiner()->attempt()), Joiner::Outcome::complete);
  EXPECT_EQ(peers_->banned(), std::vector<MemberIndex>{kBad});
  expect_whole_after_backfill();
}

TEST_F(JoinerTest, AMemberWithABadManifestIsRefused) {
  damage("manifest");
  ASSERT_TRUE(files_[0]->remove(snapshot_).has_value());  // nobody else has it
  EXPECT_EQ(take(joiner()->attempt()), Joiner::Outcome::later);
  EXPECT_EQ(peers_->banned(), std::vector<MemberIndex>{kBad});
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/joining"));
}

TEST_F(JoinerTest, WhatSavesTooFewBlocksIsNoReasonToJoin) {
  EXPECT_EQ(take(joiner(snapshot_ + 1)->attempt()), Joiner::Outcome::later);
  EXPECT_FALSE(paused_);
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/joining"));
}

TEST_F(JoinerTest, GoesOnWithWhatAnEarlierLifeTook) {
  auto manifest = take(ledger::SnapshotManifest::decode(execution::test::kSuite, take(files_[0]->manifest(snapshot_))));
  {
    auto installer = take(ledger::Installer::begin(options(), manifest));
    for (std::uint32_t index = 0; index + 1 < manifest.nodes.size(); ++index) {
      auto rows = take(ledger::check_snapshot_part(execution::test::kSuite, {snapshot_, manifest.depth, index},
                                                   manifest.nodes[index], take(files_[0]->part(snapshot_, index))));
      ASSERT_TRUE(installer->add_part(index, rows).has_value());
    }
    ASSERT_TRUE(installer->flush().has_value());
  }
  auto again = joiner();
  ASSERT_TRUE(again->resume().has_value());
  EXPECT_TRUE(again->under_way());
  EXPECT_EQ(take(again->attempt()), Joiner::Outcome::complete);
  again.reset();
  expect_whole_after_backfill();
}

TEST_F(JoinerTest, WhenNobodyOffersItAnyMoreItIsGivenUp) {
  auto manifest = take(ledger::SnapshotManifest::decode(execution::test::kSuite, take(files_[0]->manifest(snapshot_))));
  take(ledger::Installer::begin(options(), manifest)).reset();
  ASSERT_TRUE(files_[0]->remove(snapshot_).has_value());
  ASSERT_TRUE(files_[kBad]->remove(snapshot_).has_value());
  auto again = joiner();
  ASSERT_TRUE(again->resume().has_value());
  EXPECT_EQ(take(again->attempt()), Joiner::Outcome::later);
  EXPECT_FALSE(again->under_way());
  EXPECT_FALSE(paused_);
}

TEST_F(JoinerTest, DamageInWhatWasTakenIsNoReasonToStop) {
  auto manifest = take(ledger::SnapshotManifest::decode(execution::test::kSuite, take(files_[0]->manifest(snapshot_))));
  {
    auto installer = take(ledger::Installer::begin(options(), manifest));
    auto rows = take(ledger::check_snapshot_part(execution::test::kSuite, {snapshot_, manifest.depth, 0},
                                                 manifest.nodes[0], take(files_[0]->part(snapshot_, 0))));
    rows[0].value.push_back(1);  // a disk that changes what was checked
    ASSERT_TRUE(installer->add_part(0, rows).has_value());
    ASSERT_TRUE(installer->flush().has_value());
  }
  auto again = joiner();
  ASSERT_TRUE(again->resume().has_value());
  EXPECT_EQ(take(again->attempt()), Joiner::Outcome::later);
  EXPECT_FALSE(again->under_way());
  EXPECT_FALSE(paused_);
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/joining"));
  EXPECT_EQ(take(again->attempt()), Joiner::Outcome::complete);
  expect_whole_after_backfill();
}

TEST_F(JoinerTest, ADiskWithoutRoomEndsTheAttemptAndLosesNothing) {
  auto again = joiner();
  has_room_ = false;
  EXPECT_EQ(take(again->attempt()), Joiner::Outcome::later);
  EXPECT_TRUE(again->under_way());
  has_room_ = true;
  EXPECT_EQ(take(again->attempt()), Joiner::Outcome::complete);
}

TEST_F(JoinerTest, WhatTheLedgerHasPassedIsGivenUp) {
  auto again = joiner();
  has_room_ = false;
  EXPECT_EQ(take(again->attempt()), Joiner::Outcome::later);
  ASSERT_TRUE(again->under_way());
  has_room_ = true;
  applied_ = snapshot_;
  EXPECT_EQ(take(again->attempt()), Joiner::Outcome::later);
  EXPECT_FALSE(again->under_way());
  EXPECT_FALSE(paused_);
}

TEST_F(JoinerTest, BlocksThatNobodyElseHasAreNotGivenAway) {
  own_lowest_ = ledger::PastWanted{node.view().height() + 1, {}, {}};
  EXPECT_EQ(take(joiner()->attempt()), Joiner::Outcome::later);
  EXPECT_FALSE(paused_);
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/joining"));
  auto info = take(node.view().info(1));
  own_lowest_ = ledger::PastWanted{1, info->digest, info->results_root};
  EXPECT_EQ(take(joiner()->attempt()), Joiner::Outcome::complete);
  EXPECT_TRUE(peers_->banned().empty());
}

TEST_F(JoinerTest, WithoutAnybodyLeftToAskItFollowsBlockByBlock) {
  auto again = joiner();
  has_room_ = false;
  EXPECT_EQ(take(again->attempt()), Joiner::Outcome::later);
  ASSERT_TRUE(paused_);
  for (MemberIndex member = 0; member < 3; ++member) peers_->ban(member, {ErrorCode::BAD_PROOF, "part: bad"});
  EXPECT_EQ(take(again->attempt()), Joiner::Outcome::later);
  EXPECT_FALSE(paused_);
}

TEST_F(JoinerTest, AMemberThatAsksWithoutEndHasItsShareOnly) {
  std::size_t answers = 0;
  std::mutex mutex;
  SyncServer server(*identity_, node.store(), *files_[0],
                    SyncServer::Ports{.send =
                                          [&](MemberIndex to, const Bytes&) {
                                            std::lock_guard lock(mutex);
                                            answers += to == 2;
                                          },
                                      .has_room = [](MemberIndex) { return true; },
                                      .fatal = [](const Error& error) { ADD_FAILURE() << error.message; }});
  for (int i = 0; i < 1000; ++i)
    server.on_request(frame(1, encode_fetch_snapshots()));  // not started: all of them wait
  server.on_request(frame(2, encode_fetch_snapshots()));
  server.start();
  for (int i = 0; i < 1000; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::lock_guard lock(mutex);
    if (answers > 0) break;
  }
  server.stop();
  EXPECT_EQ(answers, 1u);
}

// All of it proves itself, and yet no part of anybody else fits it.
TEST_F(JoinerTest, AManifestOfAnotherDepthBansNobodyButItsSender) {
  auto manifest = take(ledger::SnapshotManifest::decode(execution::test::kSuite, take(files_[0]->manifest(snapshot_))));
  std::vector<std::vector<ledger::StateLeaf>> leaves(2 * manifest.nodes.size());
  for (std::uint32_t index = 0; index < manifest.nodes.size(); ++index)
    for (const auto& row :
         take(ledger::check_snapshot_part(execution::test::kSuite, {snapshot_, manifest.depth, index},
                                          manifest.nodes[index], take(files_[0]->part(snapshot_, index))))) {
      const auto path = crypto::state_path(execution::test::kSuite, static_cast<std::uint8_t>(row.key[0]),
                                           as_bytes(row.key).subspan(1));
      leaves[ledger::snapshot_prefix(path, manifest.depth + 1u)].push_back(
          {path, crypto::hash(execution::test::kSuite, row.value)});
    }
  ++manifest.depth;
  manifest.nodes.clear();
  for (const auto& part : leaves)
    manifest.nodes.push_back(ledger::snapshot_node(execution::test::kSuite, part, manifest.depth));
  ASSERT_TRUE(manifest.verify(chain.genesis).has_value());
  write_bad("manifest", manifest.encode());
  for (int i = 0; i < 3; ++i) peers_->usable();  // the bad one is asked for the manifest first
  auto again = joiner();
  EXPECT_EQ(take(again->attempt()), Joiner::Outcome::later);
  EXPECT_FALSE(again->under_way());
  EXPECT_EQ(peers_->banned(), std::vector<MemberIndex>{kBad});
  EXPECT_EQ(take(again->attempt()), Joiner::Outcome::complete);
  expect_whole_after_backfill();
}

TEST_F(LargeBlockTest, ABlockThatFitsNoAnswerComesInPieces) {
  auto encoded = take(ledger::encode_past_block(node.view(), large()));
  ASSERT_TRUE(encoded.has_value());
  EXPECT_GT(encoded->size(), limits::kFrameBytesMax * 3 / 2);
  EXPECT_LE(encoded->size(), ledger::kPastBlockBytesMax);
  EXPECT_EQ(take(joiner()->attempt()), Joiner::Outcome::complete);
  expect_whole_after_backfill();
  EXPECT_TRUE(peers_->banned().empty());
}

}  // namespace
}  // namespace galen::node
