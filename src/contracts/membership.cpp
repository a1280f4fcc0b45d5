#include "galen/contracts/membership.hpp"

#include <algorithm>

#include "contracts/members.hpp"
#include "galen/contracts/leadership.hpp"
#include "galen/types/limits.hpp"
#include "galen/types/state_key.hpp"

namespace galen::contracts {

namespace {

Error corrupt(StateKind kind) {
  return make_error(ErrorCode::CORRUPT,
                    "A state row of kind " + std::to_string(static_cast<int>(kind)) + " does not decode.");
}

/// A row's value; an empty message when there is no row.
template <class Value>
Result<std::optional<Value>> read_row(const RowReader& read, StateKind kind, ByteSpan key) {
  GALEN_ASSIGN(auto bytes, read(kind, key));
  if (!bytes) return std::optional<Value>();
  Value value;
  if (!value.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()))) return corrupt(kind);
  return std::optional(std::move(value));
}

Result<PendingMembers> pending_of(const pb::MembershipState& row) {
  PendingMembers out;
  auto members = MemberSet::decode(as_bytes(row.next_members()));
  auto proposal = Hash::from(std::string_view(row.next_proposal()));
  if (!members || !proposal) return corrupt(StateKind::membership);
  out.members = std::move(*members);
  out.since = row.next_height();
  out.proposal_id = *proposal;
  return out;
}

/// A voter's row follows the list: what it became with the new epoch.
void follow_list(const Membership& membership, const Member& member, StateView& state) {
  auto row = load_member(membership, member.id.str(), state);
  if (!row) return state.mark_corrupt(StateKind::member);
  row->set_status(pb::MEMBER_STATUS_VOTER);
  row->set_consensus_key(member.consensus_key.str());
  row->set_tls_ca(member.tls_ca.str());
  store(state, StateKind::member, member.id, *row);
}

void set_principal_status(const PrincipalId& id, pb::PrincipalStatus status, StateView& state) {
  auto principal = load<pb::PrincipalState>(state, StateKind::principal, id);
  if (!principal) return state.mark_corrupt(StateKind::principal);
  principal->set_status(status);
  store(state, StateKind::principal, id, *principal);
}

void leave(const Membership& membership, const Member& member, StateView& state) {
  auto row = load_member(membership, member.id.str(), state);
  if (!row) return state.mark_corrupt(StateKind::member);
  row->set_status(pb::MEMBER_STATUS_REMOVED);
  store(state, StateKind::member, member.id, *row);
  set_principal_status(member.id, pb::PRINCIPAL_STATUS_REVOKED, state);
}

}  // namespace

bool Membership::is_voter(const std::string& id) const {
  auto fixed = PrincipalId::from(std::string_view(id));
  return fixed && members.index_of(*fixed).has_value();
}

bool Membership::is_learner(const std::string& id) const {
  return std::any_of(learners.begin(), learners.end(), [&](const PrincipalId& one) { return one.str() == id; });
}

const MemberSet* Membership::next_at(Height exec_height) const {
  return next && next->since <= exec_height ? &next->members : nullptr;
}

Result<std::optional<EpochMembers>> load_epoch(const Genesis& genesis, Epoch epoch, const RowReader& read) {
  if (epoch == 1) return std::optional(EpochMembers{1, genesis.member_set, std::nullopt});
  GALEN_ASSIGN(auto row, read_row<pb::EpochState>(read, StateKind::epoch, epoch_key(epoch)));
  if (!row) return std::optional<EpochMembers>();
  auto members = MemberSet::decode(as_bytes(row->members()));
  auto proposal = Hash::from(std::string_view(row->proposal()));
  if (!members || !proposal) return corrupt(StateKind::epoch);
  return std::optional(EpochMembers{row->first_height(), std::move(*members), *proposal});
}

Result<Membership> load_membership(const Genesis& genesis, const RowReader& read) {
  GALEN_ASSIGN(auto row, read_row<pb::MembershipState>(read, StateKind::membership, {}));
  Membership out;
  if (!row) {
    out.members = genesis.member_set;
    return out;
  }
  out.epoch = row->epoch();
  GALEN_ASSIGN(auto epoch, load_epoch(genesis, out.epoch, read));
  if (!epoch) return corrupt(StateKind::membership);
  out.first_height = epoch->first_height;
  out.members = std::move(epoch->members);
  if (!row->next_members().empty()) {
    GALEN_ASSIGN(out.next, pending_of(*row));
  }
  for (const auto& learner : row->learners()) {
    auto id = PrincipalId::from(std::string_view(learner));
    if (!id) return corrupt(StateKind::membership);
    out.learners.push_back(*id);
  }
  return out;
}

Membership current_membership(const Genesis& genesis, StateView& state) {
  auto membership = load_membership(genesis, [&](StateKind kind, ByteSpan key) -> Result<std::optional<Bytes>> {
    state.meter().charge(Meter::kRead);
    return state.get(kind, key);
  });
  if (membership) return std::move(*membership);
  state.mark_corrupt(StateKind::membership);
  Membership none;
  none.members = genesis.member_set;
  return none;
}

std::optional<pb::MemberState> load_member(const Membership& membership, const std::string& id, StateView& state) {
  auto row = load<pb::MemberState>(state, StateKind::member, as_bytes(id));
  if (row) return row;
  auto fixed = PrincipalId::from(std::string_view(id));
  auto index = fixed ? membership.members.index_of(*fixed) : std::nullopt;
  if (!index) return std::nullopt;
  const auto& member = membership.members[*index];
  row.emplace();
  row->set_format(1);
  row->set_status(pb::MEMBER_STATUS_VOTER);
  row->set_consensus_key(member.consensus_key.str());
  row->set_tls_ca(member.tls_ca.str());
  return row;
}

void begin_block(const Membership& membership, const BlockHeader& header, StateView& state) {
  if (membership.learners.empty() || header.exec_height == 0) return;
  auto row = load<pb::CertifiedRootsState>(state, StateKind::certified_roots, {}).value_or(pb::CertifiedRootsState{});
  if (row.roots_size() > 0) {
    const auto& newest = row.roots(row.roots_size() - 1);
    if (header.exec_height <= newest.height()) return;
    if (header.time_ms < newest.time_ms() + limits::kCertifiedRootIntervalMs) return;
  }
  while (static_cast<std::size_t>(row.roots_size()) >= limits::kCertifiedRootsMax)
    row.mutable_roots()->DeleteSubrange(0, 1);
  row.set_format(1);
  auto* root = row.add_roots();
  root->set_height(header.exec_height);
  root->set_time_ms(header.time_ms);
  root->set_state_root(header.state_root.str());
  store(state, StateKind::certified_roots, {}, row);
}

Status end_epoch(const Genesis& genesis, const BlockHeader& header, StateView& state) {
  const auto membership = current_membership(genesis, state);
  if (!membership.next || membership.next->members.hash(genesis.suite) != header.next_members_hash)
    return make_error(ErrorCode::CORRUPT, "The block ends the epoch with another list than the pending one.");
  const auto& next = membership.next->members;

  pb::MembershipState row;
  row.set_format(1);
  row.set_epoch(membership.epoch + 1);
  for (const auto& learner : membership.learners)
    if (!next.index_of(learner)) row.add_learners(learner.str());
  store(state, StateKind::membership, {}, row);

  pb::EpochState epoch;
  epoch.set_format(1);
  epoch.set_first_height(header.height + 1);
  epoch.set_members(to_string(next.encode()));
  epoch.set_proposal(membership.next->proposal_id.str());
  store(state, StateKind::epoch, epoch_key(row.epoch()), epoch);

  for (const auto& member : next.all()) {
    auto before = membership.members.index_of(member.id);
    if (before && membership.members[*before] == member) continue;
    follow_list(membership, member, state);
    if (!before) set_principal_status(member.id, pb::PRINCIPAL_STATUS_ACTIVE, state);
  }
  for (const auto& member : membership.members.all())
    if (!next.index_of(member.id)) leave(membership, member, state);
  forget_leaders(state);
  return {};
}

}  // namespace galen::contracts
