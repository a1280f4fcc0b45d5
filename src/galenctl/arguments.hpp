// Arguments as people write them: ids in hexadecimal, FHIR-like names, purposes by code, times and spans. Each failure
// is INVALID_ARGUMENT with the option's name and an example.
#pragma once

#include <string>

#include "galen/base/bytes.hpp"
#include "galen/base/result.hpp"
#include "galen/types/genesis.hpp"
#include "galen/v1/types.pb.h"
#include "galenctl/context.hpp"

namespace galen::galenctl {

Result<Hash> parse_id(const std::string& option, const std::string& text);
Result<std::uint64_t> parse_number(const std::string& option, const std::string& text);
/// 32 hexadecimal digits, with or without the dashes of a UUID.
Result<RequestId> parse_request_id(const std::string& option, const std::string& text);
/// "Observation/123" with the source system.
Result<v1::SourceId> parse_source(const std::string& system, const std::string& text);
/// "TREAT,HPAYMT" to bits; "TREAT" to its number.
Result<std::uint64_t> parse_purposes(const std::string& text);
Result<std::uint32_t> parse_purpose(const std::string& text);
std::string purposes_text(std::uint64_t bits);
/// "24h", "30m", "7d", "90s" from `now_ms`, or "2027-01-31", "2027-01-31T12:00:00Z".
Result<TimestampMs> parse_time(const std::string& option, const std::string& text, TimestampMs now_ms);
/// "24h", "30m", "7d", "90s" in milliseconds.
Result<std::uint64_t> parse_span(const std::string& option, const std::string& text);
/// A moment that has been written down: "2027-01-31T12:00:00.250Z", or milliseconds since 1970. Without a fraction it is
/// the end of that second.
Result<TimestampMs> parse_moment(const std::string& option, const std::string& text);
/// A pseudonym in hexadecimal, or the name under which `patient register --name` kept one below --dir.
Result<PrincipalId> parse_patient(const Context& context, const std::string& text);
/// A suite by its name in genesis; INVALID_ARGUMENT names --suite.
Result<crypto::Suite> parse_suite(const std::string& text);
/// A member by its id in hexadecimal, or by its name in genesis, which is read only for a name.
Result<PrincipalId> parse_member(const Context& context, const std::string& genesis_file, const std::string& text);
/// The member's name, else its id.
std::string member_name(const Genesis& genesis, const PrincipalId& id);
Result<Genesis> load_genesis(const Context& context, const std::string& argument);

}  // namespace galen::galenctl
