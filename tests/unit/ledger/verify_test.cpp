// The offline check: a whole ledger passes, and a byte changed anywhere is found, with the height it belongs to. Damage
// is done in two ways: a byte of a file, which RocksDB's checksums see, and a row rewritten cleanly, which only we can
// see.
#include "galen/ledger/verify.hpp"

#include <fstream>

#include "ledger/store_state.hpp"
#include "unit/ledger/test_chain.hpp"

namespace galen::ledger::test {
namespace {

constexpr Height kLast = 12;

class VerifyTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = Store::create(chain_.options(dir_));
    ASSERT_OK(store);
    for (Height height = 0; height <= kLast; ++height) {
      auto applied = chain_.advance(**store, height % 5 == 4 ? 0 : 6);
      ASSERT_OK(applied);
      ASSERT_TRUE((*store)->put_certificate(chain_.executed_certificate(height)).has_value());
    }
    ASSERT_TRUE((*store)->checkpoint().has_value());
  }

  /// Rewrites rows, keeps the pages' row as it is.
  template <class Change>
  void rewrite(Change change) {
    auto database = Database::open(chain_.options(dir_), Database::Mode::open);
    ASSERT_OK(database);
    change(**database);
    ASSERT_TRUE((*database)->flush().has_value());
  }
  void flip_row(Family family, const std::string& key, std::size_t offset_from_end) {
    rewrite([&](Database& database) {
      auto row = database.get(family, key).value();
      ASSERT_TRUE(row.has_value());
      ASSERT_LT(offset_from_end, row->size());
      (*row)[row->size() - 1 - offset_from_end] ^= 0x20;
      ASSERT_TRUE(database.put(family, key, *row).has_value());
    });
  }
  Result<VerifyReport> verify(BlockExecutor* executor = nullptr) {
    VerifyOptions options;
    options.directory = dir_.path();
    options.genesis = &chain_.genesis();
    options.executor = executor;
    options.from = from_;
    options.jobs = jobs_;
    TempDir scratch;
    options.scratch_directory = scratch.path();
    options.on_progress = [this](const VerifyProgress& progress) { progress_ = progress; };
    return verify_ledger(options);
  }
  void expect_finding(Height height, const std::string& where, BlockExecutor* executor = nullptr) {
    auto report = verify(executor);
    ASSERT_OK(report);
    ASSERT_FALSE(report->ok());
    bool found = false;
    std::string all;
    for (const auto& finding : report->findings) {
      found = found || (finding.height == height && finding.where == where && !finding.what.empty());
      all += "\n  " + std::to_string(finding.height) + " " + finding.where + ": " + finding.what;
    }
    EXPECT_TRUE(found) << "expected " << height << " " << where << ", found:" << all;
  }

  TempDir dir_;
  TestChain chain_;
  VerifyProgress progress_;
  Height from_ = 0;
  unsigned jobs_ = 1;
};

TEST_F(VerifyTest, aWholeLedgerPassesAndIsCounted) {
  for (auto* executor : {static_cast<BlockExecutor*>(nullptr), static_cast<BlockExecutor*>(&chain_)}) {
    auto report = verify(executor);
    ASSERT_OK(report);
    for (const auto& finding : report->findings)
      ADD_FAILURE() << finding.height << " " << finding.where << ": " << finding.what;
    EXPECT_EQ(report->height_last, kLast);
    EXPECT_EQ(report->certified_height, kLast);
    EXPECT_EQ(report->blocks, kLast + 1);
    EXPECT_EQ(report->items, 60u);
    EXPECT_EQ(report->state_rows, 62u);
    EXPECT_EQ(report->certificates, 2 * kLast + 1);
    EXPECT_EQ(report->executed, executor != nullptr);
    EXPECT_EQ(progress_.height, kLast);
    EXPECT_EQ(progress_.items, 60u);
  }
}

TEST_F(VerifyTest, beginsAtAHeightAndTakesWhatIsBelowAsItIs) {
  flip_row(Family::blocks, block_key(3, BlockPart::body), 5);
  expect_finding(3, "body");
  from_ = 4;
  auto report = verify(&chain_);
  ASSERT_OK(report);
  for (const auto& finding : report->findings)
    ADD_FAILURE() << finding.height << " " << finding.where << ": " << finding.what;
  EXPECT_EQ(report->height_first, 4u);
  EXPECT_EQ(report->blocks, kLast + 1 - 4);
  EXPECT_EQ(report->state_rows, 62u);
  EXPECT_FALSE(report->executed) << "the state before block 4 is not there";
  from_ = kLast + 1;
  EXPECT_EQ(verify().error().code, ErrorCode::INVALID_ARGUMENT);
}

TEST_F(VerifyTest, severalThreadsFindWhatOneFinds) {
  flip_row(Family::certificates, certificate_key(CertificateKind::commit, 7), 3);
  flip_row(Family::certificates, certificate_key(CertificateKind::executed, 2), 3);
  auto one = verify(&chain_);
  ASSERT_OK(one);
  ASSERT_EQ(one->findings.size(), 2u);
  jobs_ = 4;
  auto several = verify(&chain_);
  ASSERT_OK(several);
  ASSERT_EQ(several->findings.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(several->findings[i].height, one->findings[i].height);
    EXPECT_EQ(several->findings[i].what, one->findings[i].what);
  }
  EXPECT_EQ(several->certificates, one->certificates);
  EXPECT_EQ(several->certified_height, kLast);
}

TEST_F(VerifyTest, pagesThatStayedBehindAreWholeToo) {
  TempDir dir;
  TestChain chain;
  auto options = chain.options(dir);
  options.write_buffer_bytes = 64u << 10;
  auto store = Store::create(options);
  ASSERT_OK(store);
  for (Height height = 0; height <= 60; ++height) {
    auto applied = chain.advance(**store, 20);
    ASSERT_OK(applied);
    if (height == 9) {
      ASSERT_TRUE((*store)->checkpoint().has_value());
    }
  }
  store->reset();
  VerifyOptions verify_options;
  verify_options.directory = dir.path();
  verify_options.genesis = &chain.genesis();
  auto report = verify_ledger(verify_options);
  ASSERT_OK(report);
  EXPECT_GT(report->height_last, 9u) << "RocksDB has not flushed by itself: the test says nothing";
  for (const auto& finding : report->findings)
    ADD_FAILURE() << finding.height << " " << finding.where << ": " << finding.what;
}

TEST_F(VerifyTest, saysWhenThereIsNothingToCheck) {
  TempDir empty;
  VerifyOptions options;
  options.directory = empty.path();
  options.genesis = &chain_.genesis();
  EXPECT_EQ(verify_ledger(options).error().code, ErrorCode::DATA_DIR_MISSING);
  TestChain other(5);
  options.directory = dir_.path();
  options.genesis = &other.genesis();
  EXPECT_EQ(verify_ledger(options).error().code, ErrorCode::WRONG_CHAIN);
}

TEST_F(VerifyTest, aFlippedByteInAFileOfAnyFamilyIsFound) {
  std::map<std::string, std::vector<std::string>> files;
  {
    auto database = Database::open(chain_.options(dir_), Database::Mode::read_only);
    ASSERT_OK(database);
    std::vector<rocksdb::LiveFileMetaData> live;
    (*database)->db().GetLiveFilesMetaData(&live);
    for (const auto& file : live) files[file.column_family_name].push_back(dir_.path() + "/ledger" + file.name);
  }
  std::map<std::string, std::string> expected{{"meta", "meta"},
                                              {"blocks", "header"},
                                              {"certificates", "certificate"},
                                              {"transactions", "transactions"},
                                              {"state", "state"},
                                              {"lists", "lists"},
                                              {"tree", "tree"}};
  for (const auto& [family, where] : expected) {
    SCOPED_TRACE(family);
    ASSERT_FALSE(files[family].empty());
    // The newest file holds data in its first block; a family with an older one is hit there.
    const auto& path = files[family].back();
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    ASSERT_TRUE(file.good());
    file.seekg(40);
    char byte = 0;
    file.get(byte);
    file.seekp(40);
    file.put(static_cast<char>(byte ^ 0x04));
    file.close();
    auto report = verify();
    ASSERT_OK(report);
    ASSERT_FALSE(report->ok());
    bool named = false;
    for (const auto& finding : report->findings) {
      named = named || finding.where == where;
      EXPECT_LE(finding.height, kLast);
    }
    EXPECT_TRUE(named) << report->findings[0].height << " " << report->findings[0].where << ": "
                       << report->findings[0].what;
    std::fstream restore(path, std::ios::in | std::ios::out | std::ios::binary);
    restore.seekp(40);
    restore.put(byte);
  }
  auto report = verify();
  ASSERT_OK(report);
  EXPECT_TRUE(report->ok());
}

// Rows of the tree go in whole ranges, and RocksDB's iterators assert where a block of such a file cannot be read.
TEST_F(VerifyTest, aFlippedByteAnywhereInTheTreesFilesIsFoundOrHarmless) {
  {
    auto store = Store::open(chain_.options(dir_));
    ASSERT_OK(store);
    for (int checkpoint = 0; checkpoint < 3; ++checkpoint) {
      for (int block = 0; block < 4; ++block) {
        auto applied = chain_.advance(**store, 60);
        ASSERT_OK(applied);
      }
      ASSERT_TRUE((*store)->checkpoint().has_value());
    }
  }
  std::vector<rocksdb::LiveFileMetaData> live;
  {
    auto database = Database::open(chain_.options(dir_), Database::Mode::read_only);
    ASSERT_OK(database);
    (*database)->db().GetLiveFilesMetaData(&live);
  }
  std::size_t found = 0;
  for (const auto& table : live) {
    if (table.column_family_name != "tree") continue;
    const auto path = dir_.path() + "/ledger" + table.name;
    for (std::uint64_t at = 7; at < table.size; at += 997) {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(static_cast<std::streamoff>(at));
      const auto byte = static_cast<char>(file.get());
      auto put = [&](char value) { file.seekp(static_cast<std::streamoff>(at)), file.put(value), file.flush(); };
      put(static_cast<char>(byte ^ 0x10));
      auto report = verify();
      if (report)
        found += !report->ok();
      else
        ++found;
      put(byte);
    }
  }
  EXPECT_GT(found, 10u);
}

TEST_F(VerifyTest, aRewrittenHeaderIsFoundAtItsHeight) {
  flip_row(Family::blocks, block_key(7, BlockPart::info), 500);
  expect_finding(7, "header");
}

TEST_F(VerifyTest, rewrittenRootsAreFoundAtTheirHeight) {
  rewrite([&](Database& database) {
    auto info = chain_.info(6);
    info.state_root.data[3] ^= 1;
    ASSERT_TRUE(database.put(Family::blocks, block_key(6, BlockPart::info), info.encode()).has_value());
  });
  expect_finding(7, "header");       // it certifies the root of 6
  expect_finding(6, "certificate");  // so does EXECUTED
}

TEST_F(VerifyTest, aZeroStateRootIsNoRootOfHeightZero) {
  rewrite([&](Database& database) {
    auto info = chain_.info(1);
    ASSERT_FALSE(info.header.state_root.is_zero());
    info.header.state_root = {};
    info.digest = info.header.digest(kSuite);
    ASSERT_TRUE(database.put(Family::blocks, block_key(1, BlockPart::info), info.encode()).has_value());
  });
  auto report = verify();
  ASSERT_OK(report);
  bool named = false;
  for (const auto& finding : report->findings)
    named = named || (finding.height == 1 && finding.what.find("certified for height 0") != std::string::npos);
  EXPECT_TRUE(named);
}

TEST_F(VerifyTest, aRewrittenBodyIsFoundAtItsHeight) {
  flip_row(Family::blocks, block_key(3, BlockPart::body), 30);
  expect_finding(3, "body");
}

TEST_F(VerifyTest, aMissingBlockIsFoundAtItsHeight) {
  rewrite([&](Database& database) {
    auto batch = make_batch();
    for (auto part : {BlockPart::info, BlockPart::body, BlockPart::outcomes})
      batch.Delete(database.family(Family::blocks), block_key(5, part));
    ASSERT_TRUE(database.write(batch).has_value());
  });
  expect_finding(5, "header");
}

TEST_F(VerifyTest, aRewrittenOutcomeIsFoundAtItsHeight) {
  flip_row(Family::blocks, block_key(8, BlockPart::outcomes), 0);
  expect_finding(8, "outcomes");
}

TEST_F(VerifyTest, aRewrittenHistoryNodeIsFoundAtItsHeight) {
  flip_row(Family::blocks, block_key(7, BlockPart::info), 5);
  expect_finding(7, "history");
}

TEST_F(VerifyTest, aRewrittenIndexRowIsFoundAtItsHeight) {
  flip_row(Family::transactions, chain_.transaction_ids(10)[2].str(), 9);
  expect_finding(10, "transactions");
}

TEST_F(VerifyTest, aMissingOrAddedIndexRowIsFound) {
  auto id = chain_.transaction_ids(2)[0];
  rewrite([&](Database& database) {
    auto batch = make_batch();
    batch.Delete(database.family(Family::transactions), id.str());
    ASSERT_TRUE(database.write(batch).has_value());
  });
  expect_finding(2, "transactions");
  rewrite([&](Database& database) {
    ASSERT_TRUE(
        database.put(Family::transactions, id.str(), TransactionRow({2, 0, 0, 0, 1'000'000}).encode()).has_value());
    id.data[0] ^= 1;
    ASSERT_TRUE(
        database.put(Family::transactions, id.str(), TransactionRow({2, 0, 0, 0, 1'000'000}).encode()).has_value());
  });
  expect_finding(kLast, "transactions");
}

TEST_F(VerifyTest, forgedCertificatesAreFoundAtTheirHeight) {
  flip_row(Family::certificates, certificate_key(CertificateKind::commit, 4), 3);
  expect_finding(4, "certificate");
  flip_row(Family::certificates, certificate_key(CertificateKind::executed, 9), 3);
  expect_finding(9, "certificate");
}

TEST_F(VerifyTest, anUncertifiedEndIsFoundWhenItIsTooLong) {
  rewrite([&](Database& database) {
    auto batch = make_batch();
    for (Height height = 3; height <= kLast; ++height)
      batch.Delete(database.family(Family::certificates), certificate_key(CertificateKind::commit, height));
    ASSERT_TRUE(database.write(batch).has_value());
  });
  expect_finding(3, "certificate");
}

TEST_F(VerifyTest, aRewrittenStateRowIsFoundByTheRoot) {
  flip_row(Family::state, state_row_key(kRecordKind, chain_.transaction_ids(6)[1]), 4);
  expect_finding(kLast, "state");
}

TEST_F(VerifyTest, aRewrittenTreePageIsFound) {
  rewrite([&](Database& database) {
    std::unique_ptr<rocksdb::Iterator> it(
        database.db().NewIterator(rocksdb::ReadOptions(), database.family(Family::tree)));
    it->SeekToLast();
    ASSERT_TRUE(it->Valid());
    auto page = it->value().ToString();
    page.back() = static_cast<char>(page.back() ^ 1);
    ASSERT_TRUE(database.put(Family::tree, it->key().ToStringView(), as_bytes(page)).has_value());
  });
  expect_finding(kLast, "tree");
}

TEST_F(VerifyTest, aRewrittenHeightIsFound) {
  flip_row(Family::meta, kHeadKey, 2);
  expect_finding(kLast, "meta");
}

TEST_F(VerifyTest, executingAgainFindsARewrittenListRowAtItsHeight) {
  auto patient = chain_.patients()[chain_.transaction_ids(6)[0].data[0] % 3];
  flip_row(Family::lists, list_row_key(kPatientList, patient, 6), 0);
  auto report = verify();
  ASSERT_OK(report);
  EXPECT_TRUE(report->ok()) << "without execution there is nothing to compare a list row with";
  expect_finding(6, "lists", &chain_);
}

TEST_F(VerifyTest, executingAgainFindsAddedListRows) {
  rewrite([&](Database& database) {
    ASSERT_TRUE(database.put(Family::lists, list_row_key(kPatientList, chain_.patients()[0], 999), as_bytes("x")));
  });
  expect_finding(kLast, "lists", &chain_);
}

TEST_F(VerifyTest, executingAgainFindsRootsThatNobodyComputes) {
  // All rows agree with each other, but the block's execution gives something else.
  class Other : public BlockExecutor {
   public:
    explicit Other(TestChain& chain) : chain_(chain) {}
    Result<BlockUpdate> execute(const View* view, const BlockPtr& block) override {
      GALEN_ASSIGN(auto update, chain_.execute(view, block));
      if (update.height() == 5) update.put_state(1, as_bytes("parameters"), as_bytes("second"));
      return update;
    }

   private:
    TestChain& chain_;
  } other(chain_);
  expect_finding(5, "state", &other);
}

}  // namespace
}  // namespace galen::ledger::test
