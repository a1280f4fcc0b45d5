// AnchorRecord and AnchorRecordBatch: each item is planned with the vault, what is not anchored yet goes into one
// transaction, and the call waits for it and for those of others that anchor the same bytes (D12, D15).

#include <fmt/format.h>

#include "galen/crypto/random.hpp"
#include "galen/socket/method.hpp"
#include "galen/types/attachments.hpp"
#include "galen/v1/record_service.pb.h"
#include "node/first_answer.hpp"
#include "node/intake.hpp"
#include "node/request_fields.hpp"

namespace galen::node {

using galen::node::v1::Call;
using ledger::v1::Operation;

namespace {

/// Method and loss fit each other, and what the content states of its attachments fits these. SHA-1 ends here.
Status check_content(const galen::v1::AnchorItem& item) {
  bool raw = item.canon() == 0 || item.canon() == ledger::v1::CANON_METHOD_RAW;
  if (!raw && item.canon() != ledger::v1::CANON_METHOD_JCS) return invalid("canon must be RAW or JCS");
  if (raw && item.lossy()) return invalid("lossy goes with canon JCS: raw bytes lose nothing");
  return check_attachments_in(as_bytes(item.content()));
}

vault::RecordContent content_of(const galen::v1::AnchorItem& item) {
  return {as_bytes(item.content()), item.canon() == 0 ? ledger::v1::CANON_METHOD_RAW : item.canon(),
          item.lossy() ? Lossy::allow : Lossy::refuse};
}

}  // namespace

// One AnchorRecord or AnchorRecordBatch on its way to a transaction.
struct Intake::AnchorWork {
  PrincipalId author;
  RequestId request_id;
  TransactionId id;
  vault::PlanGroup group = 0;
  bool validate_only = false;
  std::vector<galen::v1::AnchorItem> items;
  std::vector<galen::v1::AnchoredItem> anchored;
  std::vector<Operation> operations;
  std::set<TransactionId> awaits;
  bool resumed = false;         ///< the request's own transaction is committed: what is planned now is the rest
  bool again = false;           ///< other bytes of the same source are on their way: plan again after their outcome
  std::set<PointerId> retried;  ///< anchored by this very request already
};

// Nothing is anchored: the ids that were drawn will never exist, so the answer names none of them.
void Intake::forget_planned(AnchorWork& work) {
  std::set<std::string> drawn;
  for (const auto& operation : work.operations) drawn.insert(operation.anchor_record().pointer_id());
  for (auto& item : work.anchored) {
    if (drawn.contains(item.pointer_id())) item.clear_pointer_id();
    if (drawn.contains(item.supersedes())) item.clear_supersedes();
  }
}

Status Intake::anchor(Call& call, std::uint64_t deadline_us, bool resumed) {
  AnchorWork work;
  work.author = *PrincipalId::from(std::string_view(call.principal()));
  work.resumed = resumed;
  bool single = call.method() == static_cast<std::uint32_t>(socket::Method::anchor_record);
  std::string request_id;
  if (single) {
    GALEN_ASSIGN(auto request, parse<galen::v1::AnchorRecordRequest>(call.request()));
    if (!request.has_item()) return invalid("item is missing");
    request_id = request.request_id();
    work.validate_only = request.validate_only();
    work.items.push_back(std::move(*request.mutable_item()));
  } else {
    GALEN_ASSIGN(auto request, parse<galen::v1::AnchorRecordBatchRequest>(call.request()));
    request_id = request.request_id();
    work.validate_only = request.validate_only();
    for (auto& item : *request.mutable_items()) work.items.push_back(std::move(item));
  }
  if (work.items.empty() || work.items.size() > limits::kOperationsPerTransactionMax)
    return Error{ErrorCode::TOO_LARGE, "items: 1 to 1,000"};
  GALEN_ASSIGN(work.request_id, parse_request_id(request_id));
  work.id = transaction_id(identity_.context.suite, work.author, work.request_id);
  work.group = next_group_++;

  auto planned = plan_items(work);
  auto earlier = earlier_of(work.id);
  if (!planned || !earlier || work.again || work.validate_only || (*earlier && !resumed) || work.operations.empty())
    vault_->abandon(work.group);
  if (!planned) return planned;
  if (!earlier) return earlier.error();

  Open open{.call = call, .response = nullptr, .deadline_us = deadline_us};
  if (work.again) {
    open.again = true;
    open.resumed = resumed;
    open.awaits = work.awaits;
    wait(std::move(open));
    return {};
  }
  if (work.validate_only) forget_planned(work);
  galen::v1::TransactionOutcome* outcome = nullptr;
  if (single) {
    auto response = std::make_unique<galen::v1::AnchorRecordResponse>();
    *response->mutable_item() = work.anchored.front();
    outcome = response->mutable_outcome();
    open.response = std::move(response);
  } else {
    auto response = std::make_unique<galen::v1::AnchorRecordBatchResponse>();
    for (auto& item : work.anchored) *response->add_items() = std::move(item);
    outcome = response->mutable_outcome();
    open.response = std::move(response);
  }
  open.outcome = outcome;
  if (work.validate_only) {
    if (!work.operations.empty()) GALEN_TRY(validate_only(work.author, work.request_id, std::move(work.operations)));
    reply_ok(call, *open.response);
    return {};
  }
  if (resumed) return anchor_rest(std::move(open), work);
  if (*earlier) {
    const bool same_body = same_anchors(work.operations, work.retried.size(), **earlier);
    // What others anchor for it is still to come, as for the first call: until then nothing is promised.
    if (same_body) open.awaits = std::move(work.awaits);
    return answer_earlier(std::move(open), work.id, **earlier, same_body);
  }
  if (!work.operations.empty()) {
    GALEN_ASSIGN(open.own, make_transaction(work.author, work.request_id, std::move(work.operations), work.group));
    work.awaits.insert(*open.own);
  } else if (!work.retried.empty()) {
    open.own = work.id;
    GALEN_TRY(check_first_use_known());
    GALEN_ASSIGN(auto row, view_->transaction(work.id));
    open.awaits = work.awaits;
    if (row) return answer_first(std::move(open), row->first);
  }
  open.awaits = std::move(work.awaits);
  if (open.awaits.empty()) {
    reply_ok(call, *open.response);
    return {};
  }
  wait(std::move(open));
  return {};
}

// What another request was to anchor for this one was refused or expired there, and this one's own transaction is
// committed without it: the rest goes under an id of its own. The answer is that of the request's transaction.
Status Intake::anchor_rest(Open open, AnchorWork& work) {
  open.own = work.id;
  GALEN_ASSIGN(auto row, view_->transaction(work.id));
  if (row) {
    GALEN_ASSIGN(auto answer, first_answer(*view_, work.id, row->first));
    told(open, answer.outcome);
  }
  if (!work.operations.empty()) {
    GALEN_ASSIGN(open.rest,
                 make_transaction(work.author, crypto::random_request_id(), std::move(work.operations), work.group));
    work.awaits.insert(*open.rest);
  }
  open.awaits = std::move(work.awaits);
  if (!open.awaits.empty()) {
    wait(std::move(open));
    return {};
  }
  const auto call_id = open.call.call_id();
  open_.insert_or_assign(call_id, std::move(open));
  finish(call_id);
  return {};
}

Result<std::optional<ledger::v1::RecordState>> Intake::record_state(const PointerId& id) const {
  GALEN_ASSIGN(auto row, view_->state(static_cast<std::uint8_t>(StateKind::record), id));
  if (!row) return std::optional<ledger::v1::RecordState>();
  ledger::v1::RecordState state;
  if (!state.ParseFromArray(row->data(), static_cast<int>(row->size())))
    return Error{ErrorCode::CORRUPT, "a record's state does not decode"};
  return std::optional(std::move(state));
}

Result<ledger::v1::RecordStatus> Intake::status_of(const PointerId& id) const {
  GALEN_ASSIGN(auto state, record_state(id));
  return state ? state->status() : ledger::v1::RECORD_STATUS_CURRENT;
}

Status Intake::check_known_record(const PointerId& id, const galen::v1::AnchorItem& item) const {
  GALEN_ASSIGN(auto state, record_state(id));
  if (!state) return {};
  const bool same_class = item.class_() == 0 || item.class_() == state->class_();
  const bool same_retention = item.retention() == 0 || item.retention() == state->retention();
  if (same_class && same_retention) return {};
  return Error{ErrorCode::ALREADY_EXISTS,
               fmt::format("these bytes are anchored already as {}, with {} and {}, and that stays so; to change it, "
                           "enter that record in error and anchor them again",
                           id.hex(), ledger::v1::RecordClass_Name(state->class_()),
                           ledger::v1::RetentionClass_Name(state->retention()))};
}

Status Intake::plan_items(AnchorWork& work) {
  const vault::Standing standing{.status_of = [this](const PointerId& id) { return status_of(id); },
                                 .retried = work.id};
  for (std::size_t i = 0; i < work.items.size(); ++i) {
    const auto& item = work.items[i];
    if (auto status = check_source(item.source()); !status)
      return Error{status.error().code, fmt::format("items[{}]: {}", i, status.error().message)};
    if (item.content().empty()) return invalid(fmt::format("items[{}]: content is empty", i));
    std::optional<PrincipalId> subject;
    if (!item.subject().empty()) {
      subject = PrincipalId::from(std::string_view(item.subject()));
      if (!subject) return invalid(fmt::format("items[{}]: subject must be 32 bytes or empty", i));
    }
    vault::Source source{item.source().system(), item.source().type(), item.source().id()};
    if (auto status = check_content(item); !status)
      return Error{status.error().code, fmt::format("items[{}]: {}", i, status.error().message)};
    auto outcome = vault_->plan_anchor(work.group, source, subject, content_of(item), standing);
    if (!outcome) return Error{outcome.error().code, fmt::format("items[{}]: {}", i, outcome.error().message)};
    galen::v1::AnchoredItem anchored;
    if (auto* already = std::get_if<vault::AlreadyAnchored>(&*outcome)) {
      anchored.set_pointer_id(already->pointer_id.str());
      bool ours = already->transaction_id == work.id;
      if (ours) work.retried.insert(already->pointer_id);
      anchored.set_already_anchored(!ours);
      if (auto status = ours ? Status{} : check_known_record(already->pointer_id, item); !status)
        return Error{status.error().code, fmt::format("items[{}]: {}", i, status.error().message)};
    } else if (auto* flight = std::get_if<vault::InFlight>(&*outcome)) {
      anchored.set_pointer_id(flight->pointer_id.str());
      if (flight->same_group) {
        anchored.set_already_anchored(true);
      } else {
        GALEN_ASSERT(flight->transaction_id.has_value());  // this thread binds each group before it plans the next
        bool ours = *flight->transaction_id == work.id;
        if (ours) work.retried.insert(flight->pointer_id);
        anchored.set_already_anchored(!ours);
        work.awaits.insert(*flight->transaction_id);
        work.again |= !flight->same_bytes;
      }
    } else {
      const auto& entry = std::get<vault::AnchorPlan>(*outcome).entry;
      anchored.set_pointer_id(entry.pointer_id.str());
      anchored.set_already_anchored(work.resumed);  // not by the transaction that the answer names
      Operation operation;
      auto* record = operation.mutable_anchor_record();
      record->set_pointer_id(entry.pointer_id.str());
      record->set_custodian(identity_.member_id().str());
      if (!entry.subject.is_zero()) record->set_subject(entry.subject.str());
      record->set_commitment(entry.commitment.str());
      record->set_canon(std::get<vault::AnchorPlan>(*outcome).canon());
      if (!entry.supersedes.is_zero()) {
        record->set_supersedes(entry.supersedes.str());
        anchored.set_supersedes(entry.supersedes.str());
      }
      record->set_status(ledger::v1::RECORD_STATUS_CURRENT);
      record->set_class_(item.class_() == 0 ? ledger::v1::RECORD_CLASS_N : item.class_());
      record->set_retention(item.retention() == 0 ? ledger::v1::RETENTION_CLASS_NONE : item.retention());
      work.operations.push_back(std::move(operation));
    }
    if (item.lossy()) {
      GALEN_ASSIGN(auto lossy_numbers,
                   vault_->lossy_numbers(*PointerId::from(std::string_view(anchored.pointer_id()))));
      anchored.set_lossy_numbers(lossy_numbers.value_or(0));
    }
    work.anchored.push_back(std::move(anchored));
  }
  return {};
}

}  // namespace galen::node
