#include "node/cpu_shares.hpp"

#include "galen/base/assert.hpp"

namespace galen::node {

void CpuShares::wake(MemberIndex member) {
  auto& account = accounts_[member];
  if (floor_us_ > credit_us_) account.used_us = std::max(account.used_us, floor_us_ - credit_us_);
}

void CpuShares::done(MemberIndex member, std::uint64_t cost_us) {
  auto& account = accounts_[member];
  GALEN_ASSERT(account.in_hand > 0);
  --account.in_hand;
  account.used_us += cost_us;
  account.total_us += cost_us;
  // An eighth of the way: one that is unusual does not decide, and a change of habit is seen after a few.
  account.usual_us = account.usual_us == 0 ? cost_us : (7 * account.usual_us + cost_us + 4) / 8;
}

std::uint64_t CpuShares::total_us(MemberIndex member) const {
  auto account = accounts_.find(member);
  return account == accounts_.end() ? 0 : account->second.total_us;
}

}  // namespace galen::node
