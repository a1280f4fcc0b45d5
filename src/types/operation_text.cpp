#include "types/operation_text.hpp"

#include "galen/base/bytes.hpp"
#include "galen/types/purpose.hpp"

namespace galen {

namespace {

std::string hex(const std::string& id) { return to_hex(as_bytes(id)); }

/// Enumerators without their prefix, lower case; a number this release does not know stays a number.
std::string lower(const std::string& name, std::size_t prefix, int number) {
  if (name.size() <= prefix) return std::to_string(number);
  std::string out;
  for (char c : name.substr(prefix)) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string purposes_text(std::uint64_t purposes) {
  std::string out;
  for (std::uint32_t bit = 0; bit < 64; ++bit) {
    if ((purposes >> bit & 1) == 0) continue;
    auto code = purpose_code(bit + 1);
    out += (out.empty() ? "" : ",") + (code.empty() ? "bit " + std::to_string(bit) : std::string(code));
  }
  return out;
}

std::string anchor_text(const ledger::v1::AnchorRecord& anchor) {
  auto out = "anchor_record pointer " + hex(anchor.pointer_id()) + " commitment " + hex(anchor.commitment());
  if (!anchor.subject().empty()) out += " subject " + hex(anchor.subject());
  if (!anchor.supersedes().empty()) out += " supersedes " + hex(anchor.supersedes());
  return out;
}

std::string change_text(const ledger::v1::MembersChange& change) {
  using ledger::v1::MembersChange;
  switch (change.kind_case()) {
    case MembersChange::kAddLearner:
      return "add learner " + hex(change.add_learner().member());
    case MembersChange::kPromote:
      return "promote " + hex(change.promote().member());
    case MembersChange::kRemove:
      return "remove " + hex(change.remove().member());
    case MembersChange::kRotateKey:
      return "rotate key of " + hex(change.rotate_key().member());
    case MembersChange::kPinCa:
      return "pin ca " + hex(change.pin_ca().tls_ca()) + " of " + hex(change.pin_ca().member());
    case MembersChange::KIND_NOT_SET:
      break;
  }
  return "unknown change";
}

}  // namespace

std::string operation_text(const ledger::v1::Operation& operation) {
  using ledger::v1::Operation;
  switch (operation.kind_case()) {
    case Operation::kRegisterPrincipal: {
      const auto& body = operation.register_principal();
      return "register_principal " + lower(ledger::v1::PrincipalKind_Name(body.kind()), 15, body.kind()) + " " +
             hex(body.id()) + (body.key().empty() ? " without a key" : " with a key");
    }
    case Operation::kAnchorRecord:
      return anchor_text(operation.anchor_record());
    case Operation::kSetRecordStatus: {
      const auto& body = operation.set_record_status();
      return "set_record_status pointer " + hex(body.pointer_id()) + " " +
             lower(ledger::v1::RecordStatus_Name(body.status()), 14, body.status());
    }
    case Operation::kGrantConsent: {
      const auto& body = operation.grant_consent();
      return "grant_consent " + hex(body.consent_id()) + " patient " + hex(body.patient()) + " grantee " +
             hex(body.grantee()) + " purposes " + purposes_text(body.purposes());
    }
    case Operation::kRevokeConsent:
      return "revoke_consent " + hex(operation.revoke_consent().consent_id());
    case Operation::kDecide: {
      const auto& body = operation.decide();
      auto code = purpose_code(body.purpose());
      return "decide patient " + hex(body.patient()) + " requester " + hex(body.requester()) + " purpose " +
             (code.empty() ? std::to_string(body.purpose()) : std::string(code));
    }
    case Operation::kProposeMembers:
      return "propose_members " + hex(operation.propose_members().proposal_id()) + " " +
             change_text(operation.propose_members().change());
    case Operation::kVoteMembers: {
      const auto& body = operation.vote_members();
      return "vote_members " + hex(body.proposal_id()) + " " +
             lower(ledger::v1::MembersVote_Name(body.vote()), 13, body.vote());
    }
    case Operation::kLearnerReady:
      return "learner_ready " + hex(operation.learner_ready().member()) + " height " +
             std::to_string(operation.learner_ready().height());
    case Operation::kSetAdminKey:
      return "set_admin_key";
    case Operation::kReportEquivocation: {
      const auto& body = operation.report_equivocation();
      return "report_equivocation epoch " + std::to_string(body.epoch()) + " member " +
             std::to_string(body.member() - 1) + " " + lower(ledger::v1::SignedKind_Name(body.kind()), 12, body.kind()) +
             " view " + std::to_string(body.view() - 1) + " height " + std::to_string(body.height());
    }
    case Operation::KIND_NOT_SET:
      break;
  }
  return "unknown operation";
}

}  // namespace galen
