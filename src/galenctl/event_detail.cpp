#include "galenctl/event_detail.hpp"

#include <fmt/format.h>

#include "galen/base/bytes.hpp"
#include "galen/types/canonical.hpp"
#include "galen/types/purpose.hpp"
#include "galenctl/arguments.hpp"

namespace galen::galenctl {
namespace {

std::string hex(const std::string& bytes) { return to_hex(as_bytes(bytes)); }

void write(JsonWriter& writer, const ledger::v1::AnchorRecord& record) {
  writer.field("pointer_id", hex(record.pointer_id())).field("custodian", hex(record.custodian()));
  writer.field("commitment", hex(record.commitment())).field("canon", canon_name(record.canon()));
  writer.field("supersedes", hex(record.supersedes()));
  writer.field("class", enum_word(ledger::v1::RecordClass_Name(record.class_()), "RECORD_CLASS_"));
  writer.field("retention", enum_word(ledger::v1::RetentionClass_Name(record.retention()), "RETENTION_CLASS_"));
}

void write(JsonWriter& writer, const ledger::v1::SetRecordStatus& set) {
  writer.field("pointer_id", hex(set.pointer_id()));
  writer.field("status", enum_word(ledger::v1::RecordStatus_Name(set.status()), "RECORD_STATUS_"));
  writer.field("superseded_by", hex(set.superseded_by()));
}

void write(JsonWriter& writer, const ledger::v1::GrantConsent& consent) {
  writer.field("consent_id", hex(consent.consent_id())).field("patient", hex(consent.patient()));
  writer.field("grantee", hex(consent.grantee())).field("purposes", purposes_text(consent.purposes()));
  writer.field("not_before_ms", consent.not_before_ms()).field("not_after_ms", consent.not_after_ms());
}

void write(JsonWriter& writer, const ledger::v1::RevokeConsent& consent) {
  writer.field("consent_id", hex(consent.consent_id()));
}

void write(JsonWriter& writer, const ledger::v1::AccessEntry& entry) {
  writer.field("permit", entry.permit());
  writer.field("reason", enum_word(ledger::v1::DecisionReason_Name(entry.reason()), "DECISION_REASON_"));
  writer.field("requester", hex(entry.requester())).field("purpose", purpose_code(entry.purpose()));
  writer.field("pointer_id", hex(entry.pointer_id())).field("consent_id", hex(entry.consent_id()));
  writer.field("sequence", entry.sequence());
}

void write(JsonWriter& writer, const ledger::v1::RegisterPrincipal& principal) {
  writer.field("id", hex(principal.id()));
  writer.field("kind", enum_word(ledger::v1::PrincipalKind_Name(principal.kind()), "PRINCIPAL_KIND_"));
  writer.field("has_key", !principal.key().empty());
}

void write(JsonWriter& writer, const ledger::v1::ProposeMembers& proposal) {
  writer.field("proposal_id", hex(proposal.proposal_id()));
}

void write(JsonWriter& writer, const ledger::v1::VoteMembers& vote) {
  writer.field("proposal_id", hex(vote.proposal_id()));
  writer.field("vote", enum_word(ledger::v1::MembersVote_Name(vote.vote()), "MEMBERS_VOTE_"));
}

void write(JsonWriter& writer, const ledger::v1::LearnerReady& ready) {
  writer.field("member", hex(ready.member())).field("height", ready.height());
}

void write(JsonWriter& writer, const ledger::v1::SetAdminKey& set) { writer.field("public_key", hex(set.key())); }

void write(JsonWriter& writer, const v1::EquivocationProven& proven) {
  writer.field("member", hex(proven.member())).field("epoch", proven.epoch());
  writer.field("kind", enum_word(ledger::v1::SignedKind_Name(proven.kind()), "SIGNED_KIND_"));
  writer.field("view", proven.view()).field("height", proven.height());
}

void write_fields(JsonWriter& writer, const v1::EventDetail& detail) {
  switch (detail.what_case()) {
    case v1::EventDetail::kRecordAnchored:
      return write(writer, detail.record_anchored());
    case v1::EventDetail::kRecordStatusSet:
      return write(writer, detail.record_status_set());
    case v1::EventDetail::kConsentGranted:
      return write(writer, detail.consent_granted());
    case v1::EventDetail::kConsentRevoked:
      return write(writer, detail.consent_revoked());
    case v1::EventDetail::kAccessDecided:
      return write(writer, detail.access_decided());
    case v1::EventDetail::kPrincipalRegistered:
      return write(writer, detail.principal_registered());
    case v1::EventDetail::kMembersProposed:
      return write(writer, detail.members_proposed());
    case v1::EventDetail::kMembersVoted:
      return write(writer, detail.members_voted());
    case v1::EventDetail::kLearnerReady:
      return write(writer, detail.learner_ready());
    case v1::EventDetail::kAdminKeySet:
      return write(writer, detail.admin_key_set());
    case v1::EventDetail::kEquivocationProven:
      return write(writer, detail.equivocation_proven());
    case v1::EventDetail::WHAT_NOT_SET:
      return;
  }
}

}  // namespace

std::string event_summary(const v1::EventDetail& detail) {
  switch (detail.what_case()) {
    case v1::EventDetail::kRecordAnchored:
      return "pointer " + hex(detail.record_anchored().pointer_id());
    case v1::EventDetail::kRecordStatusSet:
      return fmt::format("pointer {} {}", hex(detail.record_status_set().pointer_id()),
                         ledger::v1::RecordStatus_Name(detail.record_status_set().status()));
    case v1::EventDetail::kConsentGranted:
      return fmt::format("consent {} to {}", hex(detail.consent_granted().consent_id()),
                         hex(detail.consent_granted().grantee()));
    case v1::EventDetail::kConsentRevoked:
      return "consent " + hex(detail.consent_revoked().consent_id());
    case v1::EventDetail::kAccessDecided:
      return fmt::format("{} {}", detail.access_decided().permit() ? "permit" : "deny",
                         ledger::v1::DecisionReason_Name(detail.access_decided().reason()));
    case v1::EventDetail::kPrincipalRegistered:
      return "principal " + hex(detail.principal_registered().id());
    case v1::EventDetail::kMembersProposed:
      return "proposal " + hex(detail.members_proposed().proposal_id());
    case v1::EventDetail::kMembersVoted:
      return fmt::format("proposal {} {}", hex(detail.members_voted().proposal_id()),
                         ledger::v1::MembersVote_Name(detail.members_voted().vote()));
    case v1::EventDetail::kLearnerReady:
      return fmt::format("learner {} at height {}", hex(detail.learner_ready().member()),
                         detail.learner_ready().height());
    case v1::EventDetail::kAdminKeySet:
      return "administrator " + hex(detail.author());
    case v1::EventDetail::kEquivocationProven:
      return fmt::format("member {} in epoch {}", hex(detail.equivocation_proven().member()),
                         detail.equivocation_proven().epoch());
    case v1::EventDetail::WHAT_NOT_SET:
      break;
  }
  return detail.reason();
}

void write_event_detail(JsonWriter& writer, const v1::EventDetail& detail) {
  writer.begin_object();
  write_fields(writer, detail);
  writer.end_object();
}

}  // namespace galen::galenctl
