// A ledger from a snapshot: killed and gone on with, installed, filled downwards, and then no different from any other.
#include "unit/ledger/snapshot_world.hpp"

namespace galen::ledger::test {

class InstallerTest : public SnapshotTest {
 protected:
  void SetUp() override {
    SnapshotTest::SetUp();
    // What `galend init` made.
    auto store = Store::create(options());
    ASSERT_OK(store);
    auto genesis = chain.execute(nullptr, chain.block(0));
    ASSERT_OK(genesis);
    ASSERT_TRUE((*store)->apply(*genesis).has_value());
    ASSERT_TRUE((*store)->checkpoint().has_value());
  }
  StoreOptions options() const { return chain.options(joiner_dir); }

  /// Joins with blocks down to those that `ttl_max_ms` needs.
  void join(std::uint64_t ttl_max_ms) {
    auto installer = Installer::begin(options(), manifest);
    ASSERT_OK(installer);
    for (auto index : (*installer)->missing_parts())
      ASSERT_TRUE((*installer)->add_part(index, rows_of(index)).has_value());
    add_past(**installer, ttl_max_ms);
    auto finished = (*installer)->finish();
    ASSERT_OK(finished);
    auto installed = install_joined(joiner_dir.path());
    ASSERT_OK(installed);
    ASSERT_TRUE(*installed);
  }
  void backfill(Store& store) {
    while (store.backfill_floor() > 1) {
      auto block = past(store.past_wanted());
      ASSERT_TRUE(store.add_past(block, past_rows_of(chain, block)).has_value());
    }
    auto genesis = chain.execute(nullptr, chain.block(0));
    ASSERT_OK(genesis);
    auto finished = store.finish_past(*genesis);
    ASSERT_OK(finished);
  }
  VerifyReport verify() {
    TempDir scratch;
    VerifyOptions verify_options;
    verify_options.directory = joiner_dir.path();
    verify_options.genesis = &chain.genesis();
    verify_options.executor = &chain;
    verify_options.scratch_directory = scratch.path();
    auto report = verify_ledger(verify_options);
    EXPECT_TRUE(report.has_value()) << report.error().message;
    for (const auto& finding : report->findings)
      ADD_FAILURE() << finding.height << " " << finding.where << ": " << finding.what;
    return *report;
  }
};

TEST_F(InstallerTest, JoinsGoesOnAndBecomesWhole) {
  join(500);
  auto opened = Store::open(options());
  ASSERT_OK(opened);
  auto& store = **opened;
  EXPECT_EQ(store.applied_height(), kSnapshot);
  EXPECT_EQ(store.latest().head().state_root, chain.info(kSnapshot).state_root);
  EXPECT_FALSE(store.tree_rebuilt());
  const auto floor = store.backfill_floor();
  EXPECT_GT(floor, 1u);
  EXPECT_LE(floor, kSnapshot - 5);
  EXPECT_EQ(chain.info(floor).header.time_ms + 500, chain.info(kSnapshot).header.time_ms - 100);
  // It executes what follows, as everybody does.
  for (Height height = kSnapshot + 1; height <= kTip - 1; ++height) {
    auto applied = chain.replay(store, height);
    ASSERT_OK(applied);
    EXPECT_EQ(applied->info, chain.info(height));
  }
  // What needs older blocks is told apart from damage.
  auto consistency = store.latest().history_consistency_path(3, kSnapshot);
  ASSERT_FALSE(consistency.has_value());
  EXPECT_EQ(consistency.error().code, ErrorCode::BACKFILLING);

  backfill(store);
  EXPECT_EQ(store.backfill_floor(), 0u);
  auto applied = chain.replay(store, kTip);
  ASSERT_OK(applied);
  EXPECT_EQ(applied->info, chain.info(kTip));
  for (Height height = 0; height <= kTip; ++height) {
    auto info = store.latest().info(height);
    ASSERT_OK(info);
    EXPECT_EQ(**info, chain.info(height)) << height;
    for (const auto& id : chain.transaction_ids(height)) {
      auto row = store.latest().transaction(id), same = source->latest().transaction(id);
      ASSERT_OK(row);
      EXPECT_EQ(*row, *same);
    }
  }
  for (const auto& patient : chain.patients()) {
    auto own = store.latest().list(kPatientList, patient), same = source->latest().list(kPatientList, patient);
    ASSERT_OK(own);
    EXPECT_EQ(own->entries, same->entries);
  }
  EXPECT_EQ(*store.latest().history_consistency_path(3, kSnapshot),
            *source->latest().history_consistency_path(3, kSnapshot));
  ASSERT_TRUE(store.checkpoint().has_value());
  opened->reset();
  auto report = verify();
  EXPECT_EQ(report.height_first, 0u);
  EXPECT_TRUE(report.executed);
}

TEST_F(InstallerTest, VerifiesFromItsFloorWhileItBackfills) {
  join(500);
  auto report = verify();
  EXPECT_GT(report.height_first, 1u);
  EXPECT_FALSE(report.executed);
}

TEST_F(InstallerTest, ATtlThatReachesBackToTheBeginningTakesAllBlocks) {
  join(1'000'000);
  auto store = Store::open(options());
  ASSERT_OK(store);
  EXPECT_EQ((*store)->backfill_floor(), 1u);
  backfill(**store);
  ASSERT_TRUE((*store)->checkpoint().has_value());
  store->reset();
  verify();
}

TEST_F(InstallerTest, GoesOnWhereItWasKilled) {
  {
    auto installer = Installer::begin(options(), manifest);
    ASSERT_OK(installer);
    ASSERT_TRUE((*installer)->add_part(1, rows_of(1)).has_value());
  }  // not flushed: lost, and fetched again
  std::size_t rounds = 0;
  for (bool done = false; !done; ++rounds) {
    ASSERT_LT(rounds, 100u);
    auto installer = Installer::resume(options());
    ASSERT_OK(installer);
    EXPECT_EQ((*installer)->manifest().encode(), manifest.encode());
    auto missing = (*installer)->missing_parts();
    if (!missing.empty()) {
      ASSERT_TRUE((*installer)->add_part(missing[0], rows_of(missing[0])).has_value());
    } else {
      auto wanted = (*installer)->past_wanted(500);
      ASSERT_OK(wanted);
      done = !*wanted;
      if (*wanted) {
        auto block = past(**wanted);
        ASSERT_TRUE((*installer)->add_past(block, past_rows_of(chain, block)).has_value());
      }
    }
    ASSERT_TRUE((*installer)->flush().has_value());
    if (!done) continue;
    ASSERT_TRUE((*installer)->finish().has_value());
  }
  EXPECT_GT(rounds, manifest.nodes.size());
  EXPECT_EQ(Installer::resume(options()).error().code, ErrorCode::NOT_FOUND);
  ASSERT_TRUE(*install_joined(joiner_dir.path()));
  EXPECT_FALSE(*install_joined(joiner_dir.path()));
  auto store = Store::open(options());
  ASSERT_OK(store);
  EXPECT_EQ((*store)->applied_height(), kSnapshot);
}

TEST_F(InstallerTest, WhatWasKilledWhileItBeganIsBegunAnew) {
  auto installer = Installer::begin(options(), manifest);
  ASSERT_OK(installer);
  installer->reset();
  std::filesystem::remove(joiner_dir.path() + "/joining/begun");
  auto resumed = Installer::resume(options());
  ASSERT_FALSE(resumed.has_value());
  EXPECT_EQ(resumed.error().code, ErrorCode::NOT_FOUND);
  EXPECT_TRUE(Installer::begin(options(), manifest).has_value());
}

TEST_F(InstallerTest, ACrashBetweenTheRenamesIsGoneOnWith) {
  namespace fs = std::filesystem;
  auto installer = Installer::begin(options(), manifest);
  ASSERT_OK(installer);
  for (auto index : (*installer)->missing_parts())
    ASSERT_TRUE((*installer)->add_part(index, rows_of(index)).has_value());
  add_past(**installer, 500);
  ASSERT_TRUE((*installer)->finish().has_value());
  fs::rename(joiner_dir.path() + "/ledger", joiner_dir.path() + "/joining/old");
  // What galend repair makes in between, on the word of a message that there is no ledger, is in nobody's way.
  ASSERT_TRUE(Store::create(options()).has_value());
  ASSERT_TRUE(*install_joined(joiner_dir.path()));
  EXPECT_FALSE(fs::exists(joiner_dir.path() + "/joining"));
  {
    auto store = Store::open(options());
    ASSERT_OK(store);
    EXPECT_EQ((*store)->applied_height(), kSnapshot);
  }
  // After the second rename only the rest is left to be removed.
  fs::create_directories(joiner_dir.path() + "/joining/old");
  EXPECT_FALSE(*install_joined(joiner_dir.path()));
  EXPECT_FALSE(fs::exists(joiner_dir.path() + "/joining"));
}

TEST_F(InstallerTest, WhatIsGivenUpIsNeverGoneOnWith) {
  namespace fs = std::filesystem;
  auto installer = Installer::begin(options(), manifest);
  ASSERT_OK(installer);
  ASSERT_TRUE((*installer)->add_part(0, rows_of(0)).has_value());
  ASSERT_TRUE((*installer)->flush().has_value());
  installer->reset();
  // A kill while it is removed: some files are gone.
  bool removed = false;
  for (const auto& entry : fs::directory_iterator(joiner_dir.path() + "/joining/ledger"))
    if (entry.path().extension() == ".sst" && !removed) removed = fs::remove(entry.path());
  ASSERT_TRUE(removed);
  EXPECT_EQ(Installer::resume(options()).error().code, ErrorCode::NOT_FOUND);
  ASSERT_TRUE(Installer::abandon(joiner_dir.path()).has_value());
  EXPECT_FALSE(fs::exists(joiner_dir.path() + "/joining"));
}

TEST_F(InstallerTest, RowsThatDoNotLeadToTheRootAreNeverInstalled) {
  auto installer = Installer::begin(options(), manifest);
  ASSERT_OK(installer);
  for (auto index : (*installer)->missing_parts()) {
    auto rows = rows_of(index);
    if (index == 0) rows[0].value.push_back(1);  // a disk that changes what was checked
    ASSERT_TRUE((*installer)->add_part(index, rows).has_value());
  }
  add_past(**installer, 500);
  auto finished = (*installer)->finish();
  ASSERT_FALSE(finished.has_value());
  EXPECT_EQ(finished.error().code, ErrorCode::CORRUPT);
  installer->reset();
  EXPECT_FALSE(*install_joined(joiner_dir.path()));
}

TEST_F(InstallerTest, AnIdUsedAgainHasItsFirstAnswerInThePast) {
  join(500);
  auto store = Store::open(options());
  ASSERT_OK(store);
  // The executor saw no row when it ran; the past block that answers the id comes before its write, or after it.
  const auto id = chain.transaction_ids(2).front();
  const auto first = source->latest().transaction(id)->value().first;
  for (auto height = kSnapshot + 1; height < kTip; ++height) ASSERT_TRUE(chain.replay(**store, height).has_value());
  auto update = chain.execute(&(*store)->latest(), chain.block(kTip));
  ASSERT_OK(update);
  const TransactionEntry again{kTip, 0, 0, 0, 2'000'000};
  update->put_transaction(id, TransactionRow(again));
  ASSERT_TRUE((*store)->apply(*update).has_value());
  while ((*store)->backfill_floor() > 2) {
    auto block = past((*store)->past_wanted());
    ASSERT_TRUE((*store)->add_past(block, past_rows_of(chain, block)).has_value());
  }
  EXPECT_EQ((*store)->latest().transaction(id)->value(), TransactionRow(first, again));
}

}  // namespace galen::ledger::test
