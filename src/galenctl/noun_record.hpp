// The files of the noun `record`: import, anchoring one document, and the reads.
#pragma once

#include "galenctl/context.hpp"

namespace galen::galenctl {

inline constexpr const char* kDefaultSystem = "urn:galen:dev";

void add_record_import(CLI::App& app, Context& context);
void add_record_anchor(CLI::App& app, Context& context);

}  // namespace galen::galenctl
