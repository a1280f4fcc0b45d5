// RocksDB's own LOG file is not wanted: its lines may hold keys, and a full disk would hit it first (Debian's RocksDB
// is built with assertions on, and one of them ends the process at the second failed line). Errors reach us as
// statuses.
#pragma once

#include <rocksdb/env.h>

namespace galen::storage {

class SilentLogger : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace galen::storage
