#include "types/report_words.hpp"

#include <cstdio>
#include <ctime>

#include "galen/types/purpose.hpp"
#include "galen/types/report.hpp"

namespace galen {

namespace {

std::string hex(const std::string& bytes) { return to_hex(as_bytes(bytes)); }

std::string purpose_text(std::uint32_t purpose) {
  auto code = purpose_code(purpose);
  return code.empty() ? std::to_string(purpose) : std::string(code);
}

template <class Message>
std::optional<Message> parse(const Bytes& value) {
  Message out;
  if (!out.ParseFromArray(value.data(), static_cast<int>(value.size()))) return std::nullopt;
  return out;
}

/// An enumerator without its prefix; a number without a name stays a number.
std::string word(const std::string& name, std::string_view prefix, int number) {
  return name.size() > prefix.size() ? name.substr(prefix.size()) : std::to_string(number);
}

std::string record_text(const Genesis& genesis, const ledger::v1::RecordState& state) {
  auto status = word(ledger::v1::RecordStatus_Name(state.status()), "RECORD_STATUS_", state.status());
  auto out = "custodian " + member_name(genesis, state.custodian()) + ", status " + status + ", anchored in block " +
             std::to_string(state.height()) + ", commitment " + hex(state.commitment());
  if (!state.subject().empty()) out += ", subject " + hex(state.subject());
  if (!state.supersedes().empty()) out += ", supersedes " + hex(state.supersedes());
  if (!state.superseded_by().empty()) out += ", superseded by " + hex(state.superseded_by());
  return out;
}

std::string consent_text(const Genesis& genesis, const ledger::v1::ConsentState& state) {
  std::string purposes;
  for (std::uint32_t bit = 0; bit < 64; ++bit)
    if ((state.purposes() >> bit & 1) != 0) purposes += (purposes.empty() ? "" : ",") + purpose_text(bit + 1);
  auto out = "patient " + hex(state.patient()) + " to " + member_name(genesis, state.grantee()) + " for " + purposes +
             ", granted in block " + std::to_string(state.granted_height());
  if (state.not_before_ms() != 0) out += ", from " + time_text(state.not_before_ms());
  if (state.not_after_ms() != 0) out += ", until " + time_text(state.not_after_ms());
  return out + (state.revoked() ? ", REVOKED in block " + std::to_string(state.revoked_height()) : ", not revoked");
}

std::string principal_text(const Genesis& genesis, const ledger::v1::PrincipalState& state) {
  return word(ledger::v1::PrincipalKind_Name(state.kind()), "PRINCIPAL_KIND_", state.kind()) + " of " +
         member_name(genesis, state.home_member()) + ", " +
         word(ledger::v1::PrincipalStatus_Name(state.status()), "PRINCIPAL_STATUS_", state.status()) +
         ", registered in block " + std::to_string(state.registered_height()) +
         (state.key().empty() ? ", without a key" : ", key " + hex(state.key()));
}

std::string value_text(const Genesis& genesis, StateKind kind, const Bytes& value) {
  switch (kind) {
    case StateKind::record:
      if (auto state = parse<ledger::v1::RecordState>(value)) return record_text(genesis, *state);
      break;
    case StateKind::consent:
      if (auto state = parse<ledger::v1::ConsentState>(value)) return consent_text(genesis, *state);
      break;
    case StateKind::principal:
      if (auto state = parse<ledger::v1::PrincipalState>(value)) return principal_text(genesis, *state);
      break;
    case StateKind::access_head:
      if (auto state = parse<ledger::v1::AccessHeadState>(value))
        return std::to_string(state->count()) + " entries, running hash " + hex(state->running_hash());
      break;
    case StateKind::grant_index:
      if (auto state = parse<ledger::v1::GrantIndexState>(value))
        return std::to_string(state->consent_ids_size()) + " consents between the two";
      break;
    case StateKind::parameters:
      if (auto state = parse<ledger::v1::ParametersState>(value))
        return "rules version " + std::to_string(state->rules_version());
      break;
    default:
      break;
  }
  return "value " + to_hex(value);
}

}  // namespace

std::string time_text(TimestampMs time_ms) {
  auto seconds = static_cast<std::time_t>(time_ms / 1000);
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return std::to_string(time_ms) + " ms";
  char text[64];
  auto size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return std::string(text, size);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string member_name(const Genesis& genesis, std::string_view id) {
  for (const auto& member : genesis.members)
    if (as_text(member.id) == id) return member.name;
  return to_hex(as_bytes(id));
}

std::string member_names(const Genesis& genesis, const std::vector<PrincipalId>& members) {
  std::string out;
  for (const auto& id : members) out += (out.empty() ? "" : ", ") + member_name(genesis, as_text(id));
  return out;
}

std::string member_names_json(const Genesis& genesis, const std::vector<PrincipalId>& members) {
  std::string out;
  for (const auto& id : members) out += (out.empty() ? "" : ",") + quoted(member_name(genesis, as_text(id)));
  return "[" + out + "]";
}

std::string reason_text(ledger::v1::DecisionReason reason) {
  return word(ledger::v1::DecisionReason_Name(reason), "DECISION_REASON_", reason);
}

std::string decision_text(const Genesis& genesis, const ledger::v1::AccessEntry& entry) {
  auto out = std::string(entry.permit() ? "PERMIT" : "DENY") + " (" + reason_text(entry.reason()) +
             "): " + member_name(genesis, entry.requester()) + " asked for patient " + hex(entry.patient()) +
             " with purpose " + purpose_text(entry.purpose());
  if (!entry.pointer_id().empty()) out += ", record " + hex(entry.pointer_id());
  out += ", in block " + std::to_string(entry.height()) + " of " + time_text(entry.time_ms());
  if (!entry.consent_id().empty()) out += "; decided by consent " + hex(entry.consent_id());
  return out;
}

std::string decision_json(const Genesis& genesis, const ledger::v1::AccessEntry& entry) {
  return "{\"permit\":" + std::string(entry.permit() ? "true" : "false") +
         ",\"reason\":" + quoted(reason_text(entry.reason())) + ",\"patient\":" + quoted(hex(entry.patient())) +
         ",\"requester\":" + quoted(member_name(genesis, entry.requester())) +
         ",\"purpose\":" + quoted(purpose_text(entry.purpose())) +
         ",\"pointer_id\":" + quoted(hex(entry.pointer_id())) + ",\"consent_id\":" + quoted(hex(entry.consent_id())) +
         ",\"sequence\":" + std::to_string(entry.sequence()) + ",\"height\":" + std::to_string(entry.height()) +
         ",\"time_ms\":" + std::to_string(entry.time_ms()) + "}";
}

std::string state_kind_text(StateKind kind) {
  switch (kind) {
    case StateKind::principal:
      return "principal";
    case StateKind::record:
      return "record";
    case StateKind::consent:
      return "consent";
    case StateKind::grant_index:
      return "grant_index";
    case StateKind::access_head:
      return "access_head";
    case StateKind::parameters:
      return "parameters";
    case StateKind::membership:
      return "membership";
    case StateKind::epoch:
      return "epoch";
    case StateKind::member:
      return "member";
    case StateKind::member_claim:
      return "member_claim";
    case StateKind::proposal:
      return "proposal";
    case StateKind::certified_roots:
      return "certified_roots";
    case StateKind::equivocation:
      return "equivocation";
    case StateKind::leadership:
      return "leadership";
  }
  return "unknown";
}

std::string state_text(const Genesis& genesis, const StateVerdict& state) {
  auto out = state_kind_text(state.kind) + (state.key.empty() ? "" : " " + to_hex(state.key));
  if (!state.value) return out + ": there was no such row";
  return out + ": " + value_text(genesis, state.kind, *state.value);
}

std::string limits_text() {
  return "  - What has happened since: a consent may have been revoked, a record superseded.\n"
         "  - Who the person behind a principal or a pseudonym is; the ledger does not know.\n";
}

}  // namespace galen
