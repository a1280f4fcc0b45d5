// A state view in memory, and the pieces that contract tests are written with.
#pragma once

#include <map>

#include <gtest/gtest.h>

#include "galen/contracts/registry.hpp"
#include "galen/types/purpose.hpp"
#include "unit/suite.hpp"

namespace galen::contracts::test {

namespace pb = ledger::v1;
inline const auto kSuite = galen::test::suite();

/// An id that reads as its number.
template <class Id>
Id make_id(std::uint8_t number) {
  Id id;
  id.data.fill(number);
  return id;
}
inline std::string id_text(std::uint8_t number) { return make_id<PrincipalId>(number).str(); }

class MemoryState final : public StateView {
 public:
  std::optional<Bytes> get(StateKind kind, ByteSpan key) override {
    auto found = rows.find({kind, to_bytes(key)});
    return found == rows.end() ? std::nullopt : std::optional(found->second);
  }
  void put(StateKind kind, ByteSpan key, ByteSpan value) override { rows[{kind, to_bytes(key)}] = to_bytes(value); }
  void append_id(ListKind list, ByteSpan owner, ByteSpan id) override {
    auto& ids = id_lists[{list, to_bytes(owner)}];
    ids.insert(ids.end(), id.begin(), id.end());
  }
  void append_row(ListKind, ByteSpan key, std::uint64_t sequence, ByteSpan value) override {
    EXPECT_TRUE(list_rows.emplace(std::pair(to_bytes(key), sequence), to_bytes(value)).second);
  }
  void mark_corrupt(StateKind) override { corrupt = true; }
  Meter& meter() override { return meter_; }

  template <class Value>
  std::optional<Value> value(StateKind kind, ByteSpan key) {
    auto bytes = get(kind, key);
    if (!bytes) return std::nullopt;
    Value out;
    EXPECT_TRUE(out.ParseFromArray(bytes->data(), static_cast<int>(bytes->size())));
    return out;
  }
  template <class Value>
  void put_value(StateKind kind, ByteSpan key, const Value& value) {
    auto text = value.SerializeAsString();
    put(kind, key, as_bytes(text));
  }

  std::map<std::pair<StateKind, Bytes>, Bytes> rows;
  std::map<std::pair<ListKind, Bytes>, Bytes> id_lists;
  std::map<std::pair<Bytes, std::uint64_t>, Bytes> list_rows;
  bool corrupt = false;

 private:
  Meter meter_;
};

// Members 1 and 2, their admins 11 and 12, services 21 and 22, patient 31 of member 1 with a key, 32 without.
inline constexpr std::uint8_t kMemberA = 1, kMemberB = 2, kAdminA = 11, kAdminB = 12, kServiceA = 21, kServiceB = 22,
                              kPatient = 31, kKeyless = 32, kGonePatient = 33, kGoneMember = 3;

class ContractTest : public testing::Test {
 protected:
  ContractTest() {
    add(kMemberA, pb::PRINCIPAL_KIND_MEMBER, kMemberA);
    add(kMemberB, pb::PRINCIPAL_KIND_MEMBER, kMemberB);
    add(kGoneMember, pb::PRINCIPAL_KIND_MEMBER, kGoneMember, {}, pb::PRINCIPAL_STATUS_REVOKED);
    add(kAdminA, pb::PRINCIPAL_KIND_ADMIN, kMemberA);
    add(kAdminB, pb::PRINCIPAL_KIND_ADMIN, kMemberB);
    add(kServiceA, pb::PRINCIPAL_KIND_SERVICE, kMemberA);
    add(kServiceB, pb::PRINCIPAL_KIND_SERVICE, kMemberB);
    add(kPatient, pb::PRINCIPAL_KIND_PATIENT, kMemberA, key());
    add(kKeyless, pb::PRINCIPAL_KIND_PATIENT, kMemberA);
    add(kGonePatient, pb::PRINCIPAL_KIND_PATIENT, kMemberA, key(), pb::PRINCIPAL_STATUS_REVOKED);
  }

  static const std::string& key() {
    static const std::string text = crypto::PrivateKey::generate(kSuite).public_key().str();
    return text;
  }
  void add(std::uint8_t id, pb::PrincipalKind kind, std::uint8_t home, const std::string& public_key = {},
           pb::PrincipalStatus status = pb::PRINCIPAL_STATUS_ACTIVE) {
    pb::PrincipalState value;
    value.set_format(1);
    value.set_kind(kind);
    value.set_home_member(id_text(home));
    value.set_key(public_key);
    value.set_status(status);
    state.put_value(StateKind::principal, make_id<PrincipalId>(id), value);
  }

  Result<Bytes> run(std::uint8_t author, const pb::Operation& operation, Assurance assurance = Assurance::node) {
    auto author_state = state.value<pb::PrincipalState>(StateKind::principal, make_id<PrincipalId>(author));
    EXPECT_TRUE(author_state.has_value());
    Context context;
    context.suite = kSuite;
    context.genesis = &genesis;
    context.height = height;
    context.time_ms = time_ms;
    context.transaction_id = make_id<TransactionId>(99);
    context.author = make_id<PrincipalId>(author);
    context.author_state = &*author_state;
    context.assurance = assurance;
    return run_operation(context, operation, state);
  }
  ErrorCode code(std::uint8_t author, const pb::Operation& operation, Assurance assurance = Assurance::node) {
    auto result = run(author, operation, assurance);
    return result ? ErrorCode::OK : result.error().code;
  }

  static pb::Operation anchor(std::uint8_t pointer, std::uint8_t subject = kPatient, std::uint8_t supersedes = 0) {
    pb::Operation operation;
    auto* body = operation.mutable_anchor_record();
    body->set_pointer_id(id_text(pointer));
    body->set_custodian(id_text(kMemberA));
    if (subject != 0) body->set_subject(id_text(subject));
    body->set_commitment(id_text(200));
    body->set_canon(pb::CANON_METHOD_RAW);
    if (supersedes != 0) body->set_supersedes(id_text(supersedes));
    body->set_status(pb::RECORD_STATUS_CURRENT);
    body->set_class_(pb::RECORD_CLASS_N);
    body->set_retention(pb::RETENTION_CLASS_HIPAA_6Y);
    return operation;
  }
  static pb::Operation set_status(std::uint8_t pointer, pb::RecordStatus status, std::uint8_t superseded_by = 0) {
    pb::Operation operation;
    auto* body = operation.mutable_set_record_status();
    body->set_pointer_id(id_text(pointer));
    body->set_status(status);
    if (superseded_by != 0) body->set_superseded_by(id_text(superseded_by));
    return operation;
  }
  static pb::Operation register_principal(std::uint8_t id, pb::PrincipalKind kind, const std::string& public_key = {}) {
    pb::Operation operation;
    auto* body = operation.mutable_register_principal();
    body->set_id(id_text(id));
    body->set_kind(kind);
    body->set_key(public_key);
    return operation;
  }
  static pb::Operation grant(std::uint8_t consent, const char* purpose = "TREAT", TimestampMs not_before_ms = 0,
                             TimestampMs not_after_ms = 0) {
    pb::Operation operation;
    auto* body = operation.mutable_grant_consent();
    body->set_consent_id(id_text(consent));
    body->set_patient(id_text(kPatient));
    body->set_grantee(id_text(kMemberB));
    body->set_purposes(purpose_bit(*purpose_from_code(purpose)));
    body->set_not_before_ms(not_before_ms);
    body->set_not_after_ms(not_after_ms);
    return operation;
  }
  static pb::Operation revoke(std::uint8_t consent) {
    pb::Operation operation;
    operation.mutable_revoke_consent()->set_consent_id(id_text(consent));
    return operation;
  }
  static pb::Operation ask(const char* purpose = "TREAT", std::uint8_t pointer = 0, std::uint8_t patient = kPatient) {
    pb::Operation operation;
    auto* body = operation.mutable_decide();
    body->set_patient(id_text(patient));
    body->set_requester(id_text(kMemberB));
    body->set_purpose(*purpose_from_code(purpose));
    if (pointer != 0) body->set_pointer_id(id_text(pointer));
    return operation;
  }
  pb::AccessEntry decide(const pb::Operation& question) {
    auto result = run(kServiceB, question);
    EXPECT_TRUE(result.has_value()) << result.error().message;
    pb::AccessEntry entry;
    EXPECT_TRUE(result && entry.ParseFromArray(result->data(), static_cast<int>(result->size())));
    return entry;
  }

  MemoryState state;
  Genesis genesis;
  Height height = 7;
  TimestampMs time_ms = 1'000'000;
};

}  // namespace galen::contracts::test
