// What the threads of a node do: core (CoreLoop), store (StoreLoop) and exec (ExecLoop), in their order.
#include "galen/base/assert.hpp"
#include "node/log_records.hpp"
#include "sim/journal.hpp"
#include "sim/reached.hpp"
#include "sim/whole/cluster_node.hpp"

namespace galen::sim {

using namespace consensus;

namespace {

constexpr std::uint64_t kLazyMsMax = 200;
constexpr std::size_t kEarlyMax = 64;

}  // namespace

void Cluster::give(Node& node, const Input& input) {
  if (!lives(node)) return;
  Pass pass;
  if (std::holds_alternative<Tick>(input)) {
    step(node, tick_of(node), pass);
  } else {
    if (node.ticked != now_) pass.tick = tick_of(node);
    step(node, input, pass);
  }
  node.ticked = now_;
  finish(node, pass);
}

void Cluster::step(Node& node, const Input& input, Pass& pass) {
  if (!lives(node)) return;
  const auto tick = std::exchange(pass.tick, {});
  absorb(node, tick ? node.replica->step(*tick, input) : node.replica->step(input), pass);
}

Tick Cluster::tick_of(const Node& node) const {
  return {now_, kWholeWallStart + now_ + static_cast<std::uint64_t>(node.clock_offset)};
}

void Cluster::absorb(Node& node, Effects effects, Pass& pass) {
  report(node, effects);
  for (const auto& event : effects.events)
    pass.votes_again |= (event.kind == EventKind::voting_started || event.kind == EventKind::resumed) &&
                        node.epoch() >= node.lost_until;
  for (auto& persist : effects.take_persists()) {
    for (auto& record : std::exchange(node.lazy, {})) pass.records.push_back(std::move(record));
    for (auto& record : persist.records) pass.records.push_back({node::kLogConsensus, true, std::move(record.payload)});
    pass.token = persist.token;
  }
  for (const auto& one : effects.sends()) {
    if (!lives(node)) return;
    if (!one.after || one.after->value() <= node.durable_token)
      send(node, one.to, one.message);
    else
      pass.votes.emplace_back(one.to, one.message);
  }
  for (auto& committed : effects.commits) commit(node, committed);
  for (auto& certificate : effects.executed_certificates)
    if (certificate.subject.height <= node.executor->applied_height()) {
      if (auto status = node.store->put_certificate(certificate); !status) die(node, "cannot write a certificate");
    } else if (node.early.size() < kEarlyMax) {
      node.early.push_back(std::move(certificate));
    }
  if (!effects.offers.empty()) offer(node, effects.offers);
  for (const auto& fetch : effects.fetch_batches)
    at(latency(), node, [this, &node, fetch] { answer_batches(node_of(node.epoch(), fetch.hint), node, fetch.digests); });
  for (const auto& fetch : effects.fetch_blocks)
    at(latency(), node, [this, &node, fetch] { answer_blocks(node_of(node.epoch(), fetch.hint), node, fetch.from); });
  if (effects.wake_at_ms && std::max(*effects.wake_at_ms, now_ + 1) < node.woken) {
    auto wake = node.woken = std::max(*effects.wake_at_ms, now_ + 1);
    at(wake - now_, node, [this, &node, wake] {
      if (node.woken != wake) return;
      node.woken = UINT64_MAX;
      give(node, Tick{});
    });
  }
  for (const auto& request : effects.sign_requests)
    step(node, Signed{request.token, node.identity.consensus_key.sign(request.bytes)}, pass);
}

void Cluster::report(Node& node, const Effects& effects) {
  const auto who = static_cast<MemberIndex>(node.place);
  const auto& set = world_.of(node.epoch());
  for (auto event : effects.events) {
    if (options_.trace || options_.journal != nullptr)
      trace(node, std::string(consensus::to_name(event.kind)) + " view " + std::to_string(event.view) + " height " +
                      std::to_string(event.height) + " value " + std::to_string(event.value));
    if (!node.is_honest()) continue;
    ++tally_.kinds[event.kind];
    if (has_branches(event.kind)) ++tally_.branches[branch_name(event)];
    if (event.kind == EventKind::proposal_refused) ++tally_.refusals[static_cast<RefusalReason>(event.value)];
    if (!node.is_believed) continue;
    if (event.kind == EventKind::voting_started && node.fresh_start) checker_->began_anew(who, node.epoch());
    // Where the end of the epoch may have been born before, it counts as forgetful until it votes in the next one.
    if (event.kind == EventKind::resumed && set.change_pending_from) node.lost_until = node.epoch() + 1;
    if (event.member < set.identities.size()) event.member = static_cast<MemberIndex>(set.identities[event.member]);
    // What a VIEW-CHANGE owes to blocks already given out is layer 1's check: no tip here.
    checker_->reported(who, event, std::nullopt, node.epoch());
  }
}

void Cluster::add_body(Node& node, const BatchPtr& batch, bool own) {
  const auto added = own ? node.pool->add_own(batch) : node.pool->add(batch, true);
  if (added == node::BatchPool::Added::known) return;
  node.pool->logged(batch->digest(), node.log->stats().next_seq);
  if (node.lazy.empty()) {
    node.lazy_since = now_;
    at(kLazyMsMax, node, [this, &node] { give(node, Tick{}); });
  }
  node.lazy.push_back({node::kLogBatch, false, batch->bytes()});
}

void Cluster::send_batch(Node& node, std::vector<BatchItem> items) {
  const auto& who = node.identity;
  take_batch(node, std::make_shared<const Batch>(Batch::make(who.context, {who.self, std::move(items)}, who.consensus_key)), true);
}

/// A batch is good for one epoch only.
void Cluster::take_batch(Node& node, const BatchPtr& batch, bool own) {
  if (!lives(node) || batch->header().epoch != node.epoch()) return;
  Pass pass;
  node.ticked = now_;
  pass.tick = tick_of(node);
  add_body(node, batch, own);
  if (own) {
    for (auto& record : std::exchange(node.lazy, {})) pass.records.push_back(std::move(record));
    pass.own_batches.push_back(batch);
  }
  const auto& header = batch->header();
  step(node, BatchArrived{{batch->digest(), header.origin, header.valid_until_ms, batch->bytes().size()}}, pass);
  finish(node, pass);
}

void Cluster::commit(Node& node, const Effects::CommittedBlock& committed) {
  const auto& header = committed.block.header;
  note(header.height * 16 + node.place);
  check_epoch_end(header);
  if (node.is_honest()) checker_->committed(static_cast<MemberIndex>(node.place), header.height - 1, committed);
  auto block = std::make_shared<Block>();
  block->skeleton = committed.block;
  auto needed_from = node.log->stats().next_seq;
  for (const auto& digest : committed.block.batch_digests) {
    auto batch = node.pool->find(digest);
    if (batch == nullptr) return fail("order: a block was given out without its batches");
    block->batches.push_back(std::move(batch));
    if (auto seq = node.pool->used(digest); seq != 0) needed_from = std::min(needed_from, seq);
  }
  if (header.height != node.committed + 1)
    return fail("order: member " + std::to_string(node.place) + " gives out height " + std::to_string(header.height) +
                " after " + std::to_string(node.committed));
  node.committed = header.height;
  if (node.lazy.empty()) {
    node.lazy_since = now_;
    at(kLazyMsMax, node, [this, &node] { give(node, Tick{}); });
  }
  node.lazy.push_back({node::kLogCommitted, false, node::encode_committed(committed.block, committed.certificate)});
  node.needed.emplace_back(header.height, needed_from);
  node.blocks.push_back({std::move(block), committed.certificate});
  execute(node);
}

void Cluster::finish(Node& node, Pass& pass) {
  if (!lives(node)) return;
  if (!node.lazy.empty() && now_ - node.lazy_since >= kLazyMsMax)
    for (auto& record : std::exchange(node.lazy, {})) pass.records.push_back(std::move(record));
  if (pass.votes_again && pass.records.empty() && node.is_believed) node.is_suspect = false;
  if (pass.records.empty() && pass.votes.empty()) return;
  node.turns.push_back(std::move(pass));
  write(node);
}

/// One write and one sync for the turns that wait; what they allow leaves afterwards.
void Cluster::write(Node& node) {
  if (node.writing || node.turns.empty()) return;
  node.writing = true;
  auto slow = is_healed_ ? 0 : node.disk_ms;
  at(1 + rng_.below(4 + slow), node, [this, &node] {
    std::vector<Turn> turns{std::make_move_iterator(node.turns.begin()), std::make_move_iterator(node.turns.end())};
    node.turns.clear();
    if (auto written = append(node, turns); !written) {
      if (node.disk.has_power()) fail("log: " + written.error().message);
      count("power cut in a log write");
      return die(node, "loses power while it writes");
    }
    for (auto& turn : turns) {
      for (const auto& [to, message] : turn.votes) {
        if (!lives(node)) return;
        send(node, to, message);
      }
      for (const auto& batch : turn.own_batches) {
        if (!lives(node)) return;
        node.pool->may_leave(batch->digest());
        broadcast_batch(node, batch);
      }
      if (turn.votes_again && node.is_believed) node.is_suspect = false;
      if (!turn.token || !lives(node)) continue;
      node.durable_token = std::max(node.durable_token, turn.token->value());
      give(node, Durable{turn.token->value()});
    }
    if (!lives(node)) return;
    if (auto before = std::exchange(node.recycle_before, 0); before != 0) {
      auto oldest = node.log->stats().oldest_seq;
      node.log->recycle(before);
      if (node.log->stats().oldest_seq > oldest) count("log: recycled");
    }
    node.writing = false;
    write(node);
  });
}

Status Cluster::append(Node& node, const std::vector<Turn>& turns) {
  std::vector<node::LogRecord> records;
  std::size_t bytes = 0;
  auto flush = [&]() -> Status {
    if (records.empty()) return {};
    GALEN_ASSIGN(auto appended, node.log->append_turn(std::span<const node::LogRecord>(records)));
    if (appended.new_segment) count("log: new segment");
    for (const auto& record : records)
      if (record.type == node::kLogConsensus) GALEN_ASSERT(node.safety.apply({to_bytes(record.payload)}).has_value());
    records.clear();
    bytes = 0;
    return {};
  };
  for (const auto& turn : turns) {
    std::size_t more = 0;
    for (const auto& record : turn.records) more += (record.safety ? 2 : 1) * (record.payload.size() + 128);
    if (bytes + more > node.log->turn_bytes_max()) GALEN_TRY(flush());
    bytes += more;
    for (const auto& record : turn.records) records.push_back(record.view());
  }
  return flush();
}

void Cluster::execute(Node& node) {
  if (node.executing || node.blocks.empty()) return;
  node.executing = true;
  at(rng_.below(6), node, [this, &node] {
    node.executing = false;
    if (auto applied = apply_next(node); !applied) {
      if (!node.ledger_hurt) fail("executor: " + applied.error().message);
      node.ledger_failed = true;
      return die(node, "stops: " + applied.error().message);
    }
    execute(node);
  });
}

Status Cluster::apply_next(Node& node) {
  auto next = std::move(node.blocks.front());
  node.blocks.pop_front();
  GALEN_ASSIGN(auto executed, node.executor->apply(next.block));
  GALEN_TRY(node.store->put_certificate(next.certificate));
  for (auto& certificate : std::exchange(node.early, {})) {
    if (certificate.subject.height > executed.height)
      node.early.push_back(std::move(certificate));
    else
      GALEN_TRY(node.store->put_certificate(certificate));
  }
  auto subject = executed.subject();
  auto [first, inserted] = roots_.emplace(executed.height, subject);
  if (node.is_honest() && first->second != subject)
    fail("roots: member " + std::to_string(node.place) + " has others at height " + std::to_string(executed.height));
  if (inserted && model_) check_history(executed, *next.block);
  for (const auto& item : executed.items) {
    if (forged_.contains(item.id)) {
      if (item.code == ErrorCode::OK) fail("membership: a learner was let in whose proof is of another key");
      if (inserted && item.code == ErrorCode::BAD_POSSESSION_PROOF) count("proof of another key refused");
    }
    if (!item.answers) continue;
    if (inserted && !answered_.insert(item.id).second) fail("exactly once: a request has two answers");
    if (node.is_honest() && item.origin == node.index()) acknowledged_.emplace(item.id, executed.height);
  }
  if (inserted && model_ && node.is_honest()) check_read(node);
  learn_of_decision(node);
  if (!lives(node)) return {};
  BlockExecuted told{subject, std::nullopt, std::move(executed.leader_skips)};
  if (executed.next_members) told.next_members = executed.next_members->hash(node.identity.context.suite);
  give(node, told);
  GALEN_TRY(look_at_participants(node));
  if (lives(node) && executed.height % (4 + node.place * 3) == 0)
    at(rng_.below(10), node, [this, &node] { checkpoint(node); });
  return {};
}

/// The ledger up to here is durable, so older segments of the log may be written over.
void Cluster::checkpoint(Node& node) {
  if (!lives(node)) return;
  if (!is_calm_ && !is_healed_ && rng_.chance(1, 5)) node.files.fail_power_after(1 + rng_.below(60));
  auto durable = node.store->checkpoint();
  if (!node.files.has_power()) {
    count("power cut in a checkpoint");
    return die(node, "loses power in a checkpoint");
  }
  node.files.keep_power();
  if (!durable) {
    if (!node.ledger_hurt) fail("checkpoint: " + durable.error().message);
    node.ledger_failed = true;
    return die(node, "stops: " + durable.error().message);
  }
  count("checkpoint");
  auto keep_from = node.log->stats().next_seq;
  while (!node.needed.empty() && node.needed.front().first <= *durable) node.needed.pop_front();
  for (const auto& [height, seq] : node.needed) keep_from = std::min(keep_from, seq);
  if (auto first = node.pool->first_needed()) keep_from = std::min(keep_from, *first);
  node.recycle_before = keep_from;
}

}  // namespace galen::sim
