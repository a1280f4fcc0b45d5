#include "node/participants.hpp"

#include <algorithm>

#include "galen/ledger/v1/state.pb.h"

namespace galen::node {

std::string_view to_name(Role role) {
  switch (role) {
    case Role::voter: return "voter";
    case Role::learner: return "learner";
    case Role::none: break;
  }
  return "none";
}

namespace {

/// The ledger keeps the fingerprint of a CA certificate only; the certificate is known of whoever has that of genesis, and
/// of oneself.
std::string known_ca(const Genesis& genesis, const Member& member, const Participant& own) {
  if (auto index = genesis.member_set.index_of(member.id); index && genesis.member_set[*index].tls_ca == member.tls_ca)
    return genesis.members[*index].ca_pem;
  return member.id == own.member.id && member.tls_ca == own.member.tls_ca ? own.ca_pem : std::string();
}

Result<std::optional<ledger::v1::MemberState>> member_row(const ledger::View& view, const PrincipalId& id) {
  GALEN_ASSIGN(auto bytes, view.state(static_cast<std::uint8_t>(StateKind::member), id));
  if (!bytes) return std::optional<ledger::v1::MemberState>();
  ledger::v1::MemberState row;
  if (!row.ParseFromArray(bytes->data(), static_cast<int>(bytes->size())))
    return Error{ErrorCode::CORRUPT, "a member's state row does not decode"};
  return std::optional(std::move(row));
}

std::string name_of(const Genesis& genesis, const PrincipalId& id,
                    const std::optional<ledger::v1::MemberState>& row) {
  if (row && !row->name().empty()) return row->name();
  auto index = genesis.member_set.index_of(id);
  return index ? genesis.members[*index].name : id.hex().substr(0, 8);
}

Result<Participant> load_learner(const Genesis& genesis, const ledger::View& view, const PrincipalId& id,
                                 const Participant& own) {
  GALEN_ASSIGN(const auto row, member_row(view, id));
  const auto key = row ? PublicKey::from(std::string_view(row->consensus_key())) : std::nullopt;
  const auto ca = row ? Hash::from(std::string_view(row->tls_ca())) : std::nullopt;
  if (!key || !ca) return Error{ErrorCode::CORRUPT, "a learner's state row does not decode"};
  const Member member{id, *key, *ca};
  return Participant{member, name_of(genesis, id, row), known_ca(genesis, member, own)};
}

/// Who changes its CA with the next epoch shows the new one as soon as it is there itself, and that may be before we are.
void add_next_cas(Participants& to, const contracts::PendingMembers& next) {
  for (auto& one : to.all)
    if (auto place = next.members.index_of(one.member.id); place && next.members[*place].tls_ca != one.member.tls_ca)
      one.next_ca = next.members[*place].tls_ca;
}

Status add_former(Participants& to, const Genesis& genesis, const ledger::View& view, Epoch epoch) {
  const auto takes_part = [&](const PrincipalId& id) {
    return std::any_of(to.all.begin(), to.all.end(), [&](const Participant& one) { return one.member.id == id; });
  };
  for (Epoch past = 1; past < epoch; ++past) {
    GALEN_ASSIGN(const auto members, execution::load_epoch(genesis, view, past));
    if (!members) return Error{ErrorCode::CORRUPT, "the ledger does not know an epoch that it went through"};
    for (const auto& member : members->members.all())
      if (!takes_part(member.id) && std::find(to.former.begin(), to.former.end(), member.id) == to.former.end())
        to.former.push_back(member.id);
  }
  return {};
}

void add_own(Participants& to, const Participant& own) {
  for (const auto& one : to.all)
    if (one.member.id == own.member.id) return;
  to.all.push_back(own);
}

}  // namespace

Result<std::string> member_name(const Genesis& genesis, const ledger::View& view, const PrincipalId& id) {
  GALEN_ASSIGN(const auto row, member_row(view, id));
  return name_of(genesis, id, row);
}

Result<Participants> load_participants(const Genesis& genesis, const ledger::View& view,
                                       const contracts::Membership& membership, const Participant& own) {
  Participants out;
  out.voters = membership.members;
  for (const auto& member : membership.members.all()) {
    GALEN_ASSIGN(const auto row, member_row(view, member.id));
    out.all.push_back({member, name_of(genesis, member.id, row), known_ca(genesis, member, own)});
  }
  for (const auto& id : membership.learners) {
    GALEN_ASSIGN(auto learner, load_learner(genesis, view, id, own));
    out.all.push_back(std::move(learner));
  }
  out.learners = membership.learners.size();
  GALEN_TRY(add_former(out, genesis, view, membership.epoch));
  add_own(out, own);
  if (membership.next) add_next_cas(out, *membership.next);
  return out;
}

Participants participants_of_genesis(const Genesis& genesis, const Participant& own) {
  Participants out;
  out.voters = genesis.member_set;
  for (std::size_t i = 0; i < genesis.members.size(); ++i)
    out.all.push_back({genesis.member_set[static_cast<MemberIndex>(i)], genesis.members[i].name, genesis.members[i].ca_pem});
  add_own(out, own);
  return out;
}

void take_key(Identity& identity, std::vector<crypto::PrivateKey> keys) {
  GALEN_ASSERT(!keys.empty() && identity.participants);
  const auto& named = identity.participants->all[identity.self].member.consensus_key;
  auto found = std::find_if(keys.begin(), keys.end(), [&](const auto& key) { return key.public_key() == named; });
  identity.can_sign = found != keys.end();
  identity.consensus_key = std::move(identity.can_sign ? *found : keys.front());
}

Result<bool> are_participants_new(const Identity& identity, const ledger::View& view) {
  GALEN_ASSIGN(const auto membership, execution::load_membership(identity.genesis, view));
  if (membership.epoch != identity.context.epoch) return true;
  const auto voters = identity.members().size();
  const auto learners = identity.participants ? identity.participants->learners : 0;
  if (membership.learners.size() != learners) return true;
  for (std::size_t i = 0; i < learners; ++i) {
    const auto& known = identity.participants->all[voters + i];
    GALEN_ASSIGN(const auto now, load_learner(identity.genesis, view, membership.learners[i], known));
    if (now.member != known.member) return true;
  }
  return false;
}

}  // namespace galen::node
