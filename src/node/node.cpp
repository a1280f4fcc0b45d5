// The wiring of a node: which thread hands what to which. docs/architecture.md has the drawing.

#include "galen/node/node.hpp"

#include <fmt/format.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/crypto/random.hpp"
#include "galen/node/front_end.hpp"
#include "galen/socket/method.hpp"
#include "node/block_sync.hpp"
#include "node/core_loop.hpp"
#include "node/divergence.hpp"
#include "node/event_feed.hpp"
#include "node/exec_loop.hpp"
#include "node/file_watch.hpp"
#include "node/identity_watch.hpp"
#include "node/intake.hpp"
#include "node/mesh_options.hpp"
#include "node/participants.hpp"
#include "node/peer_messages.hpp"
#include "node/queries.hpp"
#include "node/read_barrier.hpp"
#include "node/scrubber.hpp"
#include "node/startup.hpp"
#include "node/snapshot_loop.hpp"
#include "node/store_loop.hpp"
#include "node/sync_loop.hpp"
#include "node/sync_server.hpp"
#include "node/verify_pool.hpp"

namespace galen::node {
namespace {

constexpr std::uint64_t kCheckpointBytes = 64u << 20;
constexpr std::size_t kResentBatchesMax = 64;
constexpr std::chrono::milliseconds kTenureHandOverMax{2000};
constexpr std::uint64_t kLastCertificateMs = 300;
constexpr std::uint64_t kTiePatienceMinMs = 4'000;
constexpr std::uint64_t kTiePatienceSpreadMs = 16'000;

std::uint64_t random_number() {
  std::uint64_t out = 0;
  crypto::fill_random({reinterpret_cast<std::uint8_t*>(&out), sizeof out});
  return out;
}

std::uint64_t now_ms() { return system_clock().monotonic_us() / 1000; }

/// What a node may still write once it has decided to write nothing more: a log segment that a turn has begun, a checkpoint.
std::uint64_t disk_reserve_bytes(const Config& config) {
  return (static_cast<std::uint64_t>(config.limits.log_segment_mib) << 20) + kCheckpointBytes;
}

std::string front_end_program(const Config& config) {
  if (!config.api.program.empty()) return config.api.program;
  std::error_code error;
  auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / "galend-api").string();
}

}  // namespace

struct Node::State {
  State(Config node_config, Identity node_identity, Opened node_opened)
      : config(std::move(node_config)),
        identity(std::move(node_identity)),
        opened(std::move(node_opened)),
        own_certificate({config.keys.tls_cert, config.keys.tls_key}),
        identity_watch(identity.members().size(), kTiePatienceMinMs + random_number() % kTiePatienceSpreadMs),
        snapshot_files(config.data_dir) {}

  const Config config;
  const Identity identity;
  Opened opened;
  FileWatch own_certificate;
  IdentityWatch identity_watch;
  const ledger::SnapshotFiles snapshot_files;
  Health health;

  std::unique_ptr<StoreLoop> store_loop;
  std::unique_ptr<CoreLoop> core;
  std::unique_ptr<ExecLoop> exec;
  std::unique_ptr<BlockSync> sync;
  std::unique_ptr<VerifyPool> verify;
  std::unique_ptr<Intake> intake;
  std::unique_ptr<ReadBarrier> barrier;
  std::unique_ptr<Queries> queries;
  std::unique_ptr<EventFeed> events;
  std::unique_ptr<Scrubber> scrubber;
  std::unique_ptr<Divergence> divergence;
  std::unique_ptr<SnapshotLoop> snapshots;
  std::unique_ptr<SyncServer> sync_server;
  std::unique_ptr<SyncLoop> joining;
  std::unique_ptr<net::Mesh> mesh;
  std::unique_ptr<Interposer> interposer;  ///< null but in tests
  std::unique_ptr<FrontEnd> front_end;

  std::mutex fatal_mutex;
  std::function<void(const Error&)> fatal_handler;
  bool fatal_told = false;
  std::function<void()> reopen_handler;
  std::atomic<bool> epoch_over{false};  ///< others take part now than this node was opened with

  // Log positions that executed blocks above the last checkpoint still need.
  struct Needed {
    Height height;
    LogSeq seq;
  };
  std::mutex needed_mutex;
  std::deque<Needed> needed;

  std::mutex stop_mutex;
  std::condition_variable stop_changed;
  bool ready_to_stop = false;
  bool started = false, stopped = false;

  void fatal(const Error& error) {
    std::function<void(const Error&)> handler;
    {
      std::lock_guard lock(fatal_mutex);
      if (fatal_told) return;
      fatal_told = true;
      handler = fatal_handler;
    }
    if (handler) handler(error);
  }

  void make_loops();
  void make_core();
  void make_menders();
  void make_callers();
  void make_sync();
  Status make_mesh();
  void say(consensus::Target to, std::shared_ptr<const Bytes> bytes);
  void on_frame(net::Frame&& frame);
  bool is_mending_answer(MemberIndex from, ByteSpan message);
  HighAnswer high_answer(std::uint64_t nonce) const;
  void on_identity_in_use(MemberIndex by, std::string_view text);
  void on_removed(MemberIndex by);
  void send_vote(consensus::Target to, std::shared_ptr<const Bytes> bytes);
  void fetch_batches(const consensus::Effects::FetchBatches& fetch);
  void commit(CommittedBlock block, LogSeq needed_from);
  void executed(std::shared_ptr<const execution::ExecutedBlock> block);
  Status checkpointed(Height durable);
  void reopen();
  std::optional<std::uint64_t> base_timeout_ms() const;
  void look_at_participants();
  void accept_next_cas(const MemberSet& next);
  void wait_for_last_certificate();
  void on_call(galen::node::v1::Call&& call);
};

void Node::State::say(consensus::Target to, std::shared_ptr<const Bytes> bytes) {
  if (interposer) return interposer->says(to, std::move(bytes));
  send_vote(to, std::move(bytes));
}

void Node::State::send_vote(consensus::Target to, std::shared_ptr<const Bytes> bytes) {
  if (to)
    mesh->send(*to, net::Lane::votes, std::move(bytes));
  else
    mesh->broadcast(net::Lane::votes, std::move(bytes));
}

void Node::State::fetch_batches(const consensus::Effects::FetchBatches& fetch) {
  auto message = std::make_shared<const Bytes>(encode_fetch_batches(fetch.digests));
  auto members = identity.members().size();
  for (std::size_t i = 0; i < members; ++i) {
    auto peer = static_cast<MemberIndex>((fetch.hint + i) % members);
    if (peer != identity.self && mesh->send(peer, net::Lane::bulk, message)) return;
  }
}

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

// The ledger is durable up to `durable`, and the vault's index up to now: older log segments are free.
Status Node::State::checkpointed(Height durable) {
  GALEN_ASSIGN(auto vault_needs, opened.vault->flush(opened.log->log_id(), store_loop->next_seq()));
  LogSeq keep_from = vault_needs;
  {
    std::lock_guard lock(needed_mutex);
    while (!needed.empty() && needed.front().height <= durable) needed.pop_front();
    for (const auto& entry : needed) keep_from = std::min(keep_from, entry.seq);
  }
  if (auto first = opened.pool->first_needed()) keep_from = std::min(keep_from, *first);
  store_loop->recycle(keep_from);
  return {};
}

void Node::State::on_call(galen::node::v1::Call&& call) {
  const auto* method = socket::find_method(static_cast<socket::Method>(call.method()));
  auto call_id = call.call_id();
  if (method != nullptr) {
    const bool taken = method->writes    ? intake->on_call(std::move(call))
                       : method->streams ? events->on_call(std::move(call))
                                         : queries->on_call(std::move(call));
    if (taken) return;
  }
  galen::node::v1::Reply reply;
  reply.set_call_id(call_id);
  reply.set_code(static_cast<std::uint32_t>(method == nullptr ? ErrorCode::UNIMPLEMENTED : ErrorCode::RESOURCE_EXHAUSTED));
  reply.set_message(method == nullptr ? "no such method" : "too many calls wait at this node");
  reply.set_retry_after_ms(100);
  front_end->reply(reply);
}

void Node::State::make_loops() {
  auto on_fatal = [this](const Error& error) { fatal(error); };
  store_loop = std::make_unique<StoreLoop>(*opened.log, opened.recovered.safety, health, on_fatal);
  exec = std::make_unique<ExecLoop>(
      *opened.executor, *opened.store, health,
      ExecLoop::Ports{.executed = [this](auto block) { executed(std::move(block)); },
                      .checkpoint_due =
                          [this] {
                            auto log_limit = 2 * (static_cast<std::uint64_t>(config.limits.log_segment_mib) << 20);
                            if (health.disk_full) return false;
                            return opened.store->unflushed_bytes() > kCheckpointBytes || store_loop->live_bytes() > log_limit;
                          },
                      .checkpointed = [this](Height durable) { return checkpointed(durable); },
                      .certified = [this] { events->wake(); },
                      .fatal = on_fatal});
  sync = std::make_unique<BlockSync>(
      identity, health,
      BlockSync::Ports{.send = [this](MemberIndex to, Bytes bytes) { return mesh->send(to, net::Lane::bulk, std::move(bytes)); },
                       .deliver = [this](FetchedBlock block) { core->on_fetched(std::move(block)); },
                       .may_fetch = [this](Height missing) { return joining->may_fetch_blocks(missing); }});
}

void Node::State::make_core() {
  consensus::Replica replica({.context = identity.context,
                              .members = identity.members(),
                              .self = identity.votes() ? identity.self : consensus::kNoMember,
                              .parameters = identity.genesis.parameters,
                              .rules_version = identity.genesis.rules_version,
                              .rng_seed = random_number()},
                             std::move(opened.recovered));
  core = std::make_unique<CoreLoop>(
      identity, std::move(replica), *opened.pool, *store_loop, health,
      CoreLoop::Ports{.send_vote = [this](auto to, auto bytes) { say(to, std::move(bytes)); },
                      .broadcast_bulk = [this](auto bytes) { mesh->broadcast(net::Lane::bulk, std::move(bytes)); },
                      .fetch_batches = [this](const auto& fetch) { fetch_batches(fetch); },
                      .fetch_blocks = [this](const auto& fetch) { sync->fetch(fetch); },
                      .commit = [this](auto block, auto seq) { commit(std::move(block), seq); },
                      .executed_certificate = [this](auto certificate) { exec->push(std::move(certificate)); },
                      .outbox_logged = [this](auto ids, auto seq) { intake->on_logged(std::move(ids), seq); },
                      .evidence = [this](auto evidence) { intake->on_evidence(std::move(evidence)); },
                      .diverged = [this](Height height) { divergence->begin(height); },
                      .ready_to_stop =
                          [this] {
                            std::lock_guard lock(stop_mutex);
                            ready_to_stop = true;
                            stop_changed.notify_all();
                          },
                      .base_timeout_ms = [this] { return base_timeout_ms(); }});
}

// V1a, by the members' answers to pings.
std::optional<std::uint64_t> Node::State::base_timeout_ms() const {
  std::vector<std::uint64_t> round_trips;
  for (const auto& peer : mesh->peers())
    if (peer.member < identity.members().size() && peer.rtt_us) round_trips.push_back(*peer.rtt_us);
  const auto now = system_clock().monotonic_us();
  return node::base_timeout_ms(std::move(round_trips), identity.members().quorum(), health.fsync_times.high(now),
                               health.execute_times.high(now));
}

void Node::State::make_menders() {
  PeerQuestion::Send ask = [this](MemberIndex to, Bytes bytes) { return mesh->send(to, net::Lane::bulk, std::move(bytes)); };
  divergence = std::make_unique<Divergence>(identity, *opened.store, health, config.data_dir, ask);
  scrubber = std::make_unique<Scrubber>(identity, *opened.store, health,
                                        Scrubber::Options{.data_dir = config.data_dir, .period_s = config.scrub.period_s},
                                        Scrubber::Ports{.send = ask,
                                                        .checkpoint = [this] { exec->want_checkpoint(); },
                                                        .fatal = [this](const Error& error) { fatal(error); }});
}

void Node::State::make_callers() {
  auto on_fatal = [this](const Error& error) { fatal(error); };
  auto reply = [this](const galen::node::v1::Reply& answer) { front_end->reply(answer); };
  intake = std::make_unique<Intake>(identity, *opened.store, *opened.vault, health,
                                    DiskWatch(config.data_dir, disk_reserve_bytes(config), health),
                                    Intake::Ports{.reply = reply,
                                                  .submit = [this](OwnBatch batch) { core->on_own_batch(std::move(batch)); },
                                                  .fatal = on_fatal});
  barrier = std::make_unique<ReadBarrier>(
      identity, random_number() >> 1,
      ReadBarrier::Ports{.send = [this](MemberIndex to, Bytes bytes) { return mesh->send(to, net::Lane::bulk, std::move(bytes)); },
                         .own = [this](std::uint64_t nonce) { return high_answer(nonce); },
                         .now_ms = now_ms});
  Queries::Options options{.data_dir = config.data_dir, .addresses = {}, .threads = 1};
  queries = std::make_unique<Queries>(identity, *opened.store, *opened.vault, health, *barrier, std::move(options),
                                      Queries::Ports{.reply = reply,
                                                     .fatal = on_fatal,
                                                     .peers = [this] { return mesh->peers(); },
                                                     .peer_cpu_us = [this](MemberIndex member) { return verify->cpu_us(member); },
                                                     .front_end_up = [this] { return front_end->up(); },
                                                     .identity_in_use = [this] { return identity_watch.told(now_ms()); }});
  events = std::make_unique<EventFeed>(identity, *opened.store, health, EventFeed::Ports{.reply = reply, .fatal = on_fatal});
  verify = std::make_unique<VerifyPool>(
      identity, *core, *opened.pool, *sync, *opened.store, health,
      VerifyPool::Ports{.send = [this](MemberIndex to, net::Lane lane, Bytes bytes) { return mesh->send(to, lane, std::move(bytes)); },
                        .has_room = [this](MemberIndex member) { return mesh->has_room(member); },
                        .repair_answer =
                            [this](MemberIndex from, ByteSpan message) { (void)is_mending_answer(from, message); },
                        .high = [this](std::uint64_t nonce) { return high_answer(nonce); },
                        .high_answer = [this](MemberIndex from, ByteSpan body) { return barrier->on_answer(from, body); },
                        .shut_out = [this](MemberIndex member) { mesh->shut_out(member, "it sent many invalid messages"); },
                        .fatal = on_fatal},
      std::max(1u, std::thread::hardware_concurrency()) - 1);
  front_end = std::make_unique<FrontEnd>(
      FrontEnd::Options{.program = front_end_program(config),
                        .arguments = {"--listen", config.api.listen, "--cert", config.api.cert, "--key", config.api.key,
                                      "--client-ca", config.api.client_ca, "--member", config.member, "--log-level",
                                      config.log_level, config.api.reflection ? "--reflection" : "--no-reflection",
                                      "--memory-mb-max", std::to_string(config.api.memory_mib_max)},
                        .write_credits = config.limits.open_writes_max,
                        .read_credits = config.limits.open_reads_max},
      FrontEnd::Handlers{.on_call = [this](galen::node::v1::Call&& call) { on_call(std::move(call)); },
                         .on_cancel =
                             [this](std::uint64_t call_id) {
                               intake->on_cancel(call_id);
                               events->on_cancel(call_id);
                             }});
}

void Node::State::make_sync() {
  auto on_fatal = [this](const Error& error) { fatal(error); };
  auto send = [this](MemberIndex to, Bytes bytes) { return mesh->send(to, net::Lane::bulk, std::move(bytes)); };
  sync_server = std::make_unique<SyncServer>(
      identity, *opened.store, snapshot_files,
      SyncServer::Ports{.send = [send](MemberIndex to, Bytes bytes) { (void)send(to, std::move(bytes)); },
                        .has_room = [this](MemberIndex member) { return mesh->has_room(member); },
                        .fatal = on_fatal});
  snapshots = std::make_unique<SnapshotLoop>(
      identity, *opened.store, snapshot_files, health, config.sync.snapshot_interval_blocks,
      SnapshotLoop::Ports{.in_use = [this](Height height) { return sync_server->in_use(height); }, .fatal = on_fatal});
  joining = std::make_unique<SyncLoop>(
      identity, *opened.store,
      ledger::StoreOptions{.directory = config.data_dir, .context = identity.context, .failures = opened.failures}, health,
      config.sync.join_behind_blocks,
      SyncLoop::Ports{.send = send,
                      .reopen = [this] { reopen(); },
                      .fatal = on_fatal});
}

// Two threads ask, for blocks and for the state tree.
bool Node::State::is_mending_answer(MemberIndex from, ByteSpan message) {
  return scrubber->on_answer(from, message) || divergence->on_answer(from, message);
}

// What joins and fills has threads of its own; the rest is checked by the verify threads.
void Node::State::on_frame(net::Frame&& frame) {
  if (interposer && !interposer->hears(frame.from, frame.payload)) return;
  const auto kind = frame.payload.empty() ? PeerMessageKind{} : static_cast<PeerMessageKind>(frame.payload[0]);
  const bool bulk = frame.lane == net::Lane::bulk;
  if (bulk && is_sync_request(kind))
    sync_server->on_request(std::move(frame));
  else if (bulk && kind == PeerMessageKind::past_piece && is_mending_answer(frame.from, frame.payload))
    return;  // the scrub and a node that diverged take large blocks as the sync thread does
  else if (bulk && is_sync_answer(kind))
    joining->on_answer(std::move(frame));
  else
    verify->on_frame(std::move(frame));
}

// Who follows without voting may have forgotten what it promised, or computed another state: its word does not count.
HighAnswer Node::State::high_answer(std::uint64_t nonce) const {
  HighAnswer out{.nonce = nonce};
  const auto mode = health.core().mode;
  out.counts = identity.votes() && (mode == galen::v1::NODE_MODE_VOTING || mode == galen::v1::NODE_MODE_CATCHING_UP);
  if (out.counts) out.certificate = store_loop->high();
  return out;
}

// Nothing is tidied up, as after a failed write: whatever would still be said in this member's name might contradict the
// other process.
void Node::State::on_identity_in_use(MemberIndex by, std::string_view text) {
  if (by >= identity.members().size()) return;  // only voters' words count
  if (!identity_watch.on_refused(by, text, now_ms())) return;
  const auto mode = health.core().mode;
  const bool has_voted = mode != galen::v1::NODE_MODE_STARTING && mode != galen::v1::NODE_MODE_FRESH;
  std::string words;
  for (const auto& [member, said] : identity_watch.told(now_ms()))
    words += fmt::format("{}{} says: {}", words.empty() ? "" : "; ", identity.member_name(member), said);
  fatal({ErrorCode::IDENTITY_IN_USE,
         fmt::format("a second node runs with the keys of {}: {}. This process ends{}", identity.member_name(identity.self), words,
                     has_voted ? "" : " before its first vote")});
}

// It missed the end of its last epoch, and nobody will tell it of that block any more.
void Node::State::on_removed(MemberIndex by) {
  if (!identity.is_voter() || by >= identity.members().size() || health.removed_by().contains(by)) return;
  if (health.note_removed(by, true) == identity.members().faults() + 1)
    log::error("removed member={} epoch={}: more members say so than can lie; the node keeps what it has and is told nothing new, "
               "stop it when it is not needed any more",
               config.member, identity.context.epoch);
}

// The change is decided, and who is ahead shows the new CA already.
void Node::State::accept_next_cas(const MemberSet& next) {
  for (MemberIndex i = 0; i < identity.members().size(); ++i) {
    const auto& present = identity.members()[i];
    const auto place = next.index_of(present.id);
    if (i == identity.self || !place || next[*place].tls_ca == present.tls_ca) continue;
    if (auto pinned = mesh->pin_also(i, next[*place].tls_ca); !pinned)
      log::error("the next CA of member={} is not accepted before the epoch ends error=\"{}\"", identity.member_name(i),
                 pinned.error().message);
  }
}

Status Node::State::make_mesh() {
  GALEN_ASSIGN(auto options, mesh_options(config, identity));
  net::MeshCallbacks callbacks;
  callbacks.on_frame = [this](net::Frame frame) { on_frame(std::move(frame)); };
  callbacks.on_peer_up = [this](MemberIndex member, const net::PeerHello& hello) {
    if (member < identity.members().size()) identity_watch.on_up(member);
    health.note_removed(member, false);
    health.set_connected(member, true);
    core->on_peer(member);
    health.set_peer_epoch(member, hello.epoch);
    if (hello.epoch > identity.context.epoch) sync->follow(member, core->committed_height() + 1);
    // What it missed while it was away and no block holds yet; the rest it asks for.
    for (const auto& batch : opened.pool->unused(identity.self, kResentBatchesMax))
      mesh->send(member, net::Lane::bulk, peer_message(PeerMessageKind::batch, batch->bytes()));
  };
  callbacks.on_peer_down = [this](MemberIndex member, std::string_view) {
    identity_watch.on_down(member);
    health.set_connected(member, false);
  };
  callbacks.on_removed = [this](MemberIndex by) { on_removed(by); };
  callbacks.on_identity_in_use = [this](MemberIndex by, std::string_view text) { on_identity_in_use(by, text); };
  GALEN_ASSIGN(mesh, net::Mesh::make(std::move(options), std::move(callbacks)));
  return {};
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
  s.intake->resume(s.opened.vault->pending());
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
  auto& s = *state_;
  if (!s.own_certificate.changed() && !always) return;
  if (auto status = s.mesh->reload_certificate(); !status) {
    log::error("the renewed TLS certificate cannot be used, the old one stays reason={} error=\"{}\"",
               to_reason(status.error().code), status.error().message);
    return;
  }
  log::info("own TLS certificate read again not_after={}", s.mesh->certificate_not_after_s());
}

void Node::stop() {
  auto& s = *state_;
  if (!s.started || s.stopped) return;
  s.stopped = true;
  if (s.epoch_over) s.wait_for_last_certificate();
  s.front_end->stop();
  s.scrubber->stop();
  s.divergence->stop();
  s.core->request_stop();
  {
    std::unique_lock lock(s.stop_mutex);
    s.stop_changed.wait_for(lock, kTenureHandOverMax, [&] { return s.ready_to_stop; });
  }
  s.joining->stop();
  if (s.interposer) s.interposer->stop();
  s.mesh->stop();
  s.sync_server->stop();
  s.snapshots->stop();
  s.verify->stop();
  s.intake->stop();
  s.core->stop();
  s.store_loop->stop();
  s.exec->stop();
  s.queries->stop();
  s.events->stop();
  auto height = s.opened.store->checkpoint();
  if (height) {
    if (auto flushed = s.opened.vault->flush(s.opened.log->log_id(), s.store_loop->next_seq()); !flushed)
      log::error("the vault's index is not durable reason={}", to_reason(flushed.error().code));
  } else {
    log::error("the ledger is not durable: the log will be replayed reason={}", to_reason(height.error().code));
  }
}

}  // namespace galen::node
