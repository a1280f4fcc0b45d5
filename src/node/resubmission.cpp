// The rest of an interrupted life, as the intake takes it up: records whose outcome the vault does not know yet. What
// became of them stands in the ledger, or they are asked for again.
#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/crypto/random.hpp"
#include "galen/ledger/v1/state.pb.h"
#include "node/intake.hpp"

namespace galen::node {

// What it wrote, under names that this member has drawn: all of it or nothing, so the first entry tells. The index
// cannot, when the node has joined by a snapshot since.
Result<bool> Intake::stands_in_state(const vault::OutboxRecord& record) const {
  if (record.entries.empty()) return false;
  if (const auto* anchor = std::get_if<vault::AnchorEntry>(&record.entries.front())) {
    GALEN_ASSIGN(auto row, view_->state(static_cast<std::uint8_t>(StateKind::record), anchor->pointer_id));
    ledger::v1::RecordState state;
    return row && state.ParseFromArray(row->data(), static_cast<int>(row->size())) &&
           state.commitment() == anchor->commitment.str();
  }
  const auto& patient = std::get<vault::PatientEntry>(record.entries.front());
  GALEN_ASSIGN(auto row, view_->state(static_cast<std::uint8_t>(StateKind::principal), patient.pseudonym));
  ledger::v1::PrincipalState state;
  return row && state.ParseFromArray(row->data(), static_cast<int>(row->size())) &&
         state.home_member() == identity_.member_id().str();
}

Result<bool> Intake::settle_record(const vault::OutboxRecord& record) {
  std::vector<TransactionId> ids{record.transaction_id};
  if (record.replaces) ids.push_back(transaction_id(identity_.context.suite, record.author, *record.replaces));
  GALEN_ASSIGN(const bool stands, stands_in_state(record));
  for (const auto& id : ids) {
    watch_records(id, record.valid_until_ms);  // former ids too: one may stand in a block this node has yet to see
    GALEN_ASSIGN(auto row, view_->transaction(id));
    // One id of a request taken up again names it; the only one does without its row.
    const bool committed = stands && (row ? row->first.code == 0 : !record.replaces);
    const bool rejected = !stands && row;  // refused, or committed with another body, by another member
    if (!committed && !rejected) continue;
    GALEN_TRY(settle_records(id, committed ? vault::Outcome::committed : vault::Outcome::rejected));
    if (committed || id == record.transaction_id) return true;
  }
  if (!stands) return false;
  if (floor_ != 0) {
    // A block that is still on its way says under which id. What becomes of the other one says nothing of the record.
    for (const auto& id : ids) forget_records(id);
    unsettled_.push_back(record);
    return true;
  }
  // Taken up again more than once: the record counts, whichever id it has.
  GALEN_TRY(settle_records(record.transaction_id, vault::Outcome::committed));
  return true;
}

void Intake::take_up(std::vector<BatchItem> items) {
  std::size_t taken = 0;
  for (auto& item : items) {
    execution::AdmissionRequest request{.transaction = item.transaction.bytes(),
                                        .authorization = item.authorization,
                                        .caller = item.transaction.author(),
                                        .now_ms = system_clock().wall_ms()};
    auto admitted = admission_.admit(*view_, std::move(request));
    if (!admitted || admitted->first) continue;  // answered meanwhile, or of no use any more
    if (mempool_.add(std::move(admitted->item), system_clock().monotonic_us())) ++taken;
  }
  if (!items.empty()) log::info("taken up from batches of an earlier epoch transactions={} of {}", taken, items.size());
}

// After a restart: the same bytes again while they are valid, else the same pointers and keys under a new request_id.
void Intake::resubmit(const vault::OutboxRecord& record) {
  auto now_ms = system_clock().wall_ms();
  auto transaction = Transaction::decode(identity_.context.suite, identity_.context.chain_id, record.transaction);
  if (!transaction) return log::error("outbox record does not decode reason={}", to_reason(transaction.error().code));
  auto settled = settle_record(record);
  if (!settled) return ports_.fatal(settled.error());
  if (*settled) return;
  if (record.valid_until_ms > now_ms) {
    execution::AdmissionRequest request{
        .transaction = record.transaction, .authorization = {}, .caller = record.author, .now_ms = now_ms};
    auto admitted = admission_.admit(*view_, std::move(request));
    if (!admitted) {
      log::warn("outbox transaction is not admitted again reason={}", to_reason(admitted.error().code));
      return;
    }
    mempool_.add(std::move(admitted->item), system_clock().monotonic_us())
        .ignore("a full pool at start: the batch itself is in the log too");
    return;
  }
  // Its client was told EXPIRED, and may have brought the same again: then this would be a second one.
  auto outrun = vault_->is_outrun(record, [this](const PointerId& id) { return status_of(id); });
  if (!outrun) return ports_.fatal(outrun.error());
  if (*outrun) {
    if (auto status = vault_->on_outcome(record.transaction_id, vault::Outcome::rejected); !status)
      ports_.fatal(status.error());
    return;
  }
  Bytes bytes = Transaction::encode({.chain_id = identity_.context.chain_id,
                                     .author = record.author,
                                     .request_id = crypto::random_request_id(),
                                     .valid_until_ms = now_ms + transaction_ttl_ms(identity_.genesis),
                                     .operations = transaction->operations()});
  auto fresh = Transaction::decode(identity_.context.suite, identity_.context.chain_id, bytes);
  GALEN_ASSERT(fresh.has_value());
  auto outbox = vault_->rebind(record.transaction_id, *fresh);
  if (!outbox) return log::error("outbox record cannot be taken up again reason={}", to_reason(outbox.error().code));
  outbox_.emplace(fresh->id(), std::move(*outbox));
  watch_records(fresh->id(), fresh->valid_until_ms());
  mempool_.add(BatchItem{.authorization = {}, .transaction = std::move(*fresh)}, system_clock().monotonic_us())
      .ignore("a full pool at start is taken up at the next one");
}

}  // namespace galen::node
