// Who may call what: the caller's principal, found in state, must be an active service or admin of this node's own member
// (D14, D22). The front end authenticated the certificate; this asks the ledger what it is worth.
#pragma once

#include "galen/ledger/v1/state.pb.h"
#include "galen/ledger/view.hpp"
#include "galen/socket/method.hpp"
#include "node/identity.hpp"

namespace galen::node {

Result<ledger::v1::PrincipalState> load_principal(const ledger::View& view, const PrincipalId& id);

/// UNAUTHENTICATED, UNKNOWN_PRINCIPAL, PRINCIPAL_INACTIVE, NOT_YOUR_MEMBER or PERMISSION_DENIED.
Status authorise(const ledger::View& view, const Identity& identity, const PrincipalId& caller,
                 const socket::MethodInfo& method);

}  // namespace galen::node
