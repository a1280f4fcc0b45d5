// Words and JSON values that the reports share. Ids are shown in hexadecimal, members by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "galen/types/proof_check.hpp"

namespace galen {

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
/// "record", "consent" …
std::string state_kind_text(StateKind kind);
/// One sentence about a row's content.
std::string state_text(const Genesis& genesis, const StateVerdict& state);
/// The lines on what the certificates and genesis cannot show, common to all kinds.
std::string limits_text();

}  // namespace galen
