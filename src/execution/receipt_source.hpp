// The parts of an executed block that receipts and transaction proofs are made of.
#pragma once

#include <vector>

#include "galen/ledger/view.hpp"

namespace galen::execution {

struct ReceiptSource {
  ledger::TransactionEntry entry;
  BlockPtr block;
  ledger::BlockInfo info;
  std::vector<ledger::ItemOutcome> outcomes;
  std::size_t outcome_index = 0;  ///< of the item among all of the block
  Hash previous_results_root;

  const Batch& batch() const { return *block->batches[entry.batch]; }
  const BatchItem& item() const { return batch().items()[entry.item]; }
  std::vector<Hash> batch_leaves(crypto::Suite suite) const;
};

/// Of the first answer to a transaction id. NOT_FOUND, CORRUPT.
Result<ReceiptSource> load_receipt_source(const ledger::View& view, const TransactionId& id);

}  // namespace galen::execution
