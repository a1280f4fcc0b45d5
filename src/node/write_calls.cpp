// The calls that write: what each does between the request and the pool. Every handler returns an error for the caller, or
// has answered, or has put the call among the open ones.

#include <fmt/format.h>

#include <algorithm>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/crypto/random.hpp"
#include "galen/socket/method.hpp"
#include "galen/types/attachments.hpp"
#include "galen/types/purpose.hpp"
#include "galen/v1/access_service.pb.h"
#include "galen/v1/ledger_service.pb.h"
#include "galen/v1/patient_service.pb.h"
#include "galen/v1/record_service.pb.h"
#include "node/authority.hpp"
#include "node/first_answer.hpp"
#include "node/intake.hpp"

namespace galen::node {

using galen::node::v1::Call;
using ledger::v1::Operation;

namespace {

// What the node itself makes lives this long: enough for a view change or two, short enough that an outcome is soon final.
constexpr std::uint64_t kTransactionTtlMs = 120'000;
constexpr std::size_t kSourceSystemBytesMax = 256;
constexpr std::size_t kSourceTypeBytesMax = 64;
constexpr std::size_t kSourceIdBytesMax = 256;

Error invalid(std::string message) { return make_error(ErrorCode::INVALID_ARGUMENT, std::move(message)); }

template <class Request>
Result<Request> parse(const Call& call) {
  Request request;
  if (!request.ParseFromString(call.request())) return Error{ErrorCode::MALFORMED, "the request does not parse"};
  return request;
}

Result<RequestId> parse_request_id(const std::string& bytes) {
  auto id = RequestId::from(std::string_view(bytes));
  if (!id) return Error{ErrorCode::BAD_REQUEST_ID, "request_id must be 16 bytes"};
  return *id;
}

Status check_source(const galen::v1::SourceId& source) {
  if (source.system().empty() || source.type().empty() || source.id().empty())
    return invalid("source needs system, type and id");
  if (source.system().size() > kSourceSystemBytesMax || source.type().size() > kSourceTypeBytesMax ||
      source.id().size() > kSourceIdBytesMax)
    return Error{ErrorCode::TOO_LARGE, "source: system has at most 256 bytes, type 64, id 256"};
  return {};
}

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

std::uint64_t transaction_ttl_ms(const Genesis& genesis) {
  return std::min(kTransactionTtlMs, genesis.parameters.ttl_max_ms / 2);
}

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
  bool resumed = false;  ///< the request's own transaction is committed: what is planned now is the rest
  bool again = false;   ///< other bytes of the same source are on their way: plan again after their outcome
  std::set<PointerId> retried;  ///< anchored by this very request already
};

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
    GALEN_ASSIGN(auto request, parse<galen::v1::AnchorRecordRequest>(call));
    if (!request.has_item()) return invalid("item is missing");
    request_id = request.request_id();
    work.validate_only = request.validate_only();
    work.items.push_back(std::move(*request.mutable_item()));
  } else {
    GALEN_ASSIGN(auto request, parse<galen::v1::AnchorRecordBatchRequest>(call));
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
    vault_.abandon(work.group);
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
    if (!work.operations.empty())
      GALEN_TRY(validate_only(work.author, work.request_id, std::move(work.operations)));
    reply_ok(call, *open.response);
    return {};
  }
  if (resumed) return anchor_rest(std::move(open), work);
  if (*earlier) return answer_earlier(std::move(open), work.id, **earlier, same_anchors(work.operations, work.retried.size(), **earlier));
  if (!work.operations.empty()) {
    GALEN_ASSIGN(open.own, make_transaction(work.author, work.request_id, std::move(work.operations), work.group));
    work.awaits.insert(*open.own);
  } else if (!work.retried.empty()) {
    open.own = work.id;
    GALEN_TRY(check_first_use_known());
    GALEN_ASSIGN(auto row, view_->transaction(work.id));
    if (row && work.awaits.empty()) return answer_first(std::move(open), row->first);
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
  const vault::Standing standing{.status_of = [this](const PointerId& id) -> Result<ledger::v1::RecordStatus> {
                                   GALEN_ASSIGN(auto state, record_state(id));
                                   return state ? state->status() : ledger::v1::RECORD_STATUS_CURRENT;
                                 },
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
    auto outcome = vault_.plan_anchor(work.group, source, subject, content_of(item), standing);
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
      GALEN_ASSIGN(auto lossy_numbers, vault_.lossy_numbers(*PointerId::from(std::string_view(anchored.pointer_id()))));
      anchored.set_lossy_numbers(lossy_numbers.value_or(0));
    }
    work.anchored.push_back(std::move(anchored));
  }
  return {};
}

Result<TransactionId> Intake::make_transaction(const PrincipalId& author, const RequestId& request_id,
                                               std::vector<Operation> operations,
                                               std::optional<vault::PlanGroup> group) {
  auto now_ms = system_clock().wall_ms();
  execution::AdmissionRequest request;
  request.transaction = Transaction::encode({.chain_id = identity_.context.chain_id,
                                             .author = author,
                                             .request_id = request_id,
                                             .valid_until_ms = now_ms + transaction_ttl_ms(identity_.genesis),
                                             .operations = std::move(operations)});
  request.caller = author;
  request.now_ms = now_ms;
  auto give_up = [&](Error error) {
    if (group) vault_.abandon(*group);
    return error;
  };
  auto admitted = admission_.admit(*view_, std::move(request));
  if (!admitted) return give_up(admitted.error());
  const auto id = admitted->item.transaction.id();
  GALEN_ASSERT(!admitted->first && mempool_.pending(id) == nullptr);  // earlier_of came first, on this thread and view
  Transaction transaction = admitted->item.transaction;
  auto added = mempool_.add(std::move(admitted->item), system_clock().monotonic_us());
  if (!added) return give_up(added.error());
  if (group) {
    auto outbox = vault_.bind(*group, transaction);
    if (!outbox) return give_up(outbox.error());
    outbox_.emplace(id, std::move(*outbox));
    watch_records(id, transaction.valid_until_ms());
  }
  return id;
}

Status Intake::validate_only(const PrincipalId& author, const RequestId& request_id, std::vector<Operation> operations) {
  auto now_ms = system_clock().wall_ms();
  execution::AdmissionRequest request;
  request.transaction = Transaction::encode({.chain_id = identity_.context.chain_id,
                                             .author = author,
                                             .request_id = request_id,
                                             .valid_until_ms = now_ms + transaction_ttl_ms(identity_.genesis),
                                             .operations = std::move(operations)});
  request.caller = author;
  request.now_ms = now_ms;
  GALEN_ASSIGN(auto validation, admission_.validate(*view_, request));
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
  GALEN_ASSIGN(auto request, parse<galen::v1::SetRecordStatusRequest>(call));
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

Status Intake::register_service(Call& call, std::uint64_t deadline_us) {
  GALEN_ASSIGN(auto request, parse<galen::v1::RegisterServiceRequest>(call));
  Operation operation;
  auto* registration = operation.mutable_register_principal();
  registration->set_id(request.id());
  registration->set_kind(ledger::v1::PRINCIPAL_KIND_SERVICE);
  auto response = std::make_unique<galen::v1::RegisterServiceResponse>();
  auto* outcome = response->mutable_outcome();
  return simple_write(call, deadline_us, as_bytes(request.request_id()), request.validate_only(), std::move(operation),
                      std::move(response), outcome);
}

Status Intake::decide(Call& call, std::uint64_t deadline_us) {
  GALEN_ASSIGN(auto request, parse<galen::v1::DecideRequest>(call));
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

// The source is registered: what the request says besides must be what the ledger holds, for it stays as it is.
Status Intake::check_known_patient(const galen::v1::RegisterPatientRequest& request,
                                   const PrincipalId& pseudonym) const {
  if (!request.pseudonym().empty() && request.pseudonym() != pseudonym.str())
    return Error{ErrorCode::ALREADY_EXISTS,
                 "the patient of this source is registered under another pseudonym; leave it out to be told which"};
  if (request.key().empty()) return {};
  GALEN_ASSIGN(auto state, load_principal(*view_, pseudonym));
  if (state.key() == request.key()) return {};
  return Error{ErrorCode::ALREADY_EXISTS,
               fmt::format("the patient of this source is registered as {}, {}, and that stays so; to have consents "
                           "signed with the key given, register her anew without the source",
                           pseudonym.hex(), state.key().empty() ? "without a key" : "with another key")};
}

Status Intake::register_patient(Call& call, std::uint64_t deadline_us) {
  GALEN_ASSIGN(auto request, parse<galen::v1::RegisterPatientRequest>(call));
  GALEN_ASSIGN(auto request_id, parse_request_id(request.request_id()));
  auto author = *PrincipalId::from(std::string_view(call.principal()));
  std::optional<PrincipalId> wanted;
  if (!request.pseudonym().empty()) {
    wanted = PrincipalId::from(std::string_view(request.pseudonym()));
    if (!wanted) return invalid("pseudonym must be 32 random bytes or empty");
  }
  auto response = std::make_unique<galen::v1::RegisterPatientResponse>();
  const auto id = transaction_id(identity_.context.suite, author, request_id);
  GALEN_ASSIGN(auto earlier, earlier_of(id));
  if (earlier && !request.validate_only()) return retry_registration(call, deadline_us, request, id, *earlier);
  std::optional<vault::PlanGroup> group;
  PrincipalId pseudonym = wanted ? *wanted : crypto::random_fixed<PrincipalId>();
  if (request.has_source()) {
    GALEN_TRY(check_source(request.source()));
    group = next_group_++;
    // The patient table's lookup is system and value; the type is part of the value, so that Patient/1 and MRN 1 differ.
    auto value = request.source().type() + "/" + request.source().id();
    auto outcome = vault_.plan_patient(*group, request.source().system(), value, wanted);
    if (!outcome) return outcome.error();
    if (auto* known = std::get_if<vault::KnownPatient>(&*outcome)) {
      response->set_pseudonym(known->pseudonym.str());
      response->set_already_registered(true);
      Open open{.call = call, .response = std::move(response), .deadline_us = deadline_us};
      if (!known->in_flight) {
        GALEN_TRY(check_known_patient(request, known->pseudonym));
        reply_ok(call, *open.response);
        return {};
      }
      open.again = true;  // once she is registered, with what this request asks for
      open.awaits.insert(*known->in_flight);
      wait(std::move(open));
      return {};
    }
    pseudonym = std::get<vault::PatientPlan>(*outcome).entry.pseudonym;
  }
  Operation operation;
  auto* registration = operation.mutable_register_principal();
  registration->set_id(pseudonym.str());
  registration->set_kind(ledger::v1::PRINCIPAL_KIND_PATIENT);
  registration->set_key(request.key());
  if (request.validate_only()) {
    if (group) vault_.abandon(*group);
    if (wanted) response->set_pseudonym(wanted->str());  // one that was drawn will never exist
    GALEN_TRY(validate_only(author, request_id, {operation}));
    reply_ok(call, *response);
    return {};
  }
  GALEN_TRY(make_transaction(author, request_id, {operation}, group));
  response->set_pseudonym(pseudonym.str());
  auto* outcome = response->mutable_outcome();
  Open open{.call = call, .response = std::move(response), .outcome = outcome, .own = id, .deadline_us = deadline_us};
  open.awaits.insert(id);
  wait(std::move(open));
  return {};
}

Status Intake::submit_transaction(Call& call, std::uint64_t deadline_us) {
  GALEN_ASSIGN(auto request, parse<galen::v1::SubmitTransactionRequest>(call));
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
