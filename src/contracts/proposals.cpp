// ProposeMembers and VoteMembers. Of the members that have a vote now, a quorum approves; when it no longer can, the
// proposal is rejected; and none is decided after its time. While an approved change of the voters waits for the end of
// its epoch nothing is proposed or decided, so that every block between finds the same list pending.
#include <algorithm>

#include "contracts/members.hpp"

namespace galen::contracts {

namespace {

/// The author's member, which has a vote, while nothing is pending.
Status check_moment(const Context& context, const Membership& membership) {
  if (!membership.is_voter(context.author_state->home_member()))
    return make_error(ErrorCode::PERMISSION_DENIED, "The author's member has no vote.");
  if (membership.next)
    return make_error(ErrorCode::MEMBERS_CHANGE_PENDING, "An approved change waits for the end of its epoch.");
  return {};
}

bool is_open(const pb::ProposalState& proposal, TimestampMs time_ms) {
  return proposal.status() == pb::PROPOSAL_STATUS_OPEN && time_ms <= proposal.expires_ms();
}

/// Forgets what is over; the proposals themselves stay.
void keep_open_ones(const Context& context, pb::MemberState& member, StateView& state) {
  auto& open = *member.mutable_open_proposals();
  for (int i = open.size() - 1; i >= 0; --i) {
    auto proposal = load<pb::ProposalState>(state, StateKind::proposal, as_bytes(open[i]));
    if (!proposal) return state.mark_corrupt(StateKind::proposal);
    if (!is_open(*proposal, context.time_ms)) open.DeleteSubrange(i, 1);
  }
}

template <class Ids>
bool holds(const Ids& ids, const std::string& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

/// Votes of members that have one now.
template <class Ids>
std::size_t count(const Ids& ids, const Membership& membership) {
  return static_cast<std::size_t>(
      std::count_if(ids.begin(), ids.end(), [&](const std::string& id) { return membership.is_voter(id); }));
}

}  // namespace

Status check_propose_members(const pb::ProposeMembers& operation) {
  GALEN_TRY(check_id("propose_members.proposal_id", operation.proposal_id()));
  return check_change_shape(operation.change());
}

Status run_propose_members(const Context& context, const pb::ProposeMembers& operation, StateView& state) {
  const auto membership = current_membership(*context.genesis, state);
  GALEN_TRY(check_moment(context, membership));
  if (load<pb::ProposalState>(state, StateKind::proposal, as_bytes(operation.proposal_id())))
    return make_error(ErrorCode::PROPOSAL_EXISTS, "This proposal id is taken.");
  const auto& home = context.author_state->home_member();
  auto member = load_member(membership, home, state);
  GALEN_ASSERT(member.has_value());  // it has a vote
  keep_open_ones(context, *member, state);
  if (static_cast<std::size_t>(member->open_proposals_size()) >= limits::kOpenProposalsPerMemberMax)
    return make_error(ErrorCode::TOO_MANY_PROPOSALS, "This member has as many open proposals as it may.");
  GALEN_TRY(check_change(context, membership, operation.change(), state));
  GALEN_TRY(check_change_proof(context, operation.change(), state));

  member->add_open_proposals(operation.proposal_id());
  store(state, StateKind::member, as_bytes(home), *member);
  pb::ProposalState proposal;
  proposal.set_format(1);
  proposal.set_proposer(home);
  proposal.set_author(context.author.str());
  *proposal.mutable_change() = operation.change();
  proposal.set_status(pb::PROPOSAL_STATUS_OPEN);
  proposal.set_proposed_height(context.height);
  proposal.set_expires_ms(context.time_ms + limits::kProposalLifeMs);
  proposal.add_approvals(home);
  store(state, StateKind::proposal, as_bytes(operation.proposal_id()), proposal);
  state.meter().charge(Meter::kWrite);
  state.append_id(ListKind::proposals, {}, as_bytes(operation.proposal_id()));
  return {};
}

Status check_vote_members(const pb::VoteMembers& operation) {
  GALEN_TRY(check_id("vote_members.proposal_id", operation.proposal_id()));
  if (operation.vote() != pb::MEMBERS_VOTE_APPROVE && operation.vote() != pb::MEMBERS_VOTE_REJECT)
    return make_error(ErrorCode::INVALID_ARGUMENT, "vote_members.vote must be APPROVE or REJECT.");
  return {};
}

Status run_vote_members(const Context& context, const pb::VoteMembers& operation, StateView& state) {
  const auto membership = current_membership(*context.genesis, state);
  GALEN_TRY(check_moment(context, membership));
  auto proposal = load<pb::ProposalState>(state, StateKind::proposal, as_bytes(operation.proposal_id()));
  if (!proposal) return make_error(ErrorCode::PROPOSAL_NOT_FOUND, "No proposal has this id.");
  if (!is_open(*proposal, context.time_ms))
    return make_error(ErrorCode::PROPOSAL_CLOSED, "The proposal is decided or past its time.");
  const auto& home = context.author_state->home_member();
  if (holds(proposal->approvals(), home) || holds(proposal->rejections(), home))
    return make_error(ErrorCode::ALREADY_VOTED, "The author's member has voted on this proposal.");

  if (operation.vote() == pb::MEMBERS_VOTE_APPROVE)
    proposal->add_approvals(home);
  else
    proposal->add_rejections(home);
  const auto quorum = membership.members.quorum();
  if (count(proposal->approvals(), membership) >= quorum) {
    GALEN_TRY(check_change(context, membership, proposal->change(), state));
    proposal->set_status(pb::PROPOSAL_STATUS_APPROVED);
    proposal->set_decided_height(context.height);
    apply_change(context, membership, proposal->change(), operation.proposal_id(), state);
  } else if (count(proposal->rejections(), membership) > membership.members.size() - quorum) {
    proposal->set_status(pb::PROPOSAL_STATUS_REJECTED);
    proposal->set_decided_height(context.height);
  }
  store(state, StateKind::proposal, as_bytes(operation.proposal_id()), *proposal);
  return {};
}

}  // namespace galen::contracts
