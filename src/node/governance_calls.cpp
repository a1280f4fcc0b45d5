// The calls that tell who the members are and what is proposed. Membership is everybody's, so nothing is narrowed. Pure
// functions of a snapshot and the request. Query threads.
#include <algorithm>

#include "galen/execution/membership.hpp"
#include "galen/types/limits.hpp"
#include "galen/v1/governance_service.pb.h"
#include "node/list_pages.hpp"
#include "node/queries.hpp"
#include "node/request_fields.hpp"

namespace galen::node {
namespace {

constexpr std::uint32_t kEpochsDefault = 20, kEpochsMax = 100;

template <class State>
Result<std::optional<State>> load(const ledger::View& view, StateKind kind, ByteSpan key) {
  GALEN_ASSIGN(auto row, view.state(static_cast<std::uint8_t>(kind), key));
  if (!row) return std::optional<State>();
  State state;
  if (!state.ParseFromArray(row->data(), static_cast<int>(row->size())))
    return Error{ErrorCode::CORRUPT, "a state row of membership does not decode"};
  return std::optional(std::move(state));
}

/// What is known of a member besides the list: from its row, else from genesis.
Result<galen::v1::MemberInfo> describe(const Genesis& genesis, const ledger::View& view, const PrincipalId& id) {
  galen::v1::MemberInfo info;
  info.set_id(id.str());
  info.set_status(ledger::v1::MEMBER_STATUS_VOTER);
  for (const auto& member : genesis.members) {
    if (member.id != id) continue;
    info.set_name(member.name);
    info.set_admin(member.admin.str());
  }
  GALEN_ASSIGN(auto row, load<ledger::v1::MemberState>(view, StateKind::member, id));
  if (row) {
    info.set_status(row->status());
    if (!row->name().empty()) info.set_name(row->name());
    if (!row->admin().empty()) info.set_admin(row->admin());
    info.set_consensus_key(row->consensus_key());
    info.set_tls_ca(row->tls_ca());
    info.set_ready_height(row->ready_height());
    info.set_ready_time_ms(row->ready_time_ms());
    const auto now_ms = view.head().header.time_ms;
    info.set_ready(row->status() == ledger::v1::MEMBER_STATUS_LEARNER && row->ready_height() != 0 &&
                   now_ms - row->ready_time_ms() <= limits::kLearnerReadyMs);
  }
  GALEN_ASSIGN(auto admin, load<ledger::v1::PrincipalState>(view, StateKind::principal, as_bytes(info.admin())));
  info.set_admin_has_key(admin && !admin->key().empty());
  return info;
}

Status add_voters(const Genesis& genesis, const ledger::View& view, const MemberSet& members,
                  google::protobuf::RepeatedPtrField<galen::v1::MemberInfo>& out) {
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto& member = members[static_cast<MemberIndex>(i)];
    GALEN_ASSIGN(auto info, describe(genesis, view, member.id));
    info.set_index(static_cast<std::uint32_t>(i));
    info.set_consensus_key(member.consensus_key.str());
    info.set_tls_ca(member.tls_ca.str());
    *out.Add() = std::move(info);
  }
  return {};
}

/// With what its votes are worth now.
galen::v1::Proposal weigh(const contracts::Membership& membership, TimestampMs time_ms, const std::string& id,
                          ledger::v1::ProposalState state) {
  galen::v1::Proposal out;
  out.set_proposal_id(id);
  const bool is_open = state.status() == ledger::v1::PROPOSAL_STATUS_OPEN;
  const bool is_over = is_open && time_ms > state.expires_ms();
  out.set_status(is_over                                                    ? "expired"
                 : is_open                                                  ? "open"
                 : state.status() == ledger::v1::PROPOSAL_STATUS_APPROVED ? "approved"
                                                                          : "rejected");
  auto holds = [](const auto& ids, const std::string& member) {
    return std::find(ids.begin(), ids.end(), member) != ids.end();
  };
  std::uint32_t approvals = 0, rejections = 0;
  for (const auto& member : membership.members.all()) {
    const auto text = member.id.str();
    if (holds(state.approvals(), text))
      ++approvals;
    else if (holds(state.rejections(), text))
      ++rejections;
    else if (is_open && !is_over)
      out.add_missing(text);
  }
  out.set_approvals(approvals);
  out.set_rejections(rejections);
  out.set_quorum(static_cast<std::uint32_t>(membership.members.quorum()));
  *out.mutable_state() = std::move(state);
  return out;
}

}  // namespace

Result<std::string> Queries::list_members(const ledger::View& view) {
  const auto& genesis = identity_.genesis;
  GALEN_ASSIGN(const auto membership, execution::load_membership(genesis, view));
  galen::v1::ListMembersResponse response;
  response.set_epoch(membership.epoch);
  response.set_first_height(membership.first_height);
  response.set_members_hash(membership.members.hash(genesis.suite).str());
  response.set_quorum(static_cast<std::uint32_t>(membership.members.quorum()));
  response.set_faults_tolerated(static_cast<std::uint32_t>(membership.members.faults()));
  GALEN_TRY(add_voters(genesis, view, membership.members, *response.mutable_members()));
  for (const auto& learner : membership.learners) {
    GALEN_ASSIGN(*response.add_members(), describe(genesis, view, learner));
  }
  if (membership.next) {
    auto* pending = response.mutable_pending();
    pending->set_proposal_id(membership.next->proposal_id.str());
    pending->set_since_height(membership.next->since);
    pending->set_members_hash(membership.next->members.hash(genesis.suite).str());
    for (const auto& member : membership.next->members.all()) pending->add_members(member.id.str());
  }
  GALEN_ASSIGN(auto roots, load<ledger::v1::CertifiedRootsState>(view, StateKind::certified_roots, {}));
  if (roots && !membership.learners.empty()) *response.mutable_certified_roots() = std::move(*roots->mutable_roots());
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

Result<std::string> Queries::list_epochs(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::ListEpochsRequest>(bytes));
  const auto& genesis = identity_.genesis;
  galen::v1::ListEpochsResponse response;
  const auto wanted = request.page_size() == 0 ? kEpochsDefault : std::min(request.page_size(), kEpochsMax);
  for (Epoch epoch = std::max<Epoch>(request.from_epoch(), 1);; ++epoch) {
    GALEN_ASSIGN(auto found, execution::load_epoch(genesis, view, epoch));
    if (!found) break;
    if (static_cast<std::uint32_t>(response.epochs_size()) == wanted) {
      response.set_next_epoch(epoch);
      break;
    }
    auto* info = response.add_epochs();
    info->set_epoch(epoch);
    info->set_first_height(found->first_height);
    info->set_members_hash(found->members.hash(genesis.suite).str());
    GALEN_TRY(add_voters(genesis, view, found->members, *info->mutable_members()));
    if (found->proposal_id) info->set_proposal_id(found->proposal_id->str());
  }
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

Result<std::string> Queries::get_proposal(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::GetProposalRequest>(bytes));
  GALEN_ASSIGN(auto id, parse_id<Hash>(request.proposal_id(), "proposal_id"));
  GALEN_ASSIGN(auto state, load<ledger::v1::ProposalState>(view, StateKind::proposal, id));
  if (!state) return Error{ErrorCode::PROPOSAL_NOT_FOUND, "no proposal has this id"};
  GALEN_ASSIGN(const auto membership, execution::load_membership(identity_.genesis, view));
  galen::v1::GetProposalResponse response;
  *response.mutable_proposal() = weigh(membership, view.head().header.time_ms, id.str(), std::move(*state));
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

Result<std::string> Queries::list_proposals(const ledger::View& view, const std::string& bytes) {
  GALEN_ASSIGN(auto request, parse<galen::v1::ListProposalsRequest>(bytes));
  GALEN_ASSIGN(auto page, parse_page(request.page_size(), request.page_token()));
  GALEN_ASSIGN(const auto membership, execution::load_membership(identity_.genesis, view));
  galen::v1::ListProposalsResponse response;
  using Proposal = galen::v1::Proposal;
  auto shown_of = [&](const Bytes& row) -> Result<std::vector<Proposal>> {
    std::vector<Proposal> out;
    for (std::size_t at = 0; at + Hash::kSize <= row.size(); at += Hash::kSize) {
      const auto id = ByteSpan(row).subspan(at, Hash::kSize);
      GALEN_ASSIGN(auto state, load<ledger::v1::ProposalState>(view, StateKind::proposal, id));
      if (!state) return Error{ErrorCode::CORRUPT, "the list of proposals names one that is not there"};
      auto proposal = weigh(membership, view.head().header.time_ms, to_string(id), std::move(*state));
      if (!request.open_only() || proposal.status() == "open") out.push_back(std::move(proposal));
    }
    return out;
  };
  GALEN_ASSIGN(auto next,
               visit_page<Proposal>(view, contracts::ListKind::proposals, {}, page, shown_of,
                                    [&](Proposal proposal) { *response.add_proposals() = std::move(proposal); }));
  response.set_next_page_token(std::move(next));
  set_read_point(view, response.mutable_read_point());
  return response.SerializeAsString();
}

}  // namespace galen::node
