#include "types/report_words.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "galen/types/purpose.hpp"
#include "galen/types/report.hpp"
#include "types/utf8.hpp"

namespace galen {

std::string hex(const std::string& bytes) { return to_hex(as_bytes(bytes)); }

std::string purpose_text(std::uint32_t purpose) {
  auto code = purpose_code(purpose);
  return code.empty() ? std::to_string(purpose) : std::string(code);
}

std::string word(const std::string& name, std::string_view prefix, int number) {
  return name.size() > prefix.size() ? name.substr(prefix.size()) : std::to_string(number);
}

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
  while (!text.empty()) {
    const char c = text[0];
    const auto size = utf8_length(text);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else if (size == 0) {  // names of files need not be UTF-8
      out += "\\ufffd";
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
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

std::string limits_text() {
  return "  - What has happened since: a consent may have been revoked, a record superseded.\n"
         "  - Who the person behind a principal or a pseudonym is; the ledger does not know.\n";
}

}  // namespace galen
