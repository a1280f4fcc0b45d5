#include "node/stored_fetch.hpp"

#include "galen/ledger/past_block.hpp"
#include "node/sync_messages.hpp"

namespace galen::node {
namespace {

/// The last piece is a shorter one, or there is none behind those that are full.
Bytes fetch_pieces(PeerQuestion& question, MemberIndex peer, Height height) {
  Bytes whole;
  for (std::uint32_t index = 0; whole.size() <= ledger::kPastBlockBytesMax; ++index) {
    const auto piece = question.ask(peer, PeerMessageKind::fetch_past_piece, PeerMessageKind::past_piece,
                                    ByteWriter(12).u64(height).u32(index).bytes());
    if (!piece) break;
    whole.insert(whole.end(), piece->begin(), piece->end());
    if (piece->size() < kPastPieceBytes) break;
  }
  return whole;
}

}  // namespace

std::optional<ledger::StoredBlock> fetch_stored(PeerQuestion& question, MemberIndex peer, Height height) {
  auto answer = question.ask(peer, PeerMessageKind::fetch_stored, PeerMessageKind::stored,
                             ByteWriter(8).u64(height).bytes());
  // A member says of a block that fits no frame what it says of one that it does not have.
  auto stored = answer ? ledger::StoredBlock::decode(*answer)
                       : ledger::StoredBlock::of_past_block(fetch_pieces(question, peer, height));
  if (!stored) return std::nullopt;
  return std::move(*stored);
}

}  // namespace galen::node
