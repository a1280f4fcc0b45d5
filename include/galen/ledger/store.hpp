// The ledger of a node: blocks, certificates, indexes, state and its tree, in RocksDB below DIR/ledger with RocksDB's
// own log off (docs/spec/ledger-storage.md). Durability comes from the node's log: what a crash takes from here is
// replayed from there, above the height that open() finds.
//
// Threads: apply and latest() belong to the executor; snapshot, put_certificate and checkpoint may be called from any
// thread at any time (one checkpoint at once). Invariants: rows of a block appear together with its height or not at
// all; heights have no gap; state_root is that of the rows. After any IO_ERROR nothing more is written: the caller
// stops the process, nothing is retried.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "galen/base/failure_bell.hpp"
#include "galen/ledger/block_update.hpp"
#include "galen/ledger/past_block.hpp"
#include "galen/ledger/view.hpp"

namespace rocksdb {
class Env;
}

namespace galen::ledger {

/// What an operator can do about a ledger whose bytes are not what was written: ends the messages of CORRUPT.
inline constexpr std::string_view kRepairAdvice =
    "galend repair --ledger makes the ledger anew from the other members.";

struct StoreOptions {
  std::string directory;  ///< DIR of the node; RocksDB stands in DIR/ledger
  ChainContext context;  ///< of the chain: suite and chain id count, a ledger holds blocks of all epochs
  std::size_t state_versions = 64;  ///< heights for which prove_state answers
  std::size_t block_cache_bytes = 64u << 20;
  /// Leaves of the state tree kept in memory after a checkpoint, about 115 bytes each.
  std::size_t tree_leaves_max = 1'000'000;
  /// RocksDB writes files by itself once a column family holds this much; checkpoints should come earlier.
  std::size_t write_buffer_bytes = 256u << 20;
  /// Told when RocksDB fails in a thread of its own; may be nothing.
  std::shared_ptr<FailureBell> failures = nullptr;
  /// Files and threads of RocksDB, for the simulator; the system's when there is nothing here. Outlives the store.
  rocksdb::Env* environment = nullptr;
};

struct Applied {
  BlockInfo info;  ///< with the roots that EXECUTED signs
  RowCounts rows;
  std::size_t bytes = 0;
};

class Store {
 public:
  /// Makes an empty ledger; ALREADY_EXISTS if there is one. Only `galend init` does this. The first update is block 0.
  static Result<std::unique_ptr<Store>> create(const StoreOptions& options);
  /// DATA_DIR_MISSING, DATA_DIR_LOCKED, WRONG_CHAIN, UNSUPPORTED_VERSION, CORRUPT, IO_ERROR. Brings the state tree to
  /// the applied height and checks its root against the block's.
  static Result<std::unique_ptr<Store>> open(const StoreOptions& options);
  /// Closes without a checkpoint: whoever wants a quick start calls checkpoint() first.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Height of the last applied block; nothing before block 0.
  std::optional<Height> applied_height() const;
  /// After open: what survived; then what the last checkpoint made durable.
  std::optional<Height> durable_height() const;

  /// Writes block, indexes, state and height at once, and with a block that ends its epoch the link to the next one.
  /// CORRUPT if the block does not follow the head (height, epoch, parent, history root), its outcomes do not match its
  /// items or its next members its header: nothing is then written.
  Result<Applied> apply(const BlockUpdate& update);
  /// COMMIT-QC or EXECUTED certificate of a block, which has been applied or soon is. Not verified here. Written again,
  /// it replaces. The COMMIT-QC of a block that ended its epoch makes the link to the next one whole, in one write.
  Status put_certificate(const QuorumCertificate& certificate);
  Status put_certificate(const ExecutedCertificate& certificate);

  /// The lowest block that is here, while older ones are still fetched after a snapshot; 0: the ledger is whole.
  Height backfill_floor() const;
  /// The block below the floor, as far as it is proven; asserted to be missing. Height 0: only genesis is.
  PastWanted past_wanted() const;
  /// Writes that block (verified against past_wanted) and moves the floor. One thread, beside the executor.
  Status add_past(const PastBlock& past, const PastRows& rows);
  /// At floor 1: block 0 and its rows, after which the ledger is whole. CORRUPT when it does not fit.
  Status finish_past(const BlockUpdate& genesis);

  /// Newest rows; executor's thread only, from block 0 on (asserted).
  const View& latest() const;
  /// Frozen at the height it was taken; any thread. Keep it for a request, not for minutes: it holds disk space.
  Result<std::shared_ptr<const View>> snapshot() const;

  /// Writes the dirty pages of the state tree, then flushes every column family atomically; returns the height that is
  /// durable now. The node may then recycle its log up to that height.
  Result<Height> checkpoint();
  /// Open had to make the state tree anew from its rows (slow: seconds for a million).
  bool tree_rebuilt() const;
  /// Bytes that are in memory only: when a checkpoint is due.
  std::size_t unflushed_bytes() const;

 private:
  friend class Replay;
  friend class Scrub;
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace galen::ledger
