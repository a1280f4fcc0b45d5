#include "node/queries.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "galen/base/clock.hpp"
#include "galen/base/thread_name.hpp"
#include "galen/execution/proofs.hpp"
#include "node/authority.hpp"
#include "node/past_reads.hpp"
#include "node/request_fields.hpp"

namespace galen::node {

using galen::node::v1::Call;
using galen::node::v1::Reply;

namespace {

constexpr std::uint64_t kCertificateRetryUs = 10'000;
constexpr std::uint64_t kFreshRetryUs = 3'000;

/// The caller's clock for the same deadline began earlier, and the answer travels.
constexpr std::uint64_t kMarginUsMin = 20'000, kMarginUsMax = 250'000;

/// Calls that are asked again until what they need is certified.
bool waits_for_certificate(std::uint32_t method) {
  switch (static_cast<socket::Method>(method)) {
    case socket::Method::get_record:
    case socket::Method::list_accesses:
    case socket::Method::get_receipt:
    case socket::Method::get_transaction_proof:
    case socket::Method::get_state_proof:
    case socket::Method::get_consistency_proof: return true;
    default: return false;
  }
}

}  // namespace

Queries::Queries(const Identity& identity, const ledger::Store& store, const vault::RecordVault* vault, Health& health,
                 ReadBarrier& barrier, Options options, Ports ports)
    : identity_(identity),
      store_(store),
      vault_(vault),
      health_(health),
      barrier_(barrier),
      options_(std::move(options)),
      ports_(std::move(ports)),
      started_us_(system_clock().monotonic_us()),
      queue_({.items_max = options_.items_max, .bytes_max = options_.bytes_max}) {}

Queries::~Queries() { stop(); }

void Queries::start() {
  thread_ = std::thread([this] { run(); });
}

void Queries::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

bool Queries::on_call(Call call) {
  const auto bytes = call.request().size() + 256;
  if (!take_room(bytes)) return false;
  const std::uint64_t total_us = deadline_us(call), now = system_clock().monotonic_us();
  const auto margin_us = std::min(std::clamp(total_us / 10, kMarginUsMin, kMarginUsMax), total_us);
  Waiting waiting{.call = std::move(call),
                  .bytes = bytes,
                  .deadline_us = now + total_us,
                  .answer_by_us = now + total_us - margin_us,
                  .freshness = {}};
  if (queue_.try_push(std::move(waiting), bytes)) return true;
  give_back(bytes);
  return false;
}

void Queries::on_cancel(std::uint64_t call_id) {
  // A full queue only means that the answer is made for nobody.
  (void)queue_.try_push(Cancelled{call_id});
}

void Queries::on_front_end_gone() { queue_.force_push(FrontEndGone{}); }

// One call larger than bytes_max passes when it is alone, as in the queue.
bool Queries::take_room(std::size_t bytes) {
  std::lock_guard lock(room_mutex_);
  const bool fits = held_items_ < options_.items_max && (held_items_ == 0 || held_bytes_ + bytes <= options_.bytes_max);
  if (!fits) return false;
  ++held_items_;
  held_bytes_ += bytes;
  return true;
}

void Queries::give_back(std::size_t bytes) {
  std::lock_guard lock(room_mutex_);
  --held_items_;
  held_bytes_ -= bytes;
}

void Queries::run() {
  name_this_thread("query");
  while (!queue_.closed()) {
    auto inputs = queue_.pop_all(std::chrono::microseconds(later_.empty() ? 200'000 : kFreshRetryUs), 64);
    for (auto& input : inputs) take(input);
    ask_again();
  }
  const Error ended{ErrorCode::SHUTTING_DOWN, "the node is stopping"};
  for (const auto& input : queue_.pop_all(std::chrono::microseconds(0)))
    if (const auto* waiting = std::get_if<Waiting>(&input)) refuse(*waiting, ended);
  for (const auto& waiting : later_) refuse(waiting, ended);
}

void Queries::take(Input& input) {
  if (auto* waiting = std::get_if<Waiting>(&input)) return ask(std::move(*waiting));
  if (auto* cancelled = std::get_if<Cancelled>(&input)) return cancel(cancelled->call_id);
  for (const auto& waiting : later_) give_back(waiting.bytes);
  later_.clear();
}

void Queries::ask(Waiting&& waiting) {
  answer(waiting);
  if (waiting.not_before_us != 0) later_.push_back(std::move(waiting));
}

void Queries::ask_again() {
  const auto now = system_clock().monotonic_us();
  for (auto& waiting : std::exchange(later_, {})) {
    if (waiting.not_before_us <= now)
      ask(std::move(waiting));
    else
      later_.push_back(std::move(waiting));
  }
}

void Queries::cancel(std::uint64_t call_id) {
  const auto found = std::find_if(later_.begin(), later_.end(),
                                  [&](const Waiting& waiting) { return waiting.call.call_id() == call_id; });
  if (found == later_.end()) return;
  refuse(*found, {ErrorCode::CANCELLED, "the client went away"});
  later_.erase(found);
}

void Queries::refuse(const Waiting& waiting, const Error& why) {
  Reply reply;
  reply.set_call_id(waiting.call.call_id());
  reply.set_code(static_cast<std::uint32_t>(why.code));
  reply.set_message(why.message);
  end(waiting, reply);
}

// Answers, or says from when it is to be asked again: a time that has come already when looking took longer than the pause.
void Queries::answer(Waiting& waiting) {
  waiting.not_before_us = 0;
  auto now = system_clock().monotonic_us();
  if (now >= waiting.deadline_us)
    return refuse(waiting, {ErrorCode::DEADLINE_EXCEEDED, "the deadline passed before the answer was there"});
  auto may_read = may_read_now(waiting, now);
  if (may_read && !*may_read) {
    waiting.not_before_us = std::min(now + kFreshRetryUs, waiting.deadline_us);
    return;
  }
  auto response = may_read ? handle(waiting) : Result<std::string>(may_read.error());
  if (!response && response.error().code == ErrorCode::UNAVAILABLE && waits_for_certificate(waiting.call.method())) {
    waiting.not_before_us = std::min(now + kCertificateRetryUs, waiting.deadline_us);
    return;
  }
  if (!response) {
    const auto& error = response.error();
    if (error.code == ErrorCode::IO_ERROR || error.code == ErrorCode::CORRUPT) ports_.fatal(error);
    return refuse(waiting, error);
  }
  Reply reply;
  reply.set_call_id(waiting.call.call_id());
  reply.set_response(std::move(*response));
  end(waiting, reply);
}

void Queries::end(const Waiting& waiting, const Reply& reply) {
  give_back(waiting.bytes);
  ports_.reply(reply);
}

Result<std::string> Queries::handle(const Waiting& waiting) {
  const auto& call = waiting.call;
  auto method = static_cast<socket::Method>(call.method());
  const auto* info = socket::find_method(method);
  auto caller = PrincipalId::from(std::string_view(call.principal()));
  if (info == nullptr || info->writes) return Error{ErrorCode::UNIMPLEMENTED, "this method does not read"};
  if (!caller) return Error{ErrorCode::UNAUTHENTICATED, "the client certificate names no principal"};
  const auto floor = store_.backfill_floor();  // before the snapshot: it only falls
  GALEN_ASSIGN(auto snapshot, store_.snapshot());
  const auto& view = *snapshot;
  GALEN_TRY(authorise(view, identity_, *caller, *info));
  GALEN_TRY(check_past_reads(method, call.request(), floor));
  bool about_itself = info->service == "galen.v1.NodeService";
  if (!about_itself) GALEN_TRY(health_.may_serve());
  if (const auto most = waiting.freshness->options.max_staleness_ms(); most != 0) GALEN_TRY(check_staleness(view, most));
  switch (method) {
    case socket::Method::get_record: return get_record(view, call.request());
    case socket::Method::list_record_versions: return list_record_versions(view, call.request());
    case socket::Method::verify_record: return verify_record(view, call.request());
    case socket::Method::get_head: return get_head(view);
    case socket::Method::get_block: return get_block(view, call.request());
    case socket::Method::get_transaction: return get_transaction(view, *caller, call.request());
    case socket::Method::get_receipt: return get_receipt(view, *caller, call.request());
    case socket::Method::get_transaction_proof: return get_transaction_proof(view, *caller, call.request());
    case socket::Method::get_state_proof: return get_state_proof(view, call.request());
    case socket::Method::get_consistency_proof: return get_consistency_proof(view, call.request());
    case socket::Method::open_record: return open_record(view, call.request());
    case socket::Method::get_status: return get_status(view);
    case socket::Method::list_peers: return list_peers();
    case socket::Method::who_am_i: return who_am_i(view, *caller);
    case socket::Method::get_principal: return get_principal(view, call.request());
    case socket::Method::get_consent: return get_consent(view, call.request());
    case socket::Method::list_consents: return list_consents(view, call.request());
    case socket::Method::list_accesses: return list_accesses(view, call.request());
    case socket::Method::list_members: return list_members(view);
    case socket::Method::list_epochs: return list_epochs(view, call.request());
    case socket::Method::get_proposal: return get_proposal(view, call.request());
    case socket::Method::list_proposals: return list_proposals(view, call.request());
    case socket::Method::list_equivocations: return list_equivocations(view);
    default: return Error{ErrorCode::UNIMPLEMENTED, "no such method"};
  }
}

void Queries::set_read_point(const ledger::View& view, galen::v1::ReadPoint* out) const {
  const auto& header = view.head().header;
  out->set_height(header.height);
  out->set_block_time_ms(header.time_ms);
  auto now_ms = system_clock().wall_ms();
  out->set_age_ms(now_ms > header.time_ms ? now_ms - header.time_ms : 0);
  auto missing = health_.missing(identity_.members().size(), identity_.self).size();
  out->set_quorum(identity_.members().size() - missing >= identity_.members().quorum());
}

// At the newest height that q members certified and at which the row is what it is now. UNAVAILABLE: there is none yet.
Status Queries::set_proof(const ledger::View& view, StateKind kind, ByteSpan key, galen::v1::StateProof* out) const {
  GALEN_ASSIGN(auto file,
               execution::build_state_proof(identity_.context, view, static_cast<std::uint8_t>(kind), key, 0, {}));
  if (file.block.executed_certificate.empty())
    return Error{ErrorCode::UNAVAILABLE, "the newest block's outcome is not certified yet; ask again"};
  GALEN_ASSIGN(auto certificate, ExecutedCertificate::decode(file.block.executed_certificate));
  out->set_kind(static_cast<std::uint32_t>(kind));
  out->set_key(to_string(key));
  if (file.proof.value) out->set_value(to_string(*file.proof.value));
  out->set_present(file.proof.value.has_value());
  out->set_proof(to_string(file.proof.proof));
  out->set_height(certificate.subject.height);
  out->set_executed_certificate(to_string(file.block.executed_certificate));
  for (const auto& link : file.epochs) {
    ByteWriter bytes;
    link.append_to(bytes);
    out->add_epochs(to_string(bytes.bytes()));
  }
  return {};
}

}  // namespace galen::node
