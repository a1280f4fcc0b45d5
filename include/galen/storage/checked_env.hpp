// RocksDB's default environment, with files that look back before they call something durable. RocksDB reads a new
// table again and checks each row's checksum, but it never looks at its manifest again before the next start: a write
// that the disk did not do and called done leaves no trace there, and the tables it named are rows that nobody misses.
#pragma once

namespace rocksdb {
class Env;
}

namespace galen::storage {

/// One for the process, for all databases. A sync of a file that is shorter than what was appended to it is an IOError,
/// so nothing is built on it. Costs one question for the file's length each time. Any thread.
rocksdb::Env* checked_env();

}  // namespace galen::storage
