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
    case Operation::KIND_NOT_SET:
      break;
  }
  return "unknown operation";
}

}  // namespace galen
