#include "galen/vault/outbox.hpp"

#include "galen/types/limits.hpp"

namespace galen::vault {
namespace {

constexpr std::uint16_t kVersion = 1;
enum class EntryKind : std::uint8_t { anchor = 1, patient = 2, lossy_anchor = 3 };
constexpr std::size_t kPatientEntryBytesMin = 1 + 32 + 32 + 4 + 2 + 60;
/// A patient and all records of one transaction, twice over: more is damage.
constexpr std::size_t kEntriesMax = 2 * limits::kOperationsPerTransactionMax;

void append(ByteWriter& out, const WrappedPatientKey& key) { out.u16(key.epoch).raw(key.key.span()); }
WrappedPatientKey read_patient_key(ByteReader& in) {
  WrappedPatientKey key;
  key.epoch = in.u16();
  key.key = in.fixed<WrappedKey>();
  return key;
}

}  // namespace

void append(ByteWriter& out, const AnchorEntry& entry) {
  out.raw(entry.source.span()).raw(entry.pointer_id.span()).raw(entry.subject.span()).raw(entry.supersedes.span());
  out.raw(entry.commitment.span()).u8(entry.canon).raw(entry.record_key.span());
  append(out, entry.patient_key);
}

AnchorEntry read_anchor_entry(ByteReader& in) {
  AnchorEntry entry;
  entry.source = in.fixed<SourceHash>();
  entry.pointer_id = in.fixed<PointerId>();
  entry.subject = in.fixed<PrincipalId>();
  entry.supersedes = in.fixed<PointerId>();
  entry.commitment = in.fixed<Hash>();
  entry.canon = in.u8();
  entry.record_key = in.fixed<WrappedKey>();
  entry.patient_key = read_patient_key(in);
  return entry;
}

Bytes OutboxRecord::encode() const {
  ByteWriter out(256 + transaction.size() + entries.size() * (kAnchorEntryBytes + 1));
  out.u16(kVersion).raw(author.span()).raw(request_id.span()).raw(transaction_id.span()).u64(valid_until_ms);
  out.u8(replaces ? 1 : 0).raw(replaces.value_or(RequestId{}).span()).sized(transaction);
  out.u32(static_cast<std::uint32_t>(entries.size()));
  for (const auto& entry : entries) {
    if (const auto* anchor = std::get_if<AnchorEntry>(&entry)) {
      const bool lossy = anchor->lossy_numbers != 0;
      out.u8(static_cast<std::uint8_t>(lossy ? EntryKind::lossy_anchor : EntryKind::anchor));
      append(out, *anchor);
      if (lossy) out.u32(anchor->lossy_numbers);
      continue;
    }
    const auto& patient = std::get<PatientEntry>(entry);
    out.u8(static_cast<std::uint8_t>(EntryKind::patient)).raw(patient.lookup.span()).raw(patient.pseudonym.span());
    out.sized(patient.sealed_identifier);
    append(out, patient.patient_key);
  }
  return std::move(out).take();
}

Result<OutboxRecord> OutboxRecord::decode(ByteSpan bytes) {
  ByteReader in(bytes);
  if (const auto version = in.u16(); in.ok() && version != kVersion)
    return {ErrorCode::UNSUPPORTED_VERSION, "an outbox record of another release"};
  OutboxRecord out;
  out.author = in.fixed<PrincipalId>();
  out.request_id = in.fixed<RequestId>();
  out.transaction_id = in.fixed<TransactionId>();
  out.valid_until_ms = in.u64();
  const auto has_replaces = in.u8();
  const auto replaces = in.fixed<RequestId>();
  if (has_replaces == 1) out.replaces = replaces;
  out.transaction = to_bytes(in.sized(limits::kTransactionBytesMax));
  const auto count = in.u32();
  const Error malformed{ErrorCode::MALFORMED, "the outbox record does not follow its layout"};
  if (!in.ok() || has_replaces > 1 || count > kEntriesMax) return malformed;
  if (count > in.remaining() / std::min(kAnchorEntryBytes, kPatientEntryBytesMin)) return malformed;
  out.entries.reserve(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    const auto kind = static_cast<EntryKind>(in.u8());
    if (kind == EntryKind::anchor || kind == EntryKind::lossy_anchor) {
      auto anchor = read_anchor_entry(in);
      if (kind == EntryKind::lossy_anchor) {
        anchor.lossy_numbers = in.u32();
        if (anchor.lossy_numbers == 0) return malformed;
      }
      out.entries.emplace_back(std::move(anchor));
    } else if (kind == EntryKind::patient) {
      PatientEntry patient;
      patient.lookup = in.fixed<SourceHash>();
      patient.pseudonym = in.fixed<PrincipalId>();
      patient.sealed_identifier = to_bytes(in.sized(kSealedIdentifierBytesMax));
      patient.patient_key = read_patient_key(in);
      out.entries.emplace_back(std::move(patient));
    } else {
      return malformed;
    }
  }
  if (!in.done()) return malformed;
  return out;
}

}  // namespace galen::vault
