// Planning, looking up and verifying. What happens to a plan afterwards is in records_life.cpp.
#include "galen/vault/records.hpp"

#include <algorithm>

#include "galen/crypto/random.hpp"
#include "records_state.hpp"

namespace galen::vault {

RecordVault::RecordVault(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecordVault::RecordVault(RecordVault&&) noexcept = default;
RecordVault& RecordVault::operator=(RecordVault&&) noexcept = default;
RecordVault::~RecordVault() = default;

Status RecordVault::create(const Options& options) {
  GALEN_TRY(MasterKey::create(options.master_key_file));
  GALEN_ASSIGN(const auto master, MasterKey::load(options.master_key_file));
  GALEN_TRY(Keyring::create(options.keyring_directory, master, options.suite));
  return RecordIndex::create(options.vault_directory);
}

Status RecordVault::check_keys(const Options& options) {
  GALEN_ASSIGN(const auto master, MasterKey::load(options.master_key_file));
  GALEN_ASSIGN([[maybe_unused]] const auto keyring, Keyring::open(options.keyring_directory, master, options.suite));
  return {};
}

Result<RecordVault> RecordVault::open(const Options& options) {
  GALEN_ASSIGN(const auto master, MasterKey::load(options.master_key_file));
  GALEN_ASSIGN(auto keyring, Keyring::open(options.keyring_directory, master, options.suite));
  GALEN_ASSIGN(auto index, RecordIndex::open(options.vault_directory, options.failures));
  GALEN_ASSIGN(const auto used, index.slots_in_use());
  GALEN_TRY(check_keyring_follows(keyring.epochs(), used));
  return RecordVault(std::make_unique<State>(options, std::move(keyring), std::move(index)));
}

Result<AnchorOutcome> RecordVault::plan_anchor(PlanGroup group, const Source& source,
                                               const std::optional<PrincipalId>& subject, const RecordContent& given,
                                               const Standing& standing) {
  auto& state = *state_;
  CanonicalText text;
  State::Canonical content{given.bytes, given.canon, 0};
  if (given.canon != ledger::v1::CANON_METHOD_RAW) {
    GALEN_ASSIGN(text, canonical_bytes(given.canon, given.bytes, given.lossy));
    content.bytes = as_bytes(text.text);
    content.lossy_numbers = text.lossy_numbers;
  }
  const std::lock_guard lock(state.mutex);
  const auto hash = state.source_hash(source);
  GALEN_ASSIGN(const auto versions, state.index.versions(hash));
  const auto known_for = [&](const AnchorEntry& entry) -> Status {
    if (!subject || *subject == entry.subject) return {};
    return {ErrorCode::SUBJECT_MISMATCH, "these bytes of the source are anchored for another pseudonym already"};
  };
  auto status = ledger::v1::RECORD_STATUS_CURRENT;
  if (!versions.empty() && standing.status_of) {
    GALEN_ASSIGN(status, standing.status_of(versions.back()));
  }
  const bool none_stands = status == ledger::v1::RECORD_STATUS_ENTERED_IN_ERROR;
  std::optional<AnchorEntry> newest;
  std::optional<AlreadyAnchored> already;
  for (auto pointer = versions.rbegin(); pointer != versions.rend(); ++pointer) {
    GALEN_ASSIGN(const auto version, state.index.version(*pointer));
    if (!version) return {ErrorCode::CORRUPT, "the vault's index names a version it does not hold"};
    const bool ours = version->transaction_id == standing.retried;
    if (ours || (!already && !none_stands)) {
      GALEN_ASSIGN(const bool equal, state.matches(version->entry, content));
      if (equal) GALEN_TRY(known_for(version->entry));
      if (equal) already = AlreadyAnchored{*pointer, version->transaction_id};
      if (equal && ours) break;
    }
    if (!newest && status == ledger::v1::RECORD_STATUS_CURRENT) newest = version->entry;
  }
  if (already) return AnchorOutcome(*already);
  if (auto found = state.sources.find(hash); found != state.sources.end()) {
    const auto& flights = found->second;
    for (const auto& flight : flights) {
      GALEN_ASSIGN(const bool equal, state.matches(flight.entry, content));
      if (equal) GALEN_TRY(known_for(flight.entry));
      const bool same_group = !flight.transaction_id && flight.group == group;
      if (equal) return AnchorOutcome(InFlight{flight.entry.pointer_id, true, same_group, flight.transaction_id});
    }
    const auto& last = flights.back();
    if (last.transaction_id || last.group != group)
      return AnchorOutcome(InFlight{last.entry.pointer_id, false, false, last.transaction_id});
    newest = last.entry;
  }
  if (state.entries_in_flight >= state.options.in_flight_max)
    return {ErrorCode::RESOURCE_EXHAUSTED, "too many records are on their way to a block"};
  GALEN_ASSIGN(auto entry, state.new_entry(hash, newest ? &*newest : nullptr, subject, content));
  state.sources[hash].push_back({entry, group, std::nullopt});
  state.pointers[entry.pointer_id] = hash;
  state.plan_uses_key(state.unbound[group].emplace_back(entry));
  ++state.entries_in_flight;
  return AnchorOutcome(AnchorPlan{std::move(entry)});
}

Result<PatientOutcome> RecordVault::plan_patient(PlanGroup group, std::string_view system, std::string_view value,
                                                 const std::optional<PrincipalId>& wanted) {
  if (system.size() + value.size() > kSealedIdentifierBytesMax / 2)
    return {ErrorCode::TOO_LARGE, "a local patient id has at most 1,024 bytes"};
  auto& state = *state_;
  const std::lock_guard lock(state.mutex);
  const auto lookup = state.patient_lookup(system, value);
  GALEN_ASSIGN(const auto known, state.index.pseudonym(lookup));
  if (known) return PatientOutcome(KnownPatient{*known, std::nullopt, false});
  if (auto found = state.patients.find(lookup); found != state.patients.end()) {
    const auto& flight = found->second;
    const bool unbound = !flight.transaction_id && flight.group != group;
    return PatientOutcome(KnownPatient{flight.entry.pseudonym, flight.transaction_id, unbound});
  }
  if (state.entries_in_flight >= state.options.in_flight_max)
    return {ErrorCode::RESOURCE_EXHAUSTED, "too many records are on their way to a block"};
  PatientEntry entry;
  entry.lookup = lookup;
  entry.pseudonym = wanted ? *wanted : crypto::random_fixed<PrincipalId>();
  entry.sealed_identifier = state.seal_identifier(entry.pseudonym, system, value);
  GALEN_ASSIGN(const auto key, state.patient_key_for_writing(entry.pseudonym));
  entry.patient_key = key.wrapped;
  state.patients[lookup] = {entry, group, std::nullopt};
  state.plan_uses_key(state.unbound[group].emplace_back(entry));
  ++state.entries_in_flight;
  return PatientOutcome(PatientPlan{std::move(entry)});
}

Result<std::optional<AnchorEntry>> RecordVault::State::entry_of(const PointerId& pointer_id) const {
  if (auto found = pointers.find(pointer_id); found != pointers.end()) {
    // Executed perhaps, while the word of it is still on its way here.
    for (const auto& flight : sources.at(found->second))
      if (flight.entry.pointer_id == pointer_id) return std::optional(flight.entry);
  }
  GALEN_ASSIGN(const auto version, index.version(pointer_id));
  return version ? std::optional(version->entry) : std::nullopt;
}

Result<std::optional<std::uint32_t>> RecordVault::lossy_numbers(const PointerId& pointer_id) const {
  const std::lock_guard lock(state_->mutex);
  GALEN_ASSIGN(const auto entry, state_->entry_of(pointer_id));
  return entry ? std::optional(entry->lossy_numbers) : std::nullopt;
}

Status RecordVault::verify(const PointerId& pointer_id, ByteSpan content) const {
  const auto& state = *state_;
  std::optional<AnchorEntry> entry;
  RecordKey key;
  {
    const std::lock_guard lock(state.mutex);
    GALEN_ASSIGN(entry, state.entry_of(pointer_id));
    if (!entry) return {ErrorCode::KEY_NOT_HERE, "this member did not anchor the record: it holds no key for it"};
    GALEN_ASSIGN(key, state.record_key(*entry));
  }
  const auto canon = static_cast<ledger::v1::CanonMethod>(entry->canon);
  auto canonical = canonical_bytes(canon, content, entry->lossy_numbers == 0 ? Lossy::refuse : Lossy::allow);
  if (!canonical)
    return {ErrorCode::COMMITMENT_MISMATCH, "the bytes have no canonical form: " + canonical.error().message};
  const auto commitment = commit(state.options.suite, key, canon, as_bytes(canonical->text));
  if (crypto::equal_constant_time(commitment, entry->commitment)) return {};
  return {ErrorCode::COMMITMENT_MISMATCH, "the bytes are not those that were anchored under this pointer"};
}

Result<std::vector<PointerId>> RecordVault::pointers_of(const Source& source) const {
  const std::lock_guard lock(state_->mutex);
  GALEN_ASSIGN(auto versions, state_->index.versions(state_->source_hash(source)));
  std::reverse(versions.begin(), versions.end());
  return versions;
}

Result<std::optional<PrincipalId>> RecordVault::pseudonym_of(std::string_view system, std::string_view value) const {
  const std::lock_guard lock(state_->mutex);
  return state_->index.pseudonym(state_->patient_lookup(system, value));
}

Result<std::vector<RecordVault::LocalIdentifier>> RecordVault::identifiers_of(const PrincipalId& pseudonym) const {
  const std::lock_guard lock(state_->mutex);
  GALEN_ASSIGN(const auto sealed, state_->index.identifiers(pseudonym));
  std::vector<LocalIdentifier> out;
  for (const auto& bytes : sealed) {
    GALEN_ASSIGN(auto identifier, state_->open_identifier(pseudonym, bytes));
    out.push_back(std::move(identifier));
  }
  return out;
}

// Without the lock: the index reads its files beside everything else, and the keyring's is read as it lies there.
std::vector<std::string> RecordVault::damaged_files(const RecordIndex::Pause& pause) const {
  auto out = state_->index.damaged_files(pause);
  for (auto& what : Keyring::inspect(state_->options.keyring_directory).findings)
    out.push_back("keyring/keyring.bin: " + what);
  return out;
}

std::size_t RecordVault::in_flight() const {
  const std::lock_guard lock(state_->mutex);
  return state_->entries_in_flight;
}

}  // namespace galen::vault
