// What the mesh has to know of a node: who takes part, at which address, below which CA (docs/spec/wire.md 1). Pure but for the
// CA files that it reads; any thread.
#pragma once

#include "galen/net/mesh.hpp"
#include "galen/node/config.hpp"
#include "node/identity.hpp"

namespace galen::node {

/// CONFIG_INVALID when a file of [peers.cas] cannot be read.
Result<net::MeshOptions> mesh_options(const Config& config, const Identity& identity);

}  // namespace galen::node
