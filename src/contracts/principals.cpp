// RegisterPrincipal: the author's member vouches for a new service or patient and becomes its home (D8, D22).
// SetAdminKey: genesis gives administrators no key, so his member vouches for an administrator's first one; it signs for
// each that follows.
#include "contracts/support.hpp"
#include "galen/types/membership.hpp"

namespace galen::contracts {

Status check_patient(StateView& state, const std::string& pseudonym) {
  auto patient = load<pb::PrincipalState>(state, StateKind::principal, as_bytes(pseudonym));
  if (!patient || patient->kind() != pb::PRINCIPAL_KIND_PATIENT)
    return make_error(ErrorCode::SUBJECT_UNKNOWN, "No patient is registered under this pseudonym.");
  if (patient->status() != pb::PRINCIPAL_STATUS_ACTIVE)
    return make_error(ErrorCode::PRINCIPAL_INACTIVE, "The patient's pseudonym is no longer in use.");
  return {};
}

Status check_register_principal(const pb::RegisterPrincipal& operation) {
  GALEN_TRY(check_id("register_principal.id", operation.id()));
  if (operation.kind() != pb::PRINCIPAL_KIND_SERVICE && operation.kind() != pb::PRINCIPAL_KIND_PATIENT)
    return make_error(ErrorCode::INVALID_ARGUMENT, "register_principal.kind must be SERVICE or PATIENT.");
  if (operation.key().empty()) return {};
  return check_key("register_principal.key", operation.key());
}

Status run_register_principal(const Context& context, const pb::RegisterPrincipal& operation, StateView& state) {
  if (operation.kind() == pb::PRINCIPAL_KIND_SERVICE && context.author_state->kind() != pb::PRINCIPAL_KIND_ADMIN)
    return make_error(ErrorCode::PERMISSION_DENIED, "Only the member's admin registers a service.");
  if (!operation.key().empty()) {
    state.meter().charge(Meter::kKeyCheck);
    if (!crypto::Verifier::make(context.suite, id_of<PublicKey>(operation.key())))
      return make_error(ErrorCode::INVALID_ARGUMENT, "register_principal.key is no point of the curve.");
  }
  if (load<pb::PrincipalState>(state, StateKind::principal, as_bytes(operation.id())))
    return make_error(ErrorCode::PRINCIPAL_EXISTS, "This principal id is registered already.");

  pb::PrincipalState value;
  value.set_format(1);
  value.set_kind(operation.kind());
  value.set_home_member(context.author_state->home_member());
  value.set_key(operation.key());
  value.set_key_version(operation.key().empty() ? 0 : 1);
  value.set_status(pb::PRINCIPAL_STATUS_ACTIVE);
  value.set_registered_height(context.height);
  store(state, StateKind::principal, as_bytes(operation.id()), value);
  return {};
}

Status check_set_admin_key(const pb::SetAdminKey& operation) {
  GALEN_TRY(check_key("set_admin_key.key", operation.key()));
  return check_signature("set_admin_key.proof", operation.proof());
}

Status run_set_admin_key(const Context& context, const pb::SetAdminKey& operation, StateView& state) {
  auto admin = load<pb::PrincipalState>(state, StateKind::principal, context.author);
  if (!admin) {
    state.mark_corrupt(StateKind::principal);  // the author has a row
    return {};
  }
  if (!context.author_state->key().empty() && context.assurance != Assurance::author)
    return make_error(ErrorCode::ASSURANCE_TOO_LOW, "An administrator's next key is signed for with the present one.");
  if (admin->key() != context.author_state->key())
    return make_error(ErrorCode::INVALID_ARGUMENT, "A transaction sets an administrator's key once.");
  if (admin->key() == operation.key())
    return make_error(ErrorCode::INVALID_ARGUMENT, "This is the administrator's key already.");
  GALEN_TRY(check_possession(
      context, state, operation.key(),
      admin_key_sign_bytes(context.genesis->chain_id, context.author, id_of<PublicKey>(operation.key())),
      operation.proof()));
  admin->set_key(operation.key());
  admin->set_key_version(admin->key_version() + 1);
  store(state, StateKind::principal, context.author, *admin);
  return {};
}

}  // namespace galen::contracts
