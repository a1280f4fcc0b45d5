// What a snapshot promises: the nodes of the state tree at one depth, and the chain of proofs from the members of
// genesis, over those of later epochs, to them (docs/spec/snapshots.md 1.1, 1.2). Pure values, any thread.
#pragma once

#include <vector>

#include "galen/crypto/merkle.hpp"
#include "galen/types/epoch_chain.hpp"

namespace galen::ledger {

inline constexpr unsigned kSnapshotDepthMax = 16;
inline constexpr std::size_t kSnapshotHeadersMax = 1200;

/// What stands in the state tree at a depth under one prefix.
struct SnapshotNode {
  enum class Kind : std::uint8_t { empty = 0, leaf = 1, subtree = 2 };
  Kind kind = Kind::empty;
  Hash path;  ///< of a leaf
  Hash hash;  ///< of a leaf that of its value, of a subtree its own
  bool operator==(const SnapshotNode&) const = default;
};

/// Path and value hash of one row.
struct StateLeaf {
  Hash path;
  Hash value_hash;
};
/// The node of rows that share their first `depth` bits; their paths ascend strictly.
SnapshotNode snapshot_node(crypto::Suite suite, std::span<const StateLeaf> leaves, unsigned depth);
/// 2^d nodes, folded.
Hash snapshot_root(crypto::Suite suite, std::vector<SnapshotNode> nodes);
/// The first `depth` bits of a path, read as a number.
std::uint32_t snapshot_prefix(const Hash& path, unsigned depth);

struct SnapshotManifest {
  std::uint8_t depth = 0;
  std::vector<BlockHeader> headers;                             ///< of the heights s, s+1 …
  QuorumCertificate certificate;                                ///< COMMIT-QC of the last one
  crypto::MerkleFrontier frontier{crypto::Suite::p256_sha256};  ///< of the digests of blocks 0 … s-1
  std::vector<EpochLink> epochs;                                ///< from genesis to the epoch of the last header
  std::vector<SnapshotNode> nodes;                              ///< 2^depth

  Height height() const { return headers.front().height; }
  /// Header c, whose roots are those after block s; nothing if there is none.
  const BlockHeader* certifying() const;

  Bytes encode() const;
  /// Layout and limits: MALFORMED, UNSUPPORTED_VERSION.
  static Result<SnapshotManifest> decode(crypto::Suite suite, ByteSpan bytes);
  /// Everything else, from genesis on: WRONG_CHAIN, BAD_PROOF, BAD_CERTIFICATE, and what a link may be refused with.
  /// Nothing of a manifest is believed before. Gives the members of all epochs up to the last header's.
  Result<EpochChain> verify(const Genesis& genesis) const;
};

}  // namespace galen::ledger
