// Checking the parts of evidence files (docs/spec/evidence.md 3) with the chain of member sets, which begins with
// genesis. Every error's message begins with the part that fails, "blocks[0].executed_certificate: …", and its code is
// that of the specification; a verdict holds what has been proved and nothing else. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "galen/ledger/v1/state.pb.h"
#include "galen/types/epoch_chain.hpp"
#include "galen/types/proof.hpp"
#include "galen/types/receipt.hpp"

namespace galen {

/// Error with the part in front.
Error proof_error(ErrorCode code, const std::string& part, const std::string& sentence);
/// Keeps the code of `error`, and says in which part it was.
Error in_part(const std::string& part, const Error& error);
/// The part that a verdict's message "KIND: PART: sentence" names; empty if it names none.
std::string_view failed_part(std::string_view message);

struct HeaderVerdict {
  BlockHeader header;
  Hash digest;
  Height certified_height = 0;  ///< of the header whose COMMIT-QC stands behind it
  Signers certified_by;
};

struct BlockVerdict {
  BlockHeader header;
  Hash digest;
  bool at_once = false;         ///< by EXECUTED signatures, else by the history of a later header
  Height certified_height = 0;  ///< of the block that was signed
  Signers certified_by;
  Hash results_root;                      ///< of this height, or of a later one:
  std::vector<Hash> later_outcome_roots;  ///< …those in between
  std::optional<Hash> state_root;

  /// Whether this is the results root of the block's own height.
  bool proves_results(crypto::Suite suite, const Hash& results_root_here) const;
};

struct OperationVerdict {
  std::uint16_t index = 0;
  std::string text;                                 ///< "anchor_record pointer 51c0…"
  std::optional<ledger::v1::AccessEntry> decision;  ///< the answer of an executed Decide
};

struct TransactionVerdict {
  Height height = 0;
  TransactionId id;
  PrincipalId author;
  bool author_signed = false;  ///< assurance AUTHOR, else NODE
  PrincipalId origin;  ///< the member that vouches
  ErrorCode code = ErrorCode::OK;
  std::uint16_t operations = 0;  ///< shown or not
  std::vector<OperationVerdict> shown;
};

struct StateVerdict {
  Height height = 0;
  StateKind kind = StateKind::principal;
  Bytes key;
  std::optional<Bytes> value;
};

struct ConsistencyVerdict {
  BlockHeader from, to;
  Hash from_digest, to_digest;
  Height certified_height = 0;
  Signers certified_by;
};

Result<HeaderVerdict> check_certified_header(const EpochChain& epochs, const CertifiedHeader& proof,
                                             const std::string& part);
Result<BlockVerdict> check_certified_block(const EpochChain& epochs, const CertifiedBlock& proof,
                                           const std::string& part);
Result<TransactionVerdict> check_transaction_proof(const EpochChain& epochs, const BlockVerdict& block,
                                                   const TransactionProof& proof, const std::string& part);
Result<StateVerdict> check_state_row_proof(const EpochChain& epochs, const BlockVerdict& block,
                                           const StateRowProof& proof, const std::string& part);
Result<ConsistencyVerdict> check_consistency_proof(const EpochChain& epochs, const ConsistencyProof& proof,
                                                   const std::string& part);

/// The audit entry that a Decide gave, if `result` is the one that belongs to it.
std::optional<ledger::v1::AccessEntry> decision_of(const ledger::v1::Operation& operation, std::uint32_t index,
                                                   const BlockHeader& header, const TransactionId& id,
                                                   const PrincipalId& author, ByteSpan result);

}  // namespace galen
