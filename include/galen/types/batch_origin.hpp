// Whether a batch is signed by its origin. Its digest, and so a certificate of its block, covers the header and through
// it the items with their authorizations, but not this signature: a body that comes from a peer needs it checked, one
// check a batch. Pure; any thread.
#pragma once

#include "galen/types/batch.hpp"

namespace galen {

/// MALFORMED: the origin is no member. BAD_SIGNATURE.
Status verify_origin(const ChainContext& context, const MemberSet& members, const Batch& batch);

}  // namespace galen
