// A batch: what one member vouches for with one signature (docs/spec/formats.md 5). Bodies travel apart from proposals.
#pragma once

#include <memory>
#include <vector>

#include "galen/types/transaction.hpp"

namespace galen {

/// Fixed layout, kBatchHeaderBytes:
/// u16 version 1 ‖ chain id 32 ‖ u64 epoch ‖ u16 origin ‖ u64 valid_until_ms ‖ u32 items ‖ u32 items_bytes ‖ items root 32
struct BatchHeader {
  Hash chain_id;
  Epoch epoch = 1;
  MemberIndex origin = 0;
  TimestampMs valid_until_ms = 0;  ///< the smallest of its items; a block with an expired batch is invalid
  std::uint32_t item_count = 0;
  std::uint32_t items_bytes = 0;   ///< length of the encoded items that follow header and signature
  Hash items_root;                 ///< RFC 9162 over item leaves (item_leaf_data)
  bool operator==(const BatchHeader&) const = default;

  Bytes encode() const;
  static Result<BatchHeader> decode(ByteSpan bytes);
  Hash digest(crypto::Suite suite) const;  ///< hash_tagged("galen/1 batch", encode())
};
inline constexpr std::size_t kBatchHeaderBytes = 92;

struct BatchItem {
  Authorization authorization;
  Transaction transaction;
};
/// transaction hash ‖ hash_tagged("galen/1 authorization", u8 scheme ‖ data)
Bytes item_leaf_data(crypto::Suite suite, const Hash& transaction_hash, const Authorization& authorization);

/// A decoded batch, immutable, shared between threads as BatchPtr.
class Batch {
 public:
  /// Signs as the member of `key`. Items: at most limits::kBatchItemsMax and kBatchBytesMax, asserted.
  struct Draft {
    MemberIndex origin = 0;
    std::vector<BatchItem> items;
  };
  static Batch make(const ChainContext& context, Draft draft, const crypto::PrivateKey& key);

  /// Cheap checks only: layout, counts, scanner, items root, each item's valid_until not before the header's. Signatures
  /// are verify_signatures' business (verify threads).
  static Result<Batch> decode(const ChainContext& context, ByteSpan bytes);
  /// The origin's signature and every item's authorization.
  Status verify_signatures(const ChainContext& context, const MemberSet& members) const;

  const BatchHeader& header() const { return header_; }
  const Hash& digest() const { return digest_; }
  const Signature& signature() const { return signature_; }
  const std::vector<BatchItem>& items() const { return items_; }
  std::vector<Hash> item_leaves(crypto::Suite suite) const;  ///< merkle_leaf'ed, for paths
  /// header ‖ signature ‖ items, each item: u8 scheme ‖ u16 length ‖ authorization ‖ u32 length ‖ transaction
  const Bytes& bytes() const { return bytes_; }

 private:
  BatchHeader header_;
  Hash digest_;
  Signature signature_;
  std::vector<BatchItem> items_;
  Bytes bytes_;
};
using BatchPtr = std::shared_ptr<const Batch>;

}  // namespace galen
