// Which rows of the state a block will read, as far as its bytes say. Private to the room; pure.
#pragma once

#include <string>
#include <vector>

#include "galen/types/block.hpp"

namespace galen::execution {

/// Keys of rows (ledger::state_row_key), in no order, some of them more than once.
std::vector<std::string> rows_read_by(const Block& block);

}  // namespace galen::execution
