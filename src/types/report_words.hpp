// Words and JSON values that the reports share. Ids are shown in hexadecimal, members by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "galen/types/proof_check.hpp"

namespace galen {

std::string hex(const std::string& bytes);
/// "TREAT", or the number where there is no code.
std::string purpose_text(std::uint32_t purpose);
/// An enumerator without its prefix; a number without a name stays a number.
std::string word(const std::string& name, std::string_view prefix, int number);
/// "2026-11-23 04:05:06 UTC"
std::string time_text(TimestampMs time_ms);
/// A JSON string.
std::string quoted(std::string_view text);
/// By its id; the id itself where genesis has no name for it: a member of a later epoch, or no member.
std::string member_name(const Genesis& genesis, std::string_view id);
std::string member_names(const Genesis& genesis, const std::vector<PrincipalId>& members);
std::string member_names_json(const Genesis& genesis, const std::vector<PrincipalId>& members);
/// "NO_CONSENT", or the number where this release has no name.
std::string reason_text(ledger::v1::DecisionReason reason);
std::string decision_json(const Genesis& genesis, const ledger::v1::AccessEntry& entry);
/// The lines on what the certificates and genesis cannot show, common to all kinds.
std::string limits_text();

}  // namespace galen
