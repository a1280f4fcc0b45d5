// What the contracts share: typed rows, fixed-width fields, and the functions the registry dispatches to. Private.
#pragma once

#include <string>

#include "galen/contracts/contract.hpp"
#include "galen/ledger/v1/transaction.pb.h"

namespace galen::contracts {

namespace pb = ledger::v1;

/// A stored value, decoded. One that does not decode discards the block (StateView::mark_corrupt).
template <class Value>
std::optional<Value> load(StateView& state, StateKind kind, ByteSpan key) {
  state.meter().charge(Meter::kRead);
  auto bytes = state.get(kind, key);
  if (!bytes) return std::nullopt;
  Value value;
  if (!value.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()))) {
    state.mark_corrupt(kind);
    return std::nullopt;
  }
  return value;
}

/// Serialises fields in the order of their numbers; the messages have no maps, so equal values give equal bytes (frozen
/// by golden files).
template <class Message>
Bytes serialise(const Message& message) {
  Bytes out(message.ByteSizeLong());
  GALEN_ASSERT(message.SerializeToArray(out.data(), static_cast<int>(out.size())));
  return out;
}

template <class Value>
void store(StateView& state, StateKind kind, ByteSpan key, const Value& value) {
  state.meter().charge(Meter::kWrite);
  state.put(kind, key, serialise(value));
}

/// A field that check_operation found to be 32 bytes.
template <class Id>
Id id_of(const std::string& field) {
  auto id = Id::from(std::string_view(field));
  GALEN_ASSERT(id.has_value());
  return *id;
}

/// A registered, active patient: SUBJECT_UNKNOWN or PRINCIPAL_INACTIVE.
Status check_patient(StateView& state, const std::string& pseudonym);

/// The new key's signature over what it is to be used for: BAD_POSSESSION_PROOF, INVALID_ARGUMENT off the curve. Metered.
Status check_possession(const Context& context, StateView& state, const std::string& key, ByteSpan sign_bytes,
                        const std::string& proof);

Status check_register_principal(const pb::RegisterPrincipal& operation);
Status check_anchor_record(const pb::AnchorRecord& operation);
Status check_set_record_status(const pb::SetRecordStatus& operation);
Status check_grant_consent(const pb::GrantConsent& operation);
Status check_revoke_consent(const pb::RevokeConsent& operation);
Status check_decide(const pb::Decide& operation);
Status check_propose_members(const pb::ProposeMembers& operation);
Status check_vote_members(const pb::VoteMembers& operation);
Status check_learner_ready(const pb::LearnerReady& operation);
Status check_set_admin_key(const pb::SetAdminKey& operation);
Status check_report_equivocation(const pb::ReportEquivocation& operation);

Status run_register_principal(const Context& context, const pb::RegisterPrincipal& operation, StateView& state);
Status run_anchor_record(const Context& context, const pb::AnchorRecord& operation, StateView& state);
Status run_set_record_status(const Context& context, const pb::SetRecordStatus& operation, StateView& state);
Status run_grant_consent(const Context& context, const pb::GrantConsent& operation, StateView& state);
Status run_revoke_consent(const Context& context, const pb::RevokeConsent& operation, StateView& state);
Status run_propose_members(const Context& context, const pb::ProposeMembers& operation, StateView& state);
Status run_vote_members(const Context& context, const pb::VoteMembers& operation, StateView& state);
Status run_learner_ready(const Context& context, const pb::LearnerReady& operation, StateView& state);
Status run_set_admin_key(const Context& context, const pb::SetAdminKey& operation, StateView& state);
Status run_report_equivocation(const Context& context, const pb::ReportEquivocation& operation, StateView& state);
/// The result is the serialised AccessEntry.
Result<Bytes> run_decide(const Context& context, const pb::Decide& operation, StateView& state);

/// INVALID_ARGUMENT naming the field unless it is a 32-byte id that is not all zero.
Status check_id(const char* field, const std::string& value);
/// The same, or empty.
Status check_optional_id(const char* field, const std::string& value);
/// INVALID_ARGUMENT unless it has the form of an uncompressed point; whether it is one takes a metered check.
Status check_key(const char* field, const std::string& value);
Status check_signature(const char* field, const std::string& value);

}  // namespace galen::contracts
