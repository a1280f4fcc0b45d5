// The rows of the ledger's column families and their fixed layouts (docs/spec/ledger-storage.md). Each value starts
// with a format byte. Everything here can be derived again from blocks and certificates; pure values, any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "galen/types/block.hpp"

namespace galen::ledger {

inline constexpr std::size_t kRowKeyBytesMax = 1024;

/// Where an item of a block stands and what executing it gave.
struct TransactionEntry {
  Height height = 0;
  std::uint32_t batch = 0;  ///< position of the batch in the block
  std::uint32_t item = 0;   ///< position of the item in the batch
  std::uint32_t code = 0;   ///< ErrorCode
  TimestampMs valid_until_ms = 0;
  bool operator==(const TransactionEntry&) const = default;
};

/// Index row of a transaction id, which is also the dedup entry: a duplicate is an id whose `latest.valid_until_ms` is
/// not before block time. An id reused after that adds an occurrence: `first` stays the answer, `latest` moves. An item
/// that was refused before its operations ran has no row (docs/spec/formats.md 5.6).
struct TransactionRow {
  TransactionEntry first;
  TransactionEntry latest;
  bool operator==(const TransactionRow&) const = default;

  explicit TransactionRow(const TransactionEntry& only) : first(only), latest(only) {}
  TransactionRow(const TransactionEntry& first_entry, const TransactionEntry& latest_entry)
      : first(first_entry), latest(latest_entry) {}
  /// u8 format 1 ‖ first [‖ latest, when it differs]; an entry is u64 height ‖ u32 batch ‖ u32 item ‖ u32 code ‖ u64
  /// ms.
  Bytes encode() const;
  static Result<TransactionRow> decode(ByteSpan bytes);
};

/// What executing one item gave: its code and one result per operation (none unless the code is OK).
struct ItemOutcome {
  std::uint32_t code = 0;
  std::vector<Bytes> results;
  bool operator==(const ItemOutcome&) const = default;
};
/// u8 format 1 ‖ u32 items ‖ each: u32 code ‖ u32 results ‖ each: u32 length ‖ bytes. One row a block.
Bytes encode_outcomes(const std::vector<ItemOutcome>& outcomes);
Result<std::vector<ItemOutcome>> decode_outcomes(ByteSpan bytes);

/// merkle_leaf'ed outcome leaves of a block, in item order, for the outcome tree's root and paths. The counts of items
/// and outcomes must agree (asserted).
std::vector<Hash> outcome_leaves(crypto::Suite suite, const Block& block, const std::vector<ItemOutcome>& outcomes);

/// What is known of an executed block without its body.
struct BlockInfo {
  BlockHeader header;
  Hash digest;
  Hash outcome_root;
  Hash results_root;  ///< next_results_root of the chain up to here
  Hash state_root;    ///< after this block
  std::uint32_t item_count = 0;
  std::uint64_t body_bytes = 0;
  /// Roots of the perfect subtrees of the history tree that this block's digest completes, smallest (its leaf) first.
  std::vector<Hash> history_nodes;
  bool operator==(const BlockInfo&) const = default;

  Bytes encode() const;
  static Result<BlockInfo> decode(ByteSpan bytes);
};

/// u8 kind ‖ key
std::string state_row_key(std::uint8_t kind, ByteSpan key);
/// u8 list ‖ u16 length ‖ key ‖ u64 sequence: no list's key is another's prefix, sequences sort in order.
std::string list_row_key(std::uint8_t list, ByteSpan key, std::uint64_t sequence);
/// The part before the sequence.
std::string list_row_prefix(std::uint8_t list, ByteSpan key);

}  // namespace galen::ledger
