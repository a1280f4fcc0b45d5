// GrantConsent and RevokeConsent: the patient's own, signed with her own key (D7). An index row per (patient,
// organisation) holds at most kActiveGrantsPerPairMax consents, oldest first, so that a decision reads a bounded number
// of rows.
#include "contracts/support.hpp"
#include "galen/types/purpose.hpp"

namespace galen::contracts {

namespace {

bool is_over(const pb::ConsentState& consent, TimestampMs time_ms) {
  return consent.revoked() || (consent.not_after_ms() != 0 && consent.not_after_ms() <= time_ms);
}

/// Makes room by letting the oldest consent go that can never permit again; its own row stays.
Status make_room(const Context& context, pb::GrantIndexState& index, StateView& state) {
  if (static_cast<std::size_t>(index.consent_ids_size()) < limits::kActiveGrantsPerPairMax) return {};
  for (int i = 0; i < index.consent_ids_size(); ++i) {
    auto consent = load<pb::ConsentState>(state, StateKind::consent, as_bytes(index.consent_ids(i)));
    if (!consent) {
      state.mark_corrupt(StateKind::consent);  // the index names only what exists
      return {};
    }
    if (!is_over(*consent, context.time_ms)) continue;
    index.mutable_consent_ids()->DeleteSubrange(i, 1);
    return {};
  }
  return make_error(ErrorCode::TOO_MANY_CONSENTS, "This organisation holds the most consents one patient may give it.");
}

}  // namespace

Status check_grant_consent(const pb::GrantConsent& operation) {
  GALEN_TRY(check_id("grant_consent.consent_id", operation.consent_id()));
  GALEN_TRY(check_id("grant_consent.patient", operation.patient()));
  GALEN_TRY(check_id("grant_consent.grantee", operation.grantee()));
  if (operation.purposes() == 0 || (operation.purposes() & ~kPurposeBits) != 0)
    return make_error(ErrorCode::BAD_PURPOSE, "grant_consent.purposes has no bit, or one that is no purpose.");
  if (operation.not_after_ms() != 0 && operation.not_after_ms() <= operation.not_before_ms())
    return make_error(ErrorCode::INVALID_ARGUMENT, "grant_consent ends before it begins.");
  return {};
}

Status run_grant_consent(const Context& context, const pb::GrantConsent& operation, StateView& state) {
  if (operation.patient() != context.author.str())
    return make_error(ErrorCode::NOT_THE_PATIENT, "A patient grants for her own pseudonym only.");
  if (operation.not_after_ms() != 0 && operation.not_after_ms() <= context.time_ms)
    return make_error(ErrorCode::CONSENT_NOT_ACTIVE, "The consent would be past its end already.");
  if (load<pb::ConsentState>(state, StateKind::consent, as_bytes(operation.consent_id())))
    return make_error(ErrorCode::CONSENT_EXISTS, "This consent id is taken.");
  auto grantee = load<pb::PrincipalState>(state, StateKind::principal, as_bytes(operation.grantee()));
  if (!grantee || grantee->kind() != pb::PRINCIPAL_KIND_MEMBER)
    return make_error(ErrorCode::UNKNOWN_PRINCIPAL, "The grantee is no member of this consortium.");
  if (grantee->status() != pb::PRINCIPAL_STATUS_ACTIVE)
    return make_error(ErrorCode::PRINCIPAL_INACTIVE, "The grantee is no active member: removed, or still a learner.");

  const auto index_key = grant_index_key(context.author, id_of<PrincipalId>(operation.grantee()));
  auto index = load<pb::GrantIndexState>(state, StateKind::grant_index, index_key).value_or(pb::GrantIndexState{});
  GALEN_TRY(make_room(context, index, state));
  index.set_format(1);
  index.add_consent_ids(operation.consent_id());
  store(state, StateKind::grant_index, index_key, index);

  pb::ConsentState value;
  value.set_format(1);
  value.set_patient(operation.patient());
  value.set_grantee(operation.grantee());
  value.set_purposes(operation.purposes());
  value.set_not_before_ms(operation.not_before_ms());
  value.set_not_after_ms(operation.not_after_ms());
  value.set_granted_height(context.height);
  store(state, StateKind::consent, as_bytes(operation.consent_id()), value);
  state.meter().charge(Meter::kWrite);
  state.append_id(ListKind::patient_consents, context.author, as_bytes(operation.consent_id()));
  return {};
}

Status check_revoke_consent(const pb::RevokeConsent& operation) {
  return check_id("revoke_consent.consent_id", operation.consent_id());
}

Status run_revoke_consent(const Context& context, const pb::RevokeConsent& operation, StateView& state) {
  auto consent = load<pb::ConsentState>(state, StateKind::consent, as_bytes(operation.consent_id()));
  if (!consent) return make_error(ErrorCode::CONSENT_NOT_FOUND, "No consent has this id.");
  if (consent->patient() != context.author.str())
    return make_error(ErrorCode::NOT_THE_PATIENT, "The consent is another patient's.");
  if (is_over(*consent, context.time_ms))
    return make_error(ErrorCode::CONSENT_NOT_ACTIVE, "The consent is revoked or past its end already.");
  consent->set_revoked(true);
  consent->set_revoked_height(context.height);
  store(state, StateKind::consent, as_bytes(operation.consent_id()), *consent);
  return {};
}

}  // namespace galen::contracts
