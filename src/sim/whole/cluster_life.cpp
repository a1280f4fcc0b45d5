// From a data directory to a running node, as galend's start does it, and its end.
#include "galen/base/assert.hpp"
#include "node/log_records.hpp"
#include "node/log_replay.hpp"
#include "sim/whole/cluster_node.hpp"

namespace galen::sim {

using namespace consensus;

namespace {

constexpr std::uint64_t kSegmentBytes = 256 * 1024;

}  // namespace

Status Cluster::make_ledger(Node& node) {
  node.files.remove_all();
  node.ledger_hurt = node.ledger_failed = false;
  GALEN_ASSIGN(node.store, ledger::Store::create({.directory = kWholeDirectory,
                                                  .context = world_.context(),
                                                  .block_cache_bytes = 1 << 20,
                                                  .environment = &node.files.environment()}));
  node.executor = std::make_unique<execution::Executor>(world_.genesis(), *node.store);
  GALEN_ASSIGN(auto height, node.executor->start());
  (void)height;
  GALEN_ASSIGN(auto durable, node.store->checkpoint());
  (void)durable;
  return {};
}

Status Cluster::open_ledger(Node& node) {
  GALEN_ASSIGN(node.store, ledger::Store::open({.directory = kWholeDirectory,
                                                .context = world_.context(),
                                                .block_cache_bytes = 1 << 20,
                                                .environment = &node.files.environment()}));
  node.executor = std::make_unique<execution::Executor>(world_.genesis(), *node.store);
  GALEN_ASSIGN(auto height, node.executor->start());
  (void)height;
  return {};
}

/// As node::open_data_dir, without a vault.
Status Cluster::open(Node& node) {
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
  node.pool = std::make_unique<node::BatchPool>(world_.genesis().member_set.size());
  GALEN_ASSIGN(auto bodies, node::LoggedBatches::index(node.identity, replay));
  GALEN_TRY(node::replay_blocks(node.identity, replay, bodies, *node.executor, *node.store));
  auto epoch = world_.context().epoch;
  auto safety = recover(epoch, world_.context().suite, replay.safety);
  if (opened.verdict.torn_tail) count("log: torn turn dropped");
  if (opened.verdict.records_repaired > 0) count("log: record read from its second copy");
  if (opened.verdict.kind == node::LogVerdict::Kind::damaged) count("log: bodies lost");
  if (opened.verdict.kind == node::LogVerdict::Kind::amnesia || !safety) {
    if (!node.is_damaged && node.is_believed) fail("log: amnesia without damage: " + opened.verdict.reason);
    count("log: amnesia found");
    if (node.is_honest()) checker_->forgot(node.index());
    node.is_suspect = true;
    auto marker = amnesia_record(epoch);
    GALEN_TRY(node.log->start_over(std::vector<node::OwnedLogRecord>{{node::kLogConsensus, true, marker.payload}}));
    safety = recover(epoch, world_.context().suite, std::vector{marker});
    if (!safety) return safety.error();
  }
  Recovered recovered;
  node.safety = *safety;
  recovered.safety = std::move(*safety);
  GALEN_TRY(node::load_ledger(node.identity, *node.store, recovered));
  GALEN_TRY(node::load_pending(node.identity, bodies, *node.pool, recovered));
  node.log->set_snapshot_source([&node] {
    node.safety.prune(node.committed);
    std::vector<node::OwnedLogRecord> records;
    for (auto& record : node.safety.records()) records.push_back({node::kLogConsensus, true, std::move(record.payload)});
    return records;
  });
  node.committed = recovered.tip.header.height;
  node.fresh_start = recovered.safety.mode() == Mode::fresh;
  Config config;
  config.context = world_.context();
  config.members = world_.genesis().member_set;
  config.self = node.index();
  config.parameters = world_.genesis().parameters;
  config.rng_seed = rng_.next();
  config.tenure_ms = 2000;
  node.replica = std::make_unique<Replica>(config, std::move(recovered));
  return {};
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
    // The operator's last resort: a new data directory, and 1.9.
    count("start refused, made anew");
    die(node, "refuses to start: " + opened.error().message);
    node.disk.remove_all();
    node.is_made = false;
    node.is_suspect = true;
    if (node.is_honest()) checker_->forgot(node.index());
    return;
  }
  node.is_damaged = false;
  trace(node, "starts at height " + std::to_string(node.executor->applied_height()));
  give(node, Tick{});
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
    node.disk.crash();
    node.files.crash();
    at(1 + rng_.below(rng_.chance(1, 2) ? 30 : 1000), [this, &node] { start(node); });
  }
}

}  // namespace galen::sim
