// From a data directory to a running node, as galend's start does it, and its end.
#include "galen/base/assert.hpp"
#include "node/log_records.hpp"
#include "node/log_replay.hpp"
#include "sim/whole/cluster_node.hpp"

namespace galen::sim {

using namespace consensus;

namespace {

constexpr std::uint64_t kSegmentBytes = 256 * 1024;
// Many times what a run writes: RocksDB writes files at checkpoints only, as nobody waits for it at other times. Its
// filters are sized by this, and each memtable clears its own.
constexpr std::size_t kWriteBufferBytes = 8 << 20;

}  // namespace

namespace {

ledger::StoreOptions store_options(const World& world, LedgerFiles& files) {
  return {.directory = kWholeDirectory,
          .context = world.genesis().context(),
          .block_cache_bytes = 1 << 20,
          .write_buffer_bytes = kWriteBufferBytes,
          .environment = &files.environment()};
}

}  // namespace

Status Cluster::use_ledger(Node& node, Result<std::unique_ptr<ledger::Store>> store) {
  GALEN_ASSIGN(node.store, std::move(store));
  node.executor = std::make_unique<execution::Executor>(world_.genesis(), *node.store);
  GALEN_ASSIGN([[maybe_unused]] auto height, node.executor->start());
  return {};
}

Status Cluster::make_ledger(Node& node) {
  node.files.remove_all();
  node.ledger_hurt = node.ledger_failed = false;
  GALEN_TRY(use_ledger(node, ledger::Store::create(store_options(world_, node.files))));
  GALEN_ASSIGN([[maybe_unused]] auto durable, node.store->checkpoint());
  return {};
}

Status Cluster::open_ledger(Node& node) { return use_ledger(node, ledger::Store::open(store_options(world_, node.files))); }

/// As node::open_data_dir, without a vault.
Status Cluster::open(Node& node) {
  node.identity = world_.node_identity(node.place);
  if (!node.is_made) {
    node.disk.remove_all();  // of an init that power cut short
    GALEN_TRY(make_ledger(node));
    GALEN_TRY(node::Log::create(kWholeDirectory, {.segment_bytes = kSegmentBytes}, node.disk));
    node.is_made = true;
  } else if (node.ledger_failed) {
    count("ledger repaired");
    GALEN_TRY(make_ledger(node));
  } else if (auto opened = open_ledger(node); !opened) {
    if (!node.ledger_hurt || !node.files.has_power()) return opened;
    count("ledger repaired");
    node.executor.reset();
    node.store.reset();
    GALEN_TRY(make_ledger(node));
  }
  node::LogReplay replay;
  GALEN_ASSIGN(auto opened,
               node::Log::open(kWholeDirectory, [&](const node::ReplayedRecord& record) { replay.add(record); }, node.disk));
  node.log = std::move(opened.log);
  GALEN_ASSIGN(auto bodies, node::LoggedBatches::index(node.identity, replay));
  GALEN_TRY(node::replay_blocks(node.identity, replay, bodies, *node.executor, *node.store));
  GALEN_TRY(node::enter_epoch(*node.store, world_.participant(node.place), world_.node_keys(node.place), node.identity));
  learn_of_decision(node);
  node.pool = std::make_unique<node::BatchPool>(node.identity.members().size());
  Recovered recovered;
  GALEN_TRY(node::load_ledger(node.identity, *node.store, recovered));
  GALEN_ASSIGN(auto safety, recover_promises(node, replay, opened.verdict, bodies, recovered));
  node.safety = safety;
  recovered.safety = std::move(safety);
  GALEN_TRY(node::load_pending(node.identity, bodies, *node.pool, recovered));
  GALEN_ASSIGN(node.left_over, node::load_left_over(node.identity, bodies, *node.store, recovered));
  make_replica(node, std::move(recovered));
  return {};
}

/// What the log has kept of the epoch, or a log begun anew where it is not known.
Result<SafetyState> Cluster::recover_promises(Node& node, const node::LogReplay& replay,
                                              const node::LogVerdict& verdict, const node::LoggedBatches& bodies,
                                              const Recovered& recovered) {
  auto safety = node::recover_safety(node.identity, *node.store, replay);
  if (verdict.torn_tail) count("log: torn turn dropped");
  if (verdict.records_repaired > 0) count("log: record read from its second copy");
  if (verdict.kind == node::LogVerdict::Kind::damaged) count("log: bodies lost");
  auto who = static_cast<MemberIndex>(node.place);
  if (verdict.kind != node::LogVerdict::Kind::amnesia && safety) {
    if (node.epoch() > 1 && safety->recorded() && !recover(node.epoch(), node.identity.context.suite, replay.safety)->recorded())
      count("begins an epoch " + std::string(consensus::to_name(safety->mode())));
    if (safety->mode() == Mode::recovering) {
      // Of an epoch that the log has outlived, or one that began while it had not recovered.
      if (!node.is_suspect && node.is_honest()) checker_->forgot(who);
      node.is_suspect = true;
    }
    GALEN_TRY(node::begin_epoch(node.identity, replay, *safety, *node.log));
    return safety;
  }
  if (!node.is_damaged && node.is_believed) fail("log: amnesia without damage: " + verdict.reason);
  count("log: amnesia found");
  if (node.is_honest()) checker_->forgot(who);
  node.is_suspect = true;
  return node::begin_log_anew(node.identity, bodies, *node.store, recovered, {}, *node.log);
}

void Cluster::make_replica(Node& node, Recovered recovered) {
  node.log->set_snapshot_source([&node] {
    node.safety.prune(node.committed);
    std::vector<node::OwnedLogRecord> records;
    for (auto& record : node.safety.records()) records.push_back({node::kLogConsensus, true, std::move(record.payload)});
    return records;
  });
  node.committed = recovered.tip.header.height;
  node.fresh_start = recovered.safety.mode() == Mode::fresh;
  Config config;
  config.context = node.identity.context;
  config.members = node.identity.members();
  config.self = node.index();
  config.parameters = world_.genesis().parameters;
  config.rng_seed = rng_.next();
  config.tenure_ms = 2000;
  node.replica = std::make_unique<Replica>(config, std::move(recovered));
  const auto& set = world_.of(node.epoch());
  if (node.lies && node.identity.is_voter())
    node.adversary = std::make_unique<Adversary>(rng_.next(), set.context, set.members, *set.keyring, node.index(), *node.lies,
                                                 kWholeTimeoutMs);
  if (node.adversary) node.adversary->counts_lies(told_);
}

void Cluster::start(Node& node) {
  if (node.up) return;
  node.up = true;
  ++node.life;
  auto opened = open(node);
  if (!opened) {
    if (!node.disk.has_power() || !node.files.has_power()) {
      count("power cut during start");
      return die(node, "loses power while it starts");
    }
    if (!node.is_damaged && !node.ledger_hurt && node.is_believed) return fail("start: " + opened.error().message);
    count("start refused");
    die(node, "refuses to start: " + opened.error().message);
    if (node.ledger_hurt) {
      // As the refusal says, galend repair --ledger: the log remembers votes and is not given up.
      node.ledger_failed = true;
      return;
    }
    // The operator's last resort: a new data directory, and 1.9.
    node.disk.remove_all();
    node.is_made = false;
    node.is_suspect = true;
    if (node.is_honest()) checker_->forgot(static_cast<MemberIndex>(node.place));
    return;
  }
  node.is_damaged = false;
  trace(node, "starts at height " + std::to_string(node.executor->applied_height()) + " in epoch " +
                  std::to_string(node.epoch()) + " as " + std::string(node::to_name(node.identity.role())));
  give(node, Tick{});
  if (!node.left_over.empty() && node.identity.is_voter() && lives(node)) {
    count("batches of the epoch before made anew");
    send_batch(node, std::exchange(node.left_over, {}));
  }
}

/// Power is off from here on; what it had in memory goes when nobody is using it any more.
void Cluster::die(Node& node, const std::string& why) {
  if (!node.up || node.dying) return;
  node.dying = why;
}

bool Cluster::lives(Node& node) {
  if (!node.up || node.dying || !checker_->failure().empty()) return false;
  if (node.effects_left) {
    if (*node.effects_left == 0) {
      count("power cut between two effects");
      die(node, "loses power between two effects");
      return false;
    }
    --*node.effects_left;
  }
  return true;
}

void Cluster::bury() {
  for (auto& owned : nodes_) {
    auto& node = *owned;
    if (!node.dying) continue;
    trace(node, *node.dying);
    node.up = false;
    node.dying.reset();
    node.effects_left.reset();
    node.replica.reset();
    node.adversary.reset();
    node.left_over.clear();
    node.pool.reset();
    node.log.reset();
    node.executor.reset();
    node.store.reset();
    node.lazy.clear();
    node.turns.clear();
    node.blocks.clear();
    node.early.clear();
    node.needed.clear();
    node.writing = node.executing = false;
    node.durable_token = node.recycle_before = 0;
    node.ticked = node.woken = UINT64_MAX;
    node.leaves = false;
    if (!std::exchange(node.in_order, false)) {
      node.disk.crash();
      node.files.crash();
    }
    at(1 + rng_.below(rng_.chance(1, 2) ? 30 : 1000), [this, &node] { start(node); });
  }
}

}  // namespace galen::sim
