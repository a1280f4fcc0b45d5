// A vault whose index is damaged: nobody else has what it holds, so a backup is to be put back, and until then the node
// follows without it (docs/adr/0018).
#pragma once

#include <optional>
#include <string>

#include "galen/base/result.hpp"

namespace galen::node {

/// Reads the whole index: the first that is wrong with it, with what to do; nothing: it is whole. IO_ERROR where it is
/// not there, or cannot be read: its volume may not be mounted, and whose fault it is nobody here knows.
Result<std::optional<std::string>> find_vault_damage(const std::string& data_dir);

/// Leaves word that something read here was damaged: the next start of the process looks at the whole index first. Of
/// whoever may be about to end, so as well as it can be done.
void suspect_vault(const std::string& data_dir);
/// At the start of the process: reads the index where it is suspected, and notes what is wrong with it for those who
/// open it from here on. The suspicion ends when it is whole. IO_ERROR: it cannot be noted.
Status look_at_suspected_vault(const std::string& data_dir);
/// What that noted.
std::optional<std::string> known_vault_damage(const std::string& data_dir);

}  // namespace galen::node
