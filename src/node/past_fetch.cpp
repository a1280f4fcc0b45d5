#include "node/past_fetch.hpp"

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"

namespace galen::node {
namespace {

constexpr std::chrono::seconds kAnswerWait{21};  // a little more than an answer may take before it is forgotten
/// Who answers later, or with little, is not asked again before the others: it may drag on as long as it likes.
constexpr std::uint64_t kPromptUs = 2'000'000;

}  // namespace

std::optional<MemberIndex> PastFetch::ask(Height highest) {
  auto peers = peers_.usable();
  if (last_good_) peers.insert(peers.begin(), *last_good_);
  const auto message = encode_subject(PeerMessageKind::fetch_past, {highest, kPastBlocksMax});
  for (auto peer : peers)
    if (peers_.ask(peer, PeerMessageKind::past, {highest, 0}, message)) return peer;
  return std::nullopt;
}

std::optional<SyncPeers::Answer> PastFetch::wait_for(MemberIndex peer, PeerMessageKind kind) {
  while (auto answer = peers_.wait(kAnswerWait))
    if (answer->kind == kind && answer->from == peer) return answer;
  return std::nullopt;
}

Result<std::size_t> PastFetch::step(const EpochChain& epochs, const Wanted& wanted, const Take& take) {
  GALEN_ASSIGN(auto next, wanted());
  if (!next) return std::size_t{0};
  const auto peer = ask(next->height);
  last_good_.reset();
  if (!peer) return std::size_t{0};
  const auto asked_us = system_clock().monotonic_us();
  auto answer = wait_for(*peer, PeerMessageKind::past);
  if (!answer) return std::size_t{0};
  const bool prompt = system_clock().monotonic_us() - asked_us < kPromptUs;
  GALEN_ASSIGN(auto taken, take_answer(epochs, *answer, wanted, take));
  const bool in_full = taken.blocks >= kPastBlocksMax || taken.bytes > kPastAnswerBytes / 2;
  if (prompt && in_full && !peers_.is_banned(*peer)) last_good_ = peer;
  return taken.blocks;
}

Result<PastFetch::Taken> PastFetch::take_answer(const EpochChain& epochs, const SyncPeers::Answer& answer,
                                                const Wanted& wanted, const Take& take) {
  auto decoded = decode_past_answer(answer.body);
  if (!decoded) {
    peers_.ban(answer.from, decoded.error());
    return Taken{};
  }
  std::optional<Bytes> large;
  if (decoded->bytes_in_pieces > 0) {
    large = fetch_pieces(answer.from, decoded->highest, decoded->bytes_in_pieces);
    if (large) decoded->blocks.push_back(*large);
  }
  Taken taken;
  for (auto bytes : decoded->blocks) {
    GALEN_ASSIGN(auto next, wanted());
    if (!next || peers_.closed()) break;
    auto past = ledger::check_past_block(epochs, *next, bytes);
    if (!past) {
      peers_.ban(answer.from, past.error());
      break;
    }
    GALEN_TRY(take(*past));
    ++taken.blocks;
    taken.bytes += bytes.size();
  }
  return taken;
}

std::optional<Bytes> PastFetch::fetch_pieces(MemberIndex peer, Height height, std::size_t bytes) {
  Bytes whole;
  whole.reserve(bytes);
  for (std::uint32_t index = 0; whole.size() < bytes; ++index) {
    const SyncSubject subject{height, index};
    if (!peers_.ask(peer, PeerMessageKind::past_piece, subject,
                    encode_subject(PeerMessageKind::fetch_past_piece, subject)))
      return std::nullopt;
    auto answer = wait_for(peer, PeerMessageKind::past_piece);
    if (!answer) return std::nullopt;
    auto piece = decode_part_answer(answer->body);
    GALEN_ASSERT(piece.has_value());  // it was matched by its subject
    if (piece->part.size() != std::min(kPastPieceBytes, bytes - whole.size()))
      return std::nullopt;  // it has it no more
    whole.insert(whole.end(), piece->part.begin(), piece->part.end());
  }
  return whole;
}

}  // namespace galen::node
