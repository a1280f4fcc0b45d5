// Reports of equivocation for the tests of several rooms: signed as a member does that signs two values for one place.
#pragma once

#include <vector>

#include "galen/types/equivocation.hpp"

namespace galen::test {

/// What a test changes of a report that proves something.
struct ReportParts {
  ChainContext context;  ///< that the values are signed in
  MemberIndex member = 0;
  ledger::v1::SignedKind kind = ledger::v1::SIGNED_KIND_PREPARE;
  View view = 4;
  Height height = 9;
  std::string first = std::string(32, '\x21'), second = std::string(32, '\x22');  ///< digests, the lower one first
};

inline Bytes signed_bytes(const ReportParts& parts, const std::string& digest, ByteSpan mark) {
  const VoteSubject subject{parts.view, parts.height, *Hash::from(std::string_view(digest))};
  if (parts.kind == ledger::v1::SIGNED_KIND_PRE_PREPARE)
    return proposal_sign_bytes(parts.context, parts.member, subject, mark);
  const auto phase = parts.kind == ledger::v1::SIGNED_KIND_PREPARE ? VotePhase::prepare : VotePhase::commit;
  return vote_sign_bytes(parts.context, phase, parts.member, subject);
}

/// `key` signs both values.
inline ledger::v1::Operation make_report(const ReportParts& parts, const crypto::PrivateKey& key) {
  ledger::v1::Operation out;
  auto& report = *out.mutable_report_equivocation();
  report.set_epoch(parts.context.epoch);
  report.set_member(parts.member + 1u);
  report.set_kind(parts.kind);
  report.set_view(parts.view + 1);
  report.set_height(parts.height);
  const bool is_proposal = parts.kind == ledger::v1::SIGNED_KIND_PRE_PREPARE;
  auto add = [&](const std::string& digest, std::uint8_t reason, ledger::v1::SignedValue& value) {
    const auto mark = justification_mark(parts.context.suite, reason, Bytes{reason});
    value.set_digest(digest);
    if (is_proposal) value.set_justification(to_string(mark));
    value.set_signature(key.sign(signed_bytes(parts, digest, mark)).str());
  };
  add(parts.first, 0, *report.mutable_first());
  add(parts.second, 1, *report.mutable_second());
  return out;
}

}  // namespace galen::test
