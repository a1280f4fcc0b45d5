// Looking for damage in the segments of the log that are no longer written, while the node runs (docs/spec/log.md 4):
// every turn and every mirror of theirs must be there and read well. Reads files only; any thread.
#pragma once

#include "galen/node/file_access.hpp"

namespace galen::node {

/// One sentence for each damaged segment. A segment that is given up and used again while this reads is not reported:
/// what is found is looked at twice. IO_ERROR when a file cannot be read.
Result<std::vector<std::string>> find_log_damage(FileAccess& files, const std::string& wal_directory);

}  // namespace galen::node
