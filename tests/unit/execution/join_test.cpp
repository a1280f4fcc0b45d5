// A node that joins by a snapshot against one that executed every block: the same rows, the same answers to a request
// id on either side of the snapshot, the same roots afterwards (docs/spec/snapshots.md 3 and 4).
#include "galen/execution/past_rows.hpp"
#include "galen/ledger/installer.hpp"
#include "galen/ledger/snapshot_files.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::execution::test {

class JoinTest : public ExecutionTest {
 protected:
  /// What is refused and answered in every way there is, two items of one id among them.
  void make_past() {
    auto grant_to = [&](const PrincipalId& grantee) {
      auto operation = grant(random_id<ConsentId>(chain.rng));
      operation.mutable_grant_consent()->set_grantee(grantee.str());
      return operation;
    };
    const auto stranger = random_id<PrincipalId>(chain.rng), late = random_id<PrincipalId>(chain.rng);
    auto foreign_requester = ask();
    foreign_requester.mutable_decide()->set_requester(chain.member(2).str());
    auto twice = chain.item(service_a, {anchor(), anchor()});
    run({chain.batch(0, {chain.item(stranger, {anchor()}),                         // the author is unknown
                         chain.item(patient, {grant_to(stranger)}, &patient_key),  // the grantee is
                         chain.item(patient, {grant_to(chain.member(1))}, &patient_key), twice,
                         chain.item(late, {anchor()}),  // not registered yet
                         chain.item(chain.admin(0), {registration(late, pb::PRINCIPAL_KIND_SERVICE)}),
                         chain.item(late, {anchor()})}),
         chain.batch(1, {chain.item(service_a, {anchor()}),           // NOT_YOUR_MEMBER: nobody vouches
                         chain.item(service_b, {foreign_requester}),  // NOT_YOUR_MEMBER: by the operation
                         chain.item(service_b, {ask(), ask()}), chain.item(service_b, {ask()})})});
    auto other_key = crypto::PrivateKey::generate(kSuite);
    auto expired = chain.draft(service_a, {anchor()});
    expired.valid_until_ms = chain.time_ms + 50;
    auto too_far = chain.draft(service_a, {anchor()});
    too_far.valid_until_ms = chain.time_ms + chain.genesis.parameters.ttl_max_ms + 10'000;
    run(0, {twice, chain.item(patient, {grant_to(chain.member(1))}, &other_key), chain.item(too_far),
            chain.item(service_a, {anchor(), anchor()})});
    run(0, {chain.item(expired), chain.item(service_a, {anchor()})});
  }

  /// Installs a snapshot of the height that `frozen` shows; `certifying` has it as exec_height.
  void join(const ledger::View& frozen, const BlockHeader& certifying) {
    ledger::SnapshotFiles files(node.directory());
    ledger::SnapshotFiles::Source snapshot;
    snapshot.view = &frozen;
    snapshot.headers = {frozen.head().header, certifying};
    snapshot.certificate = chain.commit_certificate(certifying);
    snapshot.context = chain.genesis.context();
    snapshot.pace = [] { return true; };
    ASSERT_TRUE(files.make(snapshot).has_value());
    auto manifest = take(ledger::SnapshotManifest::decode(kSuite, take(files.manifest(frozen.height()))));
    ASSERT_TRUE(manifest.verify(chain.genesis).has_value());

    auto installer = take(ledger::Installer::begin(options(), manifest));
    for (auto index : installer->missing_parts()) {
      auto rows = take(ledger::check_snapshot_part(kSuite, {frozen.height(), manifest.depth, index},
                                                   manifest.nodes[index], take(files.part(frozen.height(), index))));
      ASSERT_TRUE(installer->add_part(index, rows).has_value());
    }
    while (auto wanted = take(installer->past_wanted(ttl_ms_))) {
      auto past = past_block(*wanted);
      auto rows = take(
          past_rows(chain.genesis, past, [&](std::uint8_t kind, ByteSpan key) { return installer->state(kind, key); }));
      ASSERT_TRUE(installer->add_past(past, rows).has_value());
    }
    auto finished = installer->finish();
    ASSERT_TRUE(finished.has_value()) << finished.error().message;
    installer.reset();
    ASSERT_TRUE(take(ledger::install_joined(dir_.path())));
    joined_ = take(ledger::Store::open(options()));
    executor_ = std::make_unique<Executor>(chain.genesis, *joined_);
  }
  ledger::PastBlock past_block(const ledger::PastWanted& wanted) {
    auto bytes = take(ledger::encode_past_block(*take(node.store().snapshot()), wanted.height));
    return take(ledger::check_past_block(EpochChain(chain.genesis), wanted, *bytes));
  }
  void backfill() {
    while (joined_->backfill_floor() > 1) {
      auto past = past_block(joined_->past_wanted());
      auto view = take(joined_->snapshot());
      auto rows =
          take(past_rows(chain.genesis, past, [&](std::uint8_t kind, ByteSpan key) { return view->state(kind, key); }));
      ASSERT_TRUE(joined_->add_past(past, rows).has_value());
    }
    auto finished = joined_->finish_past(BlockRunner(chain.genesis).run_genesis().update);
    ASSERT_TRUE(finished.has_value()) << finished.error().message;
  }
  void apply_to_both(const BlockPtr& block) {
    auto here = node.apply(block);
    auto there = take(executor_->apply(block));
    EXPECT_EQ(codes(there), codes(here));
    EXPECT_EQ(there.state_root, here.state_root);
    EXPECT_EQ(there.results_root, here.results_root);
  }
  void expect_same_rows() {
    for (const auto& block : chain.blocks)
      for (const auto& batch : block->batches)
        for (const auto& item : batch->items()) {
          const auto& id = item.transaction.id();
          EXPECT_EQ(take(joined_->latest().transaction(id)), take(node.view().transaction(id)))
              << "height " << block->skeleton.header.height;
        }
    const auto accesses = contracts::access_head_key(patient);
    for (auto [list, key] : {std::pair(contracts::ListKind::patient_records, to_bytes(patient)),
                             std::pair(contracts::ListKind::patient_consents, to_bytes(patient)),
                             std::pair(contracts::ListKind::patient_accesses, accesses)}) {
      auto own = take(joined_->latest().list(static_cast<std::uint8_t>(list), key, {.items_max = 1000}));
      EXPECT_EQ(own.entries, node.list(list, key));
      EXPECT_FALSE(own.entries.empty());
    }
    EXPECT_EQ(joined_->latest().head(), node.view().head());
  }
  ledger::StoreOptions options() const {
    ledger::StoreOptions out;
    out.directory = dir_.path();
    out.context = chain.genesis.context();
    return out;
  }

  TempDir dir_;
  std::uint64_t ttl_ms_ = 0;  ///< how far below the snapshot blocks are taken at once; the rest is backfilled
  std::unique_ptr<ledger::Store> joined_;
  std::unique_ptr<Executor> executor_;
};

TEST_F(JoinTest, TheSameRowsAsExecutingGave) {
  make_past();
  auto before = run(0, {chain.item(service_a, {anchor()})});
  auto executed = node.apply(chain.block({chain.batch(0, {chain.item(service_a, {anchor()})})}, &before));
  auto frozen = take(node.store().snapshot());
  auto certifying = chain.block({chain.batch(0, {chain.item(service_a, {anchor()})})}, &executed);
  node.apply(certifying);
  join(*frozen, certifying->skeleton.header);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_GT(joined_->backfill_floor(), 1u);
  EXPECT_EQ(take(executor_->apply(certifying)).state_root, node.view().head().state_root);
  backfill();
  expect_same_rows();
}

TEST_F(JoinTest, OneAnswerForAnIdOnBothSidesOfTheSnapshot) {
  make_past();
  ttl_ms_ = chain.genesis.parameters.ttl_max_ms;
  auto good = chain.item(service_a, {anchor()}),
       bad = chain.item(service_a, {anchor(random_id<PointerId>(chain.rng), 1)});
  auto executed = run(0, {good, bad});
  EXPECT_EQ(codes(executed), (std::vector{ErrorCode::OK, ErrorCode::NOT_CUSTODIAN}));
  auto frozen = take(node.store().snapshot());
  auto certifying = chain.block({}, &executed);
  node.apply(certifying);
  join(*frozen, certifying->skeleton.header);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(take(executor_->apply(certifying)).state_root, node.view().head().state_root);
  auto again = chain.block({chain.batch(0, {good, bad, chain.item(service_a, {anchor()})})});
  apply_to_both(again);
  EXPECT_EQ(take(node.view().outcomes(again->skeleton.header.height))->at(0).code,
            static_cast<std::uint32_t>(ErrorCode::DUPLICATE));
  // Past its ttl the id may be used again: the first answer stays the answer, here as there.
  chain.time_ms += 120'000;
  auto reused = chain.draft(service_a, {anchor()});
  reused.request_id = good.transaction.request_id();
  apply_to_both(chain.block({chain.batch(0, {chain.item(reused)})}));
  backfill();
  expect_same_rows();
}

}  // namespace galen::execution::test
