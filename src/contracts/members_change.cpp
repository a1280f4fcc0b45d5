// The five changes of membership. A key or a name that a member ever had stays claimed, so it never stands for anybody
// else. One change touches one member, and one is pending at a time: at most f of the old list, since f is 1 at least.
#include <algorithm>

#include "contracts/members.hpp"
#include "galen/types/membership.hpp"
#include "galen/types/state_key.hpp"

namespace galen::contracts {

namespace {

Error not_found(const char* text) { return make_error(ErrorCode::MEMBER_NOT_FOUND, text); }
Error exists(const char* text) { return make_error(ErrorCode::MEMBER_EXISTS, text); }
Error at_limit(const char* text) { return make_error(ErrorCode::MEMBERS_LIMIT, text); }

bool is_claimed(const Hash& claim, StateView& state) {
  return load<pb::MemberClaimState>(state, StateKind::member_claim, claim).has_value();
}

void claim(const Context& context, const Hash& key, const std::string& member, StateView& state) {
  pb::MemberClaimState value;
  value.set_format(1);
  value.set_member(member);
  value.set_height(context.height);
  store(state, StateKind::member_claim, key, value);
}

/// Keys of genesis are claimed when they go; until then the list shows them.
Status check_key_unused(const Context& context, const Membership& membership, const std::string& key,
                        StateView& state) {
  const auto& all = membership.members.all();
  const bool stands = std::any_of(all.begin(), all.end(), [&](const Member& m) { return m.consensus_key.str() == key; });
  if (stands || is_claimed(member_key_claim(context.suite, as_bytes(key)), state))
    return make_error(ErrorCode::MEMBER_KEY_USED, "This consensus key is or was a member's.");
  return {};
}

Status check_ca_unused(const Membership& membership, const std::string& tls_ca, StateView& state) {
  for (const auto& member : membership.members.all())
    if (member.tls_ca.str() == tls_ca) return exists("This CA is pinned for a member already.");
  for (const auto& learner : membership.learners) {
    auto row = load<pb::MemberState>(state, StateKind::member, learner);
    if (row && row->tls_ca() == tls_ca) return exists("This CA is pinned for a learner already.");
  }
  return {};
}

Status check_add(const Context& context, const Membership& membership, const pb::AddLearner& change,
                 StateView& state) {
  if (membership.learners.size() >= limits::kLearnersMax) return at_limit("There are as many learners as there may be.");
  if (load<pb::PrincipalState>(state, StateKind::principal, as_bytes(change.member())))
    return exists("The member's id is taken.");
  if (load<pb::PrincipalState>(state, StateKind::principal, as_bytes(change.admin())))
    return exists("The administrator's id is taken.");
  const auto& genesis = context.genesis->members;
  const bool named =
      std::any_of(genesis.begin(), genesis.end(), [&](const GenesisMember& m) { return m.name == change.name(); });
  if (named || is_claimed(member_name_claim(context.suite, as_bytes(change.name())), state))
    return exists("The name is or was another member's.");
  GALEN_TRY(check_key_unused(context, membership, change.consensus_key(), state));
  return check_ca_unused(membership, change.tls_ca(), state);
}

Status check_promote(const Context& context, const Membership& membership, const pb::PromoteLearner& change,
                     StateView& state) {
  if (membership.is_voter(change.member())) return exists("The member has a vote already.");
  if (!membership.is_learner(change.member())) return not_found("No learner has this id.");
  if (membership.members.size() >= limits::kMembersMax) return at_limit("There are as many members as there may be.");
  auto row = load<pb::MemberState>(state, StateKind::member, as_bytes(change.member()));
  if (!row) {
    state.mark_corrupt(StateKind::member);
    return {};
  }
  if (row->ready_height() == 0)
    return make_error(ErrorCode::LEARNER_NOT_READY, "The learner has never shown that it follows the chain.");
  if (context.time_ms - row->ready_time_ms() > limits::kLearnerReadyMs)
    return make_error(ErrorCode::LEARNER_NOT_READY, "The learner showed longer than an hour ago that it follows.");
  return {};
}

Status check_remove(const Membership& membership, const pb::RemoveMember& change) {
  if (membership.is_learner(change.member())) return {};
  if (!membership.is_voter(change.member())) return not_found("No member has this id.");
  if (membership.members.size() <= limits::kMembersMin)
    return at_limit("Fewer than four members could not bear the loss of one.");
  return {};
}

Status check_known(const Membership& membership, const std::string& id) {
  if (membership.is_voter(id) || membership.is_learner(id)) return {};
  return not_found("No member has this id.");
}

void make_pending(const Context& context, const Membership& membership, std::vector<Member> next,
                  const std::string& proposal_id, StateView& state) {
  pb::MembershipState row;
  row.set_format(1);
  row.set_epoch(membership.epoch);
  row.set_next_members(to_string(MemberSet(std::move(next)).encode()));
  row.set_next_proposal(proposal_id);
  row.set_next_height(context.height);
  for (const auto& learner : membership.learners) row.add_learners(learner.str());
  store(state, StateKind::membership, {}, row);
}

void store_learners(const Membership& membership, const std::vector<PrincipalId>& learners, StateView& state) {
  GALEN_ASSERT(!membership.next);
  pb::MembershipState row;
  row.set_format(1);
  row.set_epoch(membership.epoch);
  for (const auto& learner : learners) row.add_learners(learner.str());
  store(state, StateKind::membership, {}, row);
}

void put_principal(const Context& context, const std::string& id, pb::PrincipalKind kind, const std::string& home,
                   const std::string& key, pb::PrincipalStatus status, StateView& state) {
  pb::PrincipalState value;
  value.set_format(1);
  value.set_kind(kind);
  value.set_home_member(home);
  value.set_key(key);
  value.set_key_version(key.empty() ? 0 : 1);
  value.set_status(status);
  value.set_registered_height(context.height);
  store(state, StateKind::principal, as_bytes(id), value);
}

void add(const Context& context, const Membership& membership, const pb::AddLearner& change, StateView& state) {
  pb::MemberState member;
  member.set_format(1);
  member.set_status(pb::MEMBER_STATUS_LEARNER);
  member.set_name(change.name());
  member.set_consensus_key(change.consensus_key());
  member.set_tls_ca(change.tls_ca());
  member.set_admin(change.admin());
  store(state, StateKind::member, as_bytes(change.member()), member);
  put_principal(context, change.member(), pb::PRINCIPAL_KIND_MEMBER, change.member(), {}, pb::PRINCIPAL_STATUS_LEARNER,
                state);
  put_principal(context, change.admin(), pb::PRINCIPAL_KIND_ADMIN, change.member(), change.admin_key(),
                pb::PRINCIPAL_STATUS_ACTIVE, state);
  claim(context, member_key_claim(context.suite, as_bytes(change.consensus_key())), change.member(), state);
  claim(context, member_name_claim(context.suite, as_bytes(change.name())), change.member(), state);
  auto learners = membership.learners;
  learners.push_back(id_of<PrincipalId>(change.member()));
  store_learners(membership, learners, state);
}

void remove_learner(const Membership& membership, const std::string& id, StateView& state) {
  auto member = load<pb::MemberState>(state, StateKind::member, as_bytes(id));
  auto principal = load<pb::PrincipalState>(state, StateKind::principal, as_bytes(id));
  if (!member || !principal) return state.mark_corrupt(StateKind::member);
  member->set_status(pb::MEMBER_STATUS_REMOVED);
  store(state, StateKind::member, as_bytes(id), *member);
  principal->set_status(pb::PRINCIPAL_STATUS_REVOKED);
  store(state, StateKind::principal, as_bytes(id), *principal);
  auto learners = membership.learners;
  std::erase_if(learners, [&](const PrincipalId& one) { return one.str() == id; });
  store_learners(membership, learners, state);
}

/// A learner's key or CA: nobody votes with them yet, so they change at once.
void update_learner(const std::string& id, const std::string* key, const std::string* tls_ca, StateView& state) {
  auto member = load<pb::MemberState>(state, StateKind::member, as_bytes(id));
  if (!member) return state.mark_corrupt(StateKind::member);
  if (key != nullptr) {
    member->set_consensus_key(*key);
    member->set_ready_height(0);  // the old key said so
    member->set_ready_time_ms(0);
  }
  if (tls_ca != nullptr) member->set_tls_ca(*tls_ca);
  store(state, StateKind::member, as_bytes(id), *member);
}

}  // namespace

Status check_change_shape(const pb::MembersChange& change) {
  switch (change.kind_case()) {
    case pb::MembersChange::kAddLearner: {
      const auto& body = change.add_learner();
      GALEN_TRY(check_id("add_learner.member", body.member()));
      GALEN_TRY(check_key("add_learner.consensus_key", body.consensus_key()));
      GALEN_TRY(check_id("add_learner.tls_ca", body.tls_ca()));
      GALEN_TRY(check_id("add_learner.admin", body.admin()));
      GALEN_TRY(check_key("add_learner.admin_key", body.admin_key()));
      GALEN_TRY(check_signature("add_learner.proof", body.proof()));
      if (body.admin() == body.member())
        return make_error(ErrorCode::INVALID_ARGUMENT, "add_learner.admin must be another id than the member's.");
      if (!is_member_name(body.name()))
        return make_error(ErrorCode::INVALID_ARGUMENT, "add_learner.name must be 1 to 128 bytes of printable UTF-8.");
      return {};
    }
    case pb::MembersChange::kPromote:
      return check_id("promote.member", change.promote().member());
    case pb::MembersChange::kRemove:
      return check_id("remove.member", change.remove().member());
    case pb::MembersChange::kRotateKey:
      GALEN_TRY(check_id("rotate_key.member", change.rotate_key().member()));
      GALEN_TRY(check_key("rotate_key.consensus_key", change.rotate_key().consensus_key()));
      return check_signature("rotate_key.proof", change.rotate_key().proof());
    case pb::MembersChange::kPinCa:
      GALEN_TRY(check_id("pin_ca.member", change.pin_ca().member()));
      return check_id("pin_ca.tls_ca", change.pin_ca().tls_ca());
    case pb::MembersChange::KIND_NOT_SET:
      break;
  }
  return make_error(ErrorCode::INVALID_ARGUMENT, "The change has no kind.");
}

Status check_change_proof(const Context& context, const pb::MembersChange& change, StateView& state) {
  if (change.has_add_learner()) {
    const auto& body = change.add_learner();
    state.meter().charge(Meter::kKeyCheck);
    if (!crypto::Verifier::make(context.suite, id_of<PublicKey>(body.admin_key())))
      return make_error(ErrorCode::INVALID_ARGUMENT, "add_learner.admin_key is no point of the curve.");
    const MemberAdmission admission{id_of<PrincipalId>(body.member()), id_of<PublicKey>(body.consensus_key()),
                                    id_of<Hash>(body.tls_ca()),        id_of<PrincipalId>(body.admin()),
                                    id_of<PublicKey>(body.admin_key()), body.name()};
    return check_possession(context, state, body.consensus_key(), admission.sign_bytes(context.genesis->chain_id),
                            body.proof());
  }
  if (!change.has_rotate_key()) return {};
  const auto& body = change.rotate_key();
  return check_possession(context, state, body.consensus_key(),
                          member_key_sign_bytes(context.genesis->chain_id, id_of<PrincipalId>(body.member()),
                                                id_of<PublicKey>(body.consensus_key())),
                          body.proof());
}

Status check_change(const Context& context, const Membership& membership, const pb::MembersChange& change,
                    StateView& state) {
  switch (change.kind_case()) {
    case pb::MembersChange::kAddLearner:
      return check_add(context, membership, change.add_learner(), state);
    case pb::MembersChange::kPromote:
      return check_promote(context, membership, change.promote(), state);
    case pb::MembersChange::kRemove:
      return check_remove(membership, change.remove());
    case pb::MembersChange::kRotateKey:
      GALEN_TRY(check_known(membership, change.rotate_key().member()));
      return check_key_unused(context, membership, change.rotate_key().consensus_key(), state);
    case pb::MembersChange::kPinCa:
      GALEN_TRY(check_known(membership, change.pin_ca().member()));
      return check_ca_unused(membership, change.pin_ca().tls_ca(), state);
    case pb::MembersChange::KIND_NOT_SET:
      break;
  }
  return make_error(ErrorCode::INVALID_ARGUMENT, "The change has no kind.");
}

void apply_change(const Context& context, const Membership& membership, const pb::MembersChange& change,
                  const std::string& proposal_id, StateView& state) {
  GALEN_ASSERT(!membership.next);
  auto next = membership.members.all();
  auto voter = [&](const std::string& id) { return std::find_if(next.begin(), next.end(), [&](const Member& m) {
    return m.id.str() == id; }); };
  switch (change.kind_case()) {
    case pb::MembersChange::kAddLearner:
      return add(context, membership, change.add_learner(), state);
    case pb::MembersChange::kPromote: {
      auto row = load<pb::MemberState>(state, StateKind::member, as_bytes(change.promote().member()));
      if (!row) return state.mark_corrupt(StateKind::member);
      next.push_back({id_of<PrincipalId>(change.promote().member()), id_of<PublicKey>(row->consensus_key()),
                      id_of<Hash>(row->tls_ca())});
      break;
    }
    case pb::MembersChange::kRemove: {
      auto found = voter(change.remove().member());
      if (found == next.end()) return remove_learner(membership, change.remove().member(), state);
      claim(context, member_key_claim(context.suite, found->consensus_key), change.remove().member(), state);
      next.erase(found);
      break;
    }
    case pb::MembersChange::kRotateKey: {
      const auto& body = change.rotate_key();
      claim(context, member_key_claim(context.suite, as_bytes(body.consensus_key())), body.member(), state);
      auto found = voter(body.member());
      if (found == next.end()) return update_learner(body.member(), &body.consensus_key(), nullptr, state);
      claim(context, member_key_claim(context.suite, found->consensus_key), body.member(), state);
      found->consensus_key = id_of<PublicKey>(body.consensus_key());
      break;
    }
    case pb::MembersChange::kPinCa: {
      const auto& body = change.pin_ca();
      auto found = voter(body.member());
      if (found == next.end()) return update_learner(body.member(), nullptr, &body.tls_ca(), state);
      found->tls_ca = id_of<Hash>(body.tls_ca());
      break;
    }
    case pb::MembersChange::KIND_NOT_SET:
      GALEN_ASSERT(false);
  }
  make_pending(context, membership, std::move(next), proposal_id, state);
}

}  // namespace galen::contracts
