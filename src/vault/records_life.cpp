// The life of a plan: bound to a transaction, logged, executed or given up, and found again after a crash.
#include <algorithm>

#include "records_state.hpp"

namespace galen::vault {

OutboxRecord RecordVault::State::make_record(const Transaction& transaction, std::vector<OutboxEntry> entries) const {
  OutboxRecord record;
  record.author = transaction.author();
  record.request_id = transaction.request_id();
  record.transaction_id = transaction.id();
  record.valid_until_ms = transaction.valid_until_ms();
  record.transaction = transaction.bytes();
  record.entries = std::move(entries);
  return record;
}

// Gives the entries' flights this transaction, and makes those that are not there (at start-up).
void RecordVault::State::set_flights(const OutboxRecord& record) {
  for (const auto& entry : record.entries) {
    if (const auto* anchor = std::get_if<AnchorEntry>(&entry)) {
      auto& flights = sources[anchor->source];
      auto found = std::find_if(flights.begin(), flights.end(),
                                [&](const Flight& f) { return f.entry.pointer_id == anchor->pointer_id; });
      if (found == flights.end()) {
        flights.push_back({*anchor, 0, record.transaction_id});
        pointers[anchor->pointer_id] = anchor->source;
        ++entries_in_flight;
      } else {
        found->transaction_id = record.transaction_id;
      }
    } else {
      const auto& patient = std::get<PatientEntry>(entry);
      auto [found, inserted] = patients.try_emplace(patient.lookup, PatientFlight{patient, 0, std::nullopt});
      if (inserted) ++entries_in_flight;
      found->second.entry = patient;  // in place of one that expired: the log may hold both
      found->second.transaction_id = record.transaction_id;
    }
  }
}

void RecordVault::State::remove_flights(const std::vector<OutboxEntry>& entries) {
  for (const auto& entry : entries) {
    if (const auto* anchor = std::get_if<AnchorEntry>(&entry)) {
      auto found = sources.find(anchor->source);
      if (found == sources.end()) continue;
      entries_in_flight -= std::erase_if(
          found->second, [&](const Flight& flight) { return flight.entry.pointer_id == anchor->pointer_id; });
      pointers.erase(anchor->pointer_id);
      if (found->second.empty()) sources.erase(found);
    } else {
      const auto& patient = std::get<PatientEntry>(entry);
      auto found = patients.find(patient.lookup);
      if (found == patients.end() || found->second.entry.pseudonym != patient.pseudonym) continue;
      patients.erase(found);
      --entries_in_flight;
    }
  }
}

void RecordVault::State::bind_entries(OutboxRecord record, std::uint64_t seq_floor,
                                      std::vector<TransactionId> earlier) {
  set_flights(record);
  const auto id = record.transaction_id;
  for (const auto& former : earlier) renamed.insert_or_assign(former, id);
  bound.insert_or_assign(id, Bound{std::move(record), order_next++, seq_floor, false, std::move(earlier)});
}

void RecordVault::State::unbind(const TransactionId& transaction_id) {
  auto found = bound.find(transaction_id);
  if (found == bound.end()) return;
  for (const auto& former : found->second.earlier) renamed.erase(former);
  bound.erase(found);
}

Result<Bytes> RecordVault::bind(PlanGroup group, const Transaction& transaction) {
  auto& state = *state_;
  const std::lock_guard lock(state.mutex);
  auto plans = state.unbound.find(group);
  if (plans == state.unbound.end()) return {ErrorCode::INVALID_ARGUMENT, "the request planned nothing"};
  if (state.bound.contains(transaction.id()))
    return {ErrorCode::REQUEST_ID_REUSED, "a request with this request_id is on its way"};
  for (const auto& entry : plans->second) state.plan_is_over(entry, true);
  auto record = state.make_record(transaction, std::move(plans->second));
  state.unbound.erase(plans);
  auto bytes = record.encode();
  // Its place in the log is not known yet, but lies behind everything that is.
  state.bind_entries(std::move(record), state.logged_next, {});
  return bytes;
}

void RecordVault::abandon(PlanGroup group) {
  auto& state = *state_;
  const std::lock_guard lock(state.mutex);
  auto plans = state.unbound.find(group);
  if (plans == state.unbound.end()) return;
  state.remove_flights(plans->second);
  for (const auto& entry : plans->second) state.plan_is_over(entry, false);
  state.unbound.erase(plans);
}

void RecordVault::take_back(const TransactionId& transaction_id) {
  auto& state = *state_;
  const std::lock_guard lock(state.mutex);
  auto found = state.bound.find(transaction_id);
  if (found == state.bound.end()) return;
  state.remove_flights(found->second.record.entries);
  for (const auto& entry : found->second.record.entries) state.binding_is_over(entry);
  state.unbind(transaction_id);
}

void RecordVault::logged(const TransactionId& transaction_id, std::uint64_t seq) {
  auto& state = *state_;
  const std::lock_guard lock(state.mutex);
  state.logged_next = std::max(state.logged_next, seq + 1);
  if (auto found = state.bound.find(transaction_id); found != state.bound.end()) found->second.seq_floor = seq;
}

Result<Bytes> RecordVault::rebind(const TransactionId& expired, const Transaction& transaction) {
  auto& state = *state_;
  const std::lock_guard lock(state.mutex);
  auto found = state.bound.find(expired);
  if (found == state.bound.end()) return {ErrorCode::NOT_FOUND, "no expired request of that id is held here"};
  if (state.bound.contains(transaction.id()))
    return {ErrorCode::REQUEST_ID_REUSED, "a request with this request_id is on its way"};
  auto record = state.make_record(transaction, found->second.record.entries);
  record.replaces = found->second.record.request_id;
  auto bytes = record.encode();
  const auto floor = found->second.seq_floor;  // the old record counts until the new one is logged
  auto earlier = found->second.earlier;
  earlier.push_back(expired);
  state.unbind(expired);
  state.bind_entries(std::move(record), floor, std::move(earlier));
  return bytes;
}

Status RecordVault::on_outcome(const TransactionId& transaction_id, Outcome outcome) {
  auto& state = *state_;
  const std::lock_guard lock(state.mutex);
  auto current = transaction_id;
  if (auto former = state.renamed.find(transaction_id); former != state.renamed.end()) {
    // Taken up again too early: it was in a block this node had not seen. Then it counts, and its successor is refused.
    if (outcome != Outcome::committed) return {};
    current = former->second;
  }
  auto found = state.bound.find(current);
  if (found == state.bound.end()) return {};
  if (outcome == Outcome::expired) {
    found->second.expired = true;
    return {};
  }
  auto& record = found->second.record;
  if (outcome == Outcome::committed) {
    record.transaction_id = transaction_id;
    GALEN_TRY(state.index.apply(record));
    for (const auto& entry : record.entries) {
      const auto* anchor = std::get_if<AnchorEntry>(&entry);
      state.patient_key_indexed(anchor != nullptr ? anchor->subject : std::get<PatientEntry>(entry).pseudonym);
    }
  }
  state.remove_flights(record.entries);
  state.unbind(current);
  return {};
}

Result<bool> RecordVault::State::is_applied(const OutboxRecord& record) const {
  for (const auto& entry : record.entries) {  // all were applied or none: the first one tells
    if (const auto* anchor = std::get_if<AnchorEntry>(&entry)) {
      GALEN_ASSIGN(const auto version, index.version(anchor->pointer_id));
      return version.has_value();
    }
    const auto& patient = std::get<PatientEntry>(entry);
    GALEN_ASSIGN(const auto pseudonym, index.pseudonym(patient.lookup));
    return pseudonym == patient.pseudonym;
  }
  return true;
}

Status RecordVault::replay(const RequestId& log_id, std::uint64_t seq, ByteSpan outbox_bytes) {
  auto& state = *state_;
  const std::lock_guard lock(state.mutex);
  state.logged_next = std::max(state.logged_next, seq + 1);
  const auto applied = state.index.applied_position();
  if (applied.log_id == log_id && seq < applied.seq) return {};
  GALEN_ASSIGN(auto record, OutboxRecord::decode(outbox_bytes));
  GALEN_ASSIGN(const bool done, state.is_applied(record));
  if (done) return {};
  for (const auto& entry : record.entries) {
    const auto* anchor = std::get_if<AnchorEntry>(&entry);
    GALEN_TRY(anchor != nullptr ? state.adopt_patient_key(anchor->subject, anchor->patient_key)
                                : state.adopt_patient_key(std::get<PatientEntry>(entry).pseudonym,
                                                          std::get<PatientEntry>(entry).patient_key));
  }
  std::vector<TransactionId> earlier;
  // Of an id that expired and was brought again the log holds both; or one record twice.
  if (auto found = state.bound.find(record.transaction_id); found != state.bound.end()) {
    earlier = found->second.earlier;
    state.remove_flights(found->second.record.entries);
    state.unbind(record.transaction_id);
  }
  if (record.replaces) {
    const auto former = transaction_id(state.options.suite, record.author, *record.replaces);
    if (auto found = state.bound.find(former); found != state.bound.end()) earlier = found->second.earlier;
    if (std::find(earlier.begin(), earlier.end(), former) == earlier.end()) earlier.push_back(former);
    state.unbind(former);
  }
  state.bind_entries(std::move(record), seq, std::move(earlier));
  return {};
}

std::vector<OutboxRecord> RecordVault::pending() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<const State::Bound*> ordered;
  for (const auto& [id, bound] : state_->bound) ordered.push_back(&bound);
  std::sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) { return a->order < b->order; });
  std::vector<OutboxRecord> out;
  out.reserve(ordered.size());
  for (const auto* bound : ordered) out.push_back(bound->record);
  return out;
}

std::optional<OutboxRecord> RecordVault::bound(const TransactionId& transaction_id) const {
  const auto& state = *state_;
  const std::lock_guard lock(state.mutex);
  const auto former = state.renamed.find(transaction_id);
  const auto found = state.bound.find(former == state.renamed.end() ? transaction_id : former->second);
  return found == state.bound.end() ? std::nullopt : std::optional(found->second.record);
}

Result<bool> RecordVault::is_outrun(
    const OutboxRecord& record,
    const std::function<Result<ledger::v1::RecordStatus>(const PointerId&)>& status_of) const {
  const auto& state = *state_;
  const std::lock_guard lock(state.mutex);
  const auto order_of = [&](const TransactionId& id) {
    const auto found = state.bound.find(id);
    return found == state.bound.end() ? 0 : found->second.order;
  };
  for (const auto& entry : record.entries) {
    if (const auto* anchor = std::get_if<AnchorEntry>(&entry)) {
      GALEN_ASSIGN(const auto versions, state.index.versions(anchor->source));
      if (!versions.empty() && versions.back() != anchor->supersedes) {
        auto status = ledger::v1::RECORD_STATUS_CURRENT;
        if (anchor->supersedes.is_zero()) {
          GALEN_ASSIGN(status, status_of(versions.back()));
        }
        const bool follows_own = std::any_of(record.entries.begin(), record.entries.end(), [&](const auto& other) {
          const auto* before = std::get_if<AnchorEntry>(&other);
          return before != nullptr && before->pointer_id == anchor->supersedes;
        });
        if (status == ledger::v1::RECORD_STATUS_CURRENT && !follows_own) return true;
      }
      const auto flights = state.sources.find(anchor->source);
      if (flights == state.sources.end()) continue;
      for (const auto& flight : flights->second)
        if (flight.transaction_id && order_of(*flight.transaction_id) > order_of(record.transaction_id)) return true;
    } else {
      const auto& patient = std::get<PatientEntry>(entry);
      GALEN_ASSIGN(const auto pseudonym, state.index.pseudonym(patient.lookup));
      if (pseudonym && *pseudonym != patient.pseudonym) return true;
      const auto flight = state.patients.find(patient.lookup);
      const bool other = flight != state.patients.end() && flight->second.transaction_id;
      if (other && order_of(*flight->second.transaction_id) > order_of(record.transaction_id)) return true;
    }
  }
  return false;
}

bool RecordVault::has_unflushed() const { return state_->index.has_unflushed(); }

std::uint64_t RecordVault::State::needed_from(std::uint64_t log_next_seq) const {
  auto seq = log_next_seq;
  for (const auto& [id, entry] : bound) seq = std::min(seq, entry.seq_floor);
  return seq;
}

void RecordVault::log_goes_on(std::uint64_t log_next_seq) {
  auto& state = *state_;
  const std::lock_guard lock(state.mutex);
  state.logged_next = std::max(state.logged_next, log_next_seq);
}

Result<std::uint64_t> RecordVault::flush(const RequestId& log_id, std::uint64_t log_next_seq) {
  auto& state = *state_;
  std::uint64_t seq = 0;
  {
    const std::lock_guard lock(state.mutex);
    // Without outbox records the log goes on all the same, and is given up behind: the next one does not stand there.
    state.logged_next = std::max(state.logged_next, log_next_seq);
    seq = state.needed_from(log_next_seq);
  }
  // Unlocked, since it takes a while: what is applied meanwhile is only more than the position promises.
  GALEN_TRY(state.index.flush({log_id, seq}));
  return seq;
}

Status RecordVault::move_to_log(const RequestId& log_id, std::uint64_t seq) {
  auto& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    for (auto& [id, entry] : state.bound) entry.seq_floor = seq;
    state.logged_next = seq;
  }
  return state.index.flush({log_id, seq});
}

AppliedPosition RecordVault::applied_position() const { return state_->index.applied_position(); }

}  // namespace galen::vault
