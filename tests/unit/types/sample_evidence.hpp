// A chain of eleven blocks with fixed keys, made for evidence: block 4 holds a bulk transaction, a registration and
// two decisions; headers confirm with delay and with gaps; a state tree of a few rows. Its signatures are kept in
// tests/golden like those of the sample chain, whose genesis it shares.
#pragma once

#include "galen/types/evidence.hpp"
#include "unit/types/sample_chain.hpp"

namespace galen::test {

struct SampleEvidence {
  static constexpr Height kHeights = 11;
  static constexpr Height kFull = 4;  ///< the block with batches

  SampleEvidence();

  const SampleChain& base;
  std::vector<BlockHeader> headers;  ///< by height; 0 is the virtual block
  std::vector<BatchPtr> batches;     ///< of block kFull
  std::vector<SampleOutcome> outcomes;
  std::vector<Hash> outcome_roots, results_roots, state_roots;  ///< by height
  struct Row {
    StateKind kind;
    Bytes key;
    Bytes value;
  };
  std::vector<Row> rows;  ///< after block kFull and ever since
  Bytes document;         ///< of the bulk transaction's first record
  Hash record_key;

  CertifiedBlock at_once(Height height = kFull) const;
  /// Confirmed by the header of height `confirming`, which hangs on `later` unless that is 0.
  CertifiedBlock by_history(Height height, Height confirming, Height later) const;
  CertifiedHeader certified(Height height, Height later) const;
  TransactionProof transaction(std::size_t batch, std::size_t item, const std::vector<std::uint16_t>& shown) const;
  StateRowProof state(StateKind kind, ByteSpan key) const;
  ConsistencyProof consistency(Height from, Height to, Height later) const;

  TransactionProofFile transaction_file(const CertifiedBlock& block, TransactionProof proof) const;
  StateProofFile state_file(const CertifiedBlock& block, StateRowProof proof) const;
  ConsistencyProofFile consistency_file(ConsistencyProof proof) const;
  /// With everything that a bundle can hold.
  EvidenceBundle bundle() const;

 private:
  void make_batches();
  void make_rows();
  void make_blocks();
  std::vector<Hash> history(std::uint64_t size) const;
  std::vector<Hash> outcome_leaves() const;
};

/// Made once per process.
const SampleEvidence& sample_evidence();

}  // namespace galen::test
