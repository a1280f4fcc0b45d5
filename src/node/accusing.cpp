// The intake as an author: what the core found out about another member becomes a transaction of this member's own, on
// the word of its batch (docs/spec/membership.md 7). It waits as long as nothing can be ordered, and is made anew when
// it expired.
#include "galen/base/log.hpp"
#include "galen/crypto/random.hpp"
#include "galen/types/state_key.hpp"
#include "node/intake.hpp"

namespace galen::node {

// Asked again with each sweep: who follows without a vote, has no room or hears no quorum keeps what it knows for
// later.
bool Intake::may_accuse() const {
  const auto mode = health_.core().mode;
  const bool votes = mode == galen::v1::NODE_MODE_VOTING || mode == galen::v1::NODE_MODE_CATCHING_UP;
  return identity_.is_voter() && votes && !health_.disk_low && !health_.disk_full && !no_quorum();
}

void Intake::accuse() {
  if (accusations_.all_settled() || !may_accuse()) return;
  auto status = refresh_view();
  for (auto& [member, accusation] : accusations_.all()) {
    if (status && !accusation.settled) status = accuse(member, accusation);
  }
  if (!status) ports_.fatal(status.error());
}

Status Intake::accuse(MemberIndex member, Accusation& accusation) {
  const auto epoch = identity_.context.epoch;
  const auto key = equivocation_key(epoch, identity_.id_of(member));
  GALEN_ASSIGN(const auto proven, view_->state(static_cast<std::uint8_t>(StateKind::equivocation), key));
  if (proven) {
    accusation.settled = true;
    log::warn("equivocation proven member={} epoch={}: the ledger holds the proof", identity_.member_name(member),
              epoch);
    return {};
  }
  if (accusation.submitted) {
    if (mempool_.pending(*accusation.submitted) != nullptr) return {};
    GALEN_ASSIGN(const auto row, view_->transaction(*accusation.submitted));
    if (row) {
      accusation.settled = true;
      log::error("evidence against member={} was refused reason={}", identity_.member_name(member),
                 to_reason(static_cast<ErrorCode>(row->first.code)));
      return {};
    }
  }
  auto made = make_transaction(identity_.member_id(), crypto::random_request_id(), {accusation.report}, std::nullopt);
  if (made) {
    accusation.submitted = *made;
    return {};
  }
  const auto& error = made.error();
  if (error.code == ErrorCode::IO_ERROR || error.code == ErrorCode::CORRUPT) return error;
  return {};  // no room, or no vote any more: later
}

}  // namespace galen::node
