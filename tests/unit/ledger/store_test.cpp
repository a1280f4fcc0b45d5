// The store over a real RocksDB: what is applied can be read back, by every reader, and after a restart.
#include "galen/ledger/store.hpp"

#include <atomic>
#include <fstream>
#include <iterator>
#include <thread>

#include <rocksdb/env.h>

#include "unit/ledger/test_chain.hpp"

namespace galen::ledger::test {
namespace {

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = Store::create(chain_.options(dir_));
    ASSERT_OK(store);
    store_ = std::move(*store);
  }
  void advance(std::size_t blocks, std::size_t items = 5) {
    for (std::size_t i = 0; i < blocks; ++i) {
      auto applied = chain_.advance(*store_, items);
      ASSERT_OK(applied);
    }
  }
  void reopen() {
    store_.reset();
    auto store = Store::open(chain_.options(dir_));
    ASSERT_OK(store);
    store_ = std::move(*store);
  }
  /// Everything about the blocks up to `height` reads back as it was applied.
  void expect_whole(const View& view, Height height) {
    ASSERT_EQ(view.height(), height);
    for (Height h = 0; h <= height; ++h) {
      EXPECT_EQ(view.info(h).value(), chain_.info(h)) << h;
      EXPECT_EQ(view.header(h).value(), chain_.block(h)->skeleton.header) << h;
      EXPECT_EQ(view.block_bytes(h).value(), chain_.block(h)->encode()) << h;
      EXPECT_EQ(view.block(h).value()->encode(), chain_.block(h)->encode()) << h;
      auto ids = chain_.transaction_ids(h);
      EXPECT_EQ(view.outcomes(h).value()->size(), ids.size());
      for (std::uint32_t i = 0; i < ids.size(); ++i) {
        auto row = view.transaction(ids[i]).value();
        ASSERT_TRUE(row.has_value());
        EXPECT_EQ(row->first, (TransactionEntry{h, 0, i, 0, 1'000'000}));
        EXPECT_EQ(view.state(kRecordKind, ids[i]).value(), chain_.block(h)->batches[0]->items()[i].transaction.bytes());
      }
    }
    EXPECT_FALSE(view.info(height + 1).value().has_value());
    EXPECT_EQ(view.block(height + 1).value(), nullptr);
  }

  TempDir dir_;
  TestChain chain_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, startsEmptyAndBeginsWithBlockZero) {
  EXPECT_FALSE(store_->applied_height().has_value());
  EXPECT_EQ(store_->snapshot().error().code, ErrorCode::UNAVAILABLE);
  EXPECT_EQ(store_->checkpoint().error().code, ErrorCode::UNAVAILABLE);
  advance(1);
  EXPECT_EQ(store_->applied_height(), 0u);
  EXPECT_EQ(store_->latest().state(1, as_bytes("parameters")).value(), to_bytes("first"));
  EXPECT_TRUE(chain_.info(0).results_root.is_zero());
  EXPECT_FALSE(chain_.info(0).state_root.is_zero());
}

TEST_F(StoreTest, readsBackWhatWasAppliedAlsoAfterARestart) {
  advance(12);
  expect_whole(store_->latest(), 11);
  auto snapshot = store_->snapshot();
  ASSERT_OK(snapshot);
  expect_whole(**snapshot, 11);
  snapshot->reset();
  ASSERT_EQ(store_->checkpoint().value(), 11u);
  EXPECT_EQ(store_->durable_height(), 11u);
  EXPECT_EQ(store_->unflushed_bytes(), 0u);
  reopen();
  EXPECT_EQ(store_->applied_height(), 11u);
  EXPECT_FALSE(store_->tree_rebuilt());
  expect_whole(store_->latest(), 11);
  advance(3);
  expect_whole(store_->latest(), 14);
}

TEST_F(StoreTest, opensOnlyWhatInitMadeForThisChain) {
  EXPECT_EQ(Store::create(chain_.options(dir_)).error().code, ErrorCode::ALREADY_EXISTS);
  EXPECT_EQ(Store::open(chain_.options(dir_)).error().code, ErrorCode::DATA_DIR_LOCKED);
  store_.reset();
  TempDir empty;
  EXPECT_EQ(Store::open(chain_.options(empty)).error().code, ErrorCode::DATA_DIR_MISSING);
  TestChain other(99);
  EXPECT_EQ(Store::open(other.options(dir_)).error().code, ErrorCode::WRONG_CHAIN);
  EXPECT_TRUE(Store::open(chain_.options(dir_)).has_value());
}

// RocksDB tells of it by its words alone, and the path stands among them.
TEST_F(StoreTest, onlyALedgerThatIsHeldIsInUse) {
  TempDir dir;
  auto options = chain_.options(dir);
  options.directory += "/blockchain";
  std::filesystem::create_directories(options.directory);
  ASSERT_TRUE(Store::create(options).has_value());
  {
    const auto held = Store::open(options);
    ASSERT_OK(held);
    EXPECT_EQ(Store::open(options).error().code, ErrorCode::DATA_DIR_LOCKED);
  }
  const auto lock = options.directory + "/ledger/LOCK";
  std::filesystem::remove(lock);
  std::filesystem::create_directory(lock);
  EXPECT_EQ(Store::open(options).error().code, ErrorCode::IO_ERROR);
}

// As after a disk that never did what it said: the file that CURRENT names, or a table that the manifest names, is not there.
TEST_F(StoreTest, aMissingFileIsToldInOneLineWithWhatToDo) {
  advance(12);
  ASSERT_TRUE(store_->checkpoint().has_value());
  store_.reset();
  for (const char* kind : {".sst", "MANIFEST-"}) {
    const auto ledger = std::filesystem::path(chain_.options(dir_).directory) / "ledger";
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(ledger))
      if (entry.path().filename().string().find(kind) != std::string::npos) files.push_back(entry.path());
    ASSERT_FALSE(files.empty()) << kind;
    for (const auto& file : files) std::filesystem::remove(file);
    auto opened = Store::open(chain_.options(dir_));
    ASSERT_FALSE(opened.has_value()) << kind;
    EXPECT_EQ(opened.error().code, ErrorCode::CORRUPT) << kind;
    EXPECT_NE(opened.error().message.find("galend repair --ledger"), std::string::npos) << opened.error().message;
    EXPECT_EQ(opened.error().message.find('\n'), std::string::npos) << opened.error().message;
  }
}

// As after a disk that never did one write to the manifest: the tables of one flush of three are not named, with rows
// of every family.
TEST_F(StoreTest, aFlushThatTheManifestLostIsToldAtOpening) {
  auto options = chain_.options(dir_);
  options.environment = rocksdb::Env::Default();  // no compactions: what stands in the manifest are flushes
  const auto ledger = std::filesystem::path(options.directory) / "ledger";
  for (std::size_t lost : {0, 1}) {
    store_.reset();
    std::filesystem::remove_all(ledger);
    chain_ = TestChain();
    store_ = std::move(Store::create(options).value());
    std::filesystem::path manifest;
    for (const auto& entry : std::filesystem::directory_iterator(ledger))
      if (entry.path().filename().string().starts_with("MANIFEST-")) manifest = entry.path();
    std::vector<std::uintmax_t> sizes = {std::filesystem::file_size(manifest)};
    for (int flush = 0; flush < 3; ++flush) {
      advance(4);
      ASSERT_TRUE(store_->checkpoint().has_value());
      sizes.push_back(std::filesystem::file_size(manifest));
    }
    store_.reset();
    std::ifstream in(manifest, std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(in), {});
    ASSERT_EQ(bytes.size(), sizes.back());
    bytes.erase(sizes[lost], sizes[lost + 1] - sizes[lost]);
    std::ofstream(manifest, std::ios::binary | std::ios::trunc) << bytes;
    auto opened = Store::open(options);
    ASSERT_FALSE(opened.has_value()) << "flush " << lost << " is lost";
    EXPECT_EQ(opened.error().code, ErrorCode::CORRUPT);
    const auto& said = opened.error().message;
    EXPECT_NE(said.find("no table holds block " + std::to_string(4 * lost)), std::string::npos) << said;
    EXPECT_NE(said.find("galend repair --ledger"), std::string::npos) << said;
  }
}

TEST_F(StoreTest, aBlockThatDoesNotFollowIsRefusedAndLeavesNothing) {
  advance(3);
  auto block = chain_.next_block(4);
  auto change = [&](auto mutate) {
    auto changed = std::make_shared<Block>(*block);
    mutate(*changed);
    auto update = chain_.execute(&store_->latest(), changed);
    EXPECT_TRUE(update.has_value());
    return store_->apply(*update);
  };
  EXPECT_EQ(change([](Block& b) { b.skeleton.header.height += 1; }).error().code, ErrorCode::CORRUPT);
  EXPECT_EQ(change([](Block& b) { b.skeleton.header.parent.data[0] ^= 1; }).error().code, ErrorCode::CORRUPT);
  EXPECT_EQ(change([](Block& b) { b.skeleton.header.history_root.data[0] ^= 1; }).error().code, ErrorCode::CORRUPT);
  EXPECT_EQ(change([](Block& b) { b.skeleton.header.history_size -= 1; }).error().code, ErrorCode::CORRUPT);
  BlockUpdate without_outcomes(block);
  EXPECT_EQ(store_->apply(without_outcomes).error().code, ErrorCode::CORRUPT);
  EXPECT_EQ(store_->applied_height(), 2u);
  for (const auto& id : chain_.transaction_ids(3)) EXPECT_FALSE(store_->latest().transaction(id).value().has_value());
  EXPECT_TRUE(change([](Block&) {}).has_value());
}

TEST_F(StoreTest, anAnchorCostsThreeRowsAndABlockAConstant) {
  advance(1);
  auto applied = chain_.advance(*store_, 100);
  ASSERT_OK(applied);
  RowCounts expected{100, 100, chain_.patients().size(), kRowsPerBlock, 1};
  EXPECT_EQ(applied->rows, expected);
  auto empty = chain_.advance(*store_, 0);
  ASSERT_OK(empty);
  EXPECT_EQ(empty->rows, (RowCounts{0, 0, 0, kRowsPerBlock, 1}));
}

TEST_F(StoreTest, aReusedTransactionIdKeepsItsFirstAnswer) {
  TransactionEntry first{3, 0, 7, 0, 50}, latest{9, 1, 2, 300, 90};
  TransactionRow row(first);
  EXPECT_EQ(TransactionRow::decode(row.encode()).value(), row);
  EXPECT_EQ(row.encode().size(), 29u);
  TransactionRow reused(first, latest);
  EXPECT_EQ(TransactionRow::decode(reused.encode()).value(), reused);
  auto bytes = reused.encode();
  bytes.pop_back();
  EXPECT_EQ(TransactionRow::decode(bytes).error().code, ErrorCode::CORRUPT);
}

TEST_F(StoreTest, listsComeInPagesInBothDirections) {
  advance(1);
  BlockUpdate update(chain_.next_block(0));
  Bytes key = to_bytes("patient"), longer = to_bytes("patient2");
  for (std::uint64_t i = 0; i < 25; ++i) update.put_list(3, key, 10 * i, ByteWriter().u64(i).bytes());
  update.put_list(3, longer, 5, as_bytes("other"));
  update.put_list(2, key, UINT64_MAX, as_bytes("other"));
  update.put_list(4, key, 0, as_bytes("other"));
  ASSERT_TRUE(store_->apply(update).has_value());
  auto collect = [&](bool descending) {
    std::vector<std::uint64_t> sequences;
    ListQuery query{descending ? UINT64_MAX : 0, 7, descending};
    for (;;) {
      auto page = store_->latest().list(3, key, query).value();
      EXPECT_LE(page.entries.size(), 7u);
      for (const auto& entry : page.entries) sequences.push_back(entry.sequence);
      if (!page.next) return sequences;
      query.from = *page.next;
    }
  };
  std::vector<std::uint64_t> all;
  for (std::uint64_t i = 0; i < 25; ++i) all.push_back(10 * i);
  EXPECT_EQ(collect(false), all);
  std::reverse(all.begin(), all.end());
  EXPECT_EQ(collect(true), all);
  EXPECT_EQ(store_->latest().list(3, key, {95, 2, false}).value().entries.front().sequence, 100u);
  EXPECT_EQ(store_->latest().list(3, key, {95, 2, true}).value().entries.front().sequence, 90u);
  EXPECT_EQ(store_->latest().list(3, longer).value().entries.size(), 1u);
  EXPECT_TRUE(store_->latest().list(9, key).value().entries.empty());
}

TEST_F(StoreTest, certificatesMayComeLaterAndSurvive) {
  advance(1);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(chain_.advance(*store_, 1, false).has_value());
  EXPECT_FALSE(store_->latest().commit_certificate(2).value().has_value());
  EXPECT_FALSE(store_->latest().commit_certificate_from(0).value().has_value());
  auto commit = chain_.commit_certificate(4);
  auto executed = chain_.executed_certificate(2);
  ASSERT_TRUE(store_->put_certificate(commit).has_value());
  ASSERT_TRUE(store_->put_certificate(executed).has_value());
  ASSERT_TRUE(store_->checkpoint().has_value());
  reopen();
  EXPECT_EQ(store_->latest().commit_certificate(4).value(), commit);
  EXPECT_EQ(store_->latest().commit_certificate_from(2).value(), commit);
  EXPECT_EQ(store_->latest().commit_certificate_from(4).value(), commit);
  EXPECT_FALSE(store_->latest().commit_certificate_from(5).value().has_value());
  EXPECT_EQ(store_->latest().executed_certificate(2).value(), executed);
  EXPECT_FALSE(store_->latest().executed_certificate(3).value().has_value());
}

TEST_F(StoreTest, historyPathsFromTheStoreVerify) {
  advance(41, 0);
  auto leaves = chain_.history_leaves();
  const auto& view = store_->latest();
  for (std::uint64_t size = 1; size <= 41; ++size) {
    auto root = crypto::merkle_root(kSuite, std::span(leaves).first(size));
    EXPECT_EQ(view.history_root(size).value(), root);
    EXPECT_EQ(view.history_frontier(size).value().root(), root);
    for (std::uint64_t index = 0; index < size; index += 3)
      EXPECT_EQ(crypto::merkle_root_of_path(kSuite, leaves[index], index, size, view.history_path(index, size).value()),
                root);
    EXPECT_TRUE(crypto::merkle_verify_consistency(kSuite, size, 41, root, view.history_root(41).value(),
                                                  view.history_consistency_path(size, 41).value()));
  }
  EXPECT_EQ(view.history_root(42).error().code, ErrorCode::NOT_FOUND);
}

TEST_F(StoreTest, rowsReadTogetherAreThoseReadAlone) {
  advance(200, 3);
  auto check = [&](const View& view, std::size_t rows_there) {
    std::vector<TransactionId> ids;
    for (Height height = 1; height < 200; ++height)
      for (const auto& id : chain_.transaction_ids(height)) ids.push_back(id);
    for (int i = 0; i < 50; ++i) ids.push_back(random_id<TransactionId>(chain_.rng()));
    std::sort(ids.begin(), ids.end());
    std::vector<std::string> keys;
    for (const auto& id : ids) keys.push_back(state_row_key(kRecordKind, id));
    std::size_t asked = 0, there = 0;
    view.states(keys, [&](std::size_t index, std::optional<ByteSpan> value) {
      EXPECT_EQ(index, asked++);
      there += value ? 1 : 0;
      auto alone = view.state(kRecordKind, ids[index]);
      ASSERT_OK(alone);
      EXPECT_EQ(value ? std::optional(to_bytes(*value)) : std::nullopt, *alone);
    });
    EXPECT_EQ(asked, keys.size()) << "more than are read at once";
    EXPECT_EQ(there, rows_there);
    asked = 0;
    view.transactions(ids, [&](std::size_t index, std::optional<TransactionRow> row) {
      EXPECT_EQ(index, asked++);
      auto alone = view.transaction(ids[index]);
      ASSERT_OK(alone);
      ASSERT_EQ(row.has_value(), alone->has_value());
      if (row) {
        EXPECT_EQ(row->encode(), (*alone)->encode());
      }
    });
    EXPECT_EQ(asked, ids.size());
  };
  std::size_t all = 0;
  for (Height height = 1; height < 200; ++height) all += chain_.transaction_ids(height).size();
  ASSERT_GT(all, 500u);
  check(store_->latest(), all);
  ASSERT_TRUE(store_->checkpoint().has_value());
  reopen();
  check(store_->latest(), all);
  auto frozen = store_->snapshot();
  ASSERT_OK(frozen);
  advance(1, 3);
  const std::vector<std::string> newest = {state_row_key(kRecordKind, chain_.transaction_ids(200)[0])};
  (*frozen)->states(newest, [](std::size_t, std::optional<ByteSpan> value) { EXPECT_FALSE(value); });
  store_->latest().states(newest, [](std::size_t, std::optional<ByteSpan> value) { EXPECT_TRUE(value); });
}

TEST_F(StoreTest, provesStateAtRecentHeights) {
  advance(20);
  auto early = chain_.transaction_ids(2)[0], late = chain_.transaction_ids(18)[0];
  auto check = [&](const TransactionId& id, Height height, bool present) {
    auto proof = store_->latest().prove_state(kRecordKind, id, height);
    ASSERT_OK(proof);
    auto result = crypto::root_of_state_proof(kSuite, crypto::state_path(kSuite, kRecordKind, id), *proof);
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->root, chain_.info(height).state_root);
    EXPECT_EQ(result->present, present);
    if (present) {
      EXPECT_EQ(proof->terminal->value_hash,
                crypto::hash(kSuite, store_->latest().state(kRecordKind, id).value().value()));
    }
  };
  for (Height height = 12; height <= 19; ++height) {
    check(early, height, true);
    check(late, height, height >= 18);
  }
  EXPECT_EQ(store_->latest().prove_state(kRecordKind, early, 11).error().code, ErrorCode::NOT_FOUND);
  ASSERT_TRUE(store_->checkpoint().has_value());
  reopen();
  check(early, 19, true);
  EXPECT_EQ(store_->latest().prove_state(kRecordKind, early, 18).error().code, ErrorCode::NOT_FOUND);
}

TEST_F(StoreTest, rowsOfALargeUpdateAgreeWithTheTreeAcrossCheckpointsAndLowMemory) {
  store_.reset();
  TempDir dir;
  auto options = chain_.options(dir);
  options.tree_leaves_max = 500;
  auto created = Store::create(options);
  ASSERT_OK(created);
  store_ = std::move(*created);
  TestChain reference_chain;
  TempDir reference_dir;
  auto reference = Store::create(reference_chain.options(reference_dir));
  ASSERT_OK(reference);
  for (Height height = 0; height < 30; ++height) {
    auto with_little = chain_.advance(*store_, 200);
    auto with_all = reference_chain.advance(**reference, 200);
    ASSERT_OK(with_little);
    ASSERT_OK(with_all);
    ASSERT_EQ(with_little->info.state_root, with_all->info.state_root) << height;
    if (height % 4 == 3) {
      auto durable = store_->checkpoint();
      ASSERT_OK(durable);
      EXPECT_EQ(*durable, height);
    }
  }
}

TEST_F(StoreTest, snapshotsStayFrozenWhileBlocksAreApplied) {
  advance(2);
  auto frozen = store_->snapshot();
  ASSERT_OK(frozen);
  std::atomic<bool> stop{false};
  std::atomic<int> checked{0};
  auto patient = chain_.patients()[0];
  auto reader = [&] {
    while (!stop.load()) {
      auto snapshot = store_->snapshot();
      ASSERT_TRUE(snapshot.has_value());
      const auto& view = **snapshot;
      auto height = view.height();
      auto block = view.block(height);
      ASSERT_TRUE(block.has_value() && *block != nullptr);
      // All of the newest block is visible, nothing of a later one.
      for (const auto& item : (*block)->batches.at(0)->items()) {
        auto row = view.transaction(item.transaction.id());
        ASSERT_TRUE(row.has_value() && row->has_value());
        ASSERT_EQ((*row)->first.height, height);
        ASSERT_EQ(view.state(kRecordKind, item.transaction.id()).value(), item.transaction.bytes());
        auto proof = view.prove_state(kRecordKind, item.transaction.id(), height);
        if (!proof) {
          ASSERT_EQ(proof.error().code, ErrorCode::NOT_FOUND);  // the writer is eight blocks further by now
          continue;
        }
        auto path = crypto::state_path(kSuite, kRecordKind, item.transaction.id());
        ASSERT_EQ(crypto::root_of_state_proof(kSuite, path, *proof)->root, view.head().state_root);
      }
      ASSERT_FALSE(view.info(height + 1).value().has_value());
      auto list = view.list(kPatientList, patient, {UINT64_MAX, 1, true});
      ASSERT_TRUE(list.has_value());
      if (!list->entries.empty()) {
        ASSERT_LE(list->entries[0].sequence, height);
      }
      checked.fetch_add(1);
    }
  };
  std::thread first(reader), second(reader);
  std::thread flusher([&] {
    while (!stop.load()) ASSERT_TRUE(store_->checkpoint().has_value());
  });
  advance(80, 4);
  while (checked.load() < 20) std::this_thread::yield();
  stop.store(true);
  first.join();
  second.join();
  flusher.join();
  EXPECT_EQ((*frozen)->height(), 1u);
  EXPECT_FALSE((*frozen)->info(2).value().has_value());
  EXPECT_FALSE((*frozen)->transaction(chain_.transaction_ids(2)[0]).value().has_value());
  EXPECT_EQ(store_->latest().height(), 81u);
  frozen->reset();
  ASSERT_TRUE(store_->checkpoint().has_value());
  reopen();
  EXPECT_EQ(store_->applied_height(), 81u);
}

}  // namespace
}  // namespace galen::ledger::test
