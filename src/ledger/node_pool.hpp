// Memory for the nodes of state trees: millions of blocks of a few sizes, taken and given back all the time, by any
// thread. Left to malloc they make its free lists so long that requests for anything else walk them, and a record costs
// the more CPU the longer the chain is. A block that is given back serves the next node of its size; memory is kept,
// not returned.
#pragma once

#include <cstddef>

namespace galen::ledger {

/// `bytes`: a multiple of 16, at most kNodeBytesMax. Aligned to 16.
inline constexpr std::size_t kNodeBytesMax = 320;
void* take_node_memory(std::size_t bytes);
/// With the size it was taken with.
void give_node_memory(void* memory, std::size_t bytes);

}  // namespace galen::ledger
