// Builds proofs that need no node to be checked (docs/spec/evidence.md): transactions, also in part and through the
// history tree, state rows, consistency of two heights. Pure reads of a snapshot; any thread.
#pragma once

#include "galen/ledger/view.hpp"
#include "galen/types/evidence.hpp"

namespace galen::execution {

/// How a block is to be certified.
struct CertifyOptions {
  bool by_history = false;  ///< never by EXECUTED signatures, also where there are some
  Height at_height = 0;     ///< by history through the COMMIT-QC of this height; 0: the nearest one
};

/// NOT_FOUND: no such transaction here. UNAVAILABLE: nothing certifies the outcome yet; ask again in a moment.
/// INVALID_ARGUMENT: `operations` names one that it does not have. No operations named: all are shown.
Result<TransactionProofFile> build_transaction_proof(const ChainContext& context, const ledger::View& view,
                                                     const TransactionId& id, std::vector<std::uint32_t> operations,
                                                     const CertifyOptions& options);

/// The row, or its absence, in the state after `height`; 0: as it is now, at the newest height that is certified.
/// NOT_FOUND: the height is not among those this node can prove, or the row has changed since. UNAVAILABLE: not
/// certified yet, with height 0 also the row's last change.
Result<StateProofFile> build_state_proof(const ChainContext& context, const ledger::View& view, std::uint8_t kind,
                                         ByteSpan key, Height height, const CertifyOptions& options);

/// From one height to a later one (0: the newest that is certified). INVALID_ARGUMENT, NOT_FOUND, UNAVAILABLE.
Result<ConsistencyProofFile> build_consistency_proof(const ChainContext& context, const ledger::View& view, Height from,
                                                     Height to);

}  // namespace galen::execution
