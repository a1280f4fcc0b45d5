// What the mesh has to know of a node: who takes part, at which address, below which CA (docs/spec/wire.md 1). Pure but for the
// CA files that it reads; any thread.
#pragma once

#include "galen/net/mesh.hpp"
#include "galen/node/config.hpp"
#include "node/identity.hpp"

namespace galen::node {

/// CONFIG_INVALID when a file of [peers.cas] cannot be read.
Result<net::MeshOptions> mesh_options(const Config& config, const Identity& identity);

/// Whether a renewed TLS certificate may take the place of the one in use: CONFIG_INVALID if it has ended or not begun.
/// At a start the mesh takes either, for want of a better one.
Status check_renewal(const Config& config, std::int64_t now_s);

}  // namespace galen::node
