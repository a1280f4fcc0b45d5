// The thread of the intake: events, batches, and what callers are told. The calls are in write_, anchor_ and registration_calls.cpp.

#include "node/intake.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/base/thread_name.hpp"
#include "galen/socket/method.hpp"
#include "node/authority.hpp"
#include "node/first_answer.hpp"
#include "node/request_fields.hpp"

namespace galen::node {

using galen::node::v1::Call;
using galen::node::v1::Reply;

namespace {

constexpr std::uint64_t kSweepIntervalUs = 100'000;
constexpr std::uint64_t kNoQuorumGraceUs = 2'000'000;
/// Its messages are the core's own; two proposals of a hundred members at most.
constexpr std::size_t kEvidenceBytes = 64u << 10;

}  // namespace

Intake::Intake(const Identity& identity, const ledger::Store& store, vault::RecordVault* vault, Health& health,
               DiskWatch disk, Ports ports, std::size_t open_bytes_max)
    : identity_(identity),
      store_(store),
      vault_(vault),
      health_(health),
      disk_(std::move(disk)),
      ports_(std::move(ports)),
      open_bytes_max_(open_bytes_max),
      events_({.items_max = 100'000, .bytes_max = 256u << 20}),
      admission_(identity.genesis, identity.member_id()),
      mempool_(execution::PoolLimits{}, identity.self),
      accusations_(identity.context) {}

Intake::~Intake() { stop(); }

void Intake::start() {
  thread_ = std::thread([this] { run(); });
}

void Intake::stop() {
  events_.close();
  if (thread_.joinable()) thread_.join();
}

bool Intake::on_call(Call call) {
  auto bytes = call.request().size() + 256;
  return events_.try_push(Event(std::move(call)), bytes);
}
void Intake::on_cancel(std::uint64_t call_id) {
  // A full queue only means that the answer is made for nobody.
  (void)events_.try_push(Event(CancelCall{call_id}));
}

void Intake::on_front_end_gone() { events_.force_push(Event(FrontEndGone{})); }

void Intake::on_executed(std::shared_ptr<const execution::ExecutedBlock> block) { events_.push(Event(std::move(block))); }
void Intake::on_logged(std::vector<TransactionId> ids, std::uint64_t seq) {
  events_.push(Event(Logged{std::move(ids), seq}));
}

void Intake::on_evidence(consensus::Effects::Evidence evidence) {
  (void)events_.try_push(Event(std::move(evidence)), kEvidenceBytes);
}

void Intake::resume(std::vector<vault::OutboxRecord> pending) {
  if (!refresh_view()) return;
  for (const auto& record : pending) resubmit(record);
}

void Intake::run() {
  name_this_thread("intake");
  const auto& clock = system_clock();
  while (!events_.closed()) {
    auto now = clock.monotonic_us();
    auto wait_us = kSweepIntervalUs;
    if (auto due = mempool_.next_due_us(); due && identity_.votes()) wait_us = *due > now ? std::min(wait_us, *due - now) : 0;
    auto events = events_.pop_all(std::chrono::microseconds(wait_us), 512);
    auto began = clock.monotonic_us();
    if (!events.empty()) {
      if (auto status = refresh_view(); !status) return ports_.fatal(status.error());
    }
    for (auto& event : events) handle(event);
    make_batches();
    if (clock.monotonic_us() - last_sweep_us_ >= kSweepIntervalUs) expire_calls();
    health_.pending_transactions = mempool_.items();
    health_.counters.intake_us += clock.monotonic_us() - began;
  }
  for (auto& event : events_.pop_all(std::chrono::microseconds(0)))
    if (const auto* call = std::get_if<Call>(&event))
      reply_error(*call, {ErrorCode::SHUTTING_DOWN, "the node is stopping; nothing was done"});
  for (auto& [id, open] : open_)
    reply_error(open.call, {ErrorCode::SHUTTING_DOWN, "the node is stopping; the outcome of this call is not known yet"});
}

Status Intake::refresh_view() {
  floor_ = store_.backfill_floor();  // before the view: it only falls
  GALEN_ASSIGN(view_, store_.snapshot());
  if (floor_ != 0 || unsettled_.empty()) return {};
  for (const auto& record : std::exchange(unsettled_, {})) GALEN_TRY(settle_record(record));
  return {};
}

void Intake::handle(Event& event) {
  if (auto* call = std::get_if<Call>(&event)) {
    const auto until_us = system_clock().monotonic_us() + deadline_us(*call);
    handle_call(std::move(*call), until_us);
  } else if (auto* cancel = std::get_if<CancelCall>(&event)) {
    if (auto found = open_.find(cancel->call_id); found != open_.end()) {
      forget(found->first, found->second);
      reply_error(found->second.call, {ErrorCode::CANCELLED, "the client went away"});  // its credit comes back with it
      open_.erase(found);
    }
  } else if (std::holds_alternative<FrontEndGone>(event)) {
    for (const auto& [call_id, open] : open_) forget(call_id, open);
    open_.clear();
  } else if (auto* block = std::get_if<std::shared_ptr<const execution::ExecutedBlock>>(&event)) {
    settle_block(**block);
  } else if (auto* logged = std::get_if<Logged>(&event)) {
    for (const auto& id : logged->ids) vault_->logged(id, logged->seq);
  } else if (auto* evidence = std::get_if<consensus::Effects::Evidence>(&event)) {
    accusations_.add(*evidence);
  }
}

void Intake::handle_call(Call call, std::uint64_t deadline_us) {
  const auto* info = socket::find_method(static_cast<socket::Method>(call.method()));
  auto caller = PrincipalId::from(std::string_view(call.principal()));
  if (info == nullptr || !info->writes)
    return reply_error(call, {ErrorCode::UNIMPLEMENTED, "this method does not write"});
  if (!caller) return reply_error(call, {ErrorCode::UNAUTHENTICATED, "the client certificate names no principal"});
  if (auto status = authorise(*view_, identity_, *caller, *info); !status) return reply_error(call, status.error());
  if (auto status = health_.may_serve(); !status) return reply_error(call, status.error());
  if (health_.disk_low)
    return reply_error(call, {ErrorCode::DISK_LOW, "too little space is left on the node's volume to take on work"});
  if (vault_ == nullptr)
    return reply_error(call, {ErrorCode::VAULT_DAMAGED, identity_.vault_damage.value_or("the vault is not open")});
  if (identity_.is_voter() && !identity_.can_sign)
    return reply_error(call, {ErrorCode::CANNOT_SIGN, "this node lacks the consensus key of its member in this epoch"});
  if (auto missing = no_quorum()) return reply_error(call, *missing);
  if (!open_.empty() && open_bytes_ + call.request().size() > open_bytes_max_)
    return reply_error(call, {ErrorCode::RESOURCE_EXHAUSTED, "requests of too many bytes wait for their outcome"});
  dispatch(std::move(call), deadline_us);
}

std::optional<Error> Intake::no_quorum() const {
  const auto& members = identity_.members();
  auto missing = health_.missing(members.size(), identity_.self);
  if (members.size() - missing.size() >= members.quorum()) return std::nullopt;
  std::vector<std::string> names;
  for (auto index : missing) names.push_back(identity_.member_name(index));
  return Error{ErrorCode::NO_QUORUM,
               fmt::format("{} of {} members are reachable and {} are needed; missing: {}",
                           members.size() - missing.size(), members.size(), members.quorum(), fmt::join(names, ", "))};
}

void Intake::wait(Open open) {
  auto call_id = open.call.call_id();
  for (const auto& id : open.awaits) {
    if (auto status = mempool_.wait(id, call_id); !status) {
      forget(call_id, open);
      return reply_error(open.call, status.error());
    }
  }
  open.held = HeldBytes(open_bytes_, open.call.request().size());
  open_.insert_or_assign(call_id, std::move(open));
}

void Intake::forget(std::uint64_t call_id, const Open& open) {
  for (const auto& id : open.awaits) mempool_.forget(id, call_id);
}

// Who has no vote in this epoch has no place that a batch could be of. Somebody who is to have one in the next may have
// transactions here already, in the moment before the node opens again.
void Intake::make_batches() {
  if (!identity_.votes()) return;
  while (mempool_.batch_due(system_clock().monotonic_us())) {
    auto items = mempool_.take_batch();
    if (items.empty()) return;
    OwnBatch own;
    for (const auto& item : items) {
      if (auto found = outbox_.find(item.transaction.id()); found != outbox_.end()) {
        own.outbox.push_back({found->first, std::move(found->second)});
        outbox_.erase(found);
      }
    }
    own.batch = std::make_shared<const Batch>(Batch::make(
        identity_.context, Batch::Draft{.origin = identity_.self, .items = std::move(items)}, identity_.consensus_key));
    mempool_.batch_in_flight(own.batch);
    ++health_.counters.batches_made;
    ports_.submit(std::move(own));
  }
}

// Callers hear of their transactions, and the vault of its records, before the next call is read: what a call is told, the
// vault already knows.
void Intake::settle_block(const execution::ExecutedBlock& block) {
  for (const auto& item : block.items) {
    if (!item.answers && !item.first) continue;
    auto code = item.answers ? static_cast<std::uint32_t>(item.code) : item.first->code;
    bool committed = code == 0;
    if (committed && !(item.answers && item.origin == identity_.self)) {
      auto ours = stands_as_bound(item.id);
      if (!ours) return ports_.fatal(ours.error());
      committed = *ours;
      if (!committed) plan_again(item.id);
    }
    auto status = settle_records(item.id, committed ? vault::Outcome::committed : vault::Outcome::rejected);
    if (!status) return ports_.fatal(status.error());
  }
  // Block time has passed their valid_until: no later block can hold them, so their sources are free again, whether or
  // not a call still waits to hear of it.
  while (!record_ends_.empty() && record_ends_.begin()->first < block.time_ms) {
    const auto id = record_ends_.extract(record_ends_.begin()).value().second;
    if (auto status = settle_records(id, vault::Outcome::rejected); !status) return ports_.fatal(status.error());
  }
  if (auto status = mark_mismatches(block); !status) return ports_.fatal(status.error());
  tell(mempool_.on_executed(block));
  for (const auto& item : block.items) {
    if (item.answers || !item.first) continue;
    auto first = first_answer(*view_, item.id, *item.first);
    if (!first) return ports_.fatal(first.error());
    if (!first->block) continue;
    const auto notices = mempool_.on_answer(std::move(first->outcome));
    if (auto known = check_first_use_known(); known)
      tell(notices);
    else
      refuse(notices, known.error());
  }
}

void Intake::refuse(const std::vector<execution::Notice>& notices, const Error& error) {
  for (const auto& notice : notices) {
    auto found = open_.find(notice.token);
    if (found == open_.end()) continue;
    forget(notice.token, found->second);
    reply_error(found->second.call, error);
    open_.erase(found);
  }
}

// Another member may have brought the id before, with another body: then what was planned for it here does not exist.
Result<bool> Intake::stands_as_bound(const TransactionId& id) const {
  if (!records_.contains(id)) return true;
  const auto record = vault_->bound(id);
  return record ? stands_in_state(*record) : Result<bool>(true);
}

// Calls of other requests wait for the same bytes: nobody has anchored them.
void Intake::plan_again(const TransactionId& id) {
  for (auto& [call_id, open] : open_)
    if (open.own != id && open.awaits.contains(id)) open.again = true;
}

void Intake::watch_records(const TransactionId& id, TimestampMs valid_until_ms) {
  records_.emplace(id, valid_until_ms);
  record_ends_.emplace(valid_until_ms, id);
}

Status Intake::settle_records(const TransactionId& id, vault::Outcome outcome) {
  auto found = records_.find(id);
  if (found == records_.end()) return {};
  GALEN_TRY(vault_->on_outcome(id, outcome));
  forget_records(id);
  outbox_.erase(id);
  return {};
}

void Intake::forget_records(const TransactionId& id) {
  auto found = records_.find(id);
  if (found == records_.end()) return;
  record_ends_.erase({found->second, id});
  records_.erase(found);
}

void Intake::tell(const std::vector<execution::Notice>& notices) {
  for (const auto& notice : notices) {
    auto found = open_.find(notice.token);
    if (found == open_.end()) continue;
    told(found->second, *notice.outcome);
    if (found->second.awaits.empty()) finish(notice.token);
  }
}

void Intake::told(Open& open, const execution::Outcome& outcome) {
  open.awaits.erase(outcome.id);
  const bool committed = outcome.fate == execution::Fate::committed;
  const bool rest = open.rest == outcome.id;
  if (rest && committed) return;  // the answer is that of the call's own transaction
  if (!rest && open.own != outcome.id) {
    if (!committed) open.again = true;
    return;
  }
  if (open.outcome == nullptr) return;
  open.outcome->set_transaction_id(outcome.id.str());
  open.outcome->set_height(outcome.height);
  open.outcome->set_time_ms(outcome.time_ms);
  open.outcome->set_reason(std::string(to_reason(outcome.code)));
  open.outcome->set_state(outcome.fate == execution::Fate::committed  ? galen::v1::TRANSACTION_STATE_COMMITTED
                          : outcome.fate == execution::Fate::rejected ? galen::v1::TRANSACTION_STATE_REJECTED
                                                                      : galen::v1::TRANSACTION_STATE_EXPIRED);
  if (outcome.fate == execution::Fate::expired) open.outcome->set_reason("EXPIRED");
  for (const auto& result : outcome.results) open.outcome->add_results(to_string(result));
}

void Intake::expire_calls() {
  auto now = system_clock().monotonic_us();
  last_sweep_us_ = now;
  disk_.look();
  accuse();
  auto missing = no_quorum();
  if (!missing)
    quorum_lost_us_ = 0;
  else if (quorum_lost_us_ == 0)
    quorum_lost_us_ = now;
  std::vector<std::uint64_t> ended;
  for (auto& [call_id, open] : open_) {
    bool late = now >= open.deadline_us;
    // Without a quorum nobody is kept until the deadline: what is open may still be ordered later, and says so.
    bool hopeless = missing && quorum_lost_us_ != 0 && now - quorum_lost_us_ >= kNoQuorumGraceUs;
    if (!late && !hopeless) continue;
    if (late)
      reply_error(open.call, {ErrorCode::DEADLINE_EXCEEDED, "the deadline passed before the outcome was known"});
    else
      reply_error(open.call, {missing->code, missing->message + "; whether this call's transaction will be ordered is open, "
                                                                "ask GetTransaction"});
    forget(call_id, open);
    ended.push_back(call_id);
  }
  for (auto call_id : ended) open_.erase(call_id);
}

void Intake::reply_error(const Call& call, const Error& error) {
  Reply reply;
  reply.set_call_id(call.call_id());
  reply.set_code(static_cast<std::uint32_t>(error.code));
  reply.set_message(error.message);
  if (error.code == ErrorCode::RESOURCE_EXHAUSTED) reply.set_retry_after_ms(100);
  if (error.code == ErrorCode::NO_QUORUM) {
    reply.set_retry_after_ms(1'000);
    auto missing = health_.missing(identity_.members().size(), identity_.self);
    std::vector<std::string> names;
    for (auto index : missing) names.push_back(identity_.member_name(index));
    (*reply.mutable_details())["missing_members"] = fmt::format("{}", fmt::join(names, ","));
  }
  ports_.reply(reply);
}

void Intake::reply_ok(const Call& call, const google::protobuf::Message& response) {
  Reply reply;
  reply.set_call_id(call.call_id());
  response.SerializeToString(reply.mutable_response());
  ports_.reply(reply);
}

}  // namespace galen::node
