#include "galen/execution/proofs.hpp"

#include "galen/types/report.hpp"
#include "galen/types/state_key.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::execution::test {
namespace {

class ProofsTest : public ExecutionTest {
 protected:
  Result<TransactionProofFile> transaction(const TransactionId& id, std::vector<std::uint32_t> shown = {},
                                           CertifyOptions options = {}) {
    return build_transaction_proof(chain.genesis.context(), node.view(), id, std::move(shown), options);
  }
  Result<StateProofFile> state(StateKind kind, ByteSpan key, Height height = 0, CertifyOptions options = {}) {
    return build_state_proof(chain.genesis.context(), node.view(), static_cast<std::uint8_t>(kind), key, height,
                             options);
  }
  /// An empty block that confirms what was executed last; certified unless told otherwise.
  Height confirm(const ExecutedBlock& last, bool certified = true) {
    const auto block = chain.block({}, &last);
    node.apply(block);
    if (certified) {
      EXPECT_TRUE(node.store().put_certificate(chain.commit_certificate(block->skeleton.header)));
    }
    return block->skeleton.header.height;
  }
  /// Encoded, decoded and verified, as a reader does.
  TransactionVerdict verified(const TransactionProofFile& file) {
    return take(verify_transaction_file(chain.genesis, take(TransactionProofFile::decode(file.encode())))).transaction;
  }
  StateVerdict verified(const StateProofFile& file) {
    return take(verify_state_file(chain.genesis, take(StateProofFile::decode(file.encode())))).state;
  }
};

TEST_F(ProofsTest, OneOfABulkAtOnceAndThroughTheHistory) {
  std::vector<pb::Operation> anchors;
  for (int i = 0; i < 9; ++i) anchors.push_back(anchor());
  auto wanted = chain.item(service_a, anchors);
  const auto id = wanted.transaction.id();
  const auto done = run(
      {chain.batch(1, {chain.item(service_b, {ask()})}), chain.batch(0, {chain.item(service_a, {anchor()}), wanted})});
  EXPECT_EQ(transaction(id).error().code, ErrorCode::UNAVAILABLE);
  ASSERT_TRUE(node.store().put_certificate(chain.executed_certificate(done)));
  const auto at_once = take(transaction(id, {7}));
  EXPECT_FALSE(at_once.block.history);
  const auto verdict = verified(at_once);
  EXPECT_EQ(verdict.id, id);
  EXPECT_EQ(verdict.operations, 9);
  ASSERT_EQ(verdict.shown.size(), 1u);
  EXPECT_EQ(verdict.shown[0].index, 7);
  EXPECT_EQ(verdict.origin, chain.member(0));
  for (std::size_t i = 0; i < anchors.size(); ++i) {
    const auto bytes = at_once.encode();
    EXPECT_EQ(as_text(bytes).find(anchors[i].anchor_record().pointer_id()) != std::string_view::npos, i == 7) << i;
  }
  EXPECT_EQ(verified(take(transaction(id))).shown.size(), 9u);
  EXPECT_EQ(verified(take(transaction(id, {8, 0, 8}))).shown.size(), 2u);
  EXPECT_EQ(transaction(id, {9}).error().code, ErrorCode::INVALID_ARGUMENT);

  EXPECT_EQ(transaction(id, {}, {.by_history = true}).error().code, ErrorCode::UNAVAILABLE);
  const auto confirming = confirm(done);
  const auto near = take(transaction(id, {2}, {.by_history = true}));
  ASSERT_TRUE(near.block.history);
  EXPECT_FALSE(near.block.history->confirming.later);
  EXPECT_EQ(verified(near).shown[0].index, 2);
  // Long after, on a newer header, whose signers alone need to be known.
  ExecutedBlock last = done;
  for (int i = 0; i < 20; ++i) last = run(0, {chain.item(service_a, {anchor()})});
  const auto head = confirm(last);
  const auto far = take(transaction(id, {2}, {.at_height = head}));
  ASSERT_TRUE(far.block.history->confirming.later);
  const auto full = take(verify_transaction_file(chain.genesis, far));
  EXPECT_EQ(full.block.certified_height, head);
  EXPECT_GT(head, confirming + 20);
  EXPECT_EQ(transaction(id, {}, {.at_height = head - 1}).error().code, ErrorCode::UNAVAILABLE) << "not certified";
  for (auto before : {done.height - 1, done.height})
    EXPECT_EQ(transaction(id, {}, {.at_height = before}).error().code, ErrorCode::INVALID_ARGUMENT) << "never will be";
}

TEST_F(ProofsTest, ABlockWithoutCertificatesHangsOnALaterOne) {
  auto wanted = chain.item(service_b, {ask()});
  const auto done = run(1, {wanted});
  confirm(done, false);
  const auto more = run(0, {chain.item(service_a, {anchor()})});
  const auto last = confirm(more);
  const auto proof = take(transaction(wanted.transaction.id()));
  ASSERT_TRUE(proof.block.history && proof.block.history->confirming.later);
  const auto verdict = take(verify_transaction_file(chain.genesis, proof));
  EXPECT_EQ(verdict.block.certified_height, last);
  ASSERT_TRUE(verdict.transaction.shown[0].decision);
  EXPECT_FALSE(verdict.transaction.shown[0].decision->permit());
}

TEST_F(ProofsTest, AHeaderThatExecutedMoreSince) {
  auto wanted = chain.item(service_b, {anchor()});
  const auto done = run(1, {wanted});
  const auto more = run(0, {chain.item(service_a, {anchor()})});
  confirm(more);
  const auto proof = take(transaction(wanted.transaction.id()));
  EXPECT_EQ(proof.block.history->later_outcome_roots.size(), 1u);
  const auto verdict = verified(proof);
  EXPECT_EQ(verdict.code, ErrorCode::NOT_CUSTODIAN) << "a refusal is proved too";
  EXPECT_EQ(state(StateKind::parameters, {}, done.height, {.by_history = true}).error().code, ErrorCode::NOT_FOUND)
      << "no header confirms the state of that height by itself";
}

TEST_F(ProofsTest, RowsAndTheirAbsence) {
  const auto pointer = random_id<PointerId>(chain.rng);
  const auto done = run(0, {chain.item(service_a, {anchor(pointer)})});
  EXPECT_EQ(state(StateKind::record, pointer).error().code, ErrorCode::UNAVAILABLE);
  ASSERT_TRUE(node.store().put_certificate(chain.executed_certificate(done)));
  const auto present = verified(take(state(StateKind::record, pointer)));
  EXPECT_EQ(present.height, done.height);
  ASSERT_TRUE(present.value);
  pb::RecordState record;
  ASSERT_TRUE(record.ParseFromArray(present.value->data(), static_cast<int>(present.value->size())));
  EXPECT_EQ(record.height(), done.height);
  EXPECT_FALSE(verified(take(state(StateKind::record, random_id<PointerId>(chain.rng)))).value);
  EXPECT_TRUE(verified(take(state(StateKind::parameters, {}))).value);
  EXPECT_TRUE(verified(take(state(StateKind::principal, chain.member(2)))).value);
  for (auto kind : {StateKind::membership, StateKind::certified_roots, StateKind::leadership}) {
    EXPECT_FALSE(verified(take(state(kind, {}))).value);
    EXPECT_EQ(state(kind, pointer).error().code, ErrorCode::INVALID_ARGUMENT);
  }
  EXPECT_FALSE(verified(take(state(StateKind::epoch, epoch_key(2)))).value);
  EXPECT_FALSE(verified(take(state(StateKind::equivocation, equivocation_key(1, chain.member(2))))).value);
  EXPECT_EQ(state(StateKind{0}, {}).error().code, ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(state(StateKind::parameters, {}, 0, {.by_history = true, .at_height = 1}).error().code,
            ErrorCode::INVALID_ARGUMENT)
      << "block 1 certifies nothing that was executed, and never will: no reason to wait";
  EXPECT_EQ(state(StateKind{15}, {}).error().code, ErrorCode::INVALID_ARGUMENT);

  // Later, at the height before: what has not changed can be proved there, by the header that confirms it.
  confirm(done);
  const auto old = take(state(StateKind::record, pointer, done.height, {.by_history = true}));
  EXPECT_TRUE(old.block.history);
  EXPECT_EQ(verified(old).height, done.height);
  EXPECT_EQ(verified(take(state(StateKind::record, pointer, 0, {.by_history = true}))).height, done.height);
  pb::Operation erroneous;
  erroneous.mutable_set_record_status()->set_pointer_id(pointer.str());
  erroneous.mutable_set_record_status()->set_status(pb::RECORD_STATUS_ENTERED_IN_ERROR);
  const auto changed = run(0, {chain.item(service_a, {erroneous})});
  ASSERT_EQ(codes(changed), std::vector{ErrorCode::OK});
  EXPECT_EQ(state(StateKind::record, pointer, done.height).error().code, ErrorCode::NOT_FOUND);
  EXPECT_TRUE(verified(take(state(StateKind::parameters, {}, done.height))).value);
}

// While blocks come, the head is never certified yet; a row that it left alone can be proved all the same.
TEST_F(ProofsTest, TheNewestStateIsTheNewestThatIsCertified) {
  const auto pointer = random_id<PointerId>(chain.rng);
  const auto done = run(0, {chain.item(service_a, {anchor(pointer)})});
  run(0, {chain.item(service_a, {anchor()})});
  EXPECT_EQ(state(StateKind::record, pointer).error().code, ErrorCode::UNAVAILABLE);
  ASSERT_TRUE(node.store().put_certificate(chain.executed_certificate(done)));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(verified(take(state(StateKind::record, pointer))).height, done.height);
    run(0, {chain.item(service_a, {anchor()})});
  }
  pb::Operation erroneous;
  erroneous.mutable_set_record_status()->set_pointer_id(pointer.str());
  erroneous.mutable_set_record_status()->set_status(pb::RECORD_STATUS_ENTERED_IN_ERROR);
  const auto changed = run(0, {chain.item(service_a, {erroneous})});
  ASSERT_EQ(codes(changed), std::vector{ErrorCode::OK});
  EXPECT_EQ(state(StateKind::record, pointer).error().code, ErrorCode::UNAVAILABLE)
      << "its change is not certified yet";
  EXPECT_TRUE(state(StateKind::parameters, {}));
  ASSERT_TRUE(node.store().put_certificate(chain.executed_certificate(changed)));
  run(0, {chain.item(service_a, {anchor()})});
  EXPECT_EQ(verified(take(state(StateKind::record, pointer))).height, changed.height);
}

TEST_F(ProofsTest, ConsistencyOfAnyTwoHeights) {
  ExecutedBlock last;
  for (int i = 0; i < 12; ++i) {
    last = run(0, {chain.item(service_a, {anchor()})});
    if (i % 3 == 0) {
      ASSERT_TRUE(node.store().put_certificate(chain.commit_certificate(chain.parent)));
    }
  }
  const auto head = confirm(last);
  const auto build = [&](Height from, Height to) {
    return build_consistency_proof(chain.genesis.context(), node.view(), from, to);
  };
  for (Height from = 1; from < head; ++from)
    for (Height to = from + 1; to <= head; ++to) {
      const auto file = take(ConsistencyProofFile::decode(take(build(from, to)).encode()));
      const auto verdict = verify_consistency_file(chain.genesis, file);
      ASSERT_TRUE(verdict) << from << " " << to << ": " << verdict.error().message;
      EXPECT_EQ(verdict->from.height, from);
      EXPECT_EQ(verdict->to.height, to);
    }
  EXPECT_EQ(take(verify_consistency_file(chain.genesis, take(build(3, 0)))).to.height, head);
  EXPECT_EQ(build(0, 5).error().code, ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(build(5, 5).error().code, ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(build(5, head + 1).error().code, ErrorCode::NOT_FOUND);
}

TEST_F(ProofsTest, UnknownTransactionsHaveNone) {
  EXPECT_EQ(transaction(random_id<TransactionId>(chain.rng)).error().code, ErrorCode::NOT_FOUND);
}

}  // namespace
}  // namespace galen::execution::test
