// The wiring of a node: which thread hands what to which. docs/architecture.md has the drawing.

#include <filesystem>

#include "galen/crypto/random.hpp"
#include "node/node_state.hpp"

namespace galen::node {
namespace {

constexpr std::uint64_t kCheckpointBytes = 64u << 20;
constexpr std::uint64_t kTiePatienceMinMs = 4'000;
constexpr std::uint64_t kTiePatienceSpreadMs = 16'000;

std::uint64_t random_number() {
  std::uint64_t out = 0;
  crypto::fill_random({reinterpret_cast<std::uint8_t*>(&out), sizeof out});
  return out;
}

/// What a node may still write once it has decided to write nothing more: a log segment that a turn has begun, a
/// checkpoint.
std::uint64_t disk_reserve_bytes(const Config& config) { return config.limits.log_segment_bytes() + kCheckpointBytes; }

std::string front_end_program(const Config& config) {
  if (!config.api.program.empty()) return config.api.program;
  std::error_code error;
  auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / "galend-api").string();
}

}  // namespace

Node::State::State(Config node_config, Identity node_identity, Opened node_opened)
    : config(std::move(node_config)),
      identity(std::move(node_identity)),
      opened(std::move(node_opened)),
      own_certificate({config.keys.tls_cert, config.keys.tls_key}),
      identity_watch(identity.members().size(), kTiePatienceMinMs + random_number() % kTiePatienceSpreadMs),
      snapshot_files(config.data_dir) {}

void Node::State::make_loops() {
  auto on_fatal = [this](const Error& error) { fatal(error); };
  store_loop = std::make_unique<StoreLoop>(*opened.log, opened.recovered.safety, health, on_fatal);
  exec = std::make_unique<ExecLoop>(
      *opened.executor, *opened.store, health,
      ExecLoop::Ports{.executed = [this](auto block) { executed(std::move(block)); },
                      .checkpoint_due =
                          [this] {
                            if (health.disk_full) return false;
                            return opened.store->unflushed_bytes() > kCheckpointBytes || is_log_long();
                          },
                      .checkpointed = [this](Height durable) { return checkpointed(durable); },
                      .has_keys_to_flush = [this] { return !health.disk_full && opened.vault && opened.vault->has_unflushed(); },
                      .flush_keys = [this]() -> Status {
                        GALEN_TRY(opened.vault->flush(opened.log->log_id(), store_loop->next_seq()));
                        return {};
                      },
                      .certified = [this] { events->wake(); },
                      .fatal = on_fatal});
  sync = std::make_unique<BlockSync>(
      identity, health,
      BlockSync::Ports{
          .send = [this](MemberIndex to, Bytes bytes) { return mesh->send(to, net::Lane::bulk, std::move(bytes)); },
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

void Node::State::make_menders() {
  PeerQuestion::Send ask = [this](MemberIndex to, Bytes bytes) {
    return mesh->send(to, net::Lane::bulk, std::move(bytes));
  };
  std::function<std::vector<std::string>(const Scrubber::Pause&)> vault_damage;
  if (opened.vault) vault_damage = [this](const Scrubber::Pause& pause) { return opened.vault->damaged_files(pause); };
  divergence = std::make_unique<Divergence>(identity, *opened.store, health, config.data_dir, ask);
  scrubber = std::make_unique<Scrubber>(
      identity, *opened.store, health,
      Scrubber::Options{.data_dir = config.data_dir, .period_s = config.scrub.period_s},
      Scrubber::Ports{
          .send = ask,
          .checkpoint = [this] { exec->want_checkpoint(); },
          .fatal = [this](const Error& error) { fatal(error); },
          .vault_damage = std::move(vault_damage)});
}

void Node::State::make_callers() {
  auto on_fatal = [this](const Error& error) { fatal(error); };
  auto reply = [this](const galen::node::v1::Reply& answer) { front_end->reply(answer); };
  intake = std::make_unique<Intake>(
      identity, *opened.store, opened.vault.get(), health, DiskWatch(config.data_dir, disk_reserve_bytes(config), health),
      Intake::Ports{.reply = reply,
                    .submit = [this](OwnBatch batch) { core->on_own_batch(std::move(batch)); },
                    .fatal = on_fatal});
  barrier = std::make_unique<ReadBarrier>(
      identity, random_number() >> 1,
      ReadBarrier::Ports{
          .send = [this](MemberIndex to, Bytes bytes) { return mesh->send(to, net::Lane::bulk, std::move(bytes)); },
          .own = [this](std::uint64_t nonce) { return high_answer(nonce); },
          .now_ms = now_ms});
  queries = std::make_unique<Queries>(
      identity, *opened.store, opened.vault.get(), health, *barrier, Queries::Options{.data_dir = config.data_dir},
      Queries::Ports{.reply = reply,
                     .fatal = on_fatal,
                     .peers = [this] { return mesh->peers(); },
                     .peer_cpu_us = [this](MemberIndex member) { return verify->cpu_us(member); },
                     .front_end_up = [this] { return front_end->up(); },
                     .identity_in_use = [this] { return identity_watch.told(now_ms()); }});
  events =
      std::make_unique<EventFeed>(identity, *opened.store, health, EventFeed::Ports{.reply = reply, .fatal = on_fatal});
  verify = std::make_unique<VerifyPool>(
      identity, *core, *opened.pool, *sync, *opened.store, health,
      VerifyPool::Ports{
          .send = [this](MemberIndex to, net::Lane lane,
                         Bytes bytes) { return mesh->send(to, lane, std::move(bytes)); },
          .has_room = [this](MemberIndex member) { return mesh->has_room(member); },
          .repair_answer = [this](MemberIndex from, ByteSpan message) { (void)is_mending_answer(from, message); },
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
                               queries->on_cancel(call_id);
                             },
                         .on_gone =
                             [this] {
                               intake->on_front_end_gone();
                               events->on_front_end_gone();
                               queries->on_front_end_gone();
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
      ledger::StoreOptions{.directory = config.data_dir, .context = identity.context, .failures = opened.failures},
      health, config.sync.join_behind_blocks,
      SyncLoop::Ports{.send = send, .reopen = [this] { reopen(); }, .fatal = on_fatal});
}

}  // namespace galen::node
