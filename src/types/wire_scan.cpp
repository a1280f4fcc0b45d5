// The table-driven scanner of docs/spec/formats.md 4.2. One table per message, one rule per field, in ascending order;
// the code below knows wire types only. Nothing is allocated, nesting is five levels deep by construction.
#include "galen/types/wire_scan.hpp"

#include <string>

#include "galen/types/equivocation.hpp"
#include "galen/types/limits.hpp"
#include "galen/types/wire_reader.hpp"

namespace galen {

namespace {

struct MessageTable;

struct FieldRule {
  std::uint32_t number;
  WireType type;
  bool required;
  bool repeated;
  /// Varint and fixed64: smallest and greatest value. Bytes: smallest and greatest length.
  std::uint64_t min;
  std::uint64_t max;
  const MessageTable* nested = nullptr;
  std::uint32_t count_max = 1;
};

struct MessageTable {
  const char* name;
  std::span<const FieldRule> fields;
  bool oneof = false;  ///< exactly one field stands in the message
};

constexpr std::uint64_t kU32Max = 0xffffffff, kU64Max = ~std::uint64_t{0};
constexpr bool kRequired = true, kOptional = false;

constexpr FieldRule id32(std::uint32_t number, bool required) {
  return {number, WireType::bytes, required, false, 32, 32};
}
constexpr FieldRule number64(std::uint32_t number, bool required) {
  return {number, WireType::varint, required, false, 1, kU64Max};
}
constexpr FieldRule number32(std::uint32_t number, bool required) {
  return {number, WireType::varint, required, false, 1, kU32Max};
}
constexpr FieldRule choice(std::uint32_t number, std::uint64_t last) {
  return {number, WireType::varint, kRequired, false, 1, last};
}
constexpr FieldRule key65(std::uint32_t number, bool required) {
  return {number, WireType::bytes, required, false, 65, 65};
}
constexpr FieldRule signature64(std::uint32_t number) { return {number, WireType::bytes, kRequired, false, 64, 64}; }
constexpr FieldRule nested(std::uint32_t number, const MessageTable* table, bool required = kOptional) {
  return {number, WireType::bytes, required, false, 0, limits::kOperationBytesMax, table};
}

constexpr FieldRule kRegisterPrincipalFields[] = {
    id32(1, kRequired),
    choice(2, 4),
    key65(3, kOptional),
};
constexpr MessageTable kRegisterPrincipal{"RegisterPrincipal", kRegisterPrincipalFields};

constexpr FieldRule kAnchorRecordFields[] = {
    id32(1, kRequired), id32(2, kRequired), id32(3, kOptional), id32(4, kRequired), choice(5, 2),
    id32(6, kOptional), choice(7, 3),       choice(8, 3),       choice(9, 3),
};
constexpr MessageTable kAnchorRecord{"AnchorRecord", kAnchorRecordFields};

constexpr FieldRule kSetRecordStatusFields[] = {id32(1, kRequired), choice(2, 3), id32(3, kOptional)};
constexpr MessageTable kSetRecordStatus{"SetRecordStatus", kSetRecordStatusFields};

constexpr FieldRule kGrantConsentFields[] = {
    id32(1, kRequired),     id32(2, kRequired),
    id32(3, kRequired),     {4, WireType::fixed64, kRequired, false, 1, kU64Max},
    number64(5, kOptional), number64(6, kOptional),
};
constexpr MessageTable kGrantConsent{"GrantConsent", kGrantConsentFields};

constexpr FieldRule kRevokeConsentFields[] = {id32(1, kRequired)};
constexpr MessageTable kRevokeConsent{"RevokeConsent", kRevokeConsentFields};

constexpr FieldRule kDecideFields[] = {id32(1, kRequired), id32(2, kRequired), number32(3, kRequired),
                                       id32(4, kOptional)};
constexpr MessageTable kDecide{"Decide", kDecideFields};

constexpr FieldRule kAddLearnerFields[] = {
    id32(1, kRequired),  key65(2, kRequired),
    id32(3, kRequired),  id32(4, kRequired),
    key65(5, kRequired), {6, WireType::bytes, kRequired, false, 1, limits::kMemberNameBytesMax},
    signature64(7),
};
constexpr MessageTable kAddLearner{"AddLearner", kAddLearnerFields};

constexpr FieldRule kPromoteLearnerFields[] = {id32(1, kRequired)};
constexpr MessageTable kPromoteLearner{"PromoteLearner", kPromoteLearnerFields};

constexpr FieldRule kRemoveMemberFields[] = {id32(1, kRequired)};
constexpr MessageTable kRemoveMember{"RemoveMember", kRemoveMemberFields};

constexpr FieldRule kRotateMemberKeyFields[] = {id32(1, kRequired), key65(2, kRequired), signature64(3)};
constexpr MessageTable kRotateMemberKey{"RotateMemberKey", kRotateMemberKeyFields};

constexpr FieldRule kPinMemberCaFields[] = {id32(1, kRequired), id32(2, kRequired)};
constexpr MessageTable kPinMemberCa{"PinMemberCa", kPinMemberCaFields};

constexpr FieldRule kMembersChangeFields[] = {
    nested(16, &kAddLearner),      nested(17, &kPromoteLearner), nested(18, &kRemoveMember),
    nested(19, &kRotateMemberKey), nested(20, &kPinMemberCa),
};
constexpr MessageTable kMembersChange{"MembersChange", kMembersChangeFields, true};

constexpr FieldRule kProposeMembersFields[] = {id32(1, kRequired), nested(2, &kMembersChange, kRequired)};
constexpr MessageTable kProposeMembers{"ProposeMembers", kProposeMembersFields};

constexpr FieldRule kVoteMembersFields[] = {id32(1, kRequired), choice(2, 2)};
constexpr MessageTable kVoteMembers{"VoteMembers", kVoteMembersFields};

constexpr FieldRule kLearnerReadyFields[] = {id32(1, kRequired), number64(2, kRequired), id32(3, kRequired),
                                             signature64(4)};
constexpr MessageTable kLearnerReady{"LearnerReady", kLearnerReadyFields};

constexpr FieldRule kSetAdminKeyFields[] = {key65(1, kRequired), signature64(2)};
constexpr MessageTable kSetAdminKey{"SetAdminKey", kSetAdminKeyFields};

constexpr FieldRule kSignedValueFields[] = {
    id32(1, kRequired),
    {2, WireType::bytes, kOptional, false, kJustificationMarkBytes, kJustificationMarkBytes},
    signature64(3),
};
constexpr MessageTable kSignedValue{"SignedValue", kSignedValueFields};

constexpr FieldRule kReportEquivocationFields[] = {
    number64(1, kRequired),
    number32(2, kRequired),
    choice(3, 3),
    number64(4, kRequired),
    number64(5, kRequired),
    nested(6, &kSignedValue, kRequired),
    nested(7, &kSignedValue, kRequired),
};
constexpr MessageTable kReportEquivocation{"ReportEquivocation", kReportEquivocationFields};

constexpr FieldRule kOperationFields[] = {
    nested(16, &kRegisterPrincipal), nested(17, &kAnchorRecord),  nested(18, &kSetRecordStatus),
    nested(19, &kGrantConsent),      nested(20, &kRevokeConsent), nested(21, &kDecide),
    nested(22, &kProposeMembers),    nested(23, &kVoteMembers),   nested(24, &kLearnerReady),
    nested(25, &kSetAdminKey),       nested(26, &kReportEquivocation),
};
constexpr MessageTable kOperation{"Operation", kOperationFields, true};

// The length of request_id is checked by Transaction::decode, which has a code of its own for it.
constexpr FieldRule kEnvelopeFields[] = {
    number32(1, kRequired), id32(2, kRequired), id32(3, kRequired), {4, WireType::bytes, kOptional, false, 1, 64},
    number64(5, kRequired),
};
constexpr MessageTable kEnvelope{"Envelope", kEnvelopeFields};

constexpr FieldRule kTransactionFields[] = {
    {1, WireType::bytes, kRequired, false, 1, limits::kEnvelopeBytesMax, &kEnvelope},
    {2, WireType::bytes, kRequired, true, 1, limits::kOperationBytesMax, &kOperation,
     limits::kOperationsPerTransactionMax},
};
constexpr MessageTable kTransaction{"Transaction", kTransactionFields};

Error at(ErrorCode code, const MessageTable& table, std::uint32_t field, const char* what) {
  return {code, std::string(table.name) + " field " + std::to_string(field) + ": " + what};
}

Status scan_message(const MessageTable& table, ByteSpan bytes);

/// Reads one field's value and checks it against its rule.
Status scan_value(const MessageTable& table, const FieldRule& rule, WireReader& in) {
  if (rule.type == WireType::bytes) {
    auto length = in.varint();
    if (!length) return at(ErrorCode::MALFORMED, table, rule.number, "length is not a minimal varint");
    if (*length > rule.max && rule.min != rule.max)
      return at(ErrorCode::TOO_LARGE, table, rule.number, "longer than its limit");
    if (*length < rule.min || *length > rule.max) return at(ErrorCode::MALFORMED, table, rule.number, "wrong length");
    auto value = in.raw(*length);
    if (!value) return at(ErrorCode::MALFORMED, table, rule.number, "ends before its length");
    return rule.nested == nullptr ? Status() : scan_message(*rule.nested, *value);
  }
  auto value = rule.type == WireType::fixed64 ? in.fixed64() : in.varint();
  if (!value) return at(ErrorCode::MALFORMED, table, rule.number, "cut short or not a minimal varint");
  if (*value == 0) return at(ErrorCode::MALFORMED, table, rule.number, "a default value must be left out");
  if (*value < rule.min || *value > rule.max) return at(ErrorCode::MALFORMED, table, rule.number, "value out of range");
  return {};
}

Status check_required(const MessageTable& table, std::uint64_t seen) {
  for (std::size_t i = 0; i < table.fields.size(); ++i)
    if (table.fields[i].required && (seen >> i & 1) == 0)
      return at(ErrorCode::MALFORMED, table, table.fields[i].number, "missing");
  if (table.oneof && (seen == 0 || (seen & (seen - 1)) != 0))
    return at(ErrorCode::MALFORMED, table, table.fields.front().number, "exactly one kind must be set");
  return {};
}

Status scan_message(const MessageTable& table, ByteSpan bytes) {
  WireReader in(bytes);
  std::uint64_t seen = 0;
  std::uint32_t last = 0, count = 0;
  std::size_t next = 0;  // first rule that may still come
  while (!in.empty()) {
    auto tag = in.varint();
    if (!tag || *tag > kU32Max || *tag >> 3 == 0) return at(ErrorCode::MALFORMED, table, last, "bad tag after it");
    auto number = static_cast<std::uint32_t>(*tag >> 3);
    std::size_t i = 0;
    while (i < table.fields.size() && table.fields[i].number != number) ++i;
    if (i == table.fields.size()) return at(ErrorCode::UNKNOWN_FIELD, table, number, "unknown");
    const auto& rule = table.fields[i];
    if ((*tag & 7) != static_cast<std::uint64_t>(rule.type))
      return at(ErrorCode::MALFORMED, table, number, "wrong wire type");
    bool again = number == last;
    if (i < next && !(again && rule.repeated)) return at(ErrorCode::MALFORMED, table, number, "twice or out of order");
    count = again ? count + 1 : 1;
    if (count > rule.count_max) return at(ErrorCode::TOO_LARGE, table, number, "too many");
    GALEN_TRY(scan_value(table, rule, in));
    seen |= std::uint64_t{1} << i;
    next = i + 1;
    last = number;
  }
  return check_required(table, seen);
}

Status too_large(const char* what) { return {ErrorCode::TOO_LARGE, std::string(what) + ": longer than its limit"}; }

}  // namespace

Status scan_transaction(ByteSpan bytes) {
  if (bytes.size() > limits::kTransactionBytesMax) return too_large("Transaction");
  return scan_message(kTransaction, bytes);
}

Status scan_envelope(ByteSpan bytes) {
  if (bytes.size() > limits::kEnvelopeBytesMax) return too_large("Envelope");
  return scan_message(kEnvelope, bytes);
}

Status scan_operation(ByteSpan bytes) {
  if (bytes.size() > limits::kOperationBytesMax) return too_large("Operation");
  return scan_message(kOperation, bytes);
}

}  // namespace galen
