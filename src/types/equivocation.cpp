#include "galen/types/equivocation.hpp"

namespace galen {

namespace {

using ledger::v1::ReportEquivocation;
using ledger::v1::SignedValue;

Bytes sign_bytes(const ChainContext& context, const ReportEquivocation& report, const SignedValue& value) {
  const auto sender = static_cast<MemberIndex>(report.member() - 1);
  const auto digest = Hash::from(std::string_view(value.digest()));
  GALEN_ASSERT(digest.has_value());
  const VoteSubject subject{report.view() - 1, report.height(), *digest};
  if (report.kind() == ledger::v1::SIGNED_KIND_PRE_PREPARE)
    return proposal_sign_bytes(context, sender, subject, as_bytes(value.justification()));
  const bool is_prepare = report.kind() == ledger::v1::SIGNED_KIND_PREPARE;
  return vote_sign_bytes(context, is_prepare ? VotePhase::prepare : VotePhase::commit, sender, subject);
}

}  // namespace

Bytes justification_mark(crypto::Suite suite, std::uint8_t kind, ByteSpan encoded) {
  ByteWriter out(kJustificationMarkBytes);
  out.u8(kind).raw(crypto::hash_tagged(suite, "galen/1 justification", {encoded}));
  return std::move(out).take();
}

Bytes proposal_sign_bytes(const ChainContext& context, MemberIndex sender, const VoteSubject& subject, ByteSpan mark) {
  GALEN_ASSERT(mark.size() == kJustificationMarkBytes);
  ByteWriter out(kSignPrefixBytes + 50 + mark.size());
  out.raw(sign_prefix(context, MessageType::pre_prepare));
  out.u16(sender).u64(subject.view).u64(subject.height).raw(subject.digest).raw(mark);
  return std::move(out).take();
}

Status check_equivocation(const ChainContext& context, const PublicKey& key, const ReportEquivocation& report) {
  // One order, so that one pair makes one report. Equal digests are one value: what justifies a block is no part of it.
  if (report.first().digest() >= report.second().digest())
    return make_error(ErrorCode::EVIDENCE_INVALID, "The first value must be the one with the lower digest.");
  const auto verifier = crypto::Verifier::make(context.suite, key);
  if (!verifier) return make_error(ErrorCode::EVIDENCE_INVALID, "The member's key is no point of the curve.");
  for (const auto* value : {&report.first(), &report.second()}) {
    const auto signature = Signature::from(std::string_view(value->signature()));
    GALEN_ASSERT(signature.has_value());
    if (!verifier->verify(sign_bytes(context, report, *value), *signature))
      return make_error(ErrorCode::EVIDENCE_INVALID, value == &report.first()
                                                         ? "The first signature is not the member's for this place."
                                                         : "The second signature is not the member's for this place.");
  }
  return {};
}

}  // namespace galen
