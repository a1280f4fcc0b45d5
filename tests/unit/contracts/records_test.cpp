#include "unit/contracts/memory_state.hpp"

namespace galen::contracts::test {
namespace {

using RecordsTest = ContractTest;

std::optional<pb::RecordState> record(MemoryState& state, std::uint8_t pointer) {
  return state.value<pb::RecordState>(StateKind::record, make_id<PointerId>(pointer));
}

TEST_F(RecordsTest, AnAnchorKeepsItsFieldsAndTheExecutorAddsPeriodAndHeight) {
  time_ms = genesis.parameters.period_ms * 5 + 17;
  ASSERT_EQ(code(kServiceA, anchor(100)), ErrorCode::OK);
  auto row = record(state, 100);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->custodian(), id_text(kMemberA));
  EXPECT_EQ(row->subject(), id_text(kPatient));
  EXPECT_EQ(row->commitment(), id_text(200));
  EXPECT_EQ(row->status(), pb::RECORD_STATUS_CURRENT);
  EXPECT_EQ(row->retention(), pb::RETENTION_CLASS_HIPAA_6Y);
  EXPECT_EQ(row->period(), 5u);
  EXPECT_EQ(row->height(), 7u);
  auto list = state.id_lists.at({ListKind::patient_records, to_bytes(as_bytes(id_text(kPatient)))});
  EXPECT_EQ(list, to_bytes(as_bytes(id_text(100))));
}

TEST_F(RecordsTest, ARecordAboutNobodyIsInNoPatientsList) {
  ASSERT_EQ(code(kAdminA, anchor(100, 0)), ErrorCode::OK);
  EXPECT_TRUE(state.id_lists.empty());
}

TEST_F(RecordsTest, ANewVersionSupersedesItsPredecessorOnce) {
  ASSERT_EQ(code(kServiceA, anchor(100)), ErrorCode::OK);
  ASSERT_EQ(code(kServiceA, anchor(101, kPatient, 100)), ErrorCode::OK);
  EXPECT_EQ(record(state, 100)->status(), pb::RECORD_STATUS_SUPERSEDED);
  EXPECT_EQ(record(state, 100)->superseded_by(), id_text(101));
  EXPECT_EQ(record(state, 101)->supersedes(), id_text(100));
  EXPECT_EQ(code(kServiceA, anchor(102, kPatient, 100)), ErrorCode::RECORD_NOT_CURRENT);
}

TEST_F(RecordsTest, RefusesAnchorsThatAreNotAllowed) {
  ASSERT_EQ(code(kServiceA, anchor(100)), ErrorCode::OK);
  EXPECT_EQ(code(kServiceA, anchor(100)), ErrorCode::RECORD_EXISTS);
  EXPECT_EQ(code(kServiceB, anchor(101)), ErrorCode::NOT_CUSTODIAN);
  EXPECT_EQ(code(kServiceA, anchor(101, 77)), ErrorCode::SUBJECT_UNKNOWN);
  EXPECT_EQ(code(kServiceA, anchor(101, kServiceA)), ErrorCode::SUBJECT_UNKNOWN);
  EXPECT_EQ(code(kServiceA, anchor(101, kGonePatient)), ErrorCode::PRINCIPAL_INACTIVE);
  EXPECT_EQ(code(kServiceA, anchor(101, kPatient, 77)), ErrorCode::RECORD_NOT_FOUND);
  EXPECT_EQ(code(kServiceA, anchor(101, kKeyless, 100)), ErrorCode::SUBJECT_MISMATCH);
  EXPECT_EQ(code(kServiceA, anchor(101, kPatient, 101)), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(kPatient, anchor(101)), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(code(kMemberA, anchor(101)), ErrorCode::PERMISSION_DENIED);

  auto foreign = anchor(101, kPatient, 100);
  foreign.mutable_anchor_record()->set_custodian(id_text(kMemberB));
  EXPECT_EQ(code(kServiceB, foreign), ErrorCode::NOT_CUSTODIAN);
  EXPECT_FALSE(record(state, 101));
}

TEST_F(RecordsTest, RefusesShapesThatSayNothing) {
  auto broken = [](auto change) {
    auto operation = anchor(100);
    change(*operation.mutable_anchor_record());
    return check_operation(operation);
  };
  EXPECT_TRUE(broken([](auto&) {}).has_value());
  EXPECT_FALSE(broken([](auto& body) { body.set_pointer_id("short"); }).has_value());
  EXPECT_FALSE(broken([](auto& body) { body.set_pointer_id(std::string(32, '\0')); }).has_value());
  EXPECT_FALSE(broken([](auto& body) { body.clear_custodian(); }).has_value());
  EXPECT_FALSE(broken([](auto& body) { body.set_subject(std::string(31, 'x')); }).has_value());
  EXPECT_FALSE(broken([](auto& body) { body.clear_commitment(); }).has_value());
  EXPECT_FALSE(broken([](auto& body) { body.clear_canon(); }).has_value());
  EXPECT_TRUE(broken([](auto& body) { body.set_canon(pb::CANON_METHOD_JCS); }).has_value());
  EXPECT_FALSE(broken([](auto& body) { body.set_canon(static_cast<pb::CanonMethod>(3)); }).has_value());
  EXPECT_FALSE(broken([](auto& body) { body.set_status(pb::RECORD_STATUS_SUPERSEDED); }).has_value());
  EXPECT_FALSE(broken([](auto& body) { body.set_class_(static_cast<pb::RecordClass>(9)); }).has_value());
  EXPECT_FALSE(broken([](auto& body) { body.clear_retention(); }).has_value());
  EXPECT_FALSE(check_operation(pb::Operation{}).has_value());
}

TEST_F(RecordsTest, StatusMovesForwardOnly) {
  ASSERT_EQ(code(kServiceA, anchor(100)), ErrorCode::OK);
  ASSERT_EQ(code(kServiceA, anchor(101)), ErrorCode::OK);
  ASSERT_EQ(code(kServiceA, anchor(102, kKeyless)), ErrorCode::OK);
  const auto superseded = pb::RECORD_STATUS_SUPERSEDED, in_error = pb::RECORD_STATUS_ENTERED_IN_ERROR;

  EXPECT_EQ(code(kServiceA, set_status(77, in_error)), ErrorCode::RECORD_NOT_FOUND);
  EXPECT_EQ(code(kServiceB, set_status(100, in_error)), ErrorCode::NOT_CUSTODIAN);
  EXPECT_EQ(code(kServiceA, set_status(100, superseded)), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(kServiceA, set_status(100, superseded, 100)), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(kServiceA, set_status(100, in_error, 101)), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(kServiceA, set_status(100, pb::RECORD_STATUS_CURRENT)), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(kServiceA, set_status(100, superseded, 77)), ErrorCode::RECORD_NOT_FOUND);
  EXPECT_EQ(code(kServiceA, set_status(100, superseded, 102)), ErrorCode::SUBJECT_MISMATCH);

  EXPECT_EQ(code(kServiceA, set_status(100, superseded, 101)), ErrorCode::OK);
  EXPECT_EQ(code(kServiceA, set_status(101, superseded, 100)), ErrorCode::RECORD_NOT_CURRENT);
  EXPECT_EQ(code(kServiceA, set_status(100, superseded, 101)), ErrorCode::RECORD_NOT_CURRENT);
  EXPECT_EQ(code(kServiceA, set_status(100, in_error)), ErrorCode::OK);
  EXPECT_EQ(code(kServiceA, set_status(100, in_error)), ErrorCode::RECORD_NOT_CURRENT);
  EXPECT_EQ(record(state, 100)->superseded_by(), id_text(101));
}

}  // namespace
}  // namespace galen::contracts::test
