// Which calls need blocks below the lowest one that is here (docs/spec/snapshots.md 4). A pure function.
#pragma once

#include <string>

#include "galen/base/result.hpp"
#include "galen/socket/method.hpp"
#include "galen/types/members.hpp"

namespace galen::node {

/// BACKFILLING when answering would need a block below `floor`; what an id, a list or a proof by history says depends
/// on every block, and is not answered by half. A floor of 0 needs nothing.
Status check_past_reads(socket::Method method, const std::string& request, Height floor);

}  // namespace galen::node
