// The lower half of the key ladder: record keys under patient keys, patient keys under epoch keys, each wrap bound to
// what it belongs to by its associated data (docs/spec/commitments.md 4).
#include "galen/crypto/random.hpp"
#include "records_state.hpp"

namespace galen::vault {
namespace {

Bytes record_key_context(const AnchorEntry& entry) {
  ByteWriter out(96);
  out.raw("galen/1 record key").raw(entry.pointer_id.span()).raw(entry.subject.span());
  return std::move(out).take();
}
Bytes patient_key_context(const PrincipalId& subject, SlotIndex epoch) {
  ByteWriter out(64);
  out.raw("galen/1 patient key").raw(subject.span()).u16(epoch);
  return std::move(out).take();
}
Bytes identifier_context(const PrincipalId& pseudonym) {
  ByteWriter out(64);
  out.raw("galen/1 patient identifier").raw(pseudonym.span());
  return std::move(out).take();
}

template <class Key>
Result<Key> unwrap(crypto::Suite suite, const crypto::AeadKey& under, const WrappedKey& wrapped, ByteSpan context) {
  GALEN_ASSIGN(const auto bytes, crypto::open(suite, under, wrapped.span(), context));
  const auto key = Key::from(ByteSpan(bytes));
  if (!key) return {ErrorCode::CORRUPT, "a wrapped key has the wrong length"};
  return *key;
}

}  // namespace

WrappedKey wrap(crypto::Suite suite, const crypto::AeadKey& under, ByteSpan key, ByteSpan associated_data) {
  const auto sealed = WrappedKey::from(ByteSpan(crypto::seal(suite, under, key, associated_data)));
  GALEN_ASSERT(sealed.has_value());
  return *sealed;
}

SourceHash RecordVault::State::source_hash(const Source& source) const {
  ByteWriter text(64 + source.system.size() + source.type.size() + source.id.size());
  text.u8(1).sized(as_bytes(source.system)).sized(as_bytes(source.type)).sized(as_bytes(source.id));
  return {crypto::hmac(options.suite, keyring.index_key().span(), {text.bytes()}).data};
}

SourceHash RecordVault::State::patient_lookup(std::string_view system, std::string_view value) const {
  ByteWriter text(64 + system.size() + value.size());
  text.u8(2).sized(as_bytes(system)).sized(as_bytes(value));
  return {crypto::hmac(options.suite, keyring.index_key().span(), {text.bytes()}).data};
}

void RecordVault::State::cache(const PrincipalId& subject, const PatientKey& key) const {
  if (keys_recent.size() >= std::max<std::size_t>(options.patient_keys_cached_max / 2, 1)) {
    keys_older = std::move(keys_recent);
    keys_recent.clear();
  }
  keys_recent.emplace(subject, key);
}

Result<RecordVault::State::PatientKey> RecordVault::State::patient_key(const PrincipalId& subject) const {
  if (auto found = new_patient_keys.find(subject); found != new_patient_keys.end()) return found->second.key;
  if (auto found = keys_recent.find(subject); found != keys_recent.end()) return found->second;
  PatientKey out;
  if (auto found = keys_older.find(subject); found != keys_older.end()) {
    out = found->second;
  } else {
    GALEN_ASSIGN(const auto wrapped, index.patient_key(subject));
    if (!wrapped) return {ErrorCode::KEY_NOT_HERE, "there is no key for this record's patient here"};
    out.wrapped = *wrapped;
    GALEN_ASSIGN(const auto epoch_key, keyring.epoch_key(wrapped->epoch));
    GALEN_ASSIGN(out.key, unwrap<crypto::AeadKey>(options.suite, epoch_key, wrapped->key,
                                                  patient_key_context(subject, wrapped->epoch)));
  }
  cache(subject, out);
  return out;
}

Status RecordVault::State::adopt_patient_key(const PrincipalId& subject, const WrappedPatientKey& wrapped) {
  const auto known = patient_key(subject);
  if (known) return {};
  if (known.error().code != ErrorCode::KEY_NOT_HERE) return known.error();
  // The index may not know the slot yet.
  GALEN_TRY(check_keyring_follows(keyring.epochs(), {wrapped.epoch}));
  PatientKey adopted;
  adopted.wrapped = wrapped;
  GALEN_ASSIGN(const auto epoch_key, keyring.epoch_key(wrapped.epoch));
  GALEN_ASSIGN(adopted.key, unwrap<crypto::AeadKey>(options.suite, epoch_key, wrapped.key,
                                                    patient_key_context(subject, wrapped.epoch)));
  if (wrapped.epoch == keyring.current_epoch()) ++new_keys_in_epoch;
  new_patient_keys.emplace(subject, NewPatientKey{adopted, 0, 1});
  return {};
}

namespace {

const PrincipalId& subject_of(const OutboxEntry& entry) {
  const auto* anchor = std::get_if<AnchorEntry>(&entry);
  return anchor != nullptr ? anchor->subject : std::get<PatientEntry>(entry).pseudonym;
}

}  // namespace

void RecordVault::State::plan_uses_key(const OutboxEntry& entry) {
  if (auto found = new_patient_keys.find(subject_of(entry)); found != new_patient_keys.end()) ++found->second.plans;
}

// A trial draws a pseudonym or names a subject that nobody ever registers: its key would stay for ever, and count as
// one of those that fill the keyring.
void RecordVault::State::plan_is_over(const OutboxEntry& entry, bool is_bound) {
  auto found = new_patient_keys.find(subject_of(entry));
  if (found == new_patient_keys.end()) return;
  if (found->second.plans > 0) --found->second.plans;
  if (is_bound) ++found->second.bindings;
  forget_if_unused(found);
}

void RecordVault::State::binding_is_over(const OutboxEntry& entry) {
  auto found = new_patient_keys.find(subject_of(entry));
  if (found == new_patient_keys.end()) return;
  if (found->second.bindings > 0) --found->second.bindings;
  forget_if_unused(found);
}

void RecordVault::State::forget_if_unused(IdMap<PrincipalId, NewPatientKey>::iterator found) {
  if (found->second.plans + found->second.bindings == 0) forget_new_key(found);
}

void RecordVault::State::forget_new_key(IdMap<PrincipalId, NewPatientKey>::iterator found) {
  if (found->second.key.wrapped.epoch == keyring.current_epoch() && new_keys_in_epoch > 0) --new_keys_in_epoch;
  new_patient_keys.erase(found);
}

void RecordVault::State::patient_key_indexed(const PrincipalId& subject) {
  auto found = new_patient_keys.find(subject);
  if (found == new_patient_keys.end()) return;
  cache(subject, found->second.key);
  forget_new_key(found);
}

Result<RecordVault::State::PatientKey> RecordVault::State::patient_key_for_writing(const PrincipalId& subject) {
  auto known = patient_key(subject);
  if (known || known.error().code != ErrorCode::KEY_NOT_HERE) return known;
  GALEN_ASSIGN(const auto counted, index.patient_keys_in(keyring.current_epoch()));
  if (counted + new_keys_in_epoch >= kPatientKeysPerEpoch) {
    if (auto added = keyring.add_epoch(); !added) {
      // The caller's refusal is not enough: after a failed write nothing more is promised (D3).
      if (added.error().code == ErrorCode::IO_ERROR && options.failures) options.failures->ring(added.error());
      return added.error();
    }
    new_keys_in_epoch = 0;
  }
  PatientKey made;
  made.key = crypto::random_fixed<crypto::AeadKey>();
  made.wrapped.epoch = keyring.current_epoch();
  GALEN_ASSIGN(const auto epoch_key, keyring.epoch_key(made.wrapped.epoch));
  made.wrapped.key = wrap(options.suite, epoch_key, made.key.span(), patient_key_context(subject, made.wrapped.epoch));
  ++new_keys_in_epoch;
  new_patient_keys.emplace(subject, NewPatientKey{made, 0, 0});
  return made;
}

Result<RecordKey> RecordVault::State::record_key(const AnchorEntry& entry) const {
  GALEN_ASSIGN(const auto key, patient_key(entry.subject));
  return unwrap<RecordKey>(options.suite, key.key, entry.record_key, record_key_context(entry));
}

Result<bool> RecordVault::State::matches(const AnchorEntry& entry, const Canonical& content) const {
  // Another method promises something else, and bytes that were exact are not those that lost something on the way.
  if (entry.canon != content.canon || (entry.lossy_numbers == 0) != (content.lossy_numbers == 0)) return false;
  GALEN_ASSIGN(const auto key, record_key(entry));
  const auto commitment = commit(options.suite, key, content.canon, content.bytes);
  return crypto::equal_constant_time(commitment, entry.commitment);
}

Bytes RecordVault::State::seal_identifier(const PrincipalId& pseudonym, std::string_view system,
                                          std::string_view value) const {
  ByteWriter text(8 + system.size() + value.size());
  text.sized(as_bytes(system)).sized(as_bytes(value));
  return crypto::seal(options.suite, keyring.patient_table_key(), text.bytes(), identifier_context(pseudonym));
}

Result<RecordVault::LocalIdentifier> RecordVault::State::open_identifier(const PrincipalId& pseudonym,
                                                                         ByteSpan sealed) const {
  GALEN_ASSIGN(const auto text,
               crypto::open(options.suite, keyring.patient_table_key(), sealed, identifier_context(pseudonym)));
  ByteReader in(text);
  LocalIdentifier out;
  out.system = to_string(in.sized(text.size()));
  out.value = to_string(in.sized(text.size()));
  if (!in.done()) return {ErrorCode::CORRUPT, "a sealed identifier does not follow its layout"};
  return out;
}

Result<AnchorEntry> RecordVault::State::new_entry(const SourceHash& source, const AnchorEntry* before,
                                                  const std::optional<PrincipalId>& subject, const Canonical& content) {
  AnchorEntry entry;
  entry.source = source;
  // One draw for both: each costs as much as a hash.
  const auto drawn = crypto::random_fixed<FixedBytes<struct DrawnTag, PointerId::kSize + RecordKey::kSize>>();
  entry.pointer_id = *PointerId::from(drawn.span().first(PointerId::kSize));
  const auto key = *RecordKey::from(drawn.span().last(RecordKey::kSize));
  entry.subject = subject.value_or(PrincipalId{});
  if (before != nullptr) {
    if (subject && *subject != before->subject)
      return {ErrorCode::SUBJECT_MISMATCH, "the version before this one belongs to another pseudonym"};
    entry.subject = before->subject;
    entry.supersedes = before->pointer_id;
  }
  entry.canon = static_cast<std::uint8_t>(content.canon);
  entry.lossy_numbers = content.lossy_numbers;
  entry.commitment = commit(options.suite, key, content.canon, content.bytes);
  GALEN_ASSIGN(const auto patient, patient_key_for_writing(entry.subject));
  entry.patient_key = patient.wrapped;
  entry.record_key = wrap(options.suite, patient.key, key.span(), record_key_context(entry));
  return entry;
}

}  // namespace galen::vault
