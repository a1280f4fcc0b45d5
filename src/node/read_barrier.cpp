#include "node/read_barrier.hpp"

#include <algorithm>
#include <utility>

namespace galen::node {

ReadBarrier::ReadBarrier(const Identity& identity, std::uint64_t first_nonce, Ports ports)
    : identity_(identity),
      keys_(identity.context.suite, identity.members()),
      ports_(std::move(ports)),
      nonce_(first_nonce) {}

ReadBarrier::Ticket ReadBarrier::begin() {
  std::lock_guard lock(mutex_);
  if (round_) {
    wanted_ = true;  // its answers may have been given before this read began
    return nonce_ + 1;
  }
  start_round();
  return nonce_;
}

ReadBarrier::Look ReadBarrier::look(Ticket ticket) {
  std::lock_guard lock(mutex_);
  // Asked later, it serves everybody who waits.
  if (round_ && ports_.now_ms() >= round_->since_ms + kRoundMs) start_round();
  Look out;
  if (done_ && done_->nonce >= ticket) {
    out.height = done_->height;
    return out;
  }
  for (MemberIndex i = 0; i < identity_.members().size(); ++i) {
    const auto found = heard_.find(i);
    if (found == heard_.end())
      out.silent.push_back(i);
    else if (!found->second)
      out.not_voting.push_back(i);
  }
  return out;
}

void ReadBarrier::start_round() {
  wanted_ = false;
  // The answers to a round that is asked anew tell for a while who is there.
  heard_ = round_ ? std::move(round_->answered) : std::map<MemberIndex, bool>();
  round_ = Round{.nonce = ++nonce_, .since_ms = ports_.now_ms()};
  const auto question = peer_message(PeerMessageKind::fetch_high, encode_fetch_high(nonce_));
  for (MemberIndex i = 0; i < identity_.members().size(); ++i)
    if (i != identity_.self) ports_.send(i, question);
  take(identity_.self, ports_.own(nonce_));
  finish_if_enough();
}

void ReadBarrier::take(MemberIndex from, const HighAnswer& answer) {
  round_->answered[from] = heard_[from] = answer.counts;
  if (answer.counts && answer.certificate) round_->height = std::max(round_->height, answer.certificate->subject.height);
}

void ReadBarrier::finish_if_enough() {
  const auto count = std::count_if(round_->answered.begin(), round_->answered.end(), [](const auto& a) { return a.second; });
  if (static_cast<std::size_t>(count) < identity_.members().quorum()) return;
  done_ = std::exchange(round_, std::nullopt);
  if (wanted_) start_round();
}

Status ReadBarrier::on_answer(MemberIndex from, ByteSpan body) {
  GALEN_ASSIGN(auto answer, decode_high(body));
  if (from >= identity_.members().size()) return {};  // who has no vote does not count
  auto is_wanted = [&] { return round_ && round_->nonce == answer.nonce && !round_->answered.contains(from); };
  Height known = 0;
  {
    std::lock_guard lock(mutex_);
    if (!is_wanted()) return {};
    known = round_->height;
  }
  // What raises nothing needs no signatures checked.
  if (answer.certificate && answer.certificate->subject.height > known)
    GALEN_TRY(consensus::verify_certificate(identity_.context, identity_.members(), keys_, *answer.certificate));
  std::lock_guard lock(mutex_);
  if (!is_wanted()) return {};
  take(from, answer);
  finish_if_enough();
  return {};
}

}  // namespace galen::node
