// Block header and block (docs/spec/formats.md 7).
#pragma once

#include <vector>

#include "galen/types/batch.hpp"

namespace galen {

enum BlockFlags : std::uint16_t { kTenureEnd = 1, kEpochEnd = 2 };

/// Fixed layout, kHeaderBytes, all integers big-endian, in the order of the fields. The digest never depends on the view
/// a block is proposed in later, only on its birth view.
struct BlockHeader {
  std::uint16_t version = 1;
  std::uint16_t flags = 0;
  Hash chain_id;
  Epoch epoch = 1;
  View view = 0;             ///< birth view
  Height height = 0;
  Hash parent;               ///< digest of the parent header
  TimestampMs time_ms = 0;   ///< strictly greater than the parent's
  Height exec_height = 0;    ///< height whose execution the next two certify; monotone, height-L <= it < height
  Hash state_root;
  Hash results_root;
  Hash body_root;            ///< RFC 9162 over the batch digests
  std::uint32_t batch_count = 0;
  std::uint64_t history_size = 0;  ///< = height: digests of blocks 0 … height-1
  Hash history_root;               ///< RFC 9162 over them
  std::uint32_t rules_version = 1;
  MemberIndex proposer = 0;  ///< u16 on the wire, leader of the birth view
  Hash next_members_hash;    ///< zero unless epoch_end
  bool operator==(const BlockHeader&) const = default;

  bool tenure_end() const { return (flags & kTenureEnd) != 0; }
  bool epoch_end() const { return (flags & kEpochEnd) != 0; }
  Bytes encode() const;
  /// MALFORMED for a wrong length or unknown flags, UNSUPPORTED_VERSION.
  static Result<BlockHeader> decode(ByteSpan bytes);
  Hash digest(crypto::Suite suite) const;  ///< hash_tagged("galen/1 header", encode())
};
inline constexpr std::size_t kHeaderBytes = 286;

/// hash_tagged("galen/1 results", previous results root ‖ u64 height ‖ outcome root)
Hash next_results_root(crypto::Suite suite, const Hash& previous, Height height, const Hash& outcome_root);

/// Data of outcome leaf `index`: u32 index ‖ transaction hash ‖ transaction id ‖ u32 code ‖ RFC 9162 root over the results.
Bytes outcome_leaf_data(crypto::Suite suite, std::uint32_t index, const Hash& transaction_hash,
                        const TransactionId& id, std::uint32_t code, std::span<const Bytes> results);
/// The same for one who knows the root over the results only.
Bytes outcome_leaf_data_of_root(std::uint32_t index, const Hash& transaction_hash, const TransactionId& id,
                                std::uint32_t code, const Hash& results_root);

/// Header and the ordered batch digests: what a PRE-PREPARE carries.
struct BlockSkeleton {
  BlockHeader header;
  std::vector<Hash> batch_digests;
  bool operator==(const BlockSkeleton&) const = default;

  /// header ‖ u32 count ‖ digests
  Bytes encode() const;
  /// Checks layout, the count and the body root.
  static Result<BlockSkeleton> decode(crypto::Suite suite, ByteSpan bytes);
  void append_to(ByteWriter& out) const;
  static Result<BlockSkeleton> read(crypto::Suite suite, ByteReader& in);
};
Hash body_root(crypto::Suite suite, std::span<const Hash> batch_digests);

/// A block with its bodies, in order.
struct Block {
  BlockSkeleton skeleton;
  std::vector<BatchPtr> batches;

  /// skeleton ‖ per batch: u32 length ‖ bytes
  Bytes encode() const;
  /// Of this chain and of any epoch: its batches are of the header's.
  static Result<Block> decode(const ChainContext& context, ByteSpan bytes);
};
using BlockPtr = std::shared_ptr<const Block>;

}  // namespace galen
