// LearnerReady: a learner signs the root of the state that it came to at a height whose root the chain itself certified
// (begin_block keeps a few of them). It is the same on every replica, also on one that joined by snapshot.
#include "contracts/members.hpp"
#include "galen/types/membership.hpp"

namespace galen::contracts {

namespace {

/// The certified root of that height, while it is young enough.
std::optional<std::string> certified_root(const Context& context, Height height, StateView& state) {
  auto row = load<pb::CertifiedRootsState>(state, StateKind::certified_roots, {});
  if (!row) return std::nullopt;
  for (const auto& root : row->roots())
    if (root.height() == height && context.time_ms - root.time_ms() <= limits::kLearnerLagMsMax)
      return root.state_root();
  return std::nullopt;
}

}  // namespace

Status check_learner_ready(const pb::LearnerReady& operation) {
  GALEN_TRY(check_id("learner_ready.member", operation.member()));
  if (operation.height() == 0) return make_error(ErrorCode::INVALID_ARGUMENT, "learner_ready.height must not be 0.");
  GALEN_TRY(check_id("learner_ready.state_root", operation.state_root()));
  return check_signature("learner_ready.signature", operation.signature());
}

Status run_learner_ready(const Context& context, const pb::LearnerReady& operation, StateView& state) {
  const auto membership = current_membership(*context.genesis, state);
  const auto& home = context.author_state->home_member();
  if (!membership.is_voter(home) && home != operation.member())
    return make_error(ErrorCode::PERMISSION_DENIED, "A learner's administrator speaks for that learner only.");
  if (!membership.is_learner(operation.member()))
    return make_error(ErrorCode::MEMBER_NOT_FOUND, "No learner has this id.");
  auto member = load<pb::MemberState>(state, StateKind::member, as_bytes(operation.member()));
  if (!member) {
    state.mark_corrupt(StateKind::member);
    return {};
  }
  if (operation.height() <= member->ready_height())
    return make_error(ErrorCode::LEARNER_STATE_UNKNOWN, "The learner has shown as much already.");
  const auto root = certified_root(context, operation.height(), state);
  if (!root) return make_error(ErrorCode::LEARNER_STATE_UNKNOWN, "The chain keeps no certified root of this height.");
  if (*root != operation.state_root())
    return make_error(ErrorCode::LEARNER_STATE_DIFFERS, "The members certified another root at this height.");
  GALEN_TRY(check_possession(
      context, state, member->consensus_key(),
      learner_ready_sign_bytes(context.genesis->chain_id, id_of<PrincipalId>(operation.member()), operation.height(),
                               id_of<Hash>(operation.state_root())),
      operation.signature()));
  member->set_ready_height(operation.height());
  member->set_ready_time_ms(context.time_ms);
  store(state, StateKind::member, as_bytes(operation.member()), *member);
  return {};
}

}  // namespace galen::contracts
