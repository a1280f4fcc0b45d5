// Makes a consortium for development: keys, certificates, genesis and configuration of every member, below one
// directory. A real consortium is never made like this: there each hospital's keys stay in its own house
// (docs/adr/0006).
#pragma once

#include <string>
#include <vector>

#include "galen/types/genesis.hpp"
#include "galenctl/dev_layout.hpp"

namespace galen::galenctl {

inline constexpr std::size_t kDevNodesMin = 4, kDevNodesMax = 10;

/// Writes everything but dev.json. `parameters` go into genesis. INVALID_ARGUMENT, IO_ERROR, RESOURCE_EXHAUSTED (no
/// ports).
Result<DevLayout> make_consortium(const std::string& dir, std::size_t node_count, const GenesisParameters& parameters,
                                  crypto::Suite suite);

/// "view_timeout_ms=500": sets one field by its name in genesis.json; INVALID_ARGUMENT names those there are.
Status set_parameter(GenesisParameters& parameters, const std::string& assignment);

/// The principal a client certificate of `make_consortium` carries. CORRUPT if it has none.
Result<PrincipalId> principal_of_certificate(const std::string& cert_path);

}  // namespace galen::galenctl
