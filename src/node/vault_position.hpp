// Whether the vault's index and the log fit each other: the log keeps outbox records until the index has them.
#pragma once

#include "galen/node/log.hpp"
#include "galen/vault/record_index.hpp"

namespace galen::node {

/// An index that ends before the log begins is an older copy: what was anchored in between would be unknown to it, and
/// anchored again. CORRUPT, with what can be done. `started_over`: the log was begun anew, in place of one that was
/// damaged, and took over what the vault owed.
Status check_vault_follows(const vault::AppliedPosition& applied, const Log& log, bool started_over);

}  // namespace galen::node
