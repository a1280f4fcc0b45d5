// A block below a snapshot, with what executing it gave, as a member hands it to one that joined; and what the one that
// takes it writes (docs/spec/snapshots.md 1.4). Pure values, any thread.
#pragma once

#include <map>
#include <optional>

#include "galen/ledger/rows.hpp"
#include "galen/ledger/view.hpp"
#include "galen/types/certificate.hpp"
#include "galen/types/epoch_chain.hpp"
#include "galen/types/limits.hpp"

namespace galen::ledger {

/// The answers of a block may be larger than the block: a Decide of 75 bytes is answered with 200.
inline constexpr std::size_t kPastOutcomesBytesMax = 16u << 20;
inline constexpr std::size_t kPastBlockBytesMax =
    limits::kFrameBytesMax + kPastOutcomesBytesMax + 2 * limits::kCertificateBytesMax + Hash::kSize + 4 * 4;

/// What is proven of the wanted block already.
struct PastWanted {
  Height height = 0;
  Hash digest;
  Hash results_root;  ///< of the chain up to this block
};

struct PastBlock {
  BlockPtr block;
  std::vector<ItemOutcome> outcomes;
  Hash outcome_root;
  Hash results_root_below;
  std::optional<QuorumCertificate> commit;
  std::optional<ExecutedCertificate> executed;

  Height height() const { return block->skeleton.header.height; }
};

/// Nothing when this ledger lacks the block or what belongs to it.
Result<std::optional<Bytes>> encode_past_block(const View& view, Height height);
/// What encode_past_block() wrote, unchecked. MALFORMED.
struct PastBlockParts {
  ByteSpan block, outcomes;
  Hash results_root_below;
  ByteSpan commit, executed;  ///< empty: none
};
Result<PastBlockParts> split_past_block(ByteSpan bytes);
/// With the members of the block's epoch. MALFORMED, BAD_PROOF, BAD_SIGNATURE, BAD_CERTIFICATE, and what decoding gives.
Result<PastBlock> check_past_block(const EpochChain& epochs, const PastWanted& wanted, ByteSpan bytes);

/// The rows that executing the block wrote beside its state (execution/past_rows.hpp derives them).
struct PastRows {
  std::map<TransactionId, TransactionEntry> answers;
  std::map<std::string, Bytes> lists;  ///< keyed by list_row_key()
};

}  // namespace galen::ledger
