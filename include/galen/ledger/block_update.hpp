// What executing one block changes, gathered by the executor and written by Store::apply in one atomic batch together
// with the block and the applied height (docs/spec/consensus.md 4). One owner thread. Row budget: D11.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "galen/ledger/rows.hpp"
#include "galen/types/block.hpp"
#include "galen/types/certificate.hpp"

namespace galen::ledger {

/// Rows of one update by kind. `block` is the constant part; certificates are counted apart, they may come later.
struct RowCounts {
  std::size_t state = 0;
  std::size_t transactions = 0;
  std::size_t lists = 0;
  std::size_t block = 0;
  std::size_t certificates = 0;
  std::size_t epochs = 0;  ///< the link to the next epoch, of a block that ends one
  std::size_t total() const { return state + transactions + lists + block + certificates + epochs; }
  bool operator==(const RowCounts&) const = default;
};

/// Rows that every block costs, whatever it holds: info, body, outcomes, changed keys, head.
inline constexpr std::size_t kRowsPerBlock = 5;

class BlockUpdate {
 public:
  /// Block 0 is the virtual one of genesis: no batches, and the state rows that the chain starts with.
  explicit BlockUpdate(BlockPtr block);

  /// The last write of a key wins; a key is at most kRowKeyBytesMax long (asserted).
  void put_state(std::uint8_t kind, ByteSpan key, ByteSpan value);
  void erase_state(std::uint8_t kind, ByteSpan key);
  /// What this update holds for a key: nothing if untouched, an inner nothing if erased.
  std::optional<std::optional<Bytes>> state(std::uint8_t kind, ByteSpan key) const;

  /// The whole new row, TransactionRow::first kept from the row that was there (see rows.hpp).
  void put_transaction(const TransactionId& id, const TransactionRow& row);
  /// One row of a list; writing a sequence again replaces it.
  void put_list(std::uint8_t list, ByteSpan key, std::uint64_t sequence, ByteSpan value);
  /// One for every item of the block, duplicates too, in block order.
  void add_outcome(ItemOutcome outcome);
  void add_outcome(std::uint32_t code, std::vector<Bytes> results) {
    add_outcome(ItemOutcome{code, std::move(results)});
  }
  /// The COMMIT-QC, when it is at hand; else Store::put_certificate later.
  void set_certificate(QuorumCertificate certificate) { certificate_ = std::move(certificate); }

  /// Of a block that ends its epoch, and of no other: the members its header names.
  void set_next_members(MemberSet members) { next_members_ = std::move(members); }

  RowCounts rows() const;
  Height height() const { return block_->skeleton.header.height; }
  const BlockPtr& block() const { return block_; }
  const std::vector<ItemOutcome>& outcomes() const { return outcomes_; }
  /// Keyed by kind ‖ key; no value means erased.
  const std::map<std::string, std::optional<Bytes>>& state_rows() const { return state_; }
  const std::map<TransactionId, TransactionRow>& transaction_rows() const { return transactions_; }
  /// Keyed by list_row_key().
  const std::map<std::string, Bytes>& list_rows() const { return lists_; }
  const std::optional<QuorumCertificate>& certificate() const { return certificate_; }
  const std::optional<MemberSet>& next_members() const { return next_members_; }

 private:
  BlockPtr block_;
  std::map<std::string, std::optional<Bytes>> state_;
  std::map<TransactionId, TransactionRow> transactions_;
  std::map<std::string, Bytes> lists_;
  std::vector<ItemOutcome> outcomes_;
  std::optional<QuorumCertificate> certificate_;
  std::optional<MemberSet> next_members_;
};

}  // namespace galen::ledger
