// Evidence files: transaction, state and consistency proofs, and the bundle that holds several with genesis and a page
// to read (docs/spec/evidence.md 2). Decoding checks the framing; verifying needs genesis.json alone, for a bundle not
// even that. Messages are "KIND: PART: sentence", code and part are stable. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "galen/types/proof.hpp"
#include "galen/types/proof_check.hpp"

namespace galen {

enum class EvidenceKind { receipt, transaction, state, consistency, bundle };
/// By the magic; nothing for any other file.
std::optional<EvidenceKind> evidence_kind(ByteSpan file);

/// In every file: `epochs` lead to the newest epoch of its headers; none while that is the first.
struct TransactionProofFile {
  Hash chain_id;
  CertifiedBlock block;
  TransactionProof proof;
  std::vector<EpochLink> epochs = {};
  Bytes encode() const;
  static Result<TransactionProofFile> decode(ByteSpan file);
};
struct StateProofFile {
  Hash chain_id;
  CertifiedBlock block;
  StateRowProof proof;
  std::vector<EpochLink> epochs = {};
  Bytes encode() const;
  static Result<StateProofFile> decode(ByteSpan file);
};
struct ConsistencyProofFile {
  Hash chain_id;
  ConsistencyProof proof;
  std::vector<EpochLink> epochs = {};
  Bytes encode() const;
  static Result<ConsistencyProofFile> decode(ByteSpan file);
};

struct EvidenceBundle {
  struct Item {
    std::uint16_t block = 0;  ///< its certified block's place in `blocks`
  };
  struct TransactionItem : Item {
    TransactionProof proof;
  };
  struct StateItem : Item {
    StateRowProof proof;
  };
  struct Opening {
    std::uint16_t state = 0;
    Hash record_key;
    Bytes document;
  };
  Hash chain_id;
  std::vector<EpochLink> epochs;
  std::string summary;  ///< for people; no check reads it
  Bytes genesis;
  Epoch epoch = 1;      ///< of `members`: those of genesis, in every bundle
  Bytes members;
  std::vector<CertifiedBlock> blocks;
  std::vector<TransactionItem> transactions;
  std::vector<StateItem> states;
  std::vector<ConsistencyProof> consistency;
  std::vector<Opening> openings;

  /// Takes the links of a file that a part came from, if they lead further than those here.
  void add_epochs(const std::vector<EpochLink>& links);
  /// The place of this block in `blocks`, where it is put unless it stands there already.
  std::uint16_t add_block(const CertifiedBlock& block);
  Bytes encode() const;
  static Result<EvidenceBundle> decode(ByteSpan file);
};

struct TransactionFileVerdict {
  BlockVerdict block;
  TransactionVerdict transaction;
};
struct StateFileVerdict {
  BlockVerdict block;
  StateVerdict state;
};
struct BundleVerdict {
  Genesis genesis;
  bool genesis_from_bundle = false;  ///< the reader has to compare the chain id
  std::vector<BlockVerdict> blocks;
  struct OpeningVerdict {
    std::size_t state = 0;
    std::size_t document_bytes = 0;
  };
  std::vector<TransactionVerdict> transactions;
  std::vector<std::size_t> transaction_blocks;  ///< for each, its place in blocks
  std::vector<StateVerdict> states;
  std::vector<std::size_t> state_blocks;
  std::vector<ConsistencyVerdict> consistency;
  std::vector<OpeningVerdict> openings;
};

Result<TransactionFileVerdict> verify_transaction_file(const Genesis& genesis, const TransactionProofFile& file);
Result<StateFileVerdict> verify_state_file(const Genesis& genesis, const StateProofFile& file);
Result<ConsistencyVerdict> verify_consistency_file(const Genesis& genesis, const ConsistencyProofFile& file);
/// `genesis`: the exact bytes the reader knows, or nothing: then the bundle's own are taken.
Result<BundleVerdict> verify_bundle(const std::optional<Bytes>& genesis, const EvidenceBundle& bundle);

}  // namespace galen
