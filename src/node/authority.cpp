#include "node/authority.hpp"

#include <fmt/format.h>

#include "galen/types/receipt.hpp"

namespace galen::node {

Result<ledger::v1::PrincipalState> load_principal(const ledger::View& view, const PrincipalId& id) {
  GALEN_ASSIGN(auto row, view.state(static_cast<std::uint8_t>(StateKind::principal), id));
  if (!row) return Error{ErrorCode::UNKNOWN_PRINCIPAL, "no such principal is registered on this ledger"};
  ledger::v1::PrincipalState state;
  if (!state.ParseFromArray(row->data(), static_cast<int>(row->size())))
    return Error{ErrorCode::CORRUPT, "a principal's state does not decode"};
  return state;
}

Status authorise(const ledger::View& view, const Identity& identity, const PrincipalId& caller,
                 const socket::MethodInfo& method) {
  auto state = load_principal(view, caller);
  if (!state) {
    if (state.error().code == ErrorCode::UNKNOWN_PRINCIPAL)
      return Error{ErrorCode::UNKNOWN_PRINCIPAL, "the certificate's principal is not registered on this ledger"};
    return state.error();
  }
  if (state->status() != ledger::v1::PRINCIPAL_STATUS_ACTIVE)
    return Error{ErrorCode::PRINCIPAL_INACTIVE, "the certificate's principal has been revoked"};
  if (ByteSpan(as_bytes(state->home_member())).size() != PrincipalId::kSize ||
      as_text(identity.member_id()) != state->home_member())
    return Error{ErrorCode::NOT_YOUR_MEMBER, "the certificate's principal belongs to another member"};
  bool admin = state->kind() == ledger::v1::PRINCIPAL_KIND_ADMIN;
  bool service = state->kind() == ledger::v1::PRINCIPAL_KIND_SERVICE;
  if (!admin && (method.role == socket::Role::admin || !service))
    return Error{ErrorCode::PERMISSION_DENIED,
                 fmt::format("{}.{} needs the role {}", method.service, method.name,
                             method.role == socket::Role::admin ? "admin" : "service or admin")};
  return {};
}

}  // namespace galen::node
