// AnchorRecord and SetRecordStatus (H01): a pointer is written once by its custodian, and only its status moves later:
// CURRENT -> SUPERSEDED -> ENTERED_IN_ERROR, never back. A chain of versions has one CURRENT end, since only a CURRENT
// record can be superseded and only by one that is CURRENT itself.
#include "contracts/support.hpp"

namespace galen::contracts {

namespace {

bool is_class(pb::RecordClass value) {
  return value == pb::RECORD_CLASS_N || value == pb::RECORD_CLASS_R || value == pb::RECORD_CLASS_V;
}
bool is_retention(pb::RetentionClass value) {
  return value == pb::RETENTION_CLASS_NONE || value == pb::RETENTION_CLASS_HIPAA_6Y ||
         value == pb::RETENTION_CLASS_DSCSA_6Y;
}

Error invalid(const char* text) { return make_error(ErrorCode::INVALID_ARGUMENT, text); }

/// The version that an anchor replaces, checked; `subject` is the new one's.
Result<pb::RecordState> load_predecessor(const Context& context, const pb::AnchorRecord& operation, StateView& state) {
  auto old = load<pb::RecordState>(state, StateKind::record, as_bytes(operation.supersedes()));
  if (!old) return make_error(ErrorCode::RECORD_NOT_FOUND, "The record named by supersedes does not exist.");
  if (old->custodian() != context.author_state->home_member())
    return make_error(ErrorCode::NOT_CUSTODIAN, "The record named by supersedes has another custodian.");
  if (old->status() != pb::RECORD_STATUS_CURRENT)
    return make_error(ErrorCode::RECORD_NOT_CURRENT, "The record named by supersedes is not the newest version.");
  if (old->subject() != operation.subject())
    return make_error(ErrorCode::SUBJECT_MISMATCH, "The new version names another subject than its predecessor.");
  return std::move(*old);
}

pb::RecordState new_record(const Context& context, const pb::AnchorRecord& operation) {
  pb::RecordState value;
  value.set_format(1);
  value.set_custodian(operation.custodian());
  value.set_subject(operation.subject());
  value.set_commitment(operation.commitment());
  value.set_canon(operation.canon());
  value.set_supersedes(operation.supersedes());
  value.set_status(operation.status());
  value.set_class_(operation.class_());
  value.set_retention(operation.retention());
  value.set_period(context.time_ms / context.genesis->parameters.period_ms);
  value.set_height(context.height);
  return value;
}

}  // namespace

Status check_anchor_record(const pb::AnchorRecord& operation) {
  GALEN_TRY(check_id("anchor_record.pointer_id", operation.pointer_id()));
  GALEN_TRY(check_id("anchor_record.custodian", operation.custodian()));
  GALEN_TRY(check_optional_id("anchor_record.subject", operation.subject()));
  GALEN_TRY(check_id("anchor_record.commitment", operation.commitment()));
  GALEN_TRY(check_optional_id("anchor_record.supersedes", operation.supersedes()));
  if (operation.supersedes() == operation.pointer_id()) return invalid("A record cannot supersede itself.");
  if (operation.canon() != pb::CANON_METHOD_RAW && operation.canon() != pb::CANON_METHOD_JCS)
    return invalid("anchor_record.canon must be RAW or JCS.");
  if (operation.status() != pb::RECORD_STATUS_CURRENT) return invalid("anchor_record.status must be CURRENT.");
  if (!is_class(operation.class_())) return invalid("anchor_record.class must be N, R or V.");
  if (!is_retention(operation.retention())) return invalid("anchor_record.retention is not one of the known classes.");
  return {};
}

Status run_anchor_record(const Context& context, const pb::AnchorRecord& operation, StateView& state) {
  if (operation.custodian() != context.author_state->home_member())
    return make_error(ErrorCode::NOT_CUSTODIAN, "The custodian must be the author's own member.");
  if (load<pb::RecordState>(state, StateKind::record, as_bytes(operation.pointer_id())))
    return make_error(ErrorCode::RECORD_EXISTS, "This pointer id is taken.");
  if (!operation.subject().empty()) GALEN_TRY(check_patient(state, operation.subject()));

  if (!operation.supersedes().empty()) {
    GALEN_ASSIGN(auto old, load_predecessor(context, operation, state));
    old.set_status(pb::RECORD_STATUS_SUPERSEDED);
    old.set_superseded_by(operation.pointer_id());
    store(state, StateKind::record, as_bytes(operation.supersedes()), old);
  }
  store(state, StateKind::record, as_bytes(operation.pointer_id()), new_record(context, operation));
  if (!operation.subject().empty()) {
    state.meter().charge(Meter::kWrite);
    state.append_id(ListKind::patient_records, as_bytes(operation.subject()), as_bytes(operation.pointer_id()));
  }
  return {};
}

Status check_set_record_status(const pb::SetRecordStatus& operation) {
  GALEN_TRY(check_id("set_record_status.pointer_id", operation.pointer_id()));
  GALEN_TRY(check_optional_id("set_record_status.superseded_by", operation.superseded_by()));
  const bool names_successor = !operation.superseded_by().empty();
  switch (operation.status()) {
    case pb::RECORD_STATUS_SUPERSEDED:
      if (!names_successor) return invalid("SUPERSEDED needs superseded_by.");
      if (operation.superseded_by() == operation.pointer_id()) return invalid("A record cannot supersede itself.");
      return {};
    case pb::RECORD_STATUS_ENTERED_IN_ERROR:
      if (names_successor) return invalid("superseded_by goes with SUPERSEDED only.");
      return {};
    default:
      return invalid("set_record_status.status must be SUPERSEDED or ENTERED_IN_ERROR.");
  }
}

Status run_set_record_status(const Context& context, const pb::SetRecordStatus& operation, StateView& state) {
  const auto& home = context.author_state->home_member();
  auto record = load<pb::RecordState>(state, StateKind::record, as_bytes(operation.pointer_id()));
  if (!record) return make_error(ErrorCode::RECORD_NOT_FOUND, "No record has this pointer id.");
  if (record->custodian() != home)
    return make_error(ErrorCode::NOT_CUSTODIAN, "Another member is the custodian of this record.");
  if (operation.status() == pb::RECORD_STATUS_ENTERED_IN_ERROR) {
    if (record->status() == pb::RECORD_STATUS_ENTERED_IN_ERROR)
      return make_error(ErrorCode::RECORD_NOT_CURRENT, "The record is marked entered-in-error already.");
  } else {
    if (record->status() != pb::RECORD_STATUS_CURRENT)
      return make_error(ErrorCode::RECORD_NOT_CURRENT, "Only the newest version can be superseded.");
    auto successor = load<pb::RecordState>(state, StateKind::record, as_bytes(operation.superseded_by()));
    if (!successor) return make_error(ErrorCode::RECORD_NOT_FOUND, "The record named by superseded_by does not exist.");
    if (successor->custodian() != home)
      return make_error(ErrorCode::NOT_CUSTODIAN, "The record named by superseded_by has another custodian.");
    if (successor->status() != pb::RECORD_STATUS_CURRENT)
      return make_error(ErrorCode::RECORD_NOT_CURRENT, "The record named by superseded_by is not current.");
    if (successor->subject() != record->subject())
      return make_error(ErrorCode::SUBJECT_MISMATCH, "The record named by superseded_by has another subject.");
    record->set_superseded_by(operation.superseded_by());
  }
  record->set_status(operation.status());
  store(state, StateKind::record, as_bytes(operation.pointer_id()), *record);
  return {};
}

}  // namespace galen::contracts
