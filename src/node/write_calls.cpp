// The calls that write: what each does between the request and the pool. Every handler returns an error for the caller,
// or has answered, or has put the call among the open ones. Those that need the vault: anchor_calls.cpp,
// registration_calls.cpp.

#include <fmt/format.h>

#include <algorithm>

#include "galen/base/clock.hpp"
#include "galen/socket/method.hpp"
#include "galen/types/purpose.hpp"
#include "galen/v1/access_service.pb.h"
#include "galen/v1/ledger_service.pb.h"
#include "galen/v1/record_service.pb.h"
#include "node/first_answer.hpp"
#include "node/intake.hpp"
#include "node/request_fields.hpp"

namespace galen::node {

using galen::node::v1::Call;
using ledger::v1::Operation;

namespace {

// What the node itself makes lives this long: enough for a view change or two, short enough that an outcome is soon final.
constexpr std::uint64_t kTransactionTtlMs = 120'000;

}  // namespace

std::uint64_t transaction_ttl_ms(const Genesis& genesis) {
  return std::min(kTransactionTtlMs, genesis.parameters.ttl_max_ms / 2);
}

/// A transaction that the node itself makes, for admission: its author counts as the caller.
static execution::AdmissionRequest request_of(const Identity& identity, const PrincipalId& author,
                                              const RequestId& request_id, std::vector<Operation> operations) {
  execution::AdmissionRequest request;
  request.now_ms = system_clock().wall_ms();
  request.caller = author;
  request.transaction = Transaction::encode({.chain_id = identity.context.chain_id,
                                             .author = author,
                                             .request_id = request_id,
                                             .valid_until_ms = request.now_ms + transaction_ttl_ms(identity.genesis),
                                             .operations = std::move(operations)});
  return request;
}

void Intake::dispatch(Call call, std::uint64_t deadline_us, bool resumed) {
  Status status;
  switch (static_cast<socket::Method>(call.method())) {
    case socket::Method::anchor_record:
    case socket::Method::anchor_record_batch: status = anchor(call, deadline_us, resumed); break;
    case socket::Method::set_record_status: status = set_record_status(call, deadline_us); break;
    case socket::Method::submit_transaction: status = submit_transaction(call, deadline_us); break;
    case socket::Method::register_patient: status = register_patient(call, deadline_us); break;
    case socket::Method::register_service: status = register_service(call, deadline_us); break;
    case socket::Method::decide: status = decide(call, deadline_us); break;
    default: status = Error{ErrorCode::UNIMPLEMENTED, "this method does not write"};
  }
  if (status) return;
  if (status.error().code == ErrorCode::IO_ERROR || status.error().code == ErrorCode::CORRUPT)
    ports_.fatal(status.error());
  reply_error(call, status.error());
}

Result<TransactionId> Intake::make_transaction(const PrincipalId& author, const RequestId& request_id,
                                               std::vector<Operation> operations,
                                               std::optional<vault::PlanGroup> group) {
  auto give_up = [&](Error error) {
    if (group) vault_->abandon(*group);
    return error;
  };
  auto admitted = admission_.admit(*view_, request_of(identity_, author, request_id, std::move(operations)));
  if (!admitted) return give_up(admitted.error());
  const auto id = admitted->item.transaction.id();
  GALEN_ASSERT(!admitted->first && mempool_.pending(id) == nullptr);  // earlier_of came first, on this thread and view
  const auto valid_until_ms = admitted->item.transaction.valid_until_ms();
  // Bound first: what is in the pool leaves, and may not leave without its outbox record.
  std::optional<Bytes> outbox;
  if (group) {
    auto bound = vault_->bind(*group, admitted->item.transaction);
    if (!bound) return give_up(bound.error());
    outbox = std::move(*bound);
  }
  auto added = mempool_.add(std::move(admitted->item), system_clock().monotonic_us());
  if (!added) {
    if (outbox) vault_->take_back(id);
    return added.error();
  }
  if (outbox) {
    outbox_.emplace(id, std::move(*outbox));
    watch_records(id, valid_until_ms);
  }
  return id;
}

Status Intake::validate_only(const PrincipalId& author, const RequestId& request_id, std::vector<Operation> operations) {
  GALEN_ASSIGN(auto validation,
               admission_.validate(*view_, request_of(identity_, author, request_id, std::move(operations))));
  if (validation.trial.code != ErrorCode::OK) return Error{validation.trial.code, validation.trial.message};
  return {};
}

// A call that is one operation of its caller: made, waited for, answered.
Status Intake::simple_write(Call& call, std::uint64_t deadline_us, ByteSpan request_id, bool only_validate,
                            Operation operation, std::unique_ptr<google::protobuf::Message> response,
                            galen::v1::TransactionOutcome* outcome) {
  GALEN_ASSIGN(auto id, parse_request_id(to_string(request_id)));
  auto author = *PrincipalId::from(std::string_view(call.principal()));
  std::vector<Operation> operations{std::move(operation)};
  if (only_validate) {
    GALEN_TRY(validate_only(author, id, std::move(operations)));
    reply_ok(call, *response);
    return {};
  }
  Open open{.call = call, .response = std::move(response), .outcome = outcome, .deadline_us = deadline_us};
  const auto transaction = transaction_id(identity_.context.suite, author, id);
  GALEN_ASSIGN(auto earlier, earlier_of(transaction));
  if (earlier) {
    const bool same = !earlier->operations || same_operations(*earlier->operations, operations);
    return answer_earlier(std::move(open), transaction, *earlier, same);
  }
  GALEN_ASSIGN(open.own, make_transaction(author, id, std::move(operations), std::nullopt));
  open.awaits.insert(*open.own);
  wait(std::move(open));
  return {};
}

Status Intake::set_record_status(Call& call, std::uint64_t deadline_us) {
  GALEN_ASSIGN(auto request, parse<galen::v1::SetRecordStatusRequest>(call.request()));
  Operation operation;
  auto* status = operation.mutable_set_record_status();
  status->set_pointer_id(request.pointer_id());
  status->set_status(request.status());
  status->set_superseded_by(request.superseded_by());
  auto response = std::make_unique<galen::v1::SetRecordStatusResponse>();
  auto* outcome = response->mutable_outcome();
  return simple_write(call, deadline_us, as_bytes(request.request_id()), request.validate_only(), std::move(operation),
                      std::move(response), outcome);
}

Status Intake::decide(Call& call, std::uint64_t deadline_us) {
  GALEN_ASSIGN(auto request, parse<galen::v1::DecideRequest>(call.request()));
  std::uint32_t purpose = request.purpose();
  if (!request.purpose_code().empty()) {
    auto coded = purpose_from_code(request.purpose_code());
    if (!coded) return Error{ErrorCode::BAD_PURPOSE, "purpose_code is no code of v3-PurposeOfUse"};
    if (purpose != 0 && purpose != *coded) return invalid("purpose and purpose_code disagree");
    purpose = *coded;
  }
  Operation operation;
  auto* question = operation.mutable_decide();
  question->set_patient(request.patient());
  question->set_requester(identity_.member_id().str());
  question->set_purpose(purpose);
  question->set_pointer_id(request.pointer_id());
  auto response = std::make_unique<galen::v1::DecideResponse>();
  auto* outcome = response->mutable_outcome();
  return simple_write(call, deadline_us, as_bytes(request.request_id()), false, std::move(operation), std::move(response),
                      outcome);
}

Status Intake::submit_transaction(Call& call, std::uint64_t deadline_us) {
  GALEN_ASSIGN(auto request, parse<galen::v1::SubmitTransactionRequest>(call.request()));
  if (request.transaction().size() > limits::kTransactionBytesMax)
    return Error{ErrorCode::TOO_LARGE, "transaction: at most 512 KiB"};
  auto key_scheme = static_cast<std::uint32_t>(crypto::key_scheme(identity_.context.suite));
  if (request.scheme() != 0 && request.scheme() != key_scheme)
    return Error{ErrorCode::UNSUPPORTED_VERSION,
                 fmt::format("scheme: 0 (none) or {} on a chain of suite {} in this release", key_scheme,
                             crypto::to_name(identity_.context.suite))};
  execution::AdmissionRequest admission;
  admission.transaction = to_bytes(request.transaction());
  admission.authorization.scheme = static_cast<crypto::Scheme>(request.scheme());
  admission.authorization.data = to_bytes(request.authorization());
  admission.caller = PrincipalId::from(std::string_view(call.principal()));
  admission.now_ms = system_clock().wall_ms();
  auto response = std::make_unique<galen::v1::SubmitTransactionResponse>();
  if (request.validate_only()) {
    GALEN_ASSIGN(auto validation, admission_.validate(*view_, admission));
    if (validation.trial.code != ErrorCode::OK && validation.trial.code != ErrorCode::DUPLICATE)
      return Error{validation.trial.code, validation.trial.message};
    response->set_transaction_hash(validation.transaction_hash.str());
    response->set_sign_bytes(to_string(validation.sign_bytes));
    reply_ok(call, *response);
    return {};
  }
  GALEN_ASSIGN(auto admitted, admission_.admit(*view_, std::move(admission)));
  auto id = admitted.item.transaction.id();
  auto* outcome = response->mutable_outcome();
  response->set_transaction_hash(admitted.item.transaction.hash().str());
  Open open{.call = call, .response = std::move(response), .outcome = outcome, .own = id, .deadline_us = deadline_us};
  GALEN_ASSIGN(auto earlier, earlier_of(id));
  if (earlier) {
    // The body is what is done; a retry may be signed anew, with another valid_until.
    const bool same =
        !earlier->operations || same_operations(*earlier->operations, admitted.item.transaction.operations());
    return answer_earlier(std::move(open), id, *earlier, same);
  }
  GALEN_TRY(mempool_.add(std::move(admitted.item), system_clock().monotonic_us()));
  open.awaits.insert(id);
  wait(std::move(open));
  return {};
}

Status Intake::answer_first(Open open, const ledger::TransactionEntry& first) {
  GALEN_ASSIGN(auto answer, first_answer(*view_, *open.own, first));
  if (open.outcome != nullptr) open.outcome->set_duplicate(true);
  told(open, answer.outcome);
  // Refused, it is answered at once: there is no rest that others could anchor for it.
  if (answer.outcome.fate == execution::Fate::committed && !open.awaits.empty()) {
    wait(std::move(open));
    return {};
  }
  auto call_id = open.call.call_id();
  open_.insert_or_assign(call_id, std::move(open));
  finish(call_id);
  return {};
}

// Everything a call awaited has been told.
void Intake::finish(std::uint64_t call_id) {
  auto node = open_.extract(call_id);
  auto& open = node.mapped();
  const bool own_told = open.outcome != nullptr && open.own;
  const bool failed = own_told && open.outcome->state() != galen::v1::TRANSACTION_STATE_COMMITTED;
  if (open.again && !failed) return dispatch(std::move(open.call), open.deadline_us, open.resumed || own_told);
  if (open.mismatch) return reply_mismatch(open);
  if (failed) {
    bool expired = open.outcome->state() == galen::v1::TRANSACTION_STATE_EXPIRED;
    auto code = expired ? ErrorCode::EXPIRED : error_code_from_reason(open.outcome->reason());
    return reply_error(open.call, {code, fmt::format("the transaction was {} at height {}", expired ? "not ordered in time" : "refused by the members",
                                                     open.outcome->height())});
  }
  if (call_id != 0 && open.call.method() == static_cast<std::uint32_t>(socket::Method::decide)) {
    auto* response = static_cast<galen::v1::DecideResponse*>(open.response.get());
    auto* entry = response->mutable_entry();
    if (response->outcome().results_size() != 1 || !entry->ParseFromString(response->outcome().results(0)))
      return reply_error(open.call, {ErrorCode::INTERNAL, "the decision's result does not decode"});
    response->set_permit(entry->permit());
    auto name = ledger::v1::DecisionReason_Name(entry->reason());
    constexpr std::string_view kPrefix = "DECISION_REASON_";
    response->set_reason(name.substr(std::min(kPrefix.size(), name.size())));
    response->set_consent_id(entry->consent_id());
    response->set_height(entry->height());
  }
  reply_ok(open.call, *open.response);
}

}  // namespace galen::node
