// What members ask of each other to join a running chain and to fill a ledger downwards (docs/spec/snapshots.md 2): the
// bodies behind the kind byte. Pure values, any thread; every count is checked before it allocates.
#pragma once

#include <vector>

#include "node/peer_messages.hpp"

namespace galen::node {

inline constexpr std::size_t kSnapshotsOfferedMax = 8;
inline constexpr std::uint32_t kPastBlocksMax = 256;
inline constexpr std::size_t kPastAnswerBytes = 512 * 1024;

/// Of fetch_part and part, and of fetch_past and past: what is asked for, and what an answer says it answers.
struct SyncSubject {
  Height height = 0;         ///< of the snapshot; of the highest past block
  std::uint32_t number = 0;  ///< index of the part; how many past blocks
  bool operator==(const SyncSubject&) const = default;
};

bool is_sync_request(PeerMessageKind kind);
bool is_sync_answer(PeerMessageKind kind);

Bytes encode_fetch_snapshots();
Bytes encode_snapshots(std::span<const Height> heights);
Result<std::vector<Height>> decode_snapshots(ByteSpan body);

Bytes encode_fetch_manifest(Height height);
Result<Height> decode_fetch_manifest(ByteSpan body);

/// For fetch_part, fetch_past, and as the head of part and past.
Bytes encode_subject(PeerMessageKind kind, const SyncSubject& subject);
Result<SyncSubject> decode_subject(ByteSpan body);

/// A part as it is stored; without one: not here.
Bytes encode_part_answer(const SyncSubject& subject, ByteSpan part);
struct PartAnswer {
  SyncSubject subject;
  ByteSpan part;
};
Result<PartAnswer> decode_part_answer(ByteSpan body);

/// Past blocks, descending, each u32 length ‖ bytes.
Bytes encode_past_answer(Height highest, std::span<const Bytes> blocks);
struct PastAnswer {
  Height highest = 0;
  std::vector<ByteSpan> blocks;
};
Result<PastAnswer> decode_past_answer(ByteSpan body);

}  // namespace galen::node
