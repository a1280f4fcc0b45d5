// ReportEquivocation (docs/spec/membership.md 7): a voting member shows that another, or it itself, signed two values
// for one place. What is proven needs nobody's word, so the reporter's is not asked for; the first proof for an epoch
// and member stands for all.
#include "galen/types/equivocation.hpp"
#include "galen/types/state_key.hpp"
#include "contracts/members.hpp"

namespace galen::contracts {

namespace {

Error invalid(const char* text) { return make_error(ErrorCode::INVALID_ARGUMENT, text); }
Error no_proof(const char* text) { return make_error(ErrorCode::EVIDENCE_INVALID, text); }

Status check_value(const pb::SignedValue& value, bool is_proposal) {
  GALEN_TRY(check_id("signed_value.digest", value.digest()));
  if (value.justification().size() != (is_proposal ? kJustificationMarkBytes : 0))
    return invalid("signed_value.justification must be 33 bytes of a PRE-PREPARE, and empty of a vote.");
  return check_signature("signed_value.signature", value.signature());
}

/// The voters of the epoch, metered; nothing if the chain has not come to it.
std::optional<MemberSet> voters_of(const Context& context, Epoch epoch, StateView& state) {
  auto found = load_epoch(*context.genesis, epoch, [&](StateKind kind, ByteSpan key) -> Result<std::optional<Bytes>> {
    state.meter().charge(Meter::kRead);
    return state.get(kind, key);
  });
  if (!found) {
    state.mark_corrupt(StateKind::epoch);
    return std::nullopt;
  }
  if (!*found) return std::nullopt;
  return std::move((*found)->members);
}

}  // namespace

// 7 (1)
Status check_report_equivocation(const pb::ReportEquivocation& operation) {
  if (operation.epoch() == 0) return invalid("report_equivocation.epoch must not be 0.");
  if (operation.member() == 0) return invalid("report_equivocation.member must be the member's place plus 1.");
  if (operation.view() == 0) return invalid("report_equivocation.view must be the view plus 1.");
  if (operation.height() == 0) return invalid("report_equivocation.height must not be 0.");
  const bool is_proposal = operation.kind() == pb::SIGNED_KIND_PRE_PREPARE;
  if (!is_proposal && operation.kind() != pb::SIGNED_KIND_PREPARE && operation.kind() != pb::SIGNED_KIND_COMMIT)
    return invalid("report_equivocation.kind must be PRE_PREPARE, PREPARE or COMMIT.");
  GALEN_TRY(check_value(operation.first(), is_proposal));
  return check_value(operation.second(), is_proposal);
}

Status run_report_equivocation(const Context& context, const pb::ReportEquivocation& operation, StateView& state) {
  const auto membership = current_membership(*context.genesis, state);
  if (!membership.members.index_of(context.author))  // 7 (2)
    return make_error(ErrorCode::PERMISSION_DENIED, "Only a member with a vote reports.");
  // 7 (3)
  if (operation.epoch() > membership.epoch) return no_proof("The chain has not come to this epoch.");
  const auto voters = voters_of(context, operation.epoch(), state);
  if (!voters || operation.member() > voters->size()) return no_proof("The epoch had no member at this place.");
  const auto& culprit = (*voters)[static_cast<MemberIndex>(operation.member() - 1)];
  const auto key = equivocation_key(operation.epoch(), culprit.id);
  if (load<pb::EquivocationState>(state, StateKind::equivocation, key))  // 7 (4)
    return make_error(ErrorCode::EVIDENCE_KNOWN, "That this member equivocated in this epoch is proven already.");

  state.meter().charge(Meter::kKeyCheck + 2 * Meter::kSignatureCheck);  // 7 (5)
  const ChainContext signed_in{context.suite, context.genesis->chain_id, operation.epoch(),
                               voters->hash(context.suite)};
  GALEN_TRY(check_equivocation(signed_in, culprit.consensus_key, operation));
  pb::EquivocationState row;
  row.set_format(1);
  row.set_kind(operation.kind());
  row.set_view(operation.view() - 1);
  row.set_place(operation.height());
  row.set_transaction_id(context.transaction_id.str());
  row.set_reporter(context.author.str());
  row.set_height(context.height);
  row.set_time_ms(context.time_ms);
  store(state, StateKind::equivocation, key, row);
  return {};
}

}  // namespace galen::contracts
