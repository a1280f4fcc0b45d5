// Two values that one member signed for one place (docs/spec/membership.md 7): the bytes that were signed, made again
// from what a ReportEquivocation says, and whether it proves what it says. Pure; any thread.
#pragma once

#include "galen/ledger/v1/transaction.pb.h"
#include "galen/types/certificate.hpp"

namespace galen {

/// What a PRE-PREPARE's signature says of its justification: u8 kind ‖ hash_tagged("galen/1 justification", encoded).
inline constexpr std::size_t kJustificationMarkBytes = 1 + Hash::kSize;
Bytes justification_mark(crypto::Suite suite, std::uint8_t kind, ByteSpan encoded);

/// sign_prefix(pre_prepare) ‖ u16 sender ‖ u64 view ‖ u64 height ‖ digest ‖ justification mark
Bytes proposal_sign_bytes(const ChainContext& context, MemberIndex sender, const VoteSubject& subject, ByteSpan mark);

/// The two values differ, and `key`, the member's of the report's epoch, signed both for the place. The report's
/// lengths and enumerations are right (contracts::check_operation). EVIDENCE_INVALID.
Status check_equivocation(const ChainContext& context, const PublicKey& key,
                          const ledger::v1::ReportEquivocation& report);

}  // namespace galen
