#include "sim/epochs.hpp"

#include <algorithm>

#include "galen/base/assert.hpp"
#include "galen/types/block.hpp"

namespace galen::sim {

namespace {
constexpr std::size_t kMembersMin = 4, kMembersMax = 7;

bool is_in(const std::vector<Identity>& list, Identity identity) {
  return std::find(list.begin(), list.end(), identity) != list.end();
}
}  // namespace

std::optional<MemberIndex> EpochSet::index_of(Identity identity) const {
  auto place = std::find(identities.begin(), identities.end(), identity);
  if (place == identities.end()) return std::nullopt;
  return static_cast<MemberIndex>(place - identities.begin());
}

Epochs::Epochs(const ChainContext& first_context, const MemberSet& first, const Keyring& keyring,
               std::size_t identities, Rng& rng)
    : first_context_(first_context), keyring_(&keyring), identity_count_(identities), rotations_(identities, 0) {
  Draft draft;
  for (Identity i = 0; i < first.size(); ++i) draft.identities.push_back(i);
  draft.rotations = rotations_;
  add(draft, rng);
  sets_.back()->members = first;
  sets_.back()->context = first_context;
  sets_.back()->has_begun = true;
}

void Epochs::add(const Draft& draft, Rng& rng) {
  auto set = std::make_unique<EpochSet>();
  std::vector<Member> members;
  std::vector<MemberIndex> keys;
  for (auto identity : draft.identities) {
    auto key = identity + draft.rotations[identity] * identity_count_;
    keys.push_back(static_cast<MemberIndex>(key));
    Member member;
    member.id.data[0] = static_cast<std::uint8_t>(identity + 1);
    member.consensus_key.data[0] = static_cast<std::uint8_t>(key + 1);
    members.push_back(member);
  }
  set->members = MemberSet(std::move(members));
  set->identities = draft.identities;
  set->keyring = std::make_unique<SetKeyring>(*keyring_, std::move(keys));
  set->context = first_context_;
  set->context.epoch = sets_.size() + 1;
  set->context.members_hash = set->members.hash(first_context_.suite);
  set->change_wanted_from = 1 + rng.below(8);
  rotations_ = draft.rotations;
  sets_.push_back(std::move(set));
}

Epochs::Draft Epochs::draft(Rng& rng) const {
  const auto& now = of(newest_);
  Draft out{now.identities, rotations_, {}};
  auto count = 1 + rng.below(now.members.faults());
  std::vector<Identity> touched;  // one change for each at most
  for (std::size_t i = 0; i < count; ++i) {
    auto what = rng.below(3);
    if (what == 0 && out.identities.size() < kMembersMax) {
      std::vector<Identity> others;
      for (Identity other = 0; other < identity_count_; ++other)
        if (!is_in(out.identities, other) && !is_in(touched, other)) others.push_back(other);
      if (others.empty()) continue;
      auto identity = others[rng.below(others.size())];
      auto at = static_cast<std::ptrdiff_t>(rng.below(out.identities.size() + 1));
      out.identities.insert(out.identities.begin() + at, identity);
      touched.push_back(identity);
      out.changes.emplace_back("member added");
      continue;
    }
    auto at = rng.below(out.identities.size());
    auto identity = out.identities[at];
    if (is_in(touched, identity)) continue;
    touched.push_back(identity);
    if (what == 1 && out.identities.size() > kMembersMin) {
      out.identities.erase(out.identities.begin() + static_cast<std::ptrdiff_t>(at));
      out.changes.emplace_back("member removed");
    } else {
      ++out.rotations[identity];
      out.changes.emplace_back("member's key rotated");
    }
  }
  return out;
}

Epochs::Draft Epochs::step(Rng& rng) const {
  const auto& now = of(newest_);
  Draft out{now.identities, rotations_, {}};
  const auto rotated = out.identities[rng.below(out.identities.size())];
  const auto is_growing = newest_ <= identity_count_ - of(1).identities.size();
  if (is_growing) {
    Identity joiner = 0;
    while (is_in(out.identities, joiner)) ++joiner;
    out.identities.push_back(joiner);
    out.changes.emplace_back("member added");
  } else {
    auto leaver = rng.below(out.identities.size());
    if (out.identities[leaver] == rotated) leaver = (leaver + 1) % out.identities.size();
    out.identities.erase(out.identities.begin() + static_cast<std::ptrdiff_t>(leaver));
    out.changes.emplace_back("member removed");
  }
  if (now.members.faults() > 1) {
    ++out.rotations[rotated];
    out.changes.emplace_back("member's key rotated");
  }
  return out;
}

void Epochs::decide(const Draft& next, Height pending_from, Rng& rng) {
  GALEN_ASSERT(!of(newest_).change_pending_from && sets_.size() == newest_);
  sets_.back()->change_pending_from = pending_from;
  add(next, rng);
}

void Epochs::began(Epoch epoch, Height base) {
  GALEN_ASSERT(knows(epoch));
  auto& set = *sets_[epoch - 1];
  if (set.has_begun) return;
  set.has_begun = true;
  set.base = base;
  set.change_wanted_from += base;
  newest_ = epoch;
}

std::optional<Hash> Epochs::pending_after(const BlockHeader& header) const {
  if (header.epoch_end() || !knows(header.epoch)) return std::nullopt;
  const auto& set = of(header.epoch);
  if (!set.change_pending_from || header.height < *set.change_pending_from) return std::nullopt;
  return of(header.epoch + 1).context.members_hash;
}

}  // namespace galen::sim
