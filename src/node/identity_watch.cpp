#include "node/identity_watch.hpp"

namespace galen::node {

void IdentityWatch::on_up(MemberIndex member) {
  std::lock_guard lock(mutex_);
  up_.insert(member);
  words_.erase(member);
}

void IdentityWatch::on_down(MemberIndex member) {
  std::lock_guard lock(mutex_);
  up_.erase(member);
}

bool IdentityWatch::on_refused(MemberIndex by, std::string_view text, std::uint64_t now_ms) {
  std::lock_guard lock(mutex_);
  words_[by] = {std::string(text), now_ms};
  std::erase_if(words_, [&](const auto& entry) { return now_ms - entry.second.at_ms > kWordMs; });
  if (words_.size() <= faults_ || words_.size() < up_.size()) {
    tie_since_ms_.reset();
    return false;
  }
  if (words_.size() > up_.size()) return true;
  if (!tie_since_ms_) tie_since_ms_ = now_ms;
  return now_ms - *tie_since_ms_ >= tie_patience_ms_;
}

std::vector<std::pair<MemberIndex, std::string>> IdentityWatch::told(std::uint64_t now_ms) const {
  std::lock_guard lock(mutex_);
  std::vector<std::pair<MemberIndex, std::string>> out;
  for (const auto& [member, word] : words_)
    if (now_ms <= word.at_ms + kWordMs) out.emplace_back(member, word.text);
  return out;
}

}  // namespace galen::node
