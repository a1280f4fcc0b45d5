// The files below a simulated node's ledger: RocksDB's own environment in memory, between it and which power may fail in
// any writing call, unsynced tails get lost, and bits turn. RocksDB flushes in a thread of its own, so calls are counted
// under a lock; the simulation waits for each checkpoint, so that nothing else runs meanwhile. The file in which RocksDB
// notes its options is refused: nobody reads it, and printing, parsing and comparing it at each opening, and again for each
// column family of a new ledger, took more time than all the rest of a start.
#pragma once

#include <memory>
#include <string>

#include "galen/base/rng.hpp"

namespace rocksdb {
class Env;
}

namespace galen::sim {

class LedgerFiles {
 public:
  explicit LedgerFiles(std::uint64_t seed);
  ~LedgerFiles();
  rocksdb::Env& environment();

  /// Power fails after so many more calls that change something.
  void fail_power_after(std::uint64_t calls);
  bool has_power() const;
  /// Takes a failure back that has not come.
  void keep_power();
  /// Whoever had files open is gone. Of what was not synced, a part from the front survives; power is back.
  void crash();
  /// A bit of some table or manifest turns. False if there is none.
  bool flip_bit();
  void remove_all();

 private:
  class Files;
  std::unique_ptr<Files> files_;
  Rng rng_;
};

}  // namespace galen::sim
