// Reading the ledger. A View from Store::snapshot() is frozen at one height and may be read by any thread while blocks
// are being applied; Store::latest() reads the newest rows and belongs to the executor's thread. Every read returns
// IO_ERROR (the disk failed or RocksDB found damage) or CORRUPT (the row does not decode); the caller fail-stops on
// both.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "galen/crypto/merkle.hpp"
#include "galen/crypto/sparse_merkle.hpp"
#include "galen/ledger/rows.hpp"
#include "galen/types/epoch_chain.hpp"

namespace galen::ledger {

class Database;
class StateTree;

struct ListEntry {
  std::uint64_t sequence = 0;
  Bytes value;
  bool operator==(const ListEntry&) const = default;
};
/// Of the state: its key without the byte of its kind.
struct KeyedRow {
  Bytes key;
  Bytes value;
  bool operator==(const KeyedRow&) const = default;
};
struct ListQuery {
  std::uint64_t from = 0;  ///< first sequence wanted; descending: last one wanted (UINT64_MAX: from the newest)
  std::size_t items_max = 100;
  bool descending = false;
};
struct ListPage {
  std::vector<ListEntry> entries;
  std::optional<std::uint64_t> next;  ///< `from` of the next page; nothing at the end of the list
};

class View {
 public:
  ~View();
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  /// The newest block of this view. A store without block 0 has no view.
  const BlockInfo& head() const;
  Height height() const { return head().header.height; }

  Result<std::optional<Bytes>> state(std::uint8_t kind, ByteSpan key) const;
  /// Rows read together, cheaper than one by one. The keys (state_row_key) and ids ascend; `found` hears of each in their
  /// order, but not of one that could not be read: who asks for it alone is told why.
  void states(std::span<const std::string> row_keys,
              const std::function<void(std::size_t, std::optional<ByteSpan>)>& found) const;
  void transactions(std::span<const TransactionId> ids,
                    const std::function<void(std::size_t, std::optional<TransactionRow>)>& found) const;
  /// Every state row (kind ‖ key, value), in the order of the keys, until `visit` fails.
  Status each_state_row(const std::function<Status(ByteSpan row_key, ByteSpan value)>& visit) const;
  /// The rows of one kind, the greatest key first, at most items_max of them.
  Result<std::vector<KeyedRow>> last_state_rows(std::uint8_t kind, std::size_t items_max) const;
  crypto::Suite suite() const;
  Result<std::optional<TransactionRow>> transaction(const TransactionId& id) const;
  Result<ListPage> list(std::uint8_t list, ByteSpan key, const ListQuery& query = {}) const;

  /// Nothing above height() (a node that pruned has none below its floor).
  Result<std::optional<BlockInfo>> info(Height height) const;
  Result<std::optional<BlockHeader>> header(Height height) const;
  /// Block::encode() as it was stored: what peers and tools are served.
  Result<std::optional<Bytes>> block_bytes(Height height) const;
  /// Of every block here from `first` on, ascending. Read ahead: for blocks in a row faster by far than one by one.
  Status each_block_bytes(Height first, const std::function<Status(Height, ByteSpan)>& visit) const;
  /// Decoded; nullptr when there is none.
  Result<BlockPtr> block(Height height) const;
  Result<std::optional<std::vector<ItemOutcome>>> outcomes(Height height) const;

  Result<std::optional<QuorumCertificate>> commit_certificate(Height height) const;
  /// The certificate of the lowest height not below `height`: it commits its ancestors too (R6).
  Result<std::optional<QuorumCertificate>> commit_certificate_from(Height height) const;
  Result<std::optional<ExecutedCertificate>> executed_certificate(Height height) const;

  /// What leads from genesis to an epoch, the first link first. NOT_FOUND: this view has not come so far. UNAVAILABLE:
  /// the COMMIT-QC that ends the epoch before is not here yet.
  Result<std::vector<EpochLink>> epoch_links(Epoch epoch) const;
  /// The members of every epoch up to the one that goes on above the head. Links are not verified again.
  Result<EpochChain> epochs(const Genesis& genesis) const;

  /// History tree over the digests of blocks 0 … size-1 (size at most height()+1, else NOT_FOUND).
  Result<Hash> history_root(std::uint64_t size) const;
  Result<std::vector<Hash>> history_path(std::uint64_t index, std::uint64_t size) const;
  Result<std::vector<Hash>> history_consistency_path(std::uint64_t size_old, std::uint64_t size_new) const;
  /// The right edge at `size`, e.g. for a proposer.
  Result<crypto::MerkleFrontier> history_frontier(std::uint64_t size) const;

  /// Proof under the state root of `height`; NOT_FOUND when it is not among the last StoreOptions::state_versions ones.
  Result<crypto::StateProof> prove_state(std::uint8_t kind, ByteSpan key, Height height) const;
  /// A page of the state tree at `height`, as StateTree::page.
  Result<Bytes> tree_page(Height height, unsigned depth, const Hash& path) const;

 private:
  friend class Store;
  friend class Scrub;
  friend class Verification;
  View(std::shared_ptr<Database> database, std::shared_ptr<StateTree> tree, bool frozen);
  Status load_head();

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace galen::ledger
