// What keeps a broken or attacked front end from harming its host: no core files, no new privileges, and an end of the
// process when it holds too much memory (the node starts another within a second; an OOM kill could take the whole
// container with the node in it).
#pragma once

#include <cstddef>
#include <memory>
#include <thread>

#include "galen/base/result.hpp"

namespace galen::api {

void fasten_seatbelts();

/// Resident memory of this process.
Result<std::size_t> resident_bytes();

/// Ends the process with status kMemoryExit once resident memory is above the limit; looks twice a second.
inline constexpr int kMemoryExit = 75;
void start_memory_watchdog(std::size_t resident_bytes_max);

}  // namespace galen::api
