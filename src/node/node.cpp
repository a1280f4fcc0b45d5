// A node's life: made, started, and stopped; what becomes of a block; its certificate; the end of its epoch.

#include "galen/node/node.hpp"

#include <thread>

#include "galen/base/log.hpp"
#include "galen/socket/method.hpp"
#include "node/ledger_mending.hpp"
#include "node/mesh_options.hpp"
#include "node/node_state.hpp"
#include "node/participants.hpp"
#include "node/vault_damage.hpp"

namespace galen::node {
namespace {

constexpr std::chrono::milliseconds kTenureHandOverMax{2000};
constexpr std::uint64_t kLastCertificateMs = 300;

}  // namespace

void Node::State::commit(CommittedBlock block, LogSeq needed_from) {
  auto height = block.block->skeleton.header.height;
  {
    std::lock_guard lock(needed_mutex);
    needed.push_back({height, needed_from});
  }
  exec->push(std::move(block));
}

void Node::State::executed(std::shared_ptr<const execution::ExecutedBlock> block) {
  snapshots->on_executed();
  consensus::BlockExecuted told{block->subject()};
  if (block->next_members) {
    told.next_members = block->next_members->hash(identity.context.suite);
    accept_next_cas(*block->next_members);
  }
  told.leader_skips = block->leader_skips;
  core->on_executed(told);
  intake->on_executed(std::move(block));
  events->wake();
  look_at_participants();
}

// The exec thread. Blocks of a later epoch are nothing that this node could verify, nor does anybody wait for those that it
// may still have before it: it opens again, as one of those who take part now.
void Node::State::look_at_participants() {
  if (epoch_over) return;
  auto news = are_participants_new(identity, opened.store->latest());
  if (!news) return fatal(news.error());
  if (!*news) return;
  epoch_over = true;
  log::info("others take part from height={} on: the node opens again", opened.store->latest().height() + 1);
  reopen();
}

void Node::State::reopen() {
  std::lock_guard lock(fatal_mutex);
  if (reopen_handler) reopen_handler();
}

// What the members of an epoch say of its last blocks nobody can say for them later. Those who have not heard all of it wait
// in vain only where a receipt could do with fewer bytes: later headers certify the same outcomes.
void Node::State::wait_for_last_certificate() {
  const auto last = opened.store->applied_height().value_or(0);
  const auto until = now_ms() + kLastCertificateMs;
  while (core->certified_height() < last && now_ms() < until) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

bool Node::State::is_log_long() const { return store_loop->live_bytes() > 2 * config.limits.log_segment_bytes(); }

Result<LogSeq> Node::State::needed_for_vault() {
  if (!opened.vault) return store_loop->next_seq();  // what it needs is kept elsewhere
  return opened.vault->flush(opened.log->log_id(), store_loop->next_seq());
}

// The ledger is durable up to `durable`, and the vault's index up to now: older log segments are free.
Status Node::State::checkpointed(Height durable) {
  GALEN_ASSIGN(LogSeq keep_from, needed_for_vault());
  {
    std::lock_guard lock(needed_mutex);
    while (!needed.empty() && needed.front().height <= durable) needed.pop_front();
    for (const auto& entry : needed) keep_from = std::min(keep_from, entry.seq);
  }
  if (auto first = opened.pool->first_needed(); first && *first < keep_from) {
    // What waits for a block may wait for minutes, as long as its origin likes: it moves instead of holding up the
    // rest, but for so much that moving it would fill the log.
    if (is_log_long() && opened.pool->waiting_bytes() <= config.limits.log_segment_bytes())
      core->free_log(std::min(keep_from, store_loop->segment_first_seq()));
    keep_from = *first;
  }
  store_loop->recycle(keep_from);
  return {};
}

void Node::State::on_call(galen::node::v1::Call&& call) {
  const auto* method = socket::find_method(static_cast<socket::Method>(call.method()));
  auto call_id = call.call_id();
  if (method != nullptr && !stopping) {
    const bool taken = method->writes    ? intake->on_call(std::move(call))
                       : method->streams ? events->on_call(std::move(call))
                                         : queries->on_call(std::move(call));
    if (taken) return;
  }
  if (method == nullptr) return refuse(call_id, {ErrorCode::UNIMPLEMENTED, "no such method"}, 0);
  if (stopping) return refuse(call_id, {ErrorCode::SHUTTING_DOWN, "the node is stopping"}, 1'000);
  refuse(call_id, {ErrorCode::RESOURCE_EXHAUSTED, "too many calls wait at this node"}, 100);
}

void Node::State::refuse(std::uint64_t call_id, const Error& why, std::uint32_t retry_after_ms) {
  galen::node::v1::Reply reply;
  reply.set_call_id(call_id);
  reply.set_code(static_cast<std::uint32_t>(why.code));
  reply.set_message(why.message);
  reply.set_retry_after_ms(retry_after_ms);
  front_end->reply(reply);
}

void Node::State::fatal(const Error& error) {
  if (error.code == ErrorCode::CORRUPT) {
    suspect_ledger(config.data_dir);
    suspect_vault(config.data_dir);
  }
  std::function<void(const Error&)> handler;
  {
    std::lock_guard lock(fatal_mutex);
    if (fatal_told) return;
    fatal_told = true;
    handler = fatal_handler;
  }
  if (handler) handler(error);
}

Node::Node(std::unique_ptr<State> state) : state_(std::move(state)) {}
Node::~Node() {
  stop();
  state_->opened.failures->listen(nullptr);  // closing the databases may fail, and nobody is left to tell
}

void Node::on_reopen(std::function<void()> handler) {
  std::lock_guard lock(state_->fatal_mutex);
  state_->reopen_handler = std::move(handler);
}

void Node::on_fatal(std::function<void(const Error&)> handler) {
  {
    std::lock_guard lock(state_->fatal_mutex);
    state_->fatal_handler = std::move(handler);
  }
  state_->opened.failures->listen([s = state_.get()](const Error& error) { s->fatal(error); });
}

Result<std::unique_ptr<Node>> Node::make(const Config& config, std::unique_ptr<Interposer> interposer) {
  // The front end would refuse it again and again; who runs the node learns it here, at once.
  if (config.api.enabled) GALEN_TRY(crypto::check_key_file(config.api.key));
  GALEN_ASSIGN(auto identity, load_identity(config));
  GALEN_ASSIGN(auto opened, open_data_dir(config, identity));
  log::info("epoch={} members={} role={} base={}", identity.context.epoch, identity.members().size(), to_name(identity.role()),
            opened.recovered.epoch_base);
  auto state = std::make_unique<State>(config, std::move(identity), std::move(opened));
  state->interposer = std::move(interposer);
  GALEN_TRY(state->make_mesh());
  state->make_loops();
  state->make_core();
  state->make_menders();
  state->make_callers();
  state->make_sync();
  return std::unique_ptr<Node>(new Node(std::move(state)));
}

Status Node::start() {
  auto& s = *state_;
  s.started = true;
  // The rest of an interrupted life comes first: what this member owed the ledger, and its batches that no block holds.
  s.store_loop->start();
  s.exec->start();
  if (s.opened.vault) s.intake->resume(s.opened.vault->pending());
  s.intake->take_up(std::move(s.opened.left_over));
  s.core->start();
  s.intake->start();
  s.queries->start();
  s.events->start();
  s.verify->start();
  s.snapshots->start();
  s.sync_server->start();
  GALEN_TRY(s.mesh->start());
  s.joining->start();
  if (s.interposer) s.interposer->start([&s](auto to, auto bytes) { s.send_vote(to, std::move(bytes)); });
  s.scrubber->start();
  if (s.config.api.enabled) s.front_end->start();
  log::info("started member={} chain={} listen={}", s.config.member, s.identity.genesis.short_chain_id(),
            s.mesh->listen_address());
  return {};
}

void Node::renew_certificate(bool always) {
  state_->read_certificate_again(always);
  state_->say_expiry();
}

// What was refused is tried again at each look: a certificate that is not valid yet will be.
void Node::State::read_certificate_again(bool always) {
  const bool changed = own_certificate.changed() || always;
  if (!changed && refused_renewal.empty()) return;
  auto status = check_renewal(config, wall_s());
  if (status) status = mesh->reload_certificate();
  if (status) {
    refused_renewal.clear();
    log::info("own TLS certificate read again not_after={}", crypto::time_text(mesh->certificate_not_after_s()));
    return;
  }
  if (changed || status.error().message != refused_renewal)
    log::error("the renewed TLS certificate cannot be used, the old one stays reason={} error=\"{}\"",
               to_reason(status.error().code), status.error().message);
  refused_renewal = status.error().message;
}

void Node::State::say_expiry() {
  const auto not_after_s = mesh->certificate_not_after_s();
  switch (own_expiry.look(not_after_s, wall_s())) {
    case crypto::ExpiryWatch::Word::none:
      return;
    case crypto::ExpiryWatch::Word::soon:
      return log::warn("own TLS certificate expires soon not_after={} days_left={} file={}: renew it",
                       crypto::time_text(not_after_s), crypto::days_left(not_after_s, wall_s()), config.keys.tls_cert);
    case crypto::ExpiryWatch::Word::over:
      return log::error("own TLS certificate has expired, the others refuse it not_after={} file={}: renew it",
                        crypto::time_text(not_after_s), config.keys.tls_cert);
  }
}

void Node::stop() {
  auto& s = *state_;
  if (!s.started || s.stopped) return;
  s.stopped = true;
  s.stopping = true;
  if (s.epoch_over) s.wait_for_last_certificate();
  s.scrubber->stop();
  s.divergence->stop();
  s.core->request_stop();
  {
    std::unique_lock lock(s.stop_mutex);
    s.stop_changed.wait_for(lock, kTenureHandOverMax, [&] { return s.ready_to_stop; });
  }
  // Who still waits is told, and only then the way to them is closed.
  s.intake->stop();
  s.queries->stop();
  s.events->stop();
  s.front_end->stop();
  s.joining->stop();
  if (s.interposer) s.interposer->stop();
  s.mesh->stop();
  s.sync_server->stop();
  s.snapshots->stop();
  s.verify->stop();
  s.core->stop();
  s.store_loop->stop();
  s.exec->stop();
  auto height = s.opened.store->checkpoint();
  if (height && s.opened.vault) {
    if (auto flushed = s.opened.vault->flush(s.opened.log->log_id(), s.store_loop->next_seq()); !flushed)
      log::error("the vault's index is not durable reason={}", to_reason(flushed.error().code));
  } else if (!height) {
    log::error("the ledger is not durable: the log will be replayed reason={}", to_reason(height.error().code));
  }
}

}  // namespace galen::node
