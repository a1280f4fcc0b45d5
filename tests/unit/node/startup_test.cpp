// What a start takes from ledger and log: batches that may not stand in the chain again, and those still on their way.
#include "node/startup.hpp"

#include <gtest/gtest.h>

#include "galen/types/membership.hpp"
#include "memory_disk.hpp"
#include "node/log_records.hpp"
#include "node/log_replay.hpp"
#include "node/participants.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::node {
namespace {

using execution::test::take;

class StartupTest : public execution::test::ExecutionTest {
 protected:
  StartupTest() : identity{chain.genesis, 0, chain.genesis.context(), chain.keys[0]} {}

  /// One anchor, in time for `ttl_ms` from now.
  BatchPtr batch(std::uint64_t ttl_ms) {
    auto draft = chain.draft(service_a, {anchor()});
    draft.valid_until_ms = chain.time_ms + ttl_ms;
    return chain.batch(0, {chain.item(draft)});
  }
  consensus::Recovered load() {
    consensus::Recovered recovered;
    EXPECT_TRUE(load_ledger(identity, node.store(), recovered));
    return recovered;
  }
  void log_batch(const Bytes& bytes) { replay.add({++seq, kLogBatch, false, false, bytes}); }

  const Identity identity;
  LogReplay replay;
  LogSeq seq = 100;
};

TEST_F(StartupTest, KnowsEveryBatchOfTheChainThatIsStillInTime) {
  const auto ttl_max_ms = chain.genesis.parameters.ttl_max_ms;
  for (int i = 0; i < 12; ++i) {
    run({batch(1000), batch(ttl_max_ms / 2), batch(ttl_max_ms)});
    run({});
    chain.time_ms += ttl_max_ms / 5;
  }
  const auto tip_ms = chain.parent.time_ms;
  std::vector<std::pair<Hash, TimestampMs>> expected;
  for (const auto& block : chain.blocks)
    for (const auto& batch : block->batches)
      if (batch->header().valid_until_ms >= tip_ms)
        expected.emplace_back(batch->digest(), batch->header().valid_until_ms);
  EXPECT_GE(expected.size(), 5u);
  EXPECT_LT(expected.size(), chain.blocks.size());
  EXPECT_EQ(load().recent_batches, expected);
}

TEST_F(StartupTest, BodiesOfTheLogAreDecodedOnlyWhenTheyAreNeeded) {
  auto executed = batch(60'000), pending = batch(60'000), expired = batch(50);
  run({executed});
  run({});
  auto damaged = executed->bytes();
  damaged.back() ^= 1;
  log_batch(damaged);
  log_batch(expired->bytes());
  log_batch(pending->bytes());
  log_batch(pending->bytes());
  auto bodies = take(LoggedBatches::index(identity, replay));
  EXPECT_EQ(take(bodies.find(pending->digest()))->bytes(), pending->bytes());
  EXPECT_EQ(take(bodies.find(Hash{})), nullptr);
  EXPECT_EQ(bodies.find(executed->digest()).error().code, ErrorCode::CORRUPT);

  BatchPool pool{4};
  auto recovered = load();
  ASSERT_TRUE(load_pending(identity, bodies, pool, recovered));
  ASSERT_EQ(recovered.pending.size(), 1u);
  EXPECT_EQ(recovered.pending[0].digest, pending->digest());
  EXPECT_EQ(pool.first_needed(), 103u);
  EXPECT_EQ(pool.find(executed->digest()), nullptr);
}

TEST_F(StartupTest, ADamagedBodyThatIsNeededEndsTheStart) {
  auto pending = batch(60'000)->bytes();
  pending.back() ^= 1;
  log_batch(pending);
  auto bodies = take(LoggedBatches::index(identity, replay));
  BatchPool pool{4};
  auto recovered = load();
  EXPECT_EQ(load_pending(identity, bodies, pool, recovered).error().code, ErrorCode::CORRUPT);
  log_batch(Bytes(kBatchHeaderBytes - 1));
  EXPECT_EQ(LoggedBatches::index(identity, replay).error().code, ErrorCode::CORRUPT);
}

TEST_F(StartupTest, CommittedBlocksAboveTheLedgerAreExecutedFromTheLog) {
  auto body = batch(60'000);
  auto block = chain.block({body});
  auto certificate = chain.commit_certificate(block->skeleton.header);
  replay.add({++seq, kLogCommitted, false, false, encode_committed(block->skeleton, certificate)});
  auto without_body = take(LoggedBatches::index(identity, replay));
  ASSERT_TRUE(replay_blocks(identity, replay, without_body, node.executor(), node.store()));
  EXPECT_EQ(node.executor().applied_height(), block->skeleton.header.height - 1);
  log_batch(body->bytes());
  auto bodies = take(LoggedBatches::index(identity, replay));
  ASSERT_TRUE(replay_blocks(identity, replay, bodies, node.executor(), node.store()));
  EXPECT_EQ(node.executor().applied_height(), block->skeleton.header.height);
  EXPECT_EQ(load().recent_batches.back().first, body->digest());
}

/// Members 0 to 2 give member 1 another CA, and the epoch ends.
class LaterEpochTest : public StartupTest {
 protected:
  LaterEpochTest() {
    for (MemberIndex i = 0; i < 3; ++i) admin_keys.push_back(crypto::PrivateKey::generate(chain.genesis.suite));
    std::vector<BatchPtr> batches;
    for (MemberIndex i = 0; i < 3; ++i) batches.push_back(chain.batch(i, {chain.item(chain.admin(i), {set_key(i)})}));
    execute(chain.block(std::move(batches)));
  }
  ledger::v1::Operation set_key(MemberIndex i) {
    ledger::v1::Operation operation;
    const auto key = admin_keys[i].public_key();
    operation.mutable_set_admin_key()->set_key(key.str());
    operation.mutable_set_admin_key()->set_proof(
        admin_keys[i].sign(admin_key_sign_bytes(chain.genesis.chain_id, chain.admin(i), key)).str());
    return operation;
  }
  void execute(const BlockPtr& block) { last = node.apply(block); }
  void approve_new_ca() {
    const auto id = execution::test::random_id<Hash>(chain.rng);
    ledger::v1::Operation operation;
    operation.mutable_propose_members()->set_proposal_id(id.str());
    auto* pin = operation.mutable_propose_members()->mutable_change()->mutable_pin_ca();
    pin->set_member(chain.member(1).str());
    pin->set_tls_ca(execution::test::random_id<Hash>(chain.rng).str());
    for (MemberIndex i = 0; i < 3; ++i) {
      execute(chain.block({chain.batch(i, {chain.item(chain.admin(i), {operation}, &admin_keys[i])})}));
      EXPECT_EQ(codes(last), std::vector{ErrorCode::OK});
      operation.Clear();
      operation.mutable_vote_members()->set_proposal_id(id.str());
      operation.mutable_vote_members()->set_vote(ledger::v1::MEMBERS_VOTE_APPROVE);
    }
    ASSERT_TRUE(last.next_members.has_value());
  }
  void end_epoch() {
    const auto next = *last.next_members;
    auto block = std::make_shared<Block>(*chain.block({}, &last));
    block->skeleton.header.flags = kEpochEnd;
    block->skeleton.header.next_members_hash = next.hash(chain.genesis.suite);
    chain.replace_last(block);
    execute(block);
    later = identity;
    later->context.epoch = 2;
    later->context.members_hash = next.hash(chain.genesis.suite);
  }

  std::vector<crypto::PrivateKey> admin_keys;
  execution::ExecutedBlock last;
  std::optional<Identity> later;
};

TEST_F(LaterEpochTest, WhatIsPendingAndWhereTheEpochBeganStandsInTheLedger) {
  EXPECT_EQ(load().epoch_base, 0u);
  EXPECT_TRUE(load().pending_members.empty());
  approve_new_ca();
  const auto decided = last;
  auto block = chain.block({}, &last);
  execute(block);
  auto recovered = load();
  ASSERT_EQ(recovered.pending_members.size(), 2u);
  EXPECT_EQ(recovered.pending_members.begin()->first, decided.height);
  EXPECT_EQ(recovered.pending_members.begin()->second, decided.next_members->hash(chain.genesis.suite));
  EXPECT_FALSE(take(are_participants_new(identity, node.view())));
  end_epoch();
  recovered = load();
  EXPECT_EQ(recovered.epoch_base, last.height);
  EXPECT_TRUE(recovered.tip.header.epoch_end());
  EXPECT_TRUE(recovered.pending_members.empty());
  EXPECT_TRUE(take(are_participants_new(identity, node.view())));
  EXPECT_FALSE(take(are_participants_new(*later, node.view())));
}

TEST_F(LaterEpochTest, WhoIsLeftOutAndWhatTheTipsViewStandsOnStandsInTheLedger) {
  auto tenure = [&](View view) {
    auto block = std::make_shared<Block>(*chain.block({}, last.height > 0 ? &last : nullptr));
    block->skeleton.header.view = view;
    block->skeleton.header.flags = kTenureEnd;
    chain.replace_last(block);
    execute(block);
  };
  for (View view : {0, 2, 3, 4, 6}) tenure(view);
  EXPECT_EQ(load().leader_skips, (std::vector{LeaderSkip{1, 8, 40, last.height}}));
  EXPECT_EQ(load().tip.base_exec_height, last.height - 2) << "what the block of view 4 had executed";
  approve_new_ca();
  end_epoch();
  EXPECT_TRUE(load().leader_skips.empty());
}

TEST_F(LaterEpochTest, BatchesOfTheEpochBeforeAreNotPendingButTheirTransactionsAreTakenUp) {
  auto ours = batch(60'000);
  auto theirs = chain.batch(1, {chain.item(service_b, {ask()})});
  approve_new_ca();
  end_epoch();
  for (const auto& one : {ours, theirs}) log_batch(one->bytes());
  auto bodies = take(LoggedBatches::index(*later, replay));
  EXPECT_EQ(take(bodies.find(ours->digest()))->bytes(), ours->bytes()) << "whatever its epoch";
  BatchPool pool{4};
  auto recovered = load();
  ASSERT_TRUE(load_pending(*later, bodies, pool, recovered));
  EXPECT_TRUE(recovered.pending.empty());
  EXPECT_EQ(pool.find(ours->digest()), nullptr);
  const auto items = take(load_left_over(*later, bodies, node.store(), recovered));
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].transaction.id(), ours->items()[0].transaction.id());
}

TEST_F(LaterEpochTest, ALogBegunAnewHoldsWhatIsStillNeededOfTheOldOne) {
  auto ours = batch(60'000), expired = batch(50);
  auto theirs = chain.batch(1, {chain.item(service_b, {ask()})});
  approve_new_ca();
  end_epoch();
  auto of_now = [&] {
    return std::make_shared<const Batch>(
        Batch::make(later->context, {1, {chain.item(service_b, {ask()})}}, chain.keys[1]));
  };
  auto present = of_now();
  auto damaged = of_now()->bytes();
  damaged.back() ^= 1;
  for (const auto& one : {ours, expired, theirs, BatchPtr(present)}) log_batch(one->bytes());
  log_batch(damaged);
  auto bodies = take(LoggedBatches::index(*later, replay));
  MemoryDisk disk;
  ASSERT_TRUE(Log::create("d", {.segment_bytes = 64 * 1024}, disk));
  auto log = std::move(take(Log::open(
                                "d", [](const ReplayedRecord&) {}, disk))
                           .log);
  const std::vector<Bytes> outbox{to_bytes(std::string_view("owed"))};
  const auto state = take(begin_log_anew(*later, bodies, node.store(), load(), outbox, *log));
  EXPECT_EQ(state.epoch(), 2u);
  EXPECT_EQ(state.mode(), consensus::Mode::recovering);
  replay = {};
  EXPECT_EQ(take(Log::open(
                     "d", [&](const ReplayedRecord& record) { replay.add(record); }, disk))
                .verdict.kind,
            LogVerdict::Kind::clean);
  EXPECT_TRUE(replay.started_over);
  EXPECT_EQ(take(recover_safety(*later, node.store(), replay)).mode(), consensus::Mode::recovering);
  ASSERT_EQ(replay.outbox.size(), 1u);
  EXPECT_EQ(replay.outbox[0].bytes, outbox[0]);
  ASSERT_EQ(replay.batches.size(), 2u) << "not the others' of the epoch before, nor what is expired or does not decode";
  EXPECT_EQ(replay.batches[0].bytes, ours->bytes());
  EXPECT_EQ(replay.batches[1].bytes, present->bytes());
}

TEST_F(LaterEpochTest, TakesPartUnderTheNamesOfGenesisWithThePinsOfTheEpoch) {
  approve_new_ca();
  end_epoch();
  const auto membership = take(node.executor().membership());
  const Participant guest{{execution::test::random_id<PrincipalId>(chain.rng), chain.keys[0].public_key(), {}}, "guest", "its CA"};
  const auto all = take(load_participants(chain.genesis, node.view(), membership, guest));
  ASSERT_EQ(all.all.size(), 5u);
  EXPECT_EQ(all.voters.encode(), membership.members.encode());
  EXPECT_EQ(all.learners, 0u);
  for (MemberIndex i = 0; i < 4; ++i) {
    EXPECT_EQ(all.all[i].name, chain.genesis.members[i].name);
    EXPECT_EQ(all.all[i].member, membership.members[i]);
  }
  EXPECT_EQ(all.all[4], guest) << "who takes no part stands behind those who do";
  auto outsider = *later;
  outsider.participants = all;
  outsider.self = 4;
  EXPECT_EQ(outsider.role(), Role::none);
  EXPECT_EQ(later->role(), Role::voter);
}

TEST_F(LaterEpochTest, ACaOfTheNextEpochIsKnownFromItsDecisionOn) {
  const Participant own{chain.genesis.member_set[0], "A", ""};
  const auto participants = [&] { return take(load_participants(chain.genesis, node.view(), take(node.executor().membership()), own)); };
  for (const auto& one : participants().all) EXPECT_FALSE(one.next_ca.has_value());
  approve_new_ca();
  const auto pending = participants();
  for (MemberIndex i = 0; i < 4; ++i) EXPECT_EQ(pending.all[i].next_ca.has_value(), i == 1);
  EXPECT_EQ(pending.all[1].next_ca, (*last.next_members)[1].tls_ca);
  end_epoch();
  for (const auto& one : participants().all) EXPECT_FALSE(one.next_ca.has_value());
  EXPECT_TRUE(participants().former.empty()) << "all of the first epoch are still there";
}

TEST_F(StartupTest, TheKeyOfTheEpochIsTakenAndWithoutItTheNodeSignsNothing) {
  auto other = [&] { return crypto::PrivateKey::generate(chain.genesis.suite); };
  auto member = identity;
  member.participants = participants_of_genesis(chain.genesis, {chain.genesis.member_set[0], "A", ""});
  take_key(member, {other(), chain.keys[0]});
  EXPECT_TRUE(member.votes());
  EXPECT_EQ(member.consensus_key.public_key(), chain.keys[0].public_key());
  take_key(member, {other(), chain.keys[1]});
  EXPECT_TRUE(member.is_voter());
  EXPECT_FALSE(member.can_sign);
  EXPECT_FALSE(member.votes());
  take_key(member, {chain.keys[0]});
  EXPECT_TRUE(member.votes());
}

// Promises of a later epoch lie in segments that are used again while the node catches up: it cannot rely on them.
TEST_F(LaterEpochTest, ALedgerThatIsMadeAnewBesideALogOfALaterEpochDoesNotVote) {
  auto mode_in = [&](Epoch epoch) {
    return consensus::SafetyState(epoch, chain.genesis.suite).mode_record(consensus::Mode::voting);
  };
  replay.safety = {mode_in(1)};
  EXPECT_EQ(take(recover_safety(identity, node.store(), replay)).mode(), consensus::Mode::voting);
  replay.safety = {mode_in(1), mode_in(2)};
  EXPECT_EQ(take(recover_safety(identity, node.store(), replay)).mode(), consensus::Mode::recovering);
}

// It was no member before and is none yet, so nothing can have been forgotten; as a recovering one it could not vote when it is made one.
TEST_F(LaterEpochTest, WhoIsNoMemberAndCameBySnapshotIntoAnEpochIsFresh) {
  approve_new_ca();
  end_epoch();
  auto block = std::make_shared<Block>(*chain.block({}, &last));
  block->skeleton.header.epoch = 2;
  chain.replace_last(block);
  execute(block);
  replay.safety = {consensus::SafetyState(1, chain.genesis.suite).mode_record(consensus::Mode::fresh)};
  const Participant guest{{execution::test::random_id<PrincipalId>(chain.rng), chain.keys[0].public_key(), {}}, "guest", "its CA"};
  auto outsider = *later;
  outsider.participants = take(load_participants(chain.genesis, node.view(), take(node.executor().membership()), guest));
  outsider.self = 4;
  const auto state = take(recover_safety(outsider, node.store(), replay));
  EXPECT_TRUE(state.recorded());
  EXPECT_EQ(state.epoch(), 2u);
  EXPECT_EQ(state.mode(), consensus::Mode::fresh);
  EXPECT_FALSE(take(recover_safety(*later, node.store(), replay)).recorded()) << "a member without a word in its epoch has lost its log";
}

}  // namespace
}  // namespace galen::node
