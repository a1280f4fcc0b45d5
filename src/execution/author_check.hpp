// Steps 1 and 2 of an item (docs/spec/formats.md 5.6): who stands behind it. A pure function.
#pragma once

#include <optional>

#include "galen/ledger/v1/state.pb.h"
#include "galen/types/batch.hpp"
#include "galen/types/genesis.hpp"

namespace galen::execution {

/// Whom an item is judged among.
struct Electorate {
  crypto::Suite suite;
  const MemberSet& members;  ///< of the block's epoch
  bool home_learns = false;  ///< the author's home member is a learner
};

/// Why the author's word does not count; nothing when it does. `author` is the registered state, or none.
std::optional<Error> check_author(const Electorate& electorate, const BatchItem& item, MemberIndex origin,
                                  const ledger::v1::PrincipalState* author);

}  // namespace galen::execution
