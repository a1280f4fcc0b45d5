// The answer that stands for a transaction id: what its index row points to, looked up in the block. Pure reads of a view;
// the thread that owns the view.
#pragma once

#include "galen/execution/mempool.hpp"
#include "galen/ledger/view.hpp"

namespace galen::node {

struct FirstAnswer {
  /// Without time and results when this node no longer has the block.
  execution::Outcome outcome;
  BlockPtr block;                            ///< nullptr when it is not there
  const Transaction* transaction = nullptr;  ///< in `block`
};

/// CORRUPT when the row names a place that the block does not have.
Result<FirstAnswer> first_answer(const ledger::View& view, const TransactionId& id, const ledger::TransactionEntry& entry);

}  // namespace galen::node
