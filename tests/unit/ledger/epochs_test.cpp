// Ledgers whose members change: links between epochs are written with the blocks that end them, whole as soon as both
// block and certificate are here, whatever comes first and whatever a crash takes; and all that checks a ledger checks
// each block with the members of its epoch.
#include "galen/ledger/scrub.hpp"
#include "ledger/store_state.hpp"
#include "unit/ledger/snapshot_world.hpp"

namespace galen::ledger::test {
namespace {

template <class Checked>
ErrorCode code_of(const Checked& checked) {
  return checked ? ErrorCode::OK : checked.error().code;
}

class EpochsTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = Store::create(chain_.options(dir_));
    ASSERT_OK(made);
    store_ = std::move(*made);
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(chain_.advance(*store_, 3).has_value());
  }
  KeyedMembers joined() { return chain_.members(chain_.epoch()).add(chain_.rng()); }
  void reopen() {
    store_.reset();
    auto opened = Store::open(chain_.options(dir_));
    ASSERT_OK(opened);
    store_ = std::move(*opened);
  }
  /// The links as who builds a receipt gets them, verified from genesis.
  ErrorCode links(Epoch epoch) const {
    auto found = store_->latest().epoch_links(epoch);
    if (!found) return found.error().code;
    auto chain = EpochChain::follow(chain_.genesis(), *found);
    EXPECT_TRUE(chain) << chain.error().message;
    return chain && chain->last() == epoch ? ErrorCode::OK : ErrorCode::INTERNAL;
  }
  std::vector<VerifyFinding> verify(BlockExecutor* executor) {
    EXPECT_TRUE(store_->checkpoint());
    store_.reset();
    TempDir scratch;
    VerifyOptions options;
    options.directory = dir_.path();
    options.genesis = &chain_.genesis();
    options.executor = executor;
    options.scratch_directory = scratch.path();
    auto report = verify_ledger(options);
    EXPECT_TRUE(report) << report.error().message;
    if (report && executor != nullptr && report->ok()) {
      EXPECT_TRUE(report->executed);
    }
    reopen();
    return report ? report->findings : std::vector<VerifyFinding>{};
  }
  void expect_whole() {
    for (auto* executor : {static_cast<BlockExecutor*>(nullptr), static_cast<BlockExecutor*>(&chain_)})
      for (const auto& finding : verify(executor))
        ADD_FAILURE() << finding.height << " " << finding.where << ": " << finding.what;
  }
  void expect_finding(Height height, const std::string& where) {
    std::string all;
    bool found = false;
    for (const auto& finding : verify(nullptr)) {
      found = found || (finding.height == height && finding.where == where);
      all += "\n  " + std::to_string(finding.height) + " " + finding.where + ": " + finding.what;
    }
    EXPECT_TRUE(found) << "expected " << height << " " << where << ", found:" << all;
  }
  void rewrite_link(Epoch epoch, const std::function<std::optional<EpochLink>(EpochLink)>& change) {
    ASSERT_TRUE(store_->checkpoint());
    store_.reset();
    {
      auto database = Database::open(chain_.options(dir_), Database::Mode::open).value();
      auto changed = change(load_epoch_link(*database, epoch).value().value());
      if (changed) {
        ASSERT_TRUE(database->put(Family::meta, epoch_key(epoch), encode_epoch_row(*changed)));
      } else {
        auto batch = make_batch();
        batch.Delete(database->family(Family::meta), epoch_key(epoch));
        ASSERT_TRUE(database->write(batch));
      }
      ASSERT_TRUE(database->flush());
    }
  }

  TempDir dir_;
  TestChain chain_;
  std::unique_ptr<Store> store_;
};

TEST_F(EpochsTest, TheBlockThatEndsItsEpochWritesTheLink) {
  EXPECT_EQ(links(1), ErrorCode::OK);
  EXPECT_EQ(links(2), ErrorCode::NOT_FOUND);
  auto applied = chain_.end_epoch(*store_, joined());
  ASSERT_OK(applied);
  EXPECT_EQ(applied->rows.epochs, 1u);
  EXPECT_EQ(applied->rows.total(), applied->rows.state + applied->rows.transactions + applied->rows.lists +
                                       kRowsPerBlock + 2);
  EXPECT_EQ(links(2), ErrorCode::OK);
  const auto stored = store_->latest().epoch_links(2).value();
  EXPECT_EQ(stored[0].header, chain_.block(4)->skeleton.header.encode());
  EXPECT_EQ(stored[0].next_members, chain_.members(2).set().encode());
  auto epochs = store_->latest().epochs(chain_.genesis());
  ASSERT_OK(epochs);
  EXPECT_EQ(epochs->last(), 2u);
  EXPECT_EQ(epochs->end_height(1), Height{4});
  EXPECT_EQ(epochs->members_of(2).all(), chain_.members(2).members);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(chain_.advance(*store_, 3).has_value());
  expect_whole();
}

TEST_F(EpochsTest, ManyEndsOneAfterTheOther) {
  ASSERT_TRUE(chain_.end_epoch(*store_, joined()).has_value());
  ASSERT_TRUE(chain_.end_epoch(*store_, chain_.members(2).rotate(1)).has_value());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(chain_.advance(*store_, 3).has_value());
  ASSERT_TRUE(store_->put_certificate(chain_.executed_certificate(8)));
  ASSERT_TRUE(chain_.end_epoch(*store_, chain_.members(3).remove(3)).has_value());
  ASSERT_TRUE(chain_.advance(*store_, 3).has_value());
  EXPECT_EQ(links(4), ErrorCode::OK);
  EXPECT_EQ(links(5), ErrorCode::NOT_FOUND);
  expect_whole();
}

TEST_F(EpochsTest, TheCertificateMayComeAfterTheBlock) {
  ASSERT_TRUE(chain_.end_epoch(*store_, joined(), false).has_value());
  EXPECT_EQ(links(2), ErrorCode::UNAVAILABLE);
  EXPECT_EQ(store_->latest().epochs(chain_.genesis())->last(), 2u) << "who goes on above is known at once";
  auto other = chain_.commit_certificate(4);
  other.subject.digest.data[0] ^= 1;
  ASSERT_TRUE(store_->put_certificate(other));
  auto prepare = chain_.commit_certificate(4);
  prepare.phase = VotePhase::prepare;
  ASSERT_TRUE(store_->put_certificate(prepare));
  EXPECT_EQ(links(2), ErrorCode::UNAVAILABLE) << "of another block, or of another phase";
  ASSERT_TRUE(store_->put_certificate(chain_.commit_certificate(4)));
  EXPECT_EQ(links(2), ErrorCode::OK);
  ASSERT_TRUE(chain_.advance(*store_, 3).has_value());
  expect_whole();
}

TEST_F(EpochsTest, TheCertificateMayComeBeforeTheBlock) {
  const auto next = joined();
  const auto block = chain_.next_block(2, &next);
  ASSERT_TRUE(store_->put_certificate(chain_.commit_certificate(4)));
  auto applied = chain_.replay(*store_, 4);
  ASSERT_OK(applied);
  chain_.note(applied->info);
  EXPECT_EQ(links(2), ErrorCode::OK);
}

TEST_F(EpochsTest, ARestartFindsTheLinkAndAnOpenEnd) {
  ASSERT_TRUE(chain_.end_epoch(*store_, joined()).has_value());
  ASSERT_TRUE(chain_.advance(*store_, 3).has_value());
  ASSERT_TRUE(chain_.end_epoch(*store_, chain_.members(2).rotate(0), false).has_value());
  ASSERT_TRUE(store_->checkpoint());
  reopen();
  EXPECT_EQ(links(2), ErrorCode::OK);
  EXPECT_EQ(links(3), ErrorCode::UNAVAILABLE);
  ASSERT_TRUE(store_->put_certificate(chain_.commit_certificate(6)));
  EXPECT_EQ(links(3), ErrorCode::OK);
  ASSERT_TRUE(store_->checkpoint());
  reopen();
  EXPECT_EQ(links(3), ErrorCode::OK);
}

TEST_F(EpochsTest, WhatACrashTakesComesAgain) {
  ASSERT_TRUE(store_->checkpoint());
  ASSERT_TRUE(chain_.end_epoch(*store_, joined()).has_value());
  reopen();  // without a checkpoint: nothing of block 4 is left
  EXPECT_EQ(store_->applied_height(), Height{3});
  EXPECT_EQ(links(2), ErrorCode::NOT_FOUND);
  auto again = chain_.replay(*store_, 4);
  ASSERT_OK(again);
  ASSERT_TRUE(store_->put_certificate(chain_.commit_certificate(4)));
  EXPECT_EQ(links(2), ErrorCode::OK);
  ASSERT_TRUE(chain_.advance(*store_, 3).has_value());
  expect_whole();
}

TEST_F(EpochsTest, AFrozenViewKnowsTheEpochsOfItsHeight) {
  auto before = store_->snapshot();
  ASSERT_OK(before);
  ASSERT_TRUE(chain_.end_epoch(*store_, joined(), false).has_value());
  auto between = store_->snapshot();
  ASSERT_TRUE(store_->put_certificate(chain_.commit_certificate(4)));
  EXPECT_EQ((*before)->epochs(chain_.genesis())->last(), 1u);
  EXPECT_EQ(code_of((*before)->epoch_links(2)), ErrorCode::NOT_FOUND);
  EXPECT_EQ(code_of((*between)->epoch_links(2)), ErrorCode::UNAVAILABLE);
  EXPECT_EQ(links(2), ErrorCode::OK);
}

TEST_F(EpochsTest, BlocksOfTheWrongEpochOrWithTheWrongMembersAreNotApplied) {
  const auto next = joined();
  const auto block = chain_.next_block(2, &next);
  auto update = [&] { return *chain_.execute(&store_->latest(), block); };
  auto none = BlockUpdate(block);
  for (int i = 0; i < 2; ++i) none.add_outcome(0, {Bytes{}});
  EXPECT_EQ(code_of(store_->apply(none)), ErrorCode::CORRUPT) << "no next members";
  auto others = update();
  others.set_next_members(next.add(chain_.rng()).set());
  EXPECT_EQ(code_of(store_->apply(others)), ErrorCode::CORRUPT);
  auto applied = store_->apply(update());
  ASSERT_OK(applied);
  chain_.note(applied->info);
  EXPECT_EQ(store_->applied_height(), Height{4});
  // Above it only the next epoch goes on.
  auto above = std::make_shared<Block>(*chain_.next_block(0));
  auto wrong = std::make_shared<Block>(*above);
  wrong->skeleton.header.epoch = 1;
  EXPECT_EQ(code_of(store_->apply(BlockUpdate(wrong))), ErrorCode::CORRUPT);
  BlockUpdate ends_nothing(above);
  ends_nothing.set_next_members(next.set());
  EXPECT_EQ(code_of(store_->apply(ends_nothing)), ErrorCode::CORRUPT);
  EXPECT_TRUE(store_->apply(BlockUpdate(above)));
}

TEST_F(EpochsTest, TheOfflineCheckFindsEveryWrongLink) {
  ASSERT_TRUE(chain_.end_epoch(*store_, joined()).has_value());
  ASSERT_TRUE(chain_.advance(*store_, 3).has_value());
  ASSERT_TRUE(chain_.end_epoch(*store_, chain_.members(2).rotate(1)).has_value());
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(chain_.advance(*store_, 3).has_value());
  const auto good = store_->latest().epoch_links(3).value();
  expect_whole();
  auto with = [&](Epoch epoch, const std::function<void(EpochLink&)>& change, Height height, const std::string& where) {
    rewrite_link(epoch, [&](EpochLink link) {
      change(link);
      return link;
    });
    auto opened = Store::open(chain_.options(dir_));
    ASSERT_OK(opened);
    store_ = std::move(*opened);
    expect_finding(height, where);
    rewrite_link(epoch, [&](const EpochLink&) { return good[epoch - 2]; });
    reopen();
  };
  with(2, [](auto& link) { link.next_members[50] ^= 1; }, 8, "epochs");
  with(2, [](auto& link) { link.commit_certificate.back() ^= 1; }, 8, "epochs");
  with(2, [](auto& link) { link.commit_certificate.clear(); }, 8, "epochs");
  with(3, [&](auto& link) { link = good[0]; }, 8, "epochs");
  // What stands on a link that does not hold is said of each block as well.
  with(3, [](auto& link) { link.next_members[50] ^= 1; }, 7, "header");
  with(3, [](auto& link) { link.next_members[50] ^= 1; }, 6, "epochs");
  // A true link of a block that is not the one of this chain: q of the members signed two.
  auto other = chain_.block(6)->skeleton.header;
  other.time_ms += 1;
  with(3, [&](auto& link) { link = galen::test::make_link(other, chain_.members(3), chain_.certify(other)); }, 6,
       "epochs");
}

TEST_F(EpochsTest, ALedgerWithoutALinkDoesNotOpen) {
  ASSERT_TRUE(chain_.end_epoch(*store_, joined()).has_value());
  rewrite_link(2, [](const EpochLink&) { return std::optional<EpochLink>{}; });
  EXPECT_EQ(code_of(Store::open(chain_.options(dir_))), ErrorCode::CORRUPT);
}

TEST_F(EpochsTest, TheScrubChecksAndMendsBlocksOfEveryEpoch) {
  TempDir peer_dir;
  auto peer = Store::create(chain_.options(peer_dir)).value();
  ASSERT_TRUE(chain_.end_epoch(*store_, joined()).has_value());
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(chain_.advance(*store_, 3).has_value());
  ASSERT_TRUE(store_->put_certificate(chain_.executed_certificate(6)));
  for (Height height = 0; height <= 8; ++height) {
    ASSERT_TRUE(chain_.replay(*peer, height).has_value()) << height;
    ASSERT_TRUE(height == 0 || peer->put_certificate(chain_.commit_certificate(height)));
  }
  Scrub scrub(*store_, chain_.genesis());
  for (Height height = 0; height <= 8; ++height) EXPECT_TRUE(scrub.check_block(height).empty()) << height;
  for (Height height : {3u, 4u, 5u, 6u, 7u}) {
    auto stored = StoredBlock::load(peer->latest(), height);
    ASSERT_OK(stored);
    auto restored = scrub.restore(height, {*stored});
    EXPECT_TRUE(restored) << height << ": " << restored.error().message;
    auto wrong = *stored;
    wrong.commit = chain_.commit_certificate(height);
    const auto& header = chain_.block(height)->skeleton.header;
    const auto& by = chain_.members(header.epoch == 1 ? 2 : 1);
    wrong.commit = galen::test::commit_by(by, chain_.genesis().chain_id, header.epoch == 1 ? 2 : 1, header);
    EXPECT_EQ(code_of(scrub.restore(height, {wrong})), ErrorCode::BAD_CERTIFICATE) << height;
  }
}

/// Of heights 0 to 17 with a snapshot at 13: epochs end below it, at it, and above it.
class EpochsSnapshotTest : public SnapshotTest {
 protected:
  void SetUp() override {}
  void make(std::set<Height> at) {
    ends = std::move(at);
    SnapshotTest::SetUp();
    auto store = Store::create(chain.options(joiner_dir));
    ASSERT_OK(store);
    ASSERT_TRUE((*store)->apply(*chain.execute(nullptr, chain.block(0))));
    ASSERT_TRUE((*store)->checkpoint());
  }
  ErrorCode verify(const SnapshotManifest& changed) const { return code_of(changed.verify(chain.genesis())); }
  void join_and_become_whole() {
    auto installer = Installer::begin(chain.options(joiner_dir), manifest);
    ASSERT_OK(installer);
    for (auto index : (*installer)->missing_parts())
      ASSERT_TRUE((*installer)->add_part(index, rows_of(index)).has_value());
    ASSERT_TRUE((*installer)->flush());
    installer->reset();
    installer = Installer::resume(chain.options(joiner_dir));  // a kill in between
    ASSERT_OK(installer);
    EXPECT_EQ((*installer)->manifest().epochs, manifest.epochs);
    add_past(**installer, 500);
    auto finished = (*installer)->finish();
    ASSERT_OK(finished);
    ASSERT_TRUE(*install_joined(joiner_dir.path()));
    auto store = Store::open(chain.options(joiner_dir));
    ASSERT_OK(store);
    const auto epoch = chain.block(kSnapshot)->skeleton.header.epoch + (ends.contains(kSnapshot) ? 1 : 0);
    EXPECT_EQ((*store)->latest().epoch_links(epoch).value(), source->latest().epoch_links(epoch).value());
    EXPECT_EQ(code_of((*store)->latest().epoch_links(epoch + 1)), ErrorCode::NOT_FOUND);
    for (Height height = kSnapshot + 1; height <= kTip; ++height) {
      auto applied = chain.replay(**store, height);
      ASSERT_OK(applied);
      ASSERT_TRUE((*store)->put_certificate(chain.commit_certificate(height)));
    }
    while ((*store)->backfill_floor() > 1) {
      auto block = past((*store)->past_wanted());
      ASSERT_TRUE((*store)->add_past(block, past_rows_of(chain, block)).has_value());
    }
    ASSERT_TRUE((*store)->finish_past(*chain.execute(nullptr, chain.block(0))));
    auto links = (*store)->latest().epoch_links(chain.epoch());
    ASSERT_OK(links);
    auto followed = EpochChain::follow(chain.genesis(), *links);
    ASSERT_OK(followed);
    EXPECT_EQ(followed->last(), chain.epoch());
    ASSERT_TRUE((*store)->checkpoint());
    store->reset();
    TempDir scratch;
    VerifyOptions options;
    options.directory = joiner_dir.path();
    options.genesis = &chain.genesis();
    options.executor = &chain;
    options.scratch_directory = scratch.path();
    auto report = verify_ledger(options);
    ASSERT_OK(report);
    for (const auto& finding : report->findings)
      ADD_FAILURE() << finding.height << " " << finding.where << ": " << finding.what;
  }
};

TEST_F(EpochsSnapshotTest, JoinsOverEndsBelow) {
  make({3, 9});
  EXPECT_EQ(manifest.epochs.size(), 2u);
  join_and_become_whole();
}

TEST_F(EpochsSnapshotTest, JoinsAtAnEnd) {
  make({3, kSnapshot});
  EXPECT_EQ(manifest.epochs.size(), 2u);
  join_and_become_whole();
}

TEST_F(EpochsSnapshotTest, JoinsWhileAnEpochEndsAbove) {
  make({5, kSnapshot + 1, kSnapshot + 3});
  EXPECT_EQ(manifest.epochs.size(), 3u);
  join_and_become_whole();
}

TEST_F(EpochsSnapshotTest, JoinsBelowAnEndThatIsTheLastHeader) {
  make({kTip});
  EXPECT_TRUE(manifest.epochs.empty()) << "the last header is signed by the members of the epoch it ends";
  join_and_become_whole();
}

TEST_F(EpochsSnapshotTest, BadManifests) {
  make({3, kSnapshot + 1});
  ASSERT_EQ(verify(manifest), ErrorCode::OK);
  EXPECT_EQ(SnapshotManifest::decode(kSuite, manifest.encode())->epochs, manifest.epochs);
  EXPECT_EQ(manifest.verify(chain.genesis())->last(), 3u);
  auto changed = manifest;
  changed.epochs.pop_back();
  EXPECT_EQ(verify(changed), ErrorCode::BAD_PROOF) << "the last headers are of an epoch nobody knows";
  changed = manifest;
  changed.epochs.erase(changed.epochs.begin());
  EXPECT_EQ(verify(changed), ErrorCode::BAD_PROOF);
  changed = manifest;
  std::swap(changed.epochs[0], changed.epochs[1]);
  EXPECT_EQ(verify(changed), ErrorCode::BAD_PROOF);
  changed = manifest;
  changed.epochs[0].next_members[70] ^= 1;
  EXPECT_EQ(verify(changed), ErrorCode::BAD_PROOF);
  changed = manifest;
  changed.epochs[1].commit_certificate.back() ^= 1;
  EXPECT_EQ(verify(changed), ErrorCode::BAD_CERTIFICATE);
  // The end of the epoch that the snapshot stands in is signed by its own members, not by the next.
  changed = manifest;
  const auto& end = chain.block(kSnapshot + 1)->skeleton.header;
  changed.epochs[1].commit_certificate =
      galen::test::commit_by(chain.members(3), chain.genesis().chain_id, 3, end).encode();
  EXPECT_EQ(verify(changed), ErrorCode::BAD_CERTIFICATE);
  changed = manifest;
  changed.certificate = galen::test::commit_by(chain.members(2), chain.genesis().chain_id, 2, manifest.headers.back());
  EXPECT_EQ(verify(changed), ErrorCode::BAD_CERTIFICATE);
  const auto good = manifest.encode();
  for (std::size_t cut = 1; cut < good.size(); cut += 211)
    EXPECT_NE(code_of(SnapshotManifest::decode(kSuite, ByteSpan(good).first(good.size() - cut))), ErrorCode::OK);
}

TEST_F(EpochsSnapshotTest, PastBlocksAreCheckedWithTheMembersOfTheirEpoch) {
  make({5, 9});
  auto view = source->snapshot();
  const auto epochs = *(*view)->epochs(chain.genesis());
  for (Height height : {4u, 5u, 6u, 9u, 11u}) {
    const PastWanted wanted{height, chain.info(height).digest, chain.info(height).results_root};
    const auto bytes = **encode_past_block(**view, height);
    EXPECT_EQ(code_of(check_past_block(epochs, wanted, bytes)), ErrorCode::OK) << height;
    // Who knows genesis alone cannot judge a later epoch.
    EXPECT_EQ(code_of(check_past_block(EpochChain(chain.genesis()), wanted, bytes)),
              height <= 5 ? ErrorCode::OK : ErrorCode::BAD_PROOF);
    ByteReader in(bytes);
    const auto block = in.sized(1 << 20), outcomes = in.sized(1 << 20), below = in.raw(32);
    const auto epoch = chain.block(height)->skeleton.header.epoch;
    const auto other = epoch == 3 ? epoch - 1 : epoch + 1;
    const auto foreign = galen::test::commit_by(chain.members(other), chain.genesis().chain_id, other,
                                                chain.block(height)->skeleton.header);
    const auto wrong = ByteWriter().sized(block).sized(outcomes).raw(below).sized(foreign.encode()).sized({}).bytes();
    EXPECT_EQ(code_of(check_past_block(epochs, wanted, wrong)), ErrorCode::BAD_CERTIFICATE) << height;
  }
}

}  // namespace
}  // namespace galen::ledger::test
