// Whether the rows of the oldest blocks still stand beside the newer ones. When RocksDB opens it writes its manifest
// anew, the tables of a family in one record: a disk that never did that one write leaves a ledger that opens, goes on,
// and has lost one family's rows up to that day. What the oldest blocks wrote is then missing, whatever came later.
#pragma once

#include "galen/ledger/block_update.hpp"
#include "galen/ledger/store.hpp"

namespace galen::execution {

/// Of families `state`, `transactions` and `lists`; some reads of rows, on the executor's thread. `genesis_update` is
/// the one of block 0. CORRUPT names what is missing.
Status check_oldest_rows(const Genesis& genesis, const ledger::BlockUpdate& genesis_update, const ledger::Store& store);

}  // namespace galen::execution
