// Decide: the answer, its audit entry and the patient's new head are written together (H21, D10). A denial is an
// answer, not an error, and is audited like a permit.
#include "contracts/support.hpp"
#include "galen/contracts/decision.hpp"
#include "galen/types/purpose.hpp"

namespace galen::contracts {

namespace {

/// How far a consent gets: the questions in their order, the last one being a permit.
pb::DecisionReason ask(const pb::ConsentState& consent, TimestampMs time_ms, std::uint64_t bit) {
  if (consent.revoked()) return pb::DECISION_REASON_REVOKED;
  if (consent.not_after_ms() != 0 && consent.not_after_ms() <= time_ms) return pb::DECISION_REASON_EXPIRED;
  if (consent.not_before_ms() > time_ms) return pb::DECISION_REASON_NOT_YET_VALID;
  if ((consent.purposes() & bit) == 0) return pb::DECISION_REASON_PURPOSE;
  return pb::DECISION_REASON_CONSENT;
}

int rank(pb::DecisionReason reason) {
  switch (reason) {
    case pb::DECISION_REASON_CONSENT:
      return 5;
    case pb::DECISION_REASON_PURPOSE:
      return 4;
    case pb::DECISION_REASON_NOT_YET_VALID:
      return 3;
    case pb::DECISION_REASON_EXPIRED:
      return 2;
    case pb::DECISION_REASON_REVOKED:
      return 1;
    default:
      return 0;
  }
}

std::vector<ConsentView> load_consents(const PrincipalId& patient, const PrincipalId& requester, StateView& state) {
  std::vector<ConsentView> consents;
  auto index = load<pb::GrantIndexState>(state, StateKind::grant_index, grant_index_key(patient, requester));
  if (!index) return consents;
  for (const auto& id : index->consent_ids()) {
    auto consent = load<pb::ConsentState>(state, StateKind::consent, as_bytes(id));
    auto consent_id = ConsentId::from(std::string_view(id));
    if (!consent || !consent_id) {
      state.mark_corrupt(StateKind::consent);  // the index names only what exists
      return consents;
    }
    consents.push_back({*consent_id, std::move(*consent)});
  }
  return consents;
}

/// Adds the entry to the patient's list and head; the entry's sequence is the head's new count.
Bytes record_access(const Context& context, const PrincipalId& patient, pb::AccessEntry& entry, StateView& state) {
  const auto key = access_head_key(patient);
  auto head = load<pb::AccessHeadState>(state, StateKind::access_head, key).value_or(pb::AccessHeadState{});
  auto previous = Hash::from(std::string_view(head.running_hash()));
  if (!previous && head.count() != 0) state.mark_corrupt(StateKind::access_head);
  entry.set_sequence(head.count() + 1);
  auto bytes = serialise(entry);
  head.set_format(1);
  head.set_count(entry.sequence());
  head.set_running_hash(next_access_hash(context.suite, previous.value_or(Hash{}), bytes).str());
  store(state, StateKind::access_head, key, head);
  state.meter().charge(Meter::kWrite);
  state.append_row(ListKind::patient_accesses, key, entry.sequence(), bytes);
  return bytes;
}

}  // namespace

Decision decide(std::span<const ConsentView> consents, TimestampMs time_ms, std::uint32_t purpose) {
  Decision decision;
  for (const auto& consent : consents) {
    auto reason = ask(consent.state, time_ms, purpose_bit(purpose));
    if (rank(reason) < rank(decision.reason)) continue;  // of equals the newer one is named
    decision.reason = reason;
    decision.consent = consent.id;
  }
  decision.permit = decision.reason == pb::DECISION_REASON_CONSENT;
  return decision;
}

Status check_decide(const pb::Decide& operation) {
  GALEN_TRY(check_id("decide.patient", operation.patient()));
  GALEN_TRY(check_id("decide.requester", operation.requester()));
  GALEN_TRY(check_optional_id("decide.pointer_id", operation.pointer_id()));
  if (!is_purpose(operation.purpose()))
    return make_error(ErrorCode::BAD_PURPOSE, "decide.purpose is not one of the known purposes.");
  return {};
}

Result<Bytes> run_decide(const Context& context, const pb::Decide& operation, StateView& state) {
  if (operation.requester() != context.author_state->home_member())
    return make_error(ErrorCode::NOT_YOUR_MEMBER, "The requester must be the author's own member.");
  GALEN_TRY(check_patient(state, operation.patient()));
  if (!operation.pointer_id().empty()) {
    auto record = load<pb::RecordState>(state, StateKind::record, as_bytes(operation.pointer_id()));
    if (!record) return make_error(ErrorCode::RECORD_NOT_FOUND, "No record has this pointer id.");
    if (record->subject() != operation.patient())
      return make_error(ErrorCode::SUBJECT_MISMATCH, "The record is about somebody else.");
  }
  const auto patient = id_of<PrincipalId>(operation.patient());
  const auto consents = load_consents(patient, id_of<PrincipalId>(operation.requester()), state);
  const auto decision = decide(consents, context.time_ms, operation.purpose());

  pb::AccessEntry entry;
  entry.set_format(1);
  entry.set_height(context.height);
  entry.set_time_ms(context.time_ms);
  entry.set_transaction_id(context.transaction_id.str());
  entry.set_operation(context.operation);
  entry.set_patient(operation.patient());
  entry.set_requester(operation.requester());
  entry.set_author(context.author.str());
  entry.set_purpose(operation.purpose());
  entry.set_pointer_id(operation.pointer_id());
  entry.set_permit(decision.permit);
  entry.set_reason(decision.reason);
  if (decision.consent) entry.set_consent_id(decision.consent->str());
  return record_access(context, patient, entry, state);
}

}  // namespace galen::contracts
