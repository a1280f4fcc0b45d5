// What signatures, a sync, execution and the core cost on this machine, measured now: the input of `galen-sim wan`.
#pragma once

#include <string>

#include "galen/base/result.hpp"
#include "sim/wan.hpp"

namespace galen::sim {

/// About a second of work. Syncs are measured in a file of `directory` that is removed again. IO_ERROR.
Result<WanCosts> measure_costs(const std::string& directory);

}  // namespace galen::sim
