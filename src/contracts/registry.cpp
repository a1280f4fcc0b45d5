#include "galen/contracts/registry.hpp"

#include "contracts/support.hpp"

namespace galen::contracts {

namespace {

bool is_zero(const std::string& value) {
  for (char c : value)
    if (c != 0) return false;
  return true;
}

Error too_weak(const Context& context) {
  if (context.author_state->kind() == pb::PRINCIPAL_KIND_PATIENT && context.author_state->key().empty())
    return make_error(ErrorCode::PATIENT_HAS_NO_KEY,
                      "Only the patient's own key can sign this, and she registered none.");
  if (context.author_state->kind() == pb::PRINCIPAL_KIND_ADMIN && context.author_state->key().empty())
    return make_error(ErrorCode::ASSURANCE_TOO_LOW,
                      "Only the administrator's own key can sign this, and he set none: galenctl member admin-key.");
  return make_error(ErrorCode::ASSURANCE_TOO_LOW, "This operation needs its author's own signature.");
}

Result<Bytes> without_result(Status status) {
  GALEN_TRY(std::move(status));
  return Bytes{};
}

Result<Bytes> dispatch(const Context& context, const pb::Operation& operation, StateView& state) {
  switch (operation.kind_case()) {
    case pb::Operation::kRegisterPrincipal:
      return without_result(run_register_principal(context, operation.register_principal(), state));
    case pb::Operation::kAnchorRecord:
      return without_result(run_anchor_record(context, operation.anchor_record(), state));
    case pb::Operation::kSetRecordStatus:
      return without_result(run_set_record_status(context, operation.set_record_status(), state));
    case pb::Operation::kGrantConsent:
      return without_result(run_grant_consent(context, operation.grant_consent(), state));
    case pb::Operation::kRevokeConsent:
      return without_result(run_revoke_consent(context, operation.revoke_consent(), state));
    case pb::Operation::kDecide:
      return run_decide(context, operation.decide(), state);
    case pb::Operation::kProposeMembers:
      return without_result(run_propose_members(context, operation.propose_members(), state));
    case pb::Operation::kVoteMembers:
      return without_result(run_vote_members(context, operation.vote_members(), state));
    case pb::Operation::kLearnerReady:
      return without_result(run_learner_ready(context, operation.learner_ready(), state));
    case pb::Operation::kSetAdminKey:
      return without_result(run_set_admin_key(context, operation.set_admin_key(), state));
    case pb::Operation::kReportEquivocation:
      return without_result(run_report_equivocation(context, operation.report_equivocation(), state));
    case pb::Operation::KIND_NOT_SET:
      break;
  }
  return make_error(ErrorCode::INVALID_ARGUMENT, "The operation has no kind.");
}

}  // namespace

Status check_id(const char* field, const std::string& value) {
  if (value.size() != 32 || is_zero(value))
    return make_error(ErrorCode::INVALID_ARGUMENT, std::string(field) + " must be 32 bytes, not all zero.");
  return {};
}

Status check_optional_id(const char* field, const std::string& value) {
  if (value.empty()) return {};
  return check_id(field, value);
}

Status check_key(const char* field, const std::string& value) {
  if (value.size() == PublicKey::kSize && value[0] == 4) return {};
  return make_error(ErrorCode::INVALID_ARGUMENT, std::string(field) + " must be an uncompressed point of 65 bytes.");
}

Status check_signature(const char* field, const std::string& value) {
  if (value.size() == Signature::kSize) return {};
  return make_error(ErrorCode::INVALID_ARGUMENT, std::string(field) + " must be a signature of 64 bytes.");
}

Status check_possession(const Context& context, StateView& state, const std::string& key, ByteSpan sign_bytes,
                        const std::string& proof) {
  state.meter().charge(Meter::kKeyCheck + Meter::kSignatureCheck);
  auto verifier = crypto::Verifier::make(context.suite, id_of<PublicKey>(key));
  if (!verifier) return make_error(ErrorCode::INVALID_ARGUMENT, "The key is no point of the curve.");
  if (verifier->verify(sign_bytes, id_of<Signature>(proof))) return {};
  return make_error(ErrorCode::BAD_POSSESSION_PROOF, "The signature is not one of that key over these bytes.");
}

Bytes grant_index_key(const PrincipalId& patient, const PrincipalId& grantee) {
  return ByteWriter(64).raw(patient.span()).raw(grantee.span()).bytes();
}

Bytes access_head_key(const PrincipalId& patient, std::uint32_t compartment) {
  return ByteWriter(36).raw(patient.span()).u32(compartment).bytes();
}

Assurance min_assurance(pb::Operation::KindCase kind) {
  switch (kind) {
    case pb::Operation::kRegisterPrincipal:
    case pb::Operation::kAnchorRecord:
    case pb::Operation::kSetRecordStatus:
    case pb::Operation::kDecide:
    case pb::Operation::kLearnerReady:  // the learner's signature is in it
    case pb::Operation::kSetAdminKey:   // the first key; for a later one the contract asks more
    case pb::Operation::kReportEquivocation:  // the culprit's own signatures are in it
      return Assurance::node;
    case pb::Operation::kGrantConsent:
    case pb::Operation::kRevokeConsent:
    case pb::Operation::kProposeMembers:
    case pb::Operation::kVoteMembers:
    case pb::Operation::KIND_NOT_SET:
      return Assurance::author;
  }
  return Assurance::author;
}

bool may_author(pb::PrincipalKind author, pb::Operation::KindCase kind) {
  switch (kind) {
    case pb::Operation::kRegisterPrincipal:
    case pb::Operation::kAnchorRecord:
    case pb::Operation::kSetRecordStatus:
    case pb::Operation::kDecide:
      return author == pb::PRINCIPAL_KIND_ADMIN || author == pb::PRINCIPAL_KIND_SERVICE;
    case pb::Operation::kGrantConsent:
    case pb::Operation::kRevokeConsent:
      return author == pb::PRINCIPAL_KIND_PATIENT;
    case pb::Operation::kProposeMembers:
    case pb::Operation::kVoteMembers:
    case pb::Operation::kLearnerReady:
    case pb::Operation::kSetAdminKey:
      return author == pb::PRINCIPAL_KIND_ADMIN;
    case pb::Operation::kReportEquivocation:
      return author == pb::PRINCIPAL_KIND_MEMBER;
    case pb::Operation::KIND_NOT_SET:
      return false;
  }
  return false;
}

Status check_operation(const pb::Operation& operation, std::uint32_t place) {
  switch (operation.kind_case()) {
    case pb::Operation::kRegisterPrincipal:
      return check_register_principal(operation.register_principal());
    case pb::Operation::kAnchorRecord:
      return check_anchor_record(operation.anchor_record());
    case pb::Operation::kSetRecordStatus:
      return check_set_record_status(operation.set_record_status());
    case pb::Operation::kGrantConsent:
      return check_grant_consent(operation.grant_consent());
    case pb::Operation::kRevokeConsent:
      return check_revoke_consent(operation.revoke_consent());
    case pb::Operation::kDecide:
      return check_decide(operation.decide());
    case pb::Operation::kProposeMembers:
      return check_propose_members(operation.propose_members());
    case pb::Operation::kVoteMembers:
      return check_vote_members(operation.vote_members());
    case pb::Operation::kLearnerReady:
      return check_learner_ready(operation.learner_ready());
    case pb::Operation::kSetAdminKey:
      return check_set_admin_key(operation.set_admin_key());
    case pb::Operation::kReportEquivocation:
      if (place != 0)  // what it costs to check is bounded for each transaction
        return make_error(ErrorCode::INVALID_ARGUMENT, "report_equivocation must be the first of its transaction.");
      return check_report_equivocation(operation.report_equivocation());
    case pb::Operation::KIND_NOT_SET:
      break;
  }
  return make_error(ErrorCode::INVALID_ARGUMENT, "The operation has no kind.");
}

Result<Bytes> run_operation(const Context& context, const pb::Operation& operation, StateView& state) {
  GALEN_ASSERT(context.author_state != nullptr && context.genesis != nullptr);
  GALEN_ASSERT(context.rules_version == kRulesVersionNewest);
  state.meter().reset();
  GALEN_TRY(check_operation(operation, context.operation));
  const auto kind = operation.kind_case();
  if (!may_author(context.author_state->kind(), kind)) {
    if (kind == pb::Operation::kGrantConsent || kind == pb::Operation::kRevokeConsent)
      return make_error(ErrorCode::NOT_THE_PATIENT, "Only the patient grants and revokes.");
    return make_error(ErrorCode::PERMISSION_DENIED, "The author's kind of principal may not do this.");
  }
  if (context.assurance < min_assurance(kind)) return too_weak(context);
  auto result = dispatch(context, operation, state);
  if (result && state.meter().exhausted())
    return make_error(ErrorCode::TOO_LARGE, "The operation needs more work than one operation may.");
  return result;
}

}  // namespace galen::contracts
