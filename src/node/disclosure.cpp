#include "node/disclosure.hpp"

#include <fmt/format.h>

#include "galen/contracts/contract.hpp"

namespace galen::node {

Error not_yours_to_read(std::string_view what) {
  return {ErrorCode::NOT_YOURS_TO_READ, fmt::format("{} concerns other members and their patients", what)};
}

bool Disclosure::is_member(ByteSpan id) const { return as_text(id) == as_text(member_); }

template <class Value>
Result<std::optional<Value>> Disclosure::load(StateKind kind, ByteSpan key) const {
  GALEN_ASSIGN(auto row, view_.state(static_cast<std::uint8_t>(kind), key));
  if (!row) return std::optional<Value>();
  Value value;
  if (!value.ParseFromArray(row->data(), static_cast<int>(row->size())))
    return make_error(ErrorCode::CORRUPT, "a row of the state does not decode");
  return std::optional<Value>(std::move(value));
}

Result<bool> Disclosure::own(ByteSpan id) {
  auto principal = PrincipalId::from(id);
  if (!principal) return false;
  if (auto known = own_.find(*principal); known != own_.end()) return known->second;
  GALEN_ASSIGN(auto state, load<ledger::v1::PrincipalState>(StateKind::principal, *principal));
  bool ours = state && is_member(as_bytes(state->home_member()));
  own_.emplace(*principal, ours);
  return ours;
}

Result<bool> Disclosure::consent_in_force(ByteSpan patient) {
  auto principal = PrincipalId::from(patient);
  if (!principal) return false;
  if (auto known = consented_.find(*principal); known != consented_.end()) return known->second;
  auto key = contracts::grant_index_key(*principal, member_);
  GALEN_ASSIGN(auto index, load<ledger::v1::GrantIndexState>(StateKind::grant_index, key));
  const auto now_ms = view_.head().header.time_ms;
  bool found = false;
  for (int i = 0; index && i < index->consent_ids_size() && !found; ++i) {
    GALEN_ASSIGN(auto state, load<ledger::v1::ConsentState>(StateKind::consent, as_bytes(index->consent_ids(i))));
    found = state && !state->revoked() && now_ms >= state->not_before_ms() &&
            (state->not_after_ms() == 0 || now_ms < state->not_after_ms());
  }
  consented_.emplace(*principal, found);
  return found;
}

Result<bool> Disclosure::patient(ByteSpan id) {
  GALEN_ASSIGN(bool ours, own(id));
  if (ours) return true;
  return consent_in_force(id);
}

Result<bool> Disclosure::record(const ledger::v1::RecordState& state) {
  if (is_member(as_bytes(state.custodian()))) return true;
  return patient(as_bytes(state.subject()));
}

Result<bool> Disclosure::consent(const ledger::v1::ConsentState& state) {
  if (is_member(as_bytes(state.grantee()))) return true;
  return own(as_bytes(state.patient()));
}

Result<bool> Disclosure::access(const ledger::v1::AccessEntry& entry) {
  if (is_member(as_bytes(entry.requester()))) return true;
  return own(as_bytes(entry.patient()));
}

Result<bool> Disclosure::principal(ByteSpan id, const ledger::v1::PrincipalState& state) {
  if (state.kind() != ledger::v1::PRINCIPAL_KIND_PATIENT) return true;
  return patient(id);
}

Result<bool> Disclosure::transaction(const Transaction& transaction) {
  GALEN_ASSIGN(bool ours, own(transaction.author()));
  if (ours) return true;
  for (const auto& one : transaction.operations()) {
    GALEN_ASSIGN(bool shown, operation(one));
    if (!shown) return false;
  }
  return true;
}

Result<bool> Disclosure::event(const PrincipalId& origin, const PrincipalId& author, const ledger::v1::Operation* executed) {
  if (is_member(origin)) return true;
  GALEN_ASSIGN(bool ours, own(author));
  if (ours || executed == nullptr) return ours;
  return operation(*executed);
}

// An operation of somebody else's. One that was refused may name anything: what is not found concerns nobody here.
Result<bool> Disclosure::operation(const ledger::v1::Operation& operation) {
  using ledger::v1::Operation;
  switch (operation.kind_case()) {
    case Operation::kAnchorRecord: return own(as_bytes(operation.anchor_record().subject()));
    case Operation::kSetRecordStatus: {
      GALEN_ASSIGN(auto state, load<ledger::v1::RecordState>(StateKind::record,
                                                             as_bytes(operation.set_record_status().pointer_id())));
      if (!state) return false;
      return own(as_bytes(state->subject()));
    }
    case Operation::kGrantConsent: return is_member(as_bytes(operation.grant_consent().grantee()));
    case Operation::kRevokeConsent: {
      GALEN_ASSIGN(auto state,
                   load<ledger::v1::ConsentState>(StateKind::consent, as_bytes(operation.revoke_consent().consent_id())));
      if (!state) return false;
      return consent(*state);
    }
    case Operation::kDecide: return own(as_bytes(operation.decide().patient()));
    case Operation::kProposeMembers:
    case Operation::kVoteMembers:
    case Operation::kLearnerReady:
    case Operation::kSetAdminKey: return true;  // the consortium's own business
    default: return false;
  }
}

Result<bool> Disclosure::state_row(StateKind kind, ByteSpan key) {
  switch (kind) {
    case StateKind::principal: {
      GALEN_ASSIGN(auto state, load<ledger::v1::PrincipalState>(kind, key));
      if (!state) return true;
      return principal(key, *state);
    }
    case StateKind::record: {
      GALEN_ASSIGN(auto state, load<ledger::v1::RecordState>(kind, key));
      if (!state) return true;
      return record(*state);
    }
    case StateKind::consent: {
      GALEN_ASSIGN(auto state, load<ledger::v1::ConsentState>(kind, key));
      if (!state) return true;
      return consent(*state);
    }
    case StateKind::grant_index: {
      if (key.size() != 2 * PrincipalId::kSize) return false;
      if (is_member(key.subspan(PrincipalId::kSize))) return true;
      return own(key.first(PrincipalId::kSize));
    }
    case StateKind::access_head: {
      if (key.size() < PrincipalId::kSize) return false;
      return own(key.first(PrincipalId::kSize));
    }
    case StateKind::parameters:
    case StateKind::membership:
    case StateKind::epoch:
    case StateKind::member:
    case StateKind::member_claim:
    case StateKind::proposal:
    case StateKind::certified_roots:
    case StateKind::equivocation:
    case StateKind::leadership: return true;
  }
  return false;
}

}  // namespace galen::node
