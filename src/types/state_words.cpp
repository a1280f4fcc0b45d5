#include "types/state_words.hpp"

#include "galen/types/membership.hpp"
#include "types/message_json.hpp"
#include "types/report_words.hpp"

namespace galen {

namespace {

namespace pb = ledger::v1;

template <class Message>
std::optional<Message> parse(const Bytes& value) {
  Message out;
  if (!out.ParseFromArray(value.data(), static_cast<int>(value.size()))) return std::nullopt;
  return out;
}

std::string in_block(Height height) { return " in block " + std::to_string(height); }

/// Ids of members by name.
template <class Ids>
std::string names(const Genesis& genesis, const Ids& ids) {
  std::string out;
  for (const auto& id : ids) out += (out.empty() ? "" : ", ") + member_name(genesis, id);
  return out;
}

/// Of a member set's bytes.
std::string set_names(const Genesis& genesis, const std::string& bytes) {
  auto members = MemberSet::decode(as_bytes(bytes));
  if (!members) return hex(bytes);
  std::string out;
  for (const auto& member : members->all()) out += (out.empty() ? "" : ", ") + member_name(genesis, as_text(member.id));
  return out;
}

std::string text(const Genesis& genesis, const pb::RecordState& state) {
  auto status = word(pb::RecordStatus_Name(state.status()), "RECORD_STATUS_", state.status());
  auto out = "custodian " + member_name(genesis, state.custodian()) + ", status " + status + ", anchored" +
             in_block(state.height()) + ", commitment " + hex(state.commitment());
  if (!state.subject().empty()) out += ", subject " + hex(state.subject());
  if (!state.supersedes().empty()) out += ", supersedes " + hex(state.supersedes());
  if (!state.superseded_by().empty()) out += ", superseded by " + hex(state.superseded_by());
  return out;
}

std::string text(const Genesis& genesis, const pb::ConsentState& state) {
  std::string purposes;
  for (std::uint32_t bit = 0; bit < 64; ++bit)
    if ((state.purposes() >> bit & 1) != 0) purposes += (purposes.empty() ? "" : ",") + purpose_text(bit + 1);
  auto out = "patient " + hex(state.patient()) + " to " + member_name(genesis, state.grantee()) + " for " + purposes +
             ", granted" + in_block(state.granted_height());
  if (state.not_before_ms() != 0) out += ", from " + time_text(state.not_before_ms());
  if (state.not_after_ms() != 0) out += ", until " + time_text(state.not_after_ms());
  return out + (state.revoked() ? ", REVOKED" + in_block(state.revoked_height()) : ", not revoked");
}

std::string text(const Genesis& genesis, const pb::PrincipalState& state) {
  return word(pb::PrincipalKind_Name(state.kind()), "PRINCIPAL_KIND_", state.kind()) + " of " +
         member_name(genesis, state.home_member()) + ", " +
         word(pb::PrincipalStatus_Name(state.status()), "PRINCIPAL_STATUS_", state.status()) + ", registered" +
         in_block(state.registered_height()) + (state.key().empty() ? ", without a key" : ", key " + hex(state.key()));
}

std::string text(const Genesis&, const pb::AccessHeadState& state) {
  return std::to_string(state.count()) + " entries, running hash " + hex(state.running_hash());
}

std::string text(const Genesis&, const pb::GrantIndexState& state) {
  return std::to_string(state.consent_ids_size()) + " consents between the two";
}

std::string text(const Genesis&, const pb::ParametersState& state) {
  return "rules version " + std::to_string(state.rules_version());
}

std::string text(const Genesis& genesis, const pb::MembershipState& state) {
  auto out = "epoch " + std::to_string(state.epoch());
  out += state.next_members().empty() ? ", no change is pending"
                                      : ", the next members are " + set_names(genesis, state.next_members()) +
                                            ", by proposal " + hex(state.next_proposal()) + " approved" +
                                            in_block(state.next_height());
  return out + (state.learners().empty() ? ", nobody learns" : ", learners: " + names(genesis, state.learners()));
}

std::string text(const Genesis& genesis, const pb::EpochState& state) {
  return "from block " + std::to_string(state.first_height()) + " on the members are " +
         set_names(genesis, state.members()) + ", by proposal " + hex(state.proposal());
}

std::string text(const Genesis&, const pb::MemberState& state) {
  auto out = word(pb::MemberStatus_Name(state.status()), "MEMBER_STATUS_", state.status());
  // The name went through the vote of a quorum, but this page is for a terminal.
  if (!state.name().empty()) out += ", named " + (is_member_name(state.name()) ? state.name() : hex(state.name()));
  if (!state.admin().empty()) out += ", administrator " + hex(state.admin());
  out += ", consensus key " + hex(state.consensus_key()) + ", CA " + hex(state.tls_ca());
  if (state.ready_height() != 0)
    out += ", showed the state after block " + std::to_string(state.ready_height()) + " at " +
           time_text(state.ready_time_ms());
  if (state.open_proposals_size() > 0) out += ", proposals made: " + std::to_string(state.open_proposals_size());
  return out;
}

std::string text(const Genesis& genesis, const pb::MemberClaimState& state) {
  return "of member " + member_name(genesis, state.member()) + " since block " + std::to_string(state.height());
}

/// What a proposal would change, and of whom.
std::string text(const Genesis& genesis, const pb::MembersChange& change) {
  using Change = pb::MembersChange;
  switch (change.kind_case()) {
    case Change::kAddLearner: return "add " + hex(change.add_learner().member()) + " as a learner";
    case Change::kPromote: return "give a vote to " + member_name(genesis, change.promote().member());
    case Change::kRemove: return "remove " + member_name(genesis, change.remove().member());
    case Change::kRotateKey: return "another consensus key for " + member_name(genesis, change.rotate_key().member());
    case Change::kPinCa: return "another CA for " + member_name(genesis, change.pin_ca().member());
    default: return "a change that this release does not know";
  }
}

std::string text(const Genesis& genesis, const pb::ProposalState& state) {
  auto out = word(pb::ProposalStatus_Name(state.status()), "PROPOSAL_STATUS_", state.status()) + ": " +
             text(genesis, state.change()) + ", proposed by " + member_name(genesis, state.proposer()) + " (author " +
             hex(state.author()) + ")" + in_block(state.proposed_height()) + ", votes until " +
             time_text(state.expires_ms());
  if (state.approvals_size() > 0) out += ", approved by " + names(genesis, state.approvals());
  if (state.rejections_size() > 0) out += ", rejected by " + names(genesis, state.rejections());
  return out + (state.decided_height() == 0 ? "" : ", decided" + in_block(state.decided_height()));
}

std::string text(const Genesis&, const pb::CertifiedRootsState& state) {
  auto out = std::to_string(state.roots_size()) + " roots that learners may show";
  if (state.roots_size() == 0) return out;
  const auto& newest = *state.roots().rbegin();
  return out + ", from block " + std::to_string(state.roots(0).height()) + " to block " +
         std::to_string(newest.height()) + ", whose time is " + time_text(newest.time_ms()) + " and whose root is " +
         hex(newest.state_root());
}

std::string text(const Genesis& genesis, const pb::EquivocationState& state) {
  return "signed two values in one place, as " + word(pb::SignedKind_Name(state.kind()), "SIGNED_KIND_", state.kind()) +
         " of view " + std::to_string(state.view()) + " for block " + std::to_string(state.place()) + "; shown by " +
         member_name(genesis, state.reporter()) + " in transaction " + hex(state.transaction_id()) +
         in_block(state.height()) + " of " + time_text(state.time_ms());
}

std::string text(const Genesis&, const pb::LeadershipState& state) {
  std::string failed, skipped;
  for (int place = 0; place < state.failures_size(); ++place)
    if (state.failures(place) != 0)
      failed += (failed.empty() ? "" : ", ") + std::to_string(state.failures(place)) + " by the member in place " +
                std::to_string(place);
  for (const auto& skip : state.skips())
    skipped += (skipped.empty() ? "" : ", ") + std::string("the member in place ") + std::to_string(skip.member()) +
               " in views " + std::to_string(skip.from_view()) + " to before " + std::to_string(skip.until_view()) +
               " (decided" + in_block(skip.height()) + ")";
  return "views led in vain: " + (failed.empty() ? "none" : failed) + "; left out: " +
         (skipped.empty() ? "nobody" : skipped);
}

/// `use(message)` with the message that rows of the kind hold; false where the bytes do not read as one.
template <class Message, class Use>
bool as(const Bytes& value, const Use& use) {
  auto message = parse<Message>(value);
  if (message) use(*message);
  return message.has_value();
}
template <class Use>
bool with_row(StateKind kind, const Bytes& value, const Use& use) {
  switch (kind) {
    case StateKind::principal: return as<pb::PrincipalState>(value, use);
    case StateKind::record: return as<pb::RecordState>(value, use);
    case StateKind::consent: return as<pb::ConsentState>(value, use);
    case StateKind::grant_index: return as<pb::GrantIndexState>(value, use);
    case StateKind::access_head: return as<pb::AccessHeadState>(value, use);
    case StateKind::parameters: return as<pb::ParametersState>(value, use);
    case StateKind::membership: return as<pb::MembershipState>(value, use);
    case StateKind::epoch: return as<pb::EpochState>(value, use);
    case StateKind::member: return as<pb::MemberState>(value, use);
    case StateKind::member_claim: return as<pb::MemberClaimState>(value, use);
    case StateKind::proposal: return as<pb::ProposalState>(value, use);
    case StateKind::certified_roots: return as<pb::CertifiedRootsState>(value, use);
    case StateKind::equivocation: return as<pb::EquivocationState>(value, use);
    case StateKind::leadership: return as<pb::LeadershipState>(value, use);
  }
  return false;
}

/// What is no id is told, not spelled.
std::string key_text(const Genesis& genesis, const StateVerdict& state) {
  ByteReader in(state.key);
  switch (state.kind) {
    case StateKind::epoch: return " " + std::to_string(in.u64());
    case StateKind::member: return " " + member_name(genesis, as_text(state.key));
    case StateKind::equivocation: {
      const auto epoch = in.u64();
      return " of " + member_name(genesis, as_text(in.raw(PrincipalId::kSize))) + " in epoch " + std::to_string(epoch);
    }
    default: return state.key.empty() ? "" : " " + to_hex(state.key);
  }
}

}  // namespace

std::string state_kind_text(StateKind kind) {
  switch (kind) {
    case StateKind::principal: return "principal";
    case StateKind::record: return "record";
    case StateKind::consent: return "consent";
    case StateKind::grant_index: return "grant_index";
    case StateKind::access_head: return "access_head";
    case StateKind::parameters: return "parameters";
    case StateKind::membership: return "membership";
    case StateKind::epoch: return "epoch";
    case StateKind::member: return "member";
    case StateKind::member_claim: return "member_claim";
    case StateKind::proposal: return "proposal";
    case StateKind::certified_roots: return "certified_roots";
    case StateKind::equivocation: return "equivocation";
    case StateKind::leadership: return "leadership";
  }
  return "unknown";
}

std::string state_text(const Genesis& genesis, const StateVerdict& state) {
  auto out = state_kind_text(state.kind) + key_text(genesis, state) + ": ";
  if (!state.value) return out + "there was no such row";
  const bool reads =
      with_row(state.kind, *state.value, [&](const auto& message) { out += text(genesis, message); });
  return reads ? out : out + "value " + to_hex(*state.value);
}

std::string state_row_json(const StateVerdict& state) {
  std::string out = "null";
  if (state.value) with_row(state.kind, *state.value, [&](const auto& message) { out = message_json(message); });
  return out;
}

}  // namespace galen
