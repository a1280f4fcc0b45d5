#include "unit/execution/chain_fixture.hpp"

namespace galen::execution::test {
namespace {

using ExecutorTest = ExecutionTest;

TEST_F(ExecutorTest, GenesisGivesMembersAndAdminsAndItsRootIsStable) {
  TestNode other(chain);
  auto admin = other.state<pb::PrincipalState>(StateKind::principal, chain.admin(2));
  ASSERT_TRUE(admin);
  EXPECT_EQ(admin->kind(), pb::PRINCIPAL_KIND_ADMIN);
  EXPECT_EQ(other.executor().applied_height(), 0u);
  EXPECT_EQ(other.apply(chain.blocks[0]).state_root, take(node.view().info(1))->state_root);
}

TEST_F(ExecutorTest, AnAnchorCostsThreeRowsAndTheBlocksConstant) {
  auto done = run(0, {chain.item(service_a, {anchor()})});
  EXPECT_EQ(done.rows.state, 1u);
  EXPECT_EQ(done.rows.transactions, 1u);
  EXPECT_EQ(done.rows.lists, 1u);
  EXPECT_EQ(done.rows.block, ledger::kRowsPerBlock);

  // A bulk of one patient: a state row each, and one list row and one index row for all of them.
  std::vector<pb::Operation> bulk;
  for (int i = 0; i < 100; ++i) bulk.push_back(anchor());
  done = run(0, {chain.item(service_a, std::move(bulk))});
  EXPECT_EQ(done.rows.state, 100u);
  EXPECT_EQ(done.rows.transactions, 1u);
  EXPECT_EQ(done.rows.lists, 1u);

  std::vector<BatchItem> items;
  for (int i = 0; i < 50; ++i) items.push_back(chain.item(service_a, {anchor()}));
  done = run(0, std::move(items));
  EXPECT_EQ(done.rows.state, 50u);
  EXPECT_EQ(done.rows.transactions, 50u);
  EXPECT_EQ(done.rows.lists, 1u);
}

TEST_F(ExecutorTest, ADecisionCostsThreeRows) {
  auto done = run(1, {chain.item(service_b, {ask()})});
  EXPECT_EQ(codes(done), std::vector{ErrorCode::OK});
  EXPECT_EQ(done.rows.state, 1u);
  EXPECT_EQ(done.rows.transactions, 1u);
  EXPECT_EQ(done.rows.lists, 1u);
}

TEST_F(ExecutorTest, AnEmptyBlockCostsTheConstantOnly) {
  auto done = run({});
  EXPECT_EQ(done.rows.total(), ledger::kRowsPerBlock);
}

TEST_F(ExecutorTest, RefusesAuthorsWhoDoNotStandBehindIt) {
  const auto stranger = random_id<PrincipalId>(chain.rng);
  EXPECT_EQ(run_one(0, chain.item(stranger, {anchor()})), ErrorCode::UNKNOWN_PRINCIPAL);
  EXPECT_EQ(run_one(1, chain.item(service_a, {anchor()})), ErrorCode::NOT_YOUR_MEMBER);
  EXPECT_EQ(run_one(0, chain.item(service_b, {ask()})), ErrorCode::NOT_YOUR_MEMBER);
  const auto foreign = crypto::PrivateKey::generate(kSuite);
  EXPECT_EQ(run_one(0, chain.item(patient, {grant(random_id<ConsentId>(chain.rng))}, &foreign)), ErrorCode::WRONG_KEY);
  EXPECT_EQ(run_one(0, chain.item(service_a, {anchor()}, &foreign)), ErrorCode::WRONG_KEY);
  EXPECT_EQ(run_one(0, chain.item(patient, {grant(random_id<ConsentId>(chain.rng))})), ErrorCode::ASSURANCE_TOO_LOW);
  EXPECT_EQ(run_one(0, chain.item(chain.member(0), {anchor()})), ErrorCode::PERMISSION_DENIED);
  const auto keyless = random_id<PrincipalId>(chain.rng);
  ASSERT_EQ(run_one(0, chain.item(service_a, {registration(keyless, pb::PRINCIPAL_KIND_PATIENT)})), ErrorCode::OK);
  EXPECT_EQ(run_one(0, chain.item(keyless, {grant(random_id<ConsentId>(chain.rng))}, &foreign)),
            ErrorCode::PATIENT_HAS_NO_KEY);

  auto webauthn = chain.item(service_a, {anchor()});
  webauthn.authorization.scheme = crypto::Scheme::webauthn_es256;
  EXPECT_EQ(run_one(0, webauthn), ErrorCode::BAD_SIGNATURE);
  // Signed, the patient's own goes through any member.
  EXPECT_EQ(run_one(2, chain.item(patient, {grant(random_id<ConsentId>(chain.rng))}, &patient_key)), ErrorCode::OK);
}

TEST_F(ExecutorTest, AnotherChainsTransactionDoesNotEvenDecode) {
  auto draft = chain.draft(service_a, {anchor()});
  draft.chain_id = random_id<Hash>(chain.rng);
  auto decoded = Transaction::decode(kSuite, chain.genesis.chain_id, Transaction::encode(draft));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::WRONG_CHAIN);
}

TEST_F(ExecutorTest, ChecksValidityAgainstBlockTime) {
  const auto next_ms = chain.time_ms + 100;
  auto with = [&](TimestampMs valid_until_ms) {
    auto draft = chain.draft(service_a, {anchor()});
    draft.valid_until_ms = valid_until_ms;
    return chain.item(draft);
  };
  const auto ttl_ms = chain.genesis.parameters.ttl_max_ms;
  auto done = run(0, {with(next_ms - 1), with(next_ms), with(next_ms + ttl_ms), with(next_ms + ttl_ms + 1)});
  EXPECT_EQ(codes(done),
            (std::vector{ErrorCode::EXPIRED, ErrorCode::OK, ErrorCode::OK, ErrorCode::VALID_UNTIL_TOO_FAR}));
  EXPECT_FALSE(done.items[0].answers);
  EXPECT_FALSE(take(node.view().transaction(done.items[0].id)));
  EXPECT_FALSE(take(node.view().transaction(done.items[3].id)));
}

TEST_F(ExecutorTest, ADuplicateInTheBlockOrLaterLeavesTheFirstAnswer) {
  auto first = chain.item(service_a, {anchor()});
  auto done = run(0, {first, first});
  EXPECT_EQ(codes(done), (std::vector{ErrorCode::OK, ErrorCode::DUPLICATE}));
  EXPECT_EQ(done.rows.state, 1u);
  EXPECT_EQ(done.rows.transactions, 1u);
  EXPECT_EQ(done.items[1].first->item, 0u);
  const auto height = done.height;

  // The same request_id over other operations is the same request.
  auto draft = chain.draft(service_a, {anchor()});
  draft.request_id = first.transaction.request_id();
  done = run({chain.batch(0, {chain.item(draft)}), chain.batch(0, {chain.item(service_a, {anchor()})})});
  EXPECT_EQ(codes(done), (std::vector{ErrorCode::DUPLICATE, ErrorCode::OK}));
  EXPECT_EQ(done.items[0].first->height, height);
  EXPECT_EQ(done.rows.transactions, 1u);
  auto row = take(node.view().transaction(first.transaction.id()));
  ASSERT_TRUE(row);
  EXPECT_EQ(row->first, row->latest);
  EXPECT_EQ(take(node.view().outcomes(done.height))->size(), 2u) << "every item has an outcome leaf";
}

TEST_F(ExecutorTest, TwoBodiesUnderOneIdInOneBlockGiveOneAnswerOnEveryReplica) {
  auto draft = chain.draft(patient, {grant(random_id<ConsentId>(chain.rng))});
  const auto first = chain.item(draft, &patient_key);
  draft.operations = {grant(random_id<ConsentId>(chain.rng))};
  const auto second = chain.item(draft, &patient_key);
  const auto done = run({chain.batch(1, {second}), chain.batch(0, {first}), chain.batch(2, {first, second})});
  EXPECT_EQ(codes(done),
            (std::vector{ErrorCode::OK, ErrorCode::DUPLICATE, ErrorCode::DUPLICATE, ErrorCode::DUPLICATE}));
  run(3, {first});
  const auto last = run(2, {second});

  // One replica that executes all at once, one that starts anew between any two blocks and executes again.
  TestNode straight(chain), restarted(chain);
  take(restarted.store().checkpoint());
  for (const auto& block : chain.blocks) {
    straight.apply(block);
    if (block->skeleton.header.height == done.height + 1) take(restarted.store().checkpoint());
    restarted.reopen();
    const auto from = restarted.executor().applied_height();
    for (auto height = from + 1; height <= block->skeleton.header.height; ++height)
      restarted.apply(chain.blocks[height - 1]);
  }
  for (auto* replica : {&straight, &restarted}) {
    EXPECT_EQ(replica->view().head().state_root, last.state_root);
    EXPECT_EQ(replica->view().head().results_root, last.results_root);
    auto row = take(replica->view().transaction(first.transaction.id()));
    ASSERT_TRUE(row);
    EXPECT_EQ(row->first.height, done.height);
    EXPECT_EQ(row->first.batch, 0u);
    EXPECT_EQ(row->first, row->latest);
  }
}

TEST_F(ExecutorTest, APastIdMayBeUsedAgainAndTheFirstStaysTheAnswer) {
  auto draft = chain.draft(service_a, {anchor()});
  draft.valid_until_ms = chain.time_ms + 150;
  auto first = chain.item(draft);
  ASSERT_EQ(run_one(0, first), ErrorCode::OK);
  const auto height = node.executor().applied_height();
  draft.operations = {anchor()};
  draft.valid_until_ms = chain.time_ms + 60'000;
  auto again = chain.item(draft);
  ASSERT_EQ(again.transaction.id(), first.transaction.id());
  auto done = run(0, {again, again});
  EXPECT_EQ(codes(done), (std::vector{ErrorCode::OK, ErrorCode::DUPLICATE}));
  EXPECT_EQ(done.items[1].first->height, height);
  auto row = take(node.view().transaction(first.transaction.id()));
  EXPECT_EQ(row->first.height, height);
  EXPECT_EQ(row->latest.height, done.height);
  EXPECT_EQ(run_one(0, again), ErrorCode::DUPLICATE);
}

TEST_F(ExecutorTest, AStrangersCopyCannotBurnARequestId) {
  auto honest = chain.item(service_a, {anchor()});
  auto done = run({chain.batch(2, {honest}), chain.batch(0, {honest})});
  EXPECT_EQ(codes(done), (std::vector{ErrorCode::NOT_YOUR_MEMBER, ErrorCode::OK}));
  EXPECT_FALSE(done.items[0].answers);
  EXPECT_EQ(take(node.view().transaction(honest.transaction.id()))->first.batch, 1u);
}

TEST_F(ExecutorTest, ABulkWithOneBadOperationWritesNothingButItsIndexRow) {
  const auto taken = random_id<PointerId>(chain.rng);
  ASSERT_EQ(run_one(0, chain.item(service_a, {anchor(taken)})), ErrorCode::OK);
  std::vector<pb::Operation> bulk;
  std::vector<PointerId> pointers;
  for (int i = 0; i < 20; ++i) {
    pointers.push_back(random_id<PointerId>(chain.rng));
    bulk.push_back(anchor(pointers.back()));
  }
  auto renewed = anchor();
  renewed.mutable_anchor_record()->set_supersedes(taken.str());
  bulk.push_back(renewed);
  bulk.push_back(anchor(taken));
  auto bad = chain.item(service_a, std::move(bulk));
  auto good = chain.item(service_a, {anchor(pointers[3])});
  auto done = run(0, {bad, good});
  EXPECT_EQ(codes(done), (std::vector{ErrorCode::RECORD_EXISTS, ErrorCode::OK}));
  EXPECT_TRUE(done.items[0].answers);
  EXPECT_TRUE(done.items[0].results.empty());
  EXPECT_EQ(done.rows.state, 1u);
  EXPECT_EQ(done.rows.transactions, 2u);
  EXPECT_EQ(done.rows.lists, 1u);
  EXPECT_FALSE(node.state<pb::RecordState>(StateKind::record, pointers[0]));
  EXPECT_EQ(node.state<pb::RecordState>(StateKind::record, taken)->status(), pb::RECORD_STATUS_CURRENT);
  auto row = take(node.view().transaction(bad.transaction.id()));
  ASSERT_TRUE(row);
  EXPECT_EQ(row->first.code, static_cast<std::uint32_t>(ErrorCode::RECORD_EXISTS));
  auto list = node.list(contracts::ListKind::patient_records, patient);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[1].value, to_bytes(pointers[3].span())) << "only what was anchored";
}

TEST_F(ExecutorTest, AFailedDecisionLeavesNoEntryBehind) {
  auto bad_question = ask();
  bad_question.mutable_decide()->set_purpose(60);
  auto done = run(1, {chain.item(service_b, {ask(), bad_question}), chain.item(service_b, {ask()})});
  EXPECT_EQ(codes(done), (std::vector{ErrorCode::BAD_PURPOSE, ErrorCode::OK}));
  EXPECT_EQ(entry_of(done.items[1].results[0]).sequence(), 1u);
  EXPECT_EQ(node.list(contracts::ListKind::patient_accesses, contracts::access_head_key(patient)).size(), 1u);
}

TEST_F(ExecutorTest, GrantDecideRevokeDecide) {
  const auto consent = random_id<ConsentId>(chain.rng);
  auto answer = [&] {
    auto done = run(1, {chain.item(service_b, {ask()})});
    EXPECT_EQ(done.items[0].code, ErrorCode::OK) << "a denial is an answer";
    return entry_of(done.items[0].results.at(0)).reason();
  };
  EXPECT_EQ(answer(), pb::DECISION_REASON_NO_CONSENT);
  ASSERT_EQ(run_one(3, chain.item(patient, {grant(consent)}, &patient_key)), ErrorCode::OK);
  EXPECT_EQ(answer(), pb::DECISION_REASON_CONSENT);
  ASSERT_EQ(run_one(0, chain.item(patient, {revoke(consent)}, &patient_key)), ErrorCode::OK);
  EXPECT_EQ(answer(), pb::DECISION_REASON_REVOKED);
  EXPECT_EQ(node.list(contracts::ListKind::patient_consents, patient).size(), 1u);
}

TEST_F(ExecutorTest, TheAccessHeadRecomputesFromTheBlocks) {
  for (int i = 0; i < 5; ++i) {
    std::vector<BatchItem> items;
    for (int j = 0; j < 3; ++j) items.push_back(chain.item(service_b, {ask(), ask()}));
    run(1, std::move(items));
  }
  Hash running;
  std::uint64_t count = 0;
  for (Height height = 1; height <= node.view().height(); ++height) {
    const auto outcomes = take(node.view().outcomes(height));
    ASSERT_TRUE(outcomes);
    for (const auto& outcome : *outcomes)
      for (const auto& result : outcome.results) {
        if (result.empty()) continue;
        running = next_access_hash(kSuite, running, result);
        EXPECT_EQ(entry_of(result).sequence(), ++count);
      }
  }
  const auto key = contracts::access_head_key(patient);
  auto head = node.state<pb::AccessHeadState>(StateKind::access_head, key);
  ASSERT_TRUE(head);
  EXPECT_EQ(count, 30u);
  EXPECT_EQ(head->count(), count);
  EXPECT_EQ(head->running_hash(), running.str());
  EXPECT_EQ(node.list(contracts::ListKind::patient_accesses, key).size(), 30u);

  // And the head is a proven leaf under the root that the members certify.
  auto root = take(node.view().info(node.view().height()))->state_root;
  auto proof =
      take(node.view().prove_state(static_cast<std::uint8_t>(StateKind::access_head), key, node.view().height()));
  EXPECT_TRUE(verify_state_proof(kSuite, root, static_cast<std::uint8_t>(StateKind::access_head), key,
                                 to_bytes(head->SerializeAsString()), proof.encode()));
}

TEST_F(ExecutorTest, ABlockAppliedAgainChangesNothing) {
  auto item = chain.item(service_a, {anchor()});
  auto done = run(0, {item});
  run({});
  auto again = node.apply(chain.blocks[done.height - 1]);
  EXPECT_TRUE(again.replayed);
  EXPECT_TRUE(again.items.empty());
  EXPECT_EQ(again.subject(), done.subject());
  EXPECT_EQ(node.executor().applied_height(), done.height + 1);

  auto other = std::make_shared<Block>(*chain.blocks[done.height - 1]);
  other->skeleton.header.time_ms += 1;
  auto refused = node.executor().apply(other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::CORRUPT);
}

TEST_F(ExecutorTest, AGapIsAFaultOfOurs) {
  chain.block({});
  auto ahead = chain.block({});
  EXPECT_DEATH(node.executor().apply(ahead).ignore("does not return"), "height == applied");
}

TEST_F(ExecutorTest, AfterACrashReplayGivesTheSameRoots) {
  run(0, {chain.item(service_a, {anchor()})});
  take(node.store().checkpoint());
  const auto durable = node.executor().applied_height();
  run(1, {chain.item(service_b, {ask()})});
  const auto last = run(0, {chain.item(service_a, {anchor()})});
  node.reopen();
  EXPECT_GE(node.executor().applied_height(), durable);
  ExecutedBlock replayed;
  for (const auto& block : chain.blocks) replayed = node.apply(block);
  EXPECT_EQ(replayed.subject(), last.subject());
}

}  // namespace
}  // namespace galen::execution::test
