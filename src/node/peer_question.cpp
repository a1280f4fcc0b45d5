#include "node/peer_question.hpp"

#include <algorithm>
#include <chrono>

namespace galen::node {
namespace {

constexpr std::chrono::seconds kAnswerTimeout{3};

}  // namespace

std::optional<Bytes> PeerQuestion::ask(MemberIndex peer, PeerMessageKind kind, PeerMessageKind answer_kind,
                                       ByteSpan body) {
  std::unique_lock lock(mutex_);
  if (stopped_) return std::nullopt;
  peer_ = peer;
  asked_ = peer_message(answer_kind, body);
  answer_.reset();
  lock.unlock();
  const bool sent = send_(peer, peer_message(kind, body));
  lock.lock();
  if (sent) changed_.wait_for(lock, kAnswerTimeout, [&] { return stopped_ || answer_; });
  peer_.reset();
  auto answer = std::exchange(answer_, std::nullopt);
  if (!answer || answer->empty()) return std::nullopt;
  return answer;
}

bool PeerQuestion::on_answer(MemberIndex from, ByteSpan message) {
  std::lock_guard lock(mutex_);
  if (peer_ != from || answer_ || message.size() < asked_.size() ||
      !std::equal(asked_.begin(), asked_.end(), message.begin()))
    return false;
  answer_ = to_bytes(message.subspan(asked_.size()));
  changed_.notify_all();
  return true;
}

void PeerQuestion::stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

}  // namespace galen::node
