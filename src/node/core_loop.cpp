#include "node/core_loop.hpp"

#include <algorithm>

#include "galen/base/clock.hpp"
#include "galen/base/thread_name.hpp"
#include "node/log_records.hpp"
#include "node/peer_messages.hpp"

namespace galen::node {
namespace {

constexpr std::size_t kLazyBytesMax = 1u << 20;
constexpr std::uint64_t kLazyMsMax = 200;
constexpr std::uint64_t kLateVoteMs = 500;
constexpr Height kLateVoteHeights = 64;
constexpr std::uint64_t kIdleWaitMs = 1'000;
constexpr std::uint64_t kFullDiskWaitMs = 100;
constexpr Height kExpireHeights = 64;
/// Written again in one turn, which votes wait behind; room for the largest batch.
constexpr std::size_t kMovedBytesMax = 4u << 20;
constexpr std::uint64_t kMeasureMs = 1'000;

/// An idle chain's time is behind by idle_block_interval_ms, clocks by some seconds.
constexpr std::uint64_t kFarMs = 60'000;

/// Enough for the core never to wait for the verify threads. What waits here is in one row for all members, so the backlog
/// belongs in front of the verify threads, which take members in turn.
constexpr std::size_t kItemsMax = 1'024;

std::uint64_t now_ms() { return system_clock().monotonic_us() / 1000; }

consensus::PendingBatch pending_of(const Batch& batch) {
  return {batch.digest(), batch.header().origin, batch.header().valid_until_ms, batch.bytes().size()};
}

}  // namespace

CoreLoop::CoreLoop(const Identity& identity, consensus::Replica replica, BatchPool& pool, StoreLoop& store, Health& health,
                   Ports ports)
    : identity_(identity),
      replica_(std::move(replica)),
      pool_(pool),
      store_(store),
      health_(health),
      ports_(std::move(ports)),
      queue_({.items_max = kItemsMax, .bytes_max = 128u << 20}) {
  committed_height_ = replica_.status().committed;
}

CoreLoop::~CoreLoop() { stop(); }

void CoreLoop::start() {
  thread_ = std::thread([this] { run(); });
}

void CoreLoop::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

void CoreLoop::on_message(consensus::MessageReceived message) { queue_.push(std::move(message), 512); }
void CoreLoop::on_batch(BatchPtr batch) {
  auto bytes = batch->bytes().size();
  queue_.push(std::move(batch), bytes);
}
void CoreLoop::on_offer(consensus::BatchesOffered offered) {
  auto bytes = offered.digests.size() * Hash::kSize;
  queue_.push(std::move(offered), bytes);
}
void CoreLoop::on_own_batch(OwnBatch batch) {
  auto bytes = batch.batch->bytes().size();
  queue_.force_push(std::move(batch), bytes);
}
void CoreLoop::on_executed(const consensus::BlockExecuted& executed) {
  queue_.force_push(consensus::BlockExecuted(executed));
}
void CoreLoop::on_fetched(FetchedBlock block) { queue_.push(std::move(block), 1024); }
// Without room for what wakes the core it is awake.
void CoreLoop::on_peer(MemberIndex member) {
  {
    std::lock_guard lock(peers_mutex_);
    peers_up_.insert(member);
  }
  (void)queue_.try_push(PeersUp{});
}
void CoreLoop::free_log(LogSeq seq) {
  if (frees_log_.exchange(true)) return;
  if (!queue_.try_push(FreeLog{seq})) frees_log_ = false;
}
void CoreLoop::request_stop() { queue_.push(consensus::StopRequested{}); }

bool CoreLoop::vote_is_late(Height height) const {
  Height committed = committed_height_;
  return height <= committed && height + kLateVoteHeights > committed && now_ms() - committed_at_ms_ < kLateVoteMs;
}

void CoreLoop::run() {
  name_this_thread("core");
  while (!queue_.closed()) {
    auto now = now_ms();
    std::uint64_t wait = kIdleWaitMs;
    if (wake_at_ms_) wait = *wake_at_ms_ > now ? std::min(wait, *wake_at_ms_ - now) : 0;
    if (!lazy_.empty()) wait = std::min(wait, kLazyMsMax);
    if (health_.disk_full) wait = kFullDiskWaitMs;
    auto items = queue_.pop_all(std::chrono::milliseconds(wait), 256);
    auto began = system_clock().monotonic_us();
    if (health_.disk_full) {
      for (auto& item : items) hold(item);
      publish_status();
      continue;
    }
    Pass pass;
    pass.tick = consensus::Tick{began / 1000, system_clock().wall_ms()};
    set_timers(pass);
    for (auto& item : std::exchange(held_, {})) give(item, pass);
    for (auto member : take_peers_up()) step(consensus::PeerConnected{member}, pass);
    for (auto& item : items) give(item, pass);
    if (auto tick = std::exchange(pass.tick, {})) step(*tick, pass);
    finish(pass);
    publish_status();
    health_.counters.core_us += system_clock().monotonic_us() - began;
  }
}

void CoreLoop::give(Item& item, Pass& pass) {
  if (auto* message = std::get_if<consensus::MessageReceived>(&item)) {
    step(*message, pass);
  } else if (auto* batch = std::get_if<BatchPtr>(&item)) {
    // What the core was told of has to be here when its block commits; without room, whoever needs it asks for it again.
    if (!is_far(**batch, kFarMs) && add_batch(*batch, replica_.wants_batch((*batch)->digest())))
      step(consensus::BatchArrived{pending_of(**batch)}, pass);
    else
      ++health_.counters.frames_dropped;
  } else if (auto* own = std::get_if<OwnBatch>(&item)) {
    if (pool_.add_own(own->batch) == BatchPool::Added::yes) log_body(own->batch);
    // The outbox records and the body stand in this turn, in front of whatever the core persists for them.
    for (auto& record : std::exchange(lazy_, {})) pass.records.push_back(std::move(record));
    lazy_bytes_ = 0;
    for (auto& outbox : own->outbox) {
      pass.outbox.push_back({pass.records.size(), outbox.id});
      pass.records.push_back({kLogOutbox, true, std::move(outbox.bytes)});
    }
    pass.own_batches.push_back(own->batch);
    step(consensus::BatchArrived{pending_of(*own->batch)}, pass);
  } else if (auto* durable = std::get_if<Durable>(&item)) {
    durable_token_ = std::max(durable_token_, durable->token.value());
    step(consensus::Durable{durable->token.value()}, pass);
  } else if (auto* executed = std::get_if<consensus::BlockExecuted>(&item)) {
    step(*executed, pass);
  } else if (auto* fetched = std::get_if<FetchedBlock>(&item)) {
    // Named one by one: what stands in the chain must not be proposed again.
    std::vector<consensus::PendingBatch> batches;
    for (const auto& body : fetched->block->batches) {
      add_batch(body, true);
      batches.push_back(pending_of(*body));
    }
    step(consensus::BlockFetched{fetched->block->skeleton, fetched->certificate, std::move(batches)}, pass);
  } else if (auto* offered = std::get_if<consensus::BatchesOffered>(&item)) {
    step(*offered, pass);
  } else if (auto* free = std::get_if<FreeLog>(&item)) {
    for (const auto& body : pool_.logged_below(free->below, kMovedBytesMax)) {
      pass.bodies_again.push_back({pass.records.size(), body->digest()});
      pass.records.push_back({kLogBatch, false, body->bytes()});
    }
    frees_log_ = !pass.bodies_again.empty();
  } else if (std::holds_alternative<consensus::StopRequested>(item)) {
    step(consensus::StopRequested{}, pass);
  }
}

// V1a. What changes little is not worth a new timer.
void CoreLoop::set_timers(Pass& pass) {
  const auto now = now_ms();
  if (now < measure_at_ms_) return;
  measure_at_ms_ = now + kMeasureMs;
  const auto measured = ports_.base_timeout_ms();
  if (!measured) return;
  const auto change = std::max(*measured, base_timeout_ms_) - std::min(*measured, base_timeout_ms_);
  if (change * 10 <= base_timeout_ms_) return;
  base_timeout_ms_ = *measured;
  step(consensus::TimingMeasured{*measured}, pass);
}

void CoreLoop::hold(Item& item) {
  if (std::holds_alternative<OwnBatch>(item) || std::holds_alternative<Durable>(item) ||
      std::holds_alternative<consensus::BlockExecuted>(item))
    held_.push_back(std::move(item));
  else if (std::holds_alternative<FreeLog>(item))
    frees_log_ = false;
  else if (std::holds_alternative<consensus::StopRequested>(item))
    ports_.ready_to_stop();  // a tenure is handed over by a promise, and there is no room for one
}

std::set<MemberIndex> CoreLoop::take_peers_up() {
  std::lock_guard lock(peers_mutex_);
  return std::exchange(peers_up_, {});
}

// No block could hold it soon, and its body would be kept, in the log as well, until one could. By the chain's time too:
// where the own clock is slow, everything would seem to be far.
bool CoreLoop::is_far(const Batch& batch, std::uint64_t by_ms) const {
  const auto now = std::max(system_clock().wall_ms(), committed_time_ms_);
  return batch.header().valid_until_ms > now + identity_.genesis.parameters.ttl_max_ms + by_ms;
}

bool CoreLoop::add_batch(const BatchPtr& batch, bool needed) {
  const auto added = pool_.add(batch, needed, is_far(*batch, 0));
  if (added == BatchPool::Added::yes) log_body(batch);
  return added != BatchPool::Added::full;
}

void CoreLoop::log_body(const BatchPtr& batch) {
  // Its record comes later than what the log gives next: a lower bound of where it will stand.
  pool_.logged(batch->digest(), store_.next_seq());
  if (lazy_.empty()) lazy_since_ms_ = now_ms();
  lazy_bytes_ += batch->bytes().size();
  lazy_.push_back({kLogBatch, false, batch->bytes()});
}

void CoreLoop::step(const consensus::Input& input, Pass& pass) {
  const auto tick = std::exchange(pass.tick, {});
  absorb(tick ? replica_.step(*tick, input) : replica_.step(input), pass);
}

void CoreLoop::absorb(consensus::Effects effects, Pass& pass) {
  for (auto& persist : effects.take_persists()) {
    for (auto& record : std::exchange(lazy_, {})) pass.records.push_back(std::move(record));
    lazy_bytes_ = 0;
    for (auto& record : persist.records) pass.records.push_back({kLogConsensus, true, std::move(record.payload)});
    pass.token = persist.token;
  }
  for (const auto& send : effects.sends()) {
    auto bytes = std::make_shared<const Bytes>(
        peer_message(PeerMessageKind::consensus, consensus::encode_in(identity_.context.epoch, *send.message)));
    if (!send.after || send.after->value() <= durable_token_)
      ports_.send_vote(send.to, std::move(bytes));
    else
      pass.votes.emplace_back(send.to, std::move(bytes));
  }
  for (auto& committed : effects.commits) commit(committed);
  for (auto& certificate : effects.executed_certificates) {
    certified_height_ = std::max<Height>(certified_height_, certificate.subject.height);
    ports_.executed_certificate(std::move(certificate));
  }
  for (const auto& fetch : effects.fetch_blocks) ports_.fetch_blocks(fetch);
  if (!effects.offers.empty()) {
    health_.counters.batches_offered += effects.offers.size();
    ports_.broadcast_bulk(std::make_shared<const Bytes>(encode_offer(effects.offers)));
  }
  for (const auto& event : effects.events) report(event);
  for (auto& evidence : effects.evidence) ports_.evidence(std::move(evidence));
  wake_at_ms_ = effects.wake_at_ms;
  GALEN_ASSERT(effects.sign_requests.empty() || identity_.votes());
  for (const auto& request : effects.sign_requests)
    step(consensus::Signed{request.token, identity_.consensus_key.sign(request.bytes)}, pass);
  for (auto& fetch : effects.fetch_batches) {
    if (fetch.offered) health_.counters.offers_fetched += fetch.digests.size();
    this->fetch(std::move(fetch), pass);
  }
}

// The core may have had no room for a batch when it came (its queue of each origin is short), while its body stayed here.
void CoreLoop::fetch(consensus::Effects::FetchBatches fetch, Pass& pass) {
  std::vector<BatchPtr> here;
  std::erase_if(fetch.digests, [&](const Hash& digest) {
    auto batch = pool_.find(digest);
    if (batch) here.push_back(batch);
    return batch != nullptr;
  });
  if (!fetch.digests.empty()) ports_.fetch_batches(fetch);
  for (const auto& batch : here) step(consensus::BatchArrived{pending_of(*batch)}, pass);
}

void CoreLoop::commit(const consensus::Effects::CommittedBlock& committed) {
  auto block = std::make_shared<Block>();
  block->skeleton = committed.block;
  LogSeq needed_from = store_.next_seq();
  for (const auto& digest : committed.block.batch_digests) {
    auto batch = pool_.find(digest);
    GALEN_ASSERT(batch != nullptr);  // the core commits a block only when every batch has arrived
    block->batches.push_back(std::move(batch));
    if (auto seq = pool_.used(digest); seq != 0) needed_from = std::min(needed_from, seq);
  }
  if (committed.block.header.height % kExpireHeights == 0) pool_.expire(committed.block.header.time_ms);
  committed_height_ = committed.block.header.height;
  committed_time_ms_ = committed.block.header.time_ms;
  committed_at_ms_ = now_ms();
  store_.set_committed(committed.block.header.height);
  if (lazy_.empty()) lazy_since_ms_ = now_ms();
  auto record = encode_committed(committed.block, committed.certificate);
  lazy_bytes_ += record.size();
  lazy_.push_back({kLogCommitted, false, std::move(record)});
  ports_.commit({std::move(block), committed.certificate}, needed_from);
}

// One turn for the store thread, if there is anything to promise or the lazy records have waited long enough.
void CoreLoop::finish(Pass& pass) {
  bool lazy_due = !lazy_.empty() && (lazy_bytes_ > kLazyBytesMax || now_ms() - lazy_since_ms_ >= kLazyMsMax);
  if (lazy_due) {
    for (auto& record : std::exchange(lazy_, {})) pass.records.push_back(std::move(record));
    lazy_bytes_ = 0;
  }
  if (pass.records.empty() && pass.votes.empty()) return;
  Turn turn;
  turn.records = std::move(pass.records);
  turn.durable = [this, token = pass.token, votes = std::move(pass.votes), own = std::move(pass.own_batches),
                  outbox = std::move(pass.outbox), bodies_again = std::move(pass.bodies_again)](LogSeq first) {
    for (const auto& [to, bytes] : votes) ports_.send_vote(to, bytes);
    for (const auto& batch : own) {
      pool_.may_leave(batch->digest());
      ports_.broadcast_bulk(std::make_shared<const Bytes>(peer_message(PeerMessageKind::batch, batch->bytes())));
    }
    for (const auto& at : bodies_again) pool_.logged_again(at.digest, first + at.record);
    if (!bodies_again.empty()) frees_log_ = false;
    if (token) (void)queue_.force_push(Durable{*token});
    std::vector<TransactionId> ids;
    for (const auto& at : outbox) ids.push_back(at.id);
    if (!ids.empty()) ports_.outbox_logged(std::move(ids), first + outbox.front().record);
  };
  store_.push(std::move(turn));
}

}  // namespace galen::node
