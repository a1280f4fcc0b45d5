// Executes the items of one block, in order, into a BlockUpdate (docs/spec/formats.md 5.6). A pure function of the
// view, the block and genesis; signatures were checked before, off this path. The executor and the offline check share
// it.
//
// Per item, the first that fails decides: the author is registered, active, and stands behind the item (with NODE the
// batch's origin is its home member, with AUTHOR the key is the registered one; whoever acts for a member needs it to
// be one in the block's epoch); valid_until is not before block time
// and at most ttl_max after it; the id has no unexpired index row. Such a refusal writes no row at all: otherwise a
// stranger could burn another's request_id by copying it into a batch of his own. From here on the id has its answer:
// an index row is written, the operations run, all or nothing.
//
// After the items of an epoch_end block the pending members become the current ones, from the next height on.
#pragma once

#include <vector>

#include "galen/contracts/contract.hpp"
#include "galen/ledger/verify.hpp"
#include "galen/types/leadership.hpp"

namespace galen::execution {

struct ExecutedItem {
  TransactionId id;
  ErrorCode code = ErrorCode::OK;
  std::vector<Bytes> results;  ///< one per operation when OK
  std::uint32_t batch = 0;     ///< position in the block
  std::uint32_t item = 0;      ///< position in the batch
  MemberIndex origin = 0;
  /// This occurrence is the answer for its id. False for duplicates and for what was refused before the operations.
  bool answers = false;
  std::optional<ledger::TransactionEntry> first;  ///< with DUPLICATE: where the answer stands
};

struct BlockRun {
  ledger::BlockUpdate update;
  std::vector<ExecutedItem> items;
  /// The voters of the next epoch, while an approved change waits for the end of this one. A header whose exec_height
  /// is this block's, or a later one of the epoch, must end the epoch with them; without them none may.
  std::optional<MemberSet> next_members;
  /// Members that the rotation of leaders leaves out, or will (V6): with what later blocks add, all that counts for views
  /// from this block's on.
  std::vector<LeaderSkip> leader_skips;
};

class BlockRunner final : public ledger::BlockExecutor {
 public:
  explicit BlockRunner(const Genesis& genesis);
  ~BlockRunner() override;

  /// Block 0 with the rows of genesis.
  BlockRun run_genesis() const;
  /// IO_ERROR or CORRUPT when the view cannot be read, CORRUPT also when the block is not of the epoch that the view
  /// is in or ends it with other members than the pending ones: it has then no outcome here, and the process stops.
  Result<BlockRun> run(const ledger::View& view, const BlockPtr& block) const;
  /// For the offline check.
  Result<ledger::BlockUpdate> execute(const ledger::View* view, const BlockPtr& block) override;

  struct Trial {
    ErrorCode code = ErrorCode::OK;
    std::string message;                            ///< says what is refused and why; not part of any outcome
    std::vector<Bytes> results;                     ///< what the operations would give now
    std::optional<ledger::TransactionEntry> first;  ///< with DUPLICATE
  };
  /// What executing the transaction in the next block would give, for admission and validate_only; writes nothing.
  Result<Trial> try_transaction(const ledger::View& view, const BatchItem& item, MemberIndex origin,
                                TimestampMs time_ms) const;

 private:
  const Genesis genesis_;
};

}  // namespace galen::execution
