// What members ask of each other to join a running chain and to fill a ledger downwards (docs/spec/snapshots.md 2): the
// bodies behind the kind byte. Pure values, any thread; every count is checked before it allocates.
#pragma once

#include <vector>

#include "node/peer_messages.hpp"

namespace galen::node {

inline constexpr std::size_t kSnapshotsOfferedMax = 8;
inline constexpr std::uint32_t kPastBlocksMax = 256;
inline constexpr std::size_t kPastAnswerBytes = 512 * 1024;
inline constexpr std::size_t kPastWholeBytesMax = 4u << 20;  ///< a larger past block goes in pieces
inline constexpr std::size_t kPastPieceBytes = 1u << 20;

/// Of fetch_part and part, of fetch_past and past, of fetch_past_piece and past_piece: what is asked for, and what an
/// answer says it answers.
struct SyncSubject {
  Height height = 0;         ///< of the snapshot; of the highest past block
  std::uint32_t number = 0;  ///< index of the part or piece; how many past blocks
  bool operator==(const SyncSubject&) const = default;
};

bool is_sync_request(PeerMessageKind kind);
bool is_sync_answer(PeerMessageKind kind);

Bytes encode_fetch_snapshots();
Bytes encode_snapshots(std::span<const Height> heights);
Result<std::vector<Height>> decode_snapshots(ByteSpan body);

Bytes encode_fetch_manifest(Height height);
Result<Height> decode_fetch_manifest(ByteSpan body);

/// For fetch_part, fetch_past and fetch_past_piece, and as the head of their answers.
Bytes encode_subject(PeerMessageKind kind, const SyncSubject& subject);
Result<SyncSubject> decode_subject(ByteSpan body);

/// A part as it is stored, or a piece of a past block; without one: not here.
Bytes encode_part_answer(const SyncSubject& subject, ByteSpan part, PeerMessageKind kind = PeerMessageKind::part);
struct PartAnswer {
  SyncSubject subject;
  ByteSpan part;
};
Result<PartAnswer> decode_part_answer(ByteSpan body);

/// Past blocks, descending, each u32 length ‖ bytes.
Bytes encode_past_answer(Height highest, std::span<const Bytes> blocks);
/// Instead of blocks: the highest one has so many bytes and is to be asked for in pieces.
Bytes encode_past_in_pieces(Height highest, std::size_t bytes);
struct PastAnswer {
  Height highest = 0;
  std::vector<ByteSpan> blocks;
  std::size_t bytes_in_pieces = 0;  ///< of the highest block, when it comes so; else 0
};
Result<PastAnswer> decode_past_answer(ByteSpan body);

}  // namespace galen::node
