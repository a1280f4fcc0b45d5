// Power off at any moment: processes of their own are killed in the middle of applying, without a close. What is found
// afterwards is some applied height with all of its rows and none of the next, and the blocks above can be applied
// again.
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <sys/resource.h>
#include <unistd.h>

#include "galen/base/failure_bell.hpp"
#include "ledger/store_state.hpp"
#include "unit/ledger/test_chain.hpp"

namespace galen::ledger::test {
namespace {

constexpr std::size_t kItems = 20;

class StoreCrashTest : public testing::Test {
 protected:
  void SetUp() override {
    // The child process is this program started again: a fork would inherit RocksDB without its threads.
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const char* inherited = std::getenv("GALEN_TEST_CRASH_DIR");
    if (inherited != nullptr) {
      directory_ = inherited;
    } else {
      directory_ = temp_.path();
      setenv("GALEN_TEST_CRASH_DIR", directory_.c_str(), 1);
    }
  }
  void TearDown() override { unsetenv("GALEN_TEST_CRASH_DIR"); }

  StoreOptions options(const TestChain& chain) const {
    auto options = chain.options(temp_);
    options.directory = directory_;
    return options;
  }

  /// In the child: applies blocks 0 … last, with checkpoints at the given heights, then dies at once.
  [[noreturn]] void run_and_die(Height last, std::vector<Height> checkpoints, std::size_t write_buffer_bytes) {
    TestChain chain;
    auto store_options = options(chain);
    store_options.write_buffer_bytes = write_buffer_bytes;
    auto store = Store::create(store_options);
    if (!store) _exit(1);
    for (Height height = 0; height <= last; ++height) {
      if (!chain.advance(**store, kItems)) _exit(2);
      for (auto at : checkpoints)
        if (at == height && (*store)->checkpoint().value_or(UINT64_MAX) != height) _exit(3);
    }
    kill(getpid(), SIGKILL);
    _exit(4);
  }

  /// Opens what the child left and finishes the chain; a store that never crashed says what must come out.
  void expect_consistent(Height last, Height at_least, std::optional<Height> exactly, bool rebuilt = false) {
    TestChain chain;
    TempDir reference_dir;
    auto reference = Store::create(chain.options(reference_dir));
    ASSERT_OK(reference);
    for (Height height = 0; height <= last; ++height) {
      auto applied = chain.advance(**reference, kItems);
      ASSERT_OK(applied);
    }
    auto store = Store::open(options(chain));
    ASSERT_OK(store);
    ASSERT_TRUE((*store)->applied_height().has_value());
    auto found = *(*store)->applied_height();
    EXPECT_GE(found, at_least);
    if (exactly) {
      EXPECT_EQ(found, *exactly);
    }
    EXPECT_EQ((*store)->durable_height(), found);
    EXPECT_EQ((*store)->tree_rebuilt(), rebuilt);
    for (Height height = 0; height <= last; ++height) {
      bool there = height <= found;
      const auto& view = (*store)->latest();
      EXPECT_EQ(view.info(height).value().has_value(), there) << height;
      EXPECT_EQ(view.block_bytes(height).value().has_value(), there) << height;
      EXPECT_EQ(view.outcomes(height).value().has_value(), there) << height;
      for (const auto& id : chain.transaction_ids(height)) {
        EXPECT_EQ(view.transaction(id).value().has_value(), there) << height;
        EXPECT_EQ(view.state(kRecordKind, id).value().has_value(), there) << height;
      }
      for (const auto& patient : chain.patients()) {
        auto page = view.list(kPatientList, patient, {height, 1, false}).value();
        bool row = !page.entries.empty() && page.entries[0].sequence == height;
        auto reference_page = (*reference)->latest().list(kPatientList, patient, {height, 1, false}).value();
        bool expected = !reference_page.entries.empty() && reference_page.entries[0].sequence == height;
        EXPECT_EQ(row, there && expected) << height;
      }
    }
    for (auto height = found + 1; height <= last; ++height) {
      auto applied = chain.replay(**store, height);
      ASSERT_OK(applied);
      EXPECT_EQ(applied->info.state_root, chain.info(height).state_root) << height;
      EXPECT_EQ(applied->info.results_root, chain.info(height).results_root) << height;
    }
    auto path = chain.transaction_ids(last)[0];
    auto proof = (*store)->latest().prove_state(kRecordKind, path, last);
    ASSERT_OK(proof);
    EXPECT_EQ(crypto::root_of_state_proof(kSuite, crypto::state_path(kSuite, kRecordKind, path), *proof)->root,
              chain.info(last).state_root);
  }

  TempDir temp_;
  std::string directory_;
};

TEST_F(StoreCrashTest, withoutACheckpointNothingIsLeftButAnEmptyLedger) {
  EXPECT_EXIT(run_and_die(8, {}, 64u << 20), testing::KilledBySignal(SIGKILL), "");
  TestChain chain;
  auto store = Store::open(options(chain));
  ASSERT_OK(store);
  EXPECT_FALSE((*store)->applied_height().has_value());
  auto applied = chain.advance(**store, kItems);
  EXPECT_TRUE(applied.has_value());
}

TEST_F(StoreCrashTest, fallsBackToTheLastCheckpoint) {
  EXPECT_EXIT(run_and_die(30, {5, 17}, 64u << 20), testing::KilledBySignal(SIGKILL), "");
  expect_consistent(30, 17, 17);
}

TEST_F(StoreCrashTest, whatRocksDbFlushedByItselfIsWholeBlocksToo) {
  // Small buffers: RocksDB writes files many times, whenever it likes, and the tree's pages stay behind at block 9.
  EXPECT_EXIT(run_and_die(60, {9}, 64u << 10), testing::KilledBySignal(SIGKILL), "");
  TestChain chain;
  {
    auto database = Database::open(options(chain), Database::Mode::read_only);
    ASSERT_OK(database);
    auto head = HeightAndHash::decode((*database)->get(Family::meta, kHeadKey).value().value());
    ASSERT_GT(head->height, 9u) << "RocksDB has not flushed by itself: the test says nothing";
  }
  expect_consistent(60, 10, std::nullopt);
}

TEST_F(StoreCrashTest, withoutPagesTheTreeIsMadeAnewFromTheRows) {
  EXPECT_EXIT(run_and_die(60, {}, 64u << 10), testing::KilledBySignal(SIGKILL), "");
  expect_consistent(60, 1, std::nullopt, true);
}

TEST_F(StoreCrashTest, pagesThatDoNotProveThemselvesAreMadeAnew) {
  EXPECT_EXIT(run_and_die(30, {30}, 64u << 20), testing::KilledBySignal(SIGKILL), "");
  {
    TestChain chain;
    auto database = Database::open(options(chain), Database::Mode::open);
    ASSERT_OK(database);
    ASSERT_TRUE((*database)->put(Family::meta, kPagesKey, HeightAndHash{30, Hash{}}.encode()).has_value());
    ASSERT_TRUE((*database)->flush().has_value());
  }
  expect_consistent(30, 30, 30, true);
}

TEST_F(StoreCrashTest, stateRowsThatMissTheRootAreNotServed) {
  EXPECT_EXIT(run_and_die(5, {5}, 64u << 20), testing::KilledBySignal(SIGKILL), "");
  TestChain chain;
  {
    auto database = Database::open(options(chain), Database::Mode::open);
    ASSERT_OK(database);
    auto key = state_row_key(1, as_bytes("members"));
    ASSERT_TRUE((*database)->put(Family::state, key, as_bytes("five of them")).has_value());
    auto batch = make_batch();
    batch.Delete((*database)->family(Family::meta), kPagesKey);
    ASSERT_TRUE((*database)->write(batch).has_value());
    ASSERT_TRUE((*database)->flush().has_value());
  }
  auto store = Store::open(options(chain));
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().code, ErrorCode::CORRUPT);
}

/// In the child: ten durable blocks, more that are not, then a disk that takes no file above 8 KiB. Exits with 0 when
/// every later call says IO_ERROR, also once there is room again.
[[noreturn]] void run_into_full_disk(const StoreOptions& options) {
  TestChain chain;
  auto store = Store::create(options);
  if (!store) _exit(1);
  for (int i = 0; i < 10; ++i)
    if (!chain.advance(**store, kItems)) _exit(2);
  if ((*store)->checkpoint().value_or(0) != 9) _exit(3);
  for (int i = 0; i < 20; ++i)
    if (!chain.advance(**store, 200)) _exit(4);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small{8192, before.rlim_max};
  if (setrlimit(RLIMIT_FSIZE, &small) != 0) _exit(5);
  auto failed = (*store)->checkpoint();
  if (failed || failed.error().code != ErrorCode::IO_ERROR) _exit(6);
  setrlimit(RLIMIT_FSIZE, &before);
  auto applied = chain.advance(**store, kItems);
  if (applied || applied.error().code != ErrorCode::IO_ERROR) _exit(7);
  auto certificate = (*store)->put_certificate(chain.commit_certificate(3));
  if (certificate || certificate.error().code != ErrorCode::IO_ERROR) _exit(8);
  failed = (*store)->checkpoint();
  if (failed || failed.error().code != ErrorCode::IO_ERROR) _exit(9);
  if ((*store)->durable_height() != 9) _exit(10);
  _exit(0);
}

TEST_F(StoreCrashTest, afterAFailedFlushNothingMoreIsWritten) {
  TestChain chain;
  EXPECT_EXIT(run_into_full_disk(options(chain)), testing::ExitedWithCode(0), "");
  auto reopened = Store::open(options(chain));
  ASSERT_OK(reopened);
  EXPECT_EQ((*reopened)->applied_height(), 9u);
}

TEST_F(StoreCrashTest, aFailedDatabaseRefusesEveryWrite) {
  TestChain chain;
  auto database = Database::open(options(chain), Database::Mode::create);
  ASSERT_OK(database);
  ASSERT_TRUE((*database)->put(Family::meta, "row", as_bytes("value")).has_value());
  (*database)->mark_failed();
  EXPECT_EQ((*database)->put(Family::meta, "row", as_bytes("other")).error().code, ErrorCode::IO_ERROR);
  EXPECT_EQ((*database)->flush().error().code, ErrorCode::IO_ERROR);
  EXPECT_EQ((*database)->get(Family::meta, "row").value(), to_bytes("value"));
}

TEST_F(StoreCrashTest, whatFailedIsToldBeforeWritesAreRefusedForIt) {
  TestChain chain;
  auto with_bell = options(chain);
  with_bell.failures = std::make_shared<FailureBell>();
  auto database = Database::open(with_bell, Database::Mode::create);
  ASSERT_OK(database);
  std::optional<bool> refused;
  with_bell.failures->listen([&](const Error&) { refused = (*database)->failed(); });
  ASSERT_TRUE((*database)->put(Family::meta, "row", as_bytes("value")).has_value());
  std::filesystem::remove_all(with_bell.directory);
  EXPECT_FALSE((*database)->flush());
  EXPECT_EQ(refused, false);
  EXPECT_TRUE((*database)->failed());
}

}  // namespace
}  // namespace galen::ledger::test
