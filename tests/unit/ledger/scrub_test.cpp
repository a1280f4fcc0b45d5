// A running ledger with damage: found where it is, mended from what another node stores, and no lie of that node gets
// in.
#include "galen/ledger/scrub.hpp"

#include <fstream>

#include "ledger/store_state.hpp"
#include "unit/ledger/test_chain.hpp"

namespace galen::ledger::test {
namespace {

constexpr Height kLast = 40;

class ScrubTest : public testing::Test {
 protected:
  void SetUp() override {
    store_ = Store::create(chain_.options(dir_)).value();
    peer_ = Store::create(chain_.options(peer_dir_)).value();
    for (Height height = 0; height <= kLast; ++height) {
      auto applied = chain_.advance(*store_, height % 5 == 4 ? 0 : 6);
      ASSERT_OK(applied);
      auto replayed = chain_.replay(*peer_, height);
      ASSERT_OK(replayed);
      for (auto* store : {store_.get(), peer_.get()}) {
        ASSERT_TRUE(store->put_certificate(chain_.executed_certificate(height)));
        ASSERT_TRUE(height == 0 || store->put_certificate(chain_.commit_certificate(height)));
      }
    }
    ASSERT_TRUE(store_->checkpoint());
    settle();
  }

  /// RocksDB moves and rewrites fresh files by itself, and would stop the ledger at a damaged one: it does so now. A
  /// ledger that was just opened has none of these blocks in its cache, which would answer for the medium.
  void settle() {
    store_.reset();
    {
      auto database = Database::open(chain_.options(dir_), Database::Mode::open).value();
      rocksdb::CompactRangeOptions all;
      all.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
      ASSERT_TRUE(database->db().CompactRange(all, database->family(Family::blocks), nullptr, nullptr).ok());
    }
    auto options = chain_.options(dir_);
    options.environment = rocksdb::Env::Default();  // given one, the ledger compacts nothing by itself
    store_ = Store::open(options).value();
  }
  Scrub scrub() { return Scrub(*store_, chain_.genesis()); }
  TableFile file_of(const std::string& family) {
    TableFile largest;
    for (const auto& file : scrub().files())
      if (file.family == family && file.bytes > largest.bytes) largest = file;
    EXPECT_GT(largest.bytes, 0u) << family;
    return largest;
  }
  static void flip(const std::string& path, std::uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const auto byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
  }
  bool is_whole(const TableFile& file) {
    auto whole = scrub().is_whole(file, [](std::uint64_t) { return true; });
    EXPECT_TRUE(whole);
    return whole && *whole;
  }
  std::vector<Height> damaged_heights() {
    std::vector<Height> out;
    for (Height height = 0; height <= kLast; ++height)
      for (const auto& finding : scrub().check_block(height))
        if (finding.height == height && (out.empty() || out.back() != height)) out.push_back(height);
    return out;
  }
  StoredBlock stored(Height height) {
    auto view = peer_->snapshot().value();
    auto block = StoredBlock::load(*view, height).value();
    auto again = StoredBlock::decode(block.encode());
    EXPECT_TRUE(again);
    return std::move(*again);
  }
  Status restore(const std::vector<Height>& heights) {
    std::vector<StoredBlock> blocks;
    for (auto height : heights) blocks.push_back(stored(height));
    return scrub().restore(heights.front(), blocks);
  }
  void rewrite(Family family, const std::string& key, const std::function<void(Bytes&)>& change) {
    store_.reset();
    {
      auto database = Database::open(chain_.options(dir_), Database::Mode::open).value();
      auto row = database->get(family, key).value();
      ASSERT_TRUE(row);
      change(*row);
      ASSERT_TRUE(database->put(family, key, *row));
      ASSERT_TRUE(database->flush());
    }
    store_ = Store::open(chain_.options(dir_)).value();
  }
  void expect_whole() {
    EXPECT_EQ(damaged_heights(), std::vector<Height>());
    ASSERT_TRUE(store_->checkpoint());
    store_.reset();
    VerifyOptions options;
    options.directory = dir_.path();
    options.genesis = &chain_.genesis();
    options.executor = &chain_;
    TempDir scratch;
    options.scratch_directory = scratch.path();
    auto report = verify_ledger(options);
    ASSERT_OK(report);
    for (const auto& finding : report->findings)
      ADD_FAILURE() << finding.height << " " << finding.where << ": " << finding.what;
    EXPECT_EQ(report->blocks, kLast + 1);
  }

  TempDir dir_, peer_dir_;
  TestChain chain_;
  std::unique_ptr<Store> store_, peer_;
};

TEST_F(ScrubTest, aWholeLedgerHasNothingToSay) {
  std::set<std::string> families;
  for (const auto& file : scrub().files()) {
    EXPECT_TRUE(is_whole(file)) << file.path;
    EXPECT_EQ(file.checksum.size(), 4u);
    families.insert(file.family);
  }
  EXPECT_EQ(families.size(), kFamilyCount);
  EXPECT_EQ(damaged_heights(), std::vector<Height>());
  std::string cursor;
  std::uint64_t rows = 0;
  do {
    auto step = scrub().check_state(cursor, 7);
    EXPECT_TRUE(step.findings.empty());
    rows += step.rows;
    cursor = step.cursor;
  } while (!cursor.empty());
  EXPECT_EQ(rows, 2u + 6u * (kLast - kLast / 5));
}

TEST_F(ScrubTest, aFlippedByteInAFileOfBlocksIsMendedAndTheFileGoes) {
  const auto file = file_of("blocks");
  flip(file.path, file.bytes / 2);
  EXPECT_FALSE(is_whole(file));
  const auto damaged = damaged_heights();
  ASSERT_FALSE(damaged.empty()) << "the byte is in no row: the test says nothing";
  const auto range = scrub().heights(file);
  ASSERT_TRUE(range);
  EXPECT_LE(range->first, damaged.front());
  EXPECT_GE(range->last, damaged.back());
  auto early = scrub().replace(file, [] {});
  ASSERT_FALSE(early) << "rows that cannot be read must not be given up";
  EXPECT_TRUE(scrub().is_live(file));

  auto restored = restore(damaged);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ(damaged_heights(), std::vector<Height>());
  bool waited = false;
  auto replaced = scrub().replace(file, [&] {
    waited = true;
    EXPECT_TRUE(scrub().is_live(file));
  });
  ASSERT_TRUE(replaced) << replaced.error().message;
  EXPECT_TRUE(waited);
  EXPECT_FALSE(scrub().is_live(file));
  for (const auto& other : scrub().files()) EXPECT_TRUE(is_whole(other)) << other.path;
  expect_whole();
}

TEST_F(ScrubTest, damageInAnyFamilyIsSeenInItsFile) {
  for (const auto* family : kFamilyNames) {
    const auto file = file_of(family);
    flip(file.path, 40);
    EXPECT_FALSE(is_whole(file)) << family;
    flip(file.path, 40);
    EXPECT_TRUE(is_whole(file)) << family;
  }
}

TEST_F(ScrubTest, rowsThatWereRewrittenCleanlyAreFoundAndMended) {
  // The outcome root of an info row, which is behind header and digest; of the others bytes near the end.
  rewrite(Family::blocks, block_key(7, BlockPart::info),
          [](Bytes& row) { row[1 + kHeaderBytes + Hash::kSize + 5] ^= 0x20; });
  const std::vector<std::pair<Family, std::string>> rows{
      {Family::blocks, block_key(8, BlockPart::body)},
      {Family::blocks, block_key(11, BlockPart::outcomes)},
      {Family::certificates, certificate_key(CertificateKind::commit, 20)},
      {Family::certificates, certificate_key(CertificateKind::executed, 21)}};
  for (const auto& [family, key] : rows) rewrite(family, key, [](Bytes& row) { row[row.size() - 3] ^= 0x20; });
  EXPECT_EQ(damaged_heights(), (std::vector<Height>{7, 8, 11, 20, 21}));
  for (const auto& run : std::vector<std::vector<Height>>{{7, 8}, {11}, {20, 21}}) {
    auto restored = restore(run);
    EXPECT_TRUE(restored) << restored.error().message;
  }
  expect_whole();
}

TEST_F(ScrubTest, whatDoesNotProveItselfIsNotWritten) {
  rewrite(Family::blocks, block_key(12, BlockPart::body), [](Bytes& row) { row[200] ^= 1; });
  auto refused = [&](ErrorCode code, std::vector<StoredBlock> blocks) {
    auto restored = scrub().restore(12, blocks);
    ASSERT_FALSE(restored);
    EXPECT_EQ(restored.error().code, code) << restored.error().message;
    EXPECT_EQ(damaged_heights(), std::vector<Height>{12});
  };
  refused(ErrorCode::BAD_PROOF, {stored(13)});
  auto lie = stored(12);
  lie.outcomes.back() ^= 1;
  refused(ErrorCode::BAD_PROOF, {lie});
  lie = stored(12);
  lie.block[kHeaderBytes + 4 + Hash::kSize + 4 + kBatchHeaderBytes + 7] ^= 1;  // the only batch's signature
  refused(ErrorCode::BAD_SIGNATURE, {lie});
  lie = stored(12);
  lie.commit->signatures[1].data[7] ^= 1;
  refused(ErrorCode::BAD_CERTIFICATE, {lie});
  lie = stored(12);
  lie.executed->subject.state_root.data[0] ^= 1;
  refused(ErrorCode::BAD_CERTIFICATE, {lie});
  lie = stored(12);
  lie.executed = stored(13).executed;
  refused(ErrorCode::BAD_CERTIFICATE, {lie});
  EXPECT_TRUE(scrub().restore(12, {stored(12)}));
  expect_whole();
}

TEST_F(ScrubTest, aStateRowThatIsNotWhatTheTreeSaysIsFound) {
  const auto id = chain_.transaction_ids(6).front();
  rewrite(Family::state, state_row_key(kRecordKind, id), [](Bytes& row) { row.back() ^= 1; });
  std::vector<VerifyFinding> findings;
  std::string cursor;
  do {
    auto step = scrub().check_state(cursor, 50);
    findings.insert(findings.end(), step.findings.begin(), step.findings.end());
    cursor = step.cursor;
  } while (!cursor.empty());
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].where, "state");
  EXPECT_NE(findings[0].what.find(crypto::state_path(kSuite, kRecordKind, id).hex()), std::string::npos);
}

}  // namespace
}  // namespace galen::ledger::test
