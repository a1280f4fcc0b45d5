// The parts that evidence files are made of: certified headers and blocks, proofs of transactions, state rows and
// consistency (docs/spec/evidence.md 1). A part is read in two steps: framing here, which looks at counts, lengths and
// indexes only, and checking in proof_check.hpp. Nested layouts (headers, certificates, operations) stay bytes until
// then, so that what was read is what is written. Pure; any thread.
#pragma once

#include <vector>

#include "galen/types/members.hpp"

namespace galen {

/// Siblings only: index and size follow from what else is proved.
using ProofPath = std::vector<Hash>;

/// A header of the chain, by its own COMMIT-QC or through the history tree of a later header that has one.
struct CertifiedHeader {
  struct Later {
    Bytes header;
    ProofPath path;
    bool operator==(const Later&) const = default;
  };
  Bytes header;
  std::optional<Later> later;
  Bytes commit_certificate;
  bool operator==(const CertifiedHeader&) const = default;

  void append_to(ByteWriter& out) const;
  static CertifiedHeader read(ByteReader& in);  ///< fails the reader when the framing is wrong; all of this page do
};

/// A block and what executing it gave: at once by q EXECUTED, or by history through a header that confirms it.
struct CertifiedBlock {
  struct History {
    ProofPath path;
    CertifiedHeader confirming;
    std::vector<Hash> later_outcome_roots;
    bool operator==(const History&) const = default;
  };
  Bytes header;
  Bytes executed_certificate;  ///< empty with history
  std::optional<History> history;
  bool operator==(const CertifiedBlock&) const = default;

  void append_to(ByteWriter& out) const;
  static CertifiedBlock read(ByteReader& in);
  Bytes encode() const;
};

/// One operation of a transaction, and its result when the code is 0.
struct ShownOperation {
  std::uint16_t index = 0;
  Bytes operation;
  ProofPath path;
  Bytes result;
  ProofPath result_path;
  bool operator==(const ShownOperation&) const = default;
};

/// A transaction of a certified block and its outcome; operations that are not shown stay hashes.
struct TransactionProof {
  std::uint8_t scheme = 0;
  Bytes authorization;
  Bytes envelope;
  std::uint16_t operations = 0;  ///< shown or not
  std::uint16_t code = 0;
  std::vector<ShownOperation> shown;  ///< ascending
  std::uint32_t item_index = 0;
  ProofPath item_path;
  Bytes batch_header;
  std::uint32_t batch_index = 0;
  ProofPath batch_path;
  std::uint32_t outcome_index = 0, outcome_size = 0;
  ProofPath outcome_path;
  Hash previous_results_root;
  bool operator==(const TransactionProof&) const = default;

  void append_to(ByteWriter& out) const;
  static TransactionProof read(ByteReader& in);
  Bytes encode() const;
};

/// A state row, or its absence, under the state root of a certified block.
struct StateRowProof {
  std::uint8_t kind = 0;
  Bytes key;
  std::optional<Bytes> value;
  Bytes proof;  ///< crypto::StateProof
  bool operator==(const StateRowProof&) const = default;

  void append_to(ByteWriter& out) const;
  static StateRowProof read(ByteReader& in);
  Bytes encode() const;
};

/// The chain up to an old header is the beginning of the chain up to a new one.
struct ConsistencyProof {
  Bytes old_header;
  ProofPath consistency_path;
  ProofPath inclusion_path;
  CertifiedHeader now;
  bool operator==(const ConsistencyProof&) const = default;

  void append_to(ByteWriter& out) const;
  static ConsistencyProof read(ByteReader& in);
  Bytes encode() const;
};

}  // namespace galen
