// Rules version 1 told again, slowly: plain maps, the whole state copied before every transaction and put back if it
// fails. It shares no code with the contracts, so what both agree on is meant.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "galen/types/batch.hpp"

namespace galen::sim {

class SlowModel {
 public:
  using Id = std::string;
  enum class Kind { member, admin, service, patient };
  enum class Status { current, superseded, in_error };
  struct Principal {
    Kind kind;
    Id home;
    std::string key;
  };
  struct Record {
    Id custodian, subject, supersedes, superseded_by;
    Status status = Status::current;
  };
  struct Consent {
    Id patient, grantee;
    std::uint64_t purposes = 0, from = 0, until = 0;
    bool revoked = false;
  };
  struct Access {
    Id requester;
    bool permit;
    int reason;
    Id consent;
    bool operator==(const Access&) const = default;
  };
  struct State {
    std::map<Id, Principal> principals;
    std::map<Id, Record> records;
    std::map<Id, Consent> consents;
    std::map<std::pair<Id, Id>, std::vector<Id>> pairs;
    std::map<Id, std::vector<Access>> accesses;
    std::map<Id, std::vector<Id>> patient_records;
  };

  State state;

  ErrorCode apply(const BatchItem& item, const Id& origin, TimestampMs now, TimestampMs ttl_max) {
    const auto& tx = item.transaction;
    const auto author = state.principals.find(tx.author().str());
    if (author == state.principals.end()) return ErrorCode::UNKNOWN_PRINCIPAL;
    const auto who = author->second;
    const bool is_signed = item.authorization.scheme != crypto::Scheme::none;
    if (!is_signed && who.home != origin) return ErrorCode::NOT_YOUR_MEMBER;
    if (is_signed && who.key.empty() && who.kind == Kind::patient) return ErrorCode::PATIENT_HAS_NO_KEY;
    if (is_signed && item.authorization.key()->str() != who.key) return ErrorCode::WRONG_KEY;
    if (tx.valid_until_ms() < now) return ErrorCode::EXPIRED;
    if (tx.valid_until_ms() > now + ttl_max) return ErrorCode::VALID_UNTIL_TOO_FAR;
    const auto request = std::pair(tx.author().str(), tx.request_id().str());
    if (auto seen = seen_.find(request); seen != seen_.end() && seen->second >= now) return ErrorCode::DUPLICATE;
    seen_[request] = tx.valid_until_ms();

    const auto before =
        tx.operations().size() > 1 ? std::optional(state) : std::nullopt;  // one alone changes nothing if it fails
    for (const auto& operation : tx.operations()) {
      const auto code = run(operation, tx.author().str(), who, is_signed, now);
      if (code == ErrorCode::OK) continue;
      if (before) state = *before;
      return code;
    }
    return ErrorCode::OK;
  }

 private:
  using Operation = ledger::v1::Operation;

  ErrorCode run(const Operation& operation, const Id& author, const Principal& who, bool is_signed, TimestampMs now) {
    if (says_nothing(operation)) return ErrorCode::INVALID_ARGUMENT;
    const bool is_staff = who.kind == Kind::admin || who.kind == Kind::service;
    switch (operation.kind_case()) {
      case Operation::kRegisterPrincipal:
        return is_staff ? enrol(operation.register_principal(), who) : ErrorCode::PERMISSION_DENIED;
      case Operation::kAnchorRecord:
        return is_staff ? anchor(operation.anchor_record(), who) : ErrorCode::PERMISSION_DENIED;
      case Operation::kSetRecordStatus:
        return is_staff ? set_status(operation.set_record_status(), who) : ErrorCode::PERMISSION_DENIED;
      case Operation::kDecide:
        return is_staff ? decide(operation.decide(), who, now) : ErrorCode::PERMISSION_DENIED;
      default:
        break;
    }
    if (who.kind != Kind::patient) return ErrorCode::NOT_THE_PATIENT;
    if (!is_signed) return who.key.empty() ? ErrorCode::PATIENT_HAS_NO_KEY : ErrorCode::ASSURANCE_TOO_LOW;
    if (operation.has_grant_consent()) return grant(operation.grant_consent(), author, now);
    return revoke(operation.revoke_consent(), author, now);
  }

  /// The malformed shapes that the histories make.
  static bool says_nothing(const Operation& operation) {
    const auto& anchor = operation.anchor_record();
    const auto& status = operation.set_record_status();
    const auto& grant = operation.grant_consent();
    if (operation.has_anchor_record()) return anchor.supersedes() == anchor.pointer_id();
    if (operation.has_set_record_status()) return status.superseded_by() == status.pointer_id();
    return operation.has_grant_consent() && grant.not_after_ms() != 0 && grant.not_after_ms() <= grant.not_before_ms();
  }

  ErrorCode enrol(const ledger::v1::RegisterPrincipal& body, const Principal& who) {
    const bool is_service = body.kind() == ledger::v1::PRINCIPAL_KIND_SERVICE;
    if (is_service && who.kind != Kind::admin) return ErrorCode::PERMISSION_DENIED;
    if (state.principals.contains(body.id())) return ErrorCode::PRINCIPAL_EXISTS;
    state.principals[body.id()] = {is_service ? Kind::service : Kind::patient, who.home, body.key()};
    return ErrorCode::OK;
  }

  bool is_patient(const Id& id) const {
    auto found = state.principals.find(id);
    return found != state.principals.end() && found->second.kind == Kind::patient;
  }

  ErrorCode anchor(const ledger::v1::AnchorRecord& body, const Principal& who) {
    if (body.custodian() != who.home) return ErrorCode::NOT_CUSTODIAN;
    if (state.records.contains(body.pointer_id())) return ErrorCode::RECORD_EXISTS;
    if (!body.subject().empty() && !is_patient(body.subject())) return ErrorCode::SUBJECT_UNKNOWN;
    if (!body.supersedes().empty()) {
      auto old = state.records.find(body.supersedes());
      if (old == state.records.end()) return ErrorCode::RECORD_NOT_FOUND;
      if (old->second.custodian != who.home) return ErrorCode::NOT_CUSTODIAN;
      if (old->second.status != Status::current) return ErrorCode::RECORD_NOT_CURRENT;
      if (old->second.subject != body.subject()) return ErrorCode::SUBJECT_MISMATCH;
      old->second.status = Status::superseded;
      old->second.superseded_by = body.pointer_id();
    }
    state.records[body.pointer_id()] = {body.custodian(), body.subject(), body.supersedes(), {}, Status::current};
    if (!body.subject().empty()) state.patient_records[body.subject()].push_back(body.pointer_id());
    return ErrorCode::OK;
  }

  ErrorCode set_status(const ledger::v1::SetRecordStatus& body, const Principal& who) {
    auto found = state.records.find(body.pointer_id());
    if (found == state.records.end()) return ErrorCode::RECORD_NOT_FOUND;
    auto& record = found->second;
    if (record.custodian != who.home) return ErrorCode::NOT_CUSTODIAN;
    if (body.status() == ledger::v1::RECORD_STATUS_ENTERED_IN_ERROR) {
      if (record.status == Status::in_error) return ErrorCode::RECORD_NOT_CURRENT;
      record.status = Status::in_error;
      return ErrorCode::OK;
    }
    if (record.status != Status::current) return ErrorCode::RECORD_NOT_CURRENT;
    auto next = state.records.find(body.superseded_by());
    if (next == state.records.end()) return ErrorCode::RECORD_NOT_FOUND;
    if (next->second.custodian != who.home) return ErrorCode::NOT_CUSTODIAN;
    if (next->second.status != Status::current) return ErrorCode::RECORD_NOT_CURRENT;
    if (next->second.subject != record.subject) return ErrorCode::SUBJECT_MISMATCH;
    record.status = Status::superseded;
    record.superseded_by = body.superseded_by();
    return ErrorCode::OK;
  }

  static bool is_over(const Consent& consent, TimestampMs now) {
    return consent.revoked || (consent.until != 0 && consent.until <= now);
  }

  ErrorCode grant(const ledger::v1::GrantConsent& body, const Id& author, TimestampMs now) {
    if (body.patient() != author) return ErrorCode::NOT_THE_PATIENT;
    if (body.not_after_ms() != 0 && body.not_after_ms() <= now) return ErrorCode::CONSENT_NOT_ACTIVE;
    if (state.consents.contains(body.consent_id())) return ErrorCode::CONSENT_EXISTS;
    auto grantee = state.principals.find(body.grantee());
    if (grantee == state.principals.end() || grantee->second.kind != Kind::member) return ErrorCode::UNKNOWN_PRINCIPAL;
    auto& pair = state.pairs[{author, body.grantee()}];
    if (pair.size() >= 16) {
      std::size_t victim = 0;
      while (victim < pair.size() && !is_over(state.consents.at(pair[victim]), now)) ++victim;
      if (victim == pair.size()) return ErrorCode::TOO_MANY_CONSENTS;
      pair.erase(pair.begin() + static_cast<std::ptrdiff_t>(victim));
    }
    pair.push_back(body.consent_id());
    state.consents[body.consent_id()] = {
        author, body.grantee(), body.purposes(), body.not_before_ms(), body.not_after_ms(), false};
    return ErrorCode::OK;
  }

  ErrorCode revoke(const ledger::v1::RevokeConsent& body, const Id& author, TimestampMs now) {
    auto found = state.consents.find(body.consent_id());
    if (found == state.consents.end()) return ErrorCode::CONSENT_NOT_FOUND;
    if (found->second.patient != author) return ErrorCode::NOT_THE_PATIENT;
    if (is_over(found->second, now)) return ErrorCode::CONSENT_NOT_ACTIVE;
    found->second.revoked = true;
    return ErrorCode::OK;
  }

  ErrorCode decide(const ledger::v1::Decide& body, const Principal& who, TimestampMs now) {
    if (body.requester() != who.home) return ErrorCode::NOT_YOUR_MEMBER;
    if (!is_patient(body.patient())) return ErrorCode::SUBJECT_UNKNOWN;
    if (!body.pointer_id().empty()) {
      auto record = state.records.find(body.pointer_id());
      if (record == state.records.end()) return ErrorCode::RECORD_NOT_FOUND;
      if (record->second.subject != body.patient()) return ErrorCode::SUBJECT_MISMATCH;
    }
    // 3 none, 4 revoked, 5 expired, 6 not yet, 7 purpose, 1 permit: later questions answer before earlier ones.
    const std::vector<int> best_first = {1, 7, 6, 5, 4};
    Access answer{body.requester(), false, 3, {}};
    const auto& pair = state.pairs[{body.patient(), body.requester()}];
    for (int wanted : best_first) {
      for (auto id = pair.rbegin(); id != pair.rend() && answer.reason == 3; ++id) {
        const auto& consent = state.consents.at(*id);
        int reason = 1;
        if ((consent.purposes >> (body.purpose() - 1) & 1) == 0) reason = 7;
        if (consent.from > now) reason = 6;
        if (consent.until != 0 && consent.until <= now) reason = 5;
        if (consent.revoked) reason = 4;
        if (reason == wanted) answer = {body.requester(), wanted == 1, wanted, *id};
      }
      if (answer.reason != 3) break;
    }
    state.accesses[body.patient()].push_back(answer);
    return ErrorCode::OK;
  }

  std::map<std::pair<Id, Id>, TimestampMs> seen_;
};

}  // namespace galen::sim
