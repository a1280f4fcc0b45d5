// Proves that a list of accesses is complete: the running hash over all entries must be the one in the head, and the
// head must stand in a state that enough members of its epoch certified, to whom links lead from genesis. The node that
// answers is not trusted. Pure; any thread.
#pragma once

#include <vector>

#include "galen/types/genesis.hpp"
#include "galen/types/receipt.hpp"
#include "galen/v1/types.pb.h"

namespace galen::galenctl {

struct AccessProof {
  Height height = 0;             ///< of the certified state
  std::uint64_t count = 0;       ///< entries that the head covers
  std::size_t certified_by = 0;  ///< members whose signatures were checked
};

/// `entries` are AccessEntry bytes, oldest first; those behind the head's count are newer than the proof and ignored.
/// BAD_PROOF, BAD_CERTIFICATE or MALFORMED; the message names the part that fails.
Result<AccessProof> verify_access_list(const Genesis& genesis, const PrincipalId& patient,
                                       const std::vector<std::string>& entries, const v1::StateProof& head);

}  // namespace galen::galenctl
