#include "node/past_fetch.hpp"

#include "galen/base/log.hpp"

namespace galen::node {
namespace {

constexpr std::chrono::seconds kAnswerWait{21};  // a little more than an answer may take before it is forgotten

}  // namespace

std::optional<MemberIndex> PastFetch::ask(Height highest) {
  auto peers = peers_.usable();
  if (last_good_) peers.insert(peers.begin(), *last_good_);
  const auto message = encode_subject(PeerMessageKind::fetch_past, {highest, kPastBlocksMax});
  for (auto peer : peers)
    if (peers_.ask(peer, PeerMessageKind::past, {highest, 0}, message)) return peer;
  return std::nullopt;
}

Result<std::size_t> PastFetch::step(const Wanted& wanted, const Take& take) {
  GALEN_ASSIGN(auto next, wanted());
  if (!next) return std::size_t{0};
  const auto peer = ask(next->height);
  last_good_.reset();
  if (!peer) return std::size_t{0};
  while (auto answer = peers_.wait(kAnswerWait))
    if (answer->kind == PeerMessageKind::past && answer->from == *peer) return take_answer(*answer, wanted, take);
  return std::size_t{0};
}

Result<std::size_t> PastFetch::take_answer(const SyncPeers::Answer& answer, const Wanted& wanted, const Take& take) {
  auto decoded = decode_past_answer(answer.body);
  if (!decoded) {
    peers_.ban(answer.from, decoded.error());
    return std::size_t{0};
  }
  std::size_t taken = 0;
  for (auto bytes : decoded->blocks) {
    GALEN_ASSIGN(auto next, wanted());
    if (!next || peers_.closed()) break;
    auto past = ledger::check_past_block(identity_.genesis, *next, bytes);
    if (!past) {
      peers_.ban(answer.from, past.error());
      return taken;
    }
    GALEN_TRY(take(*past));
    ++taken;
  }
  if (taken > 0) last_good_ = answer.from;
  return taken;
}

}  // namespace galen::node
