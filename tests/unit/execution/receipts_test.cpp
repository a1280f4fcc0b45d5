#include "galen/execution/receipts.hpp"

#include "unit/execution/chain_fixture.hpp"

namespace galen::execution::test {
namespace {

class ReceiptsTest : public ExecutionTest {
 protected:
  Result<pb::Receipt> receipt(const TransactionId& id) {
    return build_receipt(chain.genesis.context(), node.view(), id);
  }
  /// A block of three batches; the transaction of interest is the second of the second.
  ExecutedBlock run_among_others(const BatchItem& wanted) {
    return run({chain.batch(0, {chain.item(service_a, {anchor()}), chain.item(service_a, {anchor()})}),
                chain.batch(1, {chain.item(service_b, {ask()}), wanted, chain.item(service_b, {ask()})}),
                chain.batch(2, {chain.item(patient, {grant(random_id<ConsentId>(chain.rng))}, &patient_key)})});
  }
};

TEST_F(ReceiptsTest, AnExecutedCertificateMakesItVerifyFromGenesisAlone) {
  auto wanted = chain.item(service_b, {ask(), ask()});
  const auto done = run_among_others(wanted);
  EXPECT_EQ(receipt(wanted.transaction.id()).error().code, ErrorCode::UNAVAILABLE);
  EXPECT_TRUE(build_uncertified_receipt(chain.genesis.context(), node.view(), wanted.transaction.id()));
  ASSERT_TRUE(node.store().put_certificate(chain.executed_certificate(done)));

  const auto made = take(receipt(wanted.transaction.id()));
  const auto verdict = take(verify_receipt(chain.genesis, made));
  EXPECT_EQ(verdict.height, done.height);
  EXPECT_EQ(verdict.transaction_id, wanted.transaction.id());
  EXPECT_EQ(verdict.author, service_b);
  EXPECT_FALSE(verdict.author_signed);
  EXPECT_EQ(verdict.origin, chain.member(1));
  EXPECT_EQ(verdict.code, ErrorCode::OK);
  EXPECT_EQ(verdict.operations.size(), 2u);
  EXPECT_EQ(verdict.certified_by, (Signers{1, 4, {chain.member(1), chain.member(2), chain.member(3)}}));
  ASSERT_EQ(made.results_size(), 2);
  EXPECT_EQ(entry_of(to_bytes(std::string_view(made.results(1)))).sequence(), 3u);

  auto changed = made;
  changed.mutable_results(0)->back() ^= 1;
  EXPECT_FALSE(verify_receipt(chain.genesis, changed));
  changed = made;
  changed.set_code(static_cast<std::uint32_t>(ErrorCode::RECORD_EXISTS));
  EXPECT_FALSE(verify_receipt(chain.genesis, changed));
}

TEST_F(ReceiptsTest, ARejectionHasAReceiptToo) {
  auto wanted = chain.item(service_b, {anchor()});
  const auto done = run_among_others(wanted);
  ASSERT_TRUE(node.store().put_certificate(chain.executed_certificate(done)));
  const auto verdict = take(verify_receipt(chain.genesis, take(receipt(wanted.transaction.id()))));
  EXPECT_EQ(verdict.code, ErrorCode::NOT_CUSTODIAN);
}

TEST_F(ReceiptsTest, ThePatientsOwnSignatureShows) {
  auto wanted = chain.item(patient, {grant(random_id<ConsentId>(chain.rng))}, &patient_key);
  const auto done = run_among_others(wanted);
  ASSERT_TRUE(node.store().put_certificate(chain.executed_certificate(done)));
  const auto verdict = take(verify_receipt(chain.genesis, take(receipt(wanted.transaction.id()))));
  EXPECT_TRUE(verdict.author_signed);
}

TEST_F(ReceiptsTest, ALaterHeaderConfirmsItForEver) {
  auto wanted = chain.item(service_b, {ask()});
  const auto done = run_among_others(wanted);
  ASSERT_TRUE(node.store().put_certificate(chain.commit_certificate(chain.parent)));
  node.apply(chain.block({}));
  EXPECT_EQ(receipt(wanted.transaction.id()).error().code, ErrorCode::UNAVAILABLE);
  const auto later = chain.block({}, &done);
  node.apply(later);
  ASSERT_TRUE(node.store().put_certificate(chain.commit_certificate(later->skeleton.header)));
  const auto made = take(receipt(wanted.transaction.id()));
  ASSERT_TRUE(made.has_confirmation());
  EXPECT_EQ(made.confirmation().later_outcome_roots_size(), 0);
  EXPECT_TRUE(verify_receipt(chain.genesis, made)) << verify_receipt(chain.genesis, made).error().message;
}

TEST_F(ReceiptsTest, SoDoesAHeaderThatExecutedMoreSince) {
  auto wanted = chain.item(service_b, {ask()});
  run_among_others(wanted);
  ASSERT_TRUE(node.store().put_certificate(chain.commit_certificate(chain.parent)));
  run(0, {chain.item(service_a, {anchor()})});
  const auto more = run(0, {chain.item(service_a, {anchor()})});
  const auto later = chain.block({}, &more);
  node.apply(later);
  ASSERT_TRUE(node.store().put_certificate(chain.commit_certificate(later->skeleton.header)));
  const auto made = take(receipt(wanted.transaction.id()));
  EXPECT_EQ(made.confirmation().later_outcome_roots_size(), 2);
  auto verdict = verify_receipt(chain.genesis, made);
  EXPECT_TRUE(verdict) << verdict.error().message;
}

TEST_F(ReceiptsTest, ABlockWithoutACertificateOfItsOwnIsConfirmedByItsPlaceInTheHistory) {
  auto wanted = chain.item(service_b, {ask()});
  const auto done = run_among_others(wanted);
  const auto own = chain.commit_certificate(chain.parent);
  run(0, {chain.item(service_a, {anchor()})});
  const auto later = chain.block({}, &done);
  node.apply(later);
  EXPECT_EQ(receipt(wanted.transaction.id()).error().code, ErrorCode::UNAVAILABLE) << "nothing later is certified";
  ASSERT_TRUE(node.store().put_certificate(chain.commit_certificate(later->skeleton.header)));

  const auto made = take(receipt(wanted.transaction.id()));
  ASSERT_TRUE(made.has_confirmation());
  const auto& confirmation = made.confirmation();
  EXPECT_TRUE(confirmation.block_commit_certificate().empty());
  EXPECT_EQ(confirmation.history_path().index(), done.height);
  EXPECT_EQ(confirmation.history_path().size(), later->skeleton.header.height);
  const auto verdict = take(verify_receipt(chain.genesis, made));
  EXPECT_EQ(verdict.height, done.height);
  EXPECT_EQ(verdict.certified_by, (Signers{1, 4, {chain.member(0), chain.member(1), chain.member(3)}}));
  const auto again = take(decode_receipt_file(encode_receipt_file(made)));
  EXPECT_TRUE(verify_receipt(chain.genesis, again));

  // The path proves this block at this height: no other path does, and none may stand beside the COMMIT-QC.
  auto changed = made;
  changed.mutable_confirmation()->mutable_history_path()->set_index(done.height - 1);
  EXPECT_EQ(verify_receipt(chain.genesis, changed).error().code, ErrorCode::BAD_PROOF);
  changed = made;
  changed.mutable_confirmation()->set_block_commit_certificate(to_string(own.encode()));
  EXPECT_EQ(verify_receipt(chain.genesis, changed).error().message.substr(0, 36),
            "receipt: confirmation.history_path: ");
  EXPECT_EQ(verify_receipt(chain.genesis, changed).error().code, ErrorCode::MALFORMED);

  ASSERT_TRUE(node.store().put_certificate(own));
  const auto with_own = take(receipt(wanted.transaction.id()));
  EXPECT_FALSE(with_own.confirmation().has_history_path());
  EXPECT_EQ(with_own.confirmation().block_commit_certificate(), to_string(own.encode()));
  EXPECT_TRUE(verify_receipt(chain.genesis, with_own));
}

TEST_F(ReceiptsTest, ItsPlaceInTheHistoryServesWithAHeaderThatExecutedMoreSince) {
  auto wanted = chain.item(service_b, {ask()});
  run_among_others(wanted);
  run(0, {chain.item(service_a, {anchor()})});
  const auto more = run(0, {chain.item(service_a, {anchor()})});
  const auto later = chain.block({}, &more);
  node.apply(later);
  ASSERT_TRUE(node.store().put_certificate(chain.commit_certificate(later->skeleton.header)));
  const auto made = take(receipt(wanted.transaction.id()));
  EXPECT_TRUE(made.confirmation().has_history_path());
  EXPECT_EQ(made.confirmation().later_outcome_roots_size(), 2);
  auto verdict = verify_receipt(chain.genesis, made);
  EXPECT_TRUE(verdict) << verdict.error().message;
}

TEST_F(ReceiptsTest, TheFirstAnswerHasTheReceiptAndUnknownIdsHaveNone) {
  auto wanted = chain.item(service_b, {ask()});
  const auto done = run_among_others(wanted);
  ASSERT_TRUE(node.store().put_certificate(chain.executed_certificate(done)));
  const auto before = take(receipt(wanted.transaction.id())).SerializeAsString();
  EXPECT_EQ(run_one(1, wanted), ErrorCode::DUPLICATE);
  EXPECT_EQ(take(receipt(wanted.transaction.id())).SerializeAsString(), before);
  EXPECT_EQ(receipt(random_id<TransactionId>(chain.rng)).error().code, ErrorCode::NOT_FOUND);
}

}  // namespace
}  // namespace galen::execution::test
