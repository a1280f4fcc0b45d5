// What nodes send each other over the mesh: one kind byte, then the body. Votes go on the votes lane, everything with
// bodies on the bulk lane. Fixed layouts; the decoder checks every count before it allocates (docs/spec/wire.md 3).
#pragma once

#include <variant>
#include <vector>

#include "galen/consensus/effects.hpp"
#include "galen/types/block.hpp"
#include "galen/types/certificate.hpp"
#include "galen/types/limits.hpp"

namespace galen::node {

enum class PeerMessageKind : std::uint8_t {
  consensus = 1,     ///< a consensus message, consensus/messages.hpp
  batch = 2,         ///< a signed batch: gossip of a new one, or the answer to fetch_batches
  fetch_batches = 3,
  fetch_blocks = 4,
  blocks = 5,
  // Joining and backfilling, sync_messages.hpp.
  fetch_snapshots = 16,
  snapshots = 17,
  fetch_manifest = 18,
  manifest = 19,
  fetch_part = 20,
  part = 21,
  fetch_past = 22,
  past = 23,
  fetch_tree = 24,    ///< a page of the state tree: u64 height ‖ u8 depth ‖ path 32
  tree = 25,          ///< the same three ‖ root 32 ‖ page; nothing after the three: not here
  fetch_stored = 26,  ///< all that is stored of a block: u64 height
  stored = 27,        ///< the same ‖ ledger::StoredBlock; nothing after it: not here
  fetch_past_piece = 28,  ///< of a past block that fits no answer, sync_messages.hpp
  past_piece = 29,
  fetch_high = 30,  ///< the highest PREPARE-QC the peer knows: u64 nonce
  high = 31,        ///< u64 nonce ‖ u8 counts ‖ u8 0, or u8 1 ‖ certificate
  offer = 32,       ///< batches that wait at the sender (F1): as fetch_batches
};

/// By digest; the peer answers with those it has, as many as fit one answer.
struct FetchBatches {
  std::vector<Hash> digests;  ///< at most kFetchBatchesMax, none twice
};
/// Committed blocks from a height on, as many as fit one answer.
struct FetchBlocks {
  Height from = 0;
  std::uint32_t count_max = 0;
};
/// A committed block as it is stored, with a COMMIT-QC of itself or of a descendant in the same answer.
struct SyncBlock {
  ByteSpan block;                      ///< Block::encode()
  std::optional<QuorumCertificate> certificate;
};

/// What a member knows of certificates, for a linearizable read of another one.
struct HighAnswer {
  std::uint64_t nonce = 0;
  bool counts = false;  ///< it votes: it has forgotten nothing, and its state is the certified one
  std::optional<QuorumCertificate> certificate;
};

inline constexpr std::size_t kFetchBatchesMax = 256;
inline constexpr std::size_t kBatchesAnswerBytesMax = 2 * 1024 * 1024;
inline constexpr std::uint32_t kFetchBlocksMax = 256;
inline constexpr std::size_t kBlocksAnswerBytesMax = 2 * 1024 * 1024;

static_assert(kFetchBatchesMax == consensus::kOfferedMax);

Bytes encode_fetch_batches(const std::vector<Hash>& digests);
Result<FetchBatches> decode_fetch_batches(ByteSpan body);
/// Digests like those of fetch_batches, and as many.
Bytes encode_offer(const std::vector<Hash>& digests);
Result<std::vector<Hash>> decode_offer(ByteSpan body);
/// Questions for a mend or a comparison (docs/spec/wire.md 6).
struct FetchTree {
  Height height = 0;
  std::uint8_t depth = 0;
  Hash path;
};
Result<Height> decode_fetch_stored(ByteSpan body);
Result<FetchTree> decode_fetch_tree(ByteSpan body);
Bytes encode_fetch_blocks(const FetchBlocks& request);
Result<FetchBlocks> decode_fetch_blocks(ByteSpan body);

/// Builds the answer to fetch_blocks: u32 count, then per block u32 length ‖ block ‖ u8 has certificate ‖ certificate.
class BlocksWriter {
 public:
  /// False, and nothing is added, when the answer is full; the first block always fits.
  bool add(ByteSpan block, const std::optional<QuorumCertificate>& certificate);
  std::uint32_t count() const { return count_; }
  Bytes take() &&;

 private:
  ByteWriter body_;
  std::uint32_t count_ = 0;
};
Result<std::vector<SyncBlock>> decode_blocks(ByteSpan body);

Bytes encode_fetch_high(std::uint64_t nonce);
Result<std::uint64_t> decode_fetch_high(ByteSpan body);
Bytes encode_high(const HighAnswer& answer);
Result<HighAnswer> decode_high(ByteSpan body);

/// kind ‖ body
Bytes peer_message(PeerMessageKind kind, ByteSpan body);

}  // namespace galen::node
