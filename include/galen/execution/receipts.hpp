// Builds receipts from the ledger (docs/spec/formats.md 8). Pure reads of a snapshot; any thread.
#pragma once

#include "galen/ledger/v1/receipt.pb.h"
#include "galen/ledger/view.hpp"

namespace galen::execution {

/// Receipt of the first answer to a transaction id. NOT_FOUND: no such transaction at this view's height. UNAVAILABLE:
/// it is executed but nothing certifies the outcome yet; ask again in a moment. The certificate is EXECUTED of its
/// block when the store has it, else the first later header that confirms it; then the block's own COMMIT-QC goes along
/// when the store has it, else the block's path in that header's history.
Result<ledger::v1::Receipt> build_receipt(const ChainContext& context, const ledger::View& view,
                                          const TransactionId& id);

/// Everything of a receipt but its certificate and the links that a confirmation in a later epoch needs: what a retry gets
/// byte for byte the same.
Result<ledger::v1::Receipt> build_uncertified_receipt(const ChainContext& context, const ledger::View& view,
                                                      const TransactionId& id);

}  // namespace galen::execution
