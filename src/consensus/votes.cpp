#include "consensus/votes.hpp"

#include "consensus/mutation.hpp"

namespace galen::consensus {

namespace {

template <class Certificate>
void fill(Certificate& certificate, std::size_t member_count, const std::map<MemberIndex, Signature>& tally) {
  certificate.signers.member_count = static_cast<std::uint16_t>(member_count);
  for (const auto& [member, signature] : tally) {
    certificate.signers.signers.push_back(member);
    certificate.signatures.push_back(signature);
  }
}

}  // namespace

VotePool::Added VotePool::add(VotePhase phase, const SignedVote& vote) {
  const Slot slot{phase, vote.subject.view, vote.subject.height};
  auto& slots = by_member_[vote.sender];
  auto [place, inserted] = slots.emplace(slot, vote.subject.digest);
  if (!inserted) {
    if (place->second == vote.subject.digest) return {};
    const VoteSubject before{vote.subject.view, vote.subject.height, place->second};
    return {.is_new = false,
            .contradicts = SignedVote{vote.sender, before, tallies_.at({phase, before}).at(vote.sender)},
            .certificate = {}};
  }
  Added out{.is_new = true, .contradicts = {}, .certificate = {}};
  auto& tally = tallies_[{phase, vote.subject}];
  tally.emplace(vote.sender, vote.signature);
  if (tally.size() == quorum_of(*members_)) {
    auto& certificate = out.certificate.emplace();
    certificate.phase = phase;
    certificate.subject = vote.subject;
    fill(certificate, members_->size(), tally);
  }
  if (slots.size() > per_member_max_) remove(vote.sender, slots.begin()->first);
  return out;
}

void VotePool::remove(MemberIndex member, const Slot& slot) {
  auto& slots = by_member_[member];
  auto place = slots.find(slot);
  auto [phase, view, height] = slot;
  auto tally = tallies_.find({phase, VoteSubject{view, height, place->second}});
  if (tally != tallies_.end()) {
    tally->second.erase(member);
    if (tally->second.empty()) tallies_.erase(tally);
  }
  slots.erase(place);
}

void VotePool::prune(Height committed) {
  std::erase_if(tallies_, [&](const auto& entry) { return entry.first.second.height <= committed; });
  for (auto& slots : by_member_)
    std::erase_if(slots, [&](const auto& entry) { return std::get<2>(entry.first) <= committed; });
}

std::optional<ExecutedCertificate> ExecutedPool::add(const Executed& message) {
  if (!heard_[message.subject.height].insert(message.sender).second) return std::nullopt;
  auto& tally = tallies_[message.subject];
  tally.emplace(message.sender, message.signature);
  if (tally.size() != quorum_of(*members_)) return std::nullopt;
  ExecutedCertificate out;
  out.subject = message.subject;
  fill(out, members_->size(), tally);
  return out;
}

void ExecutedPool::prune(Height below) {
  std::erase_if(tallies_, [&](const auto& entry) { return entry.first.height < below; });
  std::erase_if(heard_, [&](const auto& entry) { return entry.first < below; });
}

}  // namespace galen::consensus
