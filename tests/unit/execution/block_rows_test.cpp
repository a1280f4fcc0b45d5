#include "execution/block_rows.hpp"

#include <set>

#include "unit/execution/chain_fixture.hpp"

namespace galen::execution::test {

class BlockRowsTest : public ExecutionTest {
 protected:
  static std::string key(StateKind kind, ByteSpan id) {
    return ledger::state_row_key(static_cast<std::uint8_t>(kind), id);
  }
  std::set<std::string> read_by(pb::Operation operation) {
    const auto keys = rows_read_by(*chain.block({chain.batch(0, {chain.item(service_a, {std::move(operation)})})}));
    std::set<std::string> out(keys.begin(), keys.end());
    EXPECT_TRUE(out.erase(key(StateKind::principal, service_a)) == 1) << "the author";
    return out;
  }
};

TEST_F(BlockRowsTest, WhatAnOperationNamesIsRead) {
  const auto pointer = random_id<PointerId>(chain.rng), other = random_id<PointerId>(chain.rng);
  const auto consent = random_id<ConsentId>(chain.rng);
  const auto record = key(StateKind::record, pointer), old = key(StateKind::record, other);
  const auto subject = key(StateKind::principal, patient), member = key(StateKind::principal, chain.member(1));
  auto next = anchor(pointer);
  EXPECT_EQ(read_by(next), (std::set{record, subject}));
  next.mutable_anchor_record()->set_supersedes(other.str());
  EXPECT_EQ(read_by(next), (std::set{record, old, subject}));
  next.mutable_anchor_record()->clear_subject();
  EXPECT_EQ(read_by(next), (std::set{record, old}));
  pb::Operation status;
  status.mutable_set_record_status()->set_pointer_id(pointer.str());
  status.mutable_set_record_status()->set_status(pb::RECORD_STATUS_ENTERED_IN_ERROR);
  EXPECT_EQ(read_by(status), std::set{record});
  EXPECT_EQ(read_by(grant(consent)), (std::set{key(StateKind::consent, consent), subject, member}));
  EXPECT_EQ(read_by(revoke(consent)), std::set{key(StateKind::consent, consent)});
  auto question = ask();
  EXPECT_EQ(read_by(question), std::set{subject});
  question.mutable_decide()->set_pointer_id(pointer.str());
  EXPECT_EQ(read_by(question), (std::set{subject, record}));
  EXPECT_EQ(read_by(registration(patient, pb::PRINCIPAL_KIND_PATIENT)), std::set{subject});
}

/// A row that the block itself writes is the written one, however often it was read ahead.
TEST_F(BlockRowsTest, WhatWasReadAheadDoesNotHideWhatTheBlockWrote) {
  const auto pointer = random_id<PointerId>(chain.rng);
  const auto twice = run(0, {chain.item(service_a, {anchor(pointer)}), chain.item(service_a, {anchor(pointer)})});
  EXPECT_EQ(codes(twice), (std::vector{ErrorCode::OK, ErrorCode::RECORD_EXISTS}));
  const auto item = chain.item(service_a, {anchor()});
  const auto again = run({chain.batch(0, {item}), chain.batch(0, {item})});
  EXPECT_EQ(codes(again), (std::vector{ErrorCode::OK, ErrorCode::DUPLICATE}));
  EXPECT_EQ(codes(run(0, {item})), std::vector{ErrorCode::DUPLICATE});
}

}  // namespace galen::execution::test
