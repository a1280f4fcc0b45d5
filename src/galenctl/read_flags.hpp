// --linearizable, --min-height, --max-staleness: how fresh an answer has to be, the same for every verb that reads
// (docs/api.md, "How fresh").
#pragma once

#include "galenctl/context.hpp"

namespace galen::galenctl {

void add_read_flags(CLI::App* verb, Context& context);

}  // namespace galen::galenctl
