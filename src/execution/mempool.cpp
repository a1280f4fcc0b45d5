#include "galen/execution/mempool.hpp"

#include <algorithm>

namespace galen::execution {

namespace {

/// Bytes an item takes in a batch: scheme, two lengths, authorization, transaction.
std::size_t encoded_bytes(const BatchItem& item) {
  return 7 + item.authorization.data.size() + item.transaction.bytes().size();
}

}  // namespace

Mempool::Mempool(const PoolLimits& limits, MemberIndex self) : limits_(limits), self_(self) {
  GALEN_ASSERT(limits_.batch_items_max > 0 && limits_.batch_items_max <= limits::kBatchItemsMax);
  GALEN_ASSERT(limits_.batch_bytes_max <= limits::kBatchBytesMax);
}

Result<Mempool::Added> Mempool::add(BatchItem item, std::uint64_t now_us) {
  const auto id = item.transaction.id();
  const auto size = encoded_bytes(item);
  if (entries_.contains(id)) return Added::already_pending;
  if (entries_.size() >= limits_.items_max || bytes_ + size > limits_.bytes_max)
    return make_error(ErrorCode::RESOURCE_EXHAUSTED, "The pool of waiting transactions is full.");
  by_expiry_.emplace(item.transaction.valid_until_ms(), id);
  entries_.emplace(id, Entry{std::move(item), now_us, std::nullopt, false});
  queue_.push_back(id);
  queued_bytes_ += size;
  bytes_ += size;
  return Added::queued;
}

const BatchItem* Mempool::pending(const TransactionId& id) const {
  auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second.item;
}

Status Mempool::wait(const TransactionId& id, WaiterToken token) {
  if (waiter_count_ >= limits_.waiters_max)
    return make_error(ErrorCode::RESOURCE_EXHAUSTED, "Too many requests wait for an outcome.");
  waiting_[id].push_back(token);
  ++waiter_count_;
  return {};
}

void Mempool::forget(const TransactionId& id, WaiterToken token) {
  auto found = waiting_.find(id);
  if (found == waiting_.end()) return;
  waiter_count_ -= std::erase(found->second, token);
  if (found->second.empty()) waiting_.erase(found);
}

bool Mempool::batch_due(std::uint64_t now_us) const {
  auto due = next_due_us();
  return due && *due <= now_us;
}

std::optional<std::uint64_t> Mempool::next_due_us() const {
  if (queue_.empty()) return std::nullopt;
  const bool is_full = queue_.size() >= limits_.batch_items_max || queued_bytes_ >= limits_.batch_bytes_max;
  const auto arrived_us = entries_.at(queue_.front()).arrived_us;
  return flights_.empty() || is_full ? arrived_us : arrived_us + limits_.gather_us;
}

std::vector<BatchItem> Mempool::take_batch() {
  std::vector<BatchItem> items;
  std::size_t size = 0;
  while (!queue_.empty() && items.size() < limits_.batch_items_max) {
    auto& entry = entries_.at(queue_.front());
    const auto more = encoded_bytes(entry.item);
    if (!items.empty() && size + more > limits_.batch_bytes_max) break;
    size += more;
    entry.taken = true;
    items.push_back(entry.item);
    queue_.pop_front();
  }
  queued_bytes_ -= size;
  return items;
}

void Mempool::batch_in_flight(const BatchPtr& batch) {
  GALEN_ASSERT(batch->header().origin == self_);
  Flight flight{.valid_until_ms = batch->header().valid_until_ms, .ids = {}, .open = 0};
  for (const auto& item : batch->items()) {
    auto found = entries_.find(item.transaction.id());
    if (found == entries_.end()) continue;  // answered through another node meanwhile
    GALEN_ASSERT(found->second.taken && !found->second.batch);
    found->second.batch = batch->digest();
    flight.ids.push_back(item.transaction.id());
  }
  flight.open = flight.ids.size();
  if (flight.open > 0) flights_.emplace(batch->digest(), std::move(flight));
}

void Mempool::remove(const TransactionId& id) {
  auto found = entries_.find(id);
  if (found == entries_.end()) return;
  const auto& entry = found->second;
  const auto size = encoded_bytes(entry.item);
  bytes_ -= size;
  by_expiry_.erase({entry.item.transaction.valid_until_ms(), id});
  if (!entry.taken) {
    // Rare: it came back with another member's batch before ours was made. The queue is short then.
    queue_.erase(std::find(queue_.begin(), queue_.end(), id));
    queued_bytes_ -= size;
  }
  if (entry.batch) {
    auto flight = flights_.find(*entry.batch);
    GALEN_ASSERT(flight != flights_.end() && flight->second.open > 0);
    if (--flight->second.open == 0) flights_.erase(flight);
  }
  entries_.erase(found);
}

void Mempool::tell(const std::shared_ptr<const Outcome>& outcome, std::vector<Notice>& notices) {
  auto found = waiting_.find(outcome->id);
  if (found == waiting_.end()) return;
  for (auto token : found->second) notices.push_back({token, outcome});
  waiter_count_ -= found->second.size();
  waiting_.erase(found);
}

void Mempool::settle(const Outcome& outcome, std::vector<Notice>& notices) {
  remove(outcome.id);
  if (waiting_.contains(outcome.id)) tell(std::make_shared<const Outcome>(outcome), notices);
}

std::vector<Notice> Mempool::on_executed(const ExecutedBlock& block) {
  std::vector<Notice> notices;
  if (block.replayed) return notices;
  for (const auto& item : block.items) {
    const bool is_ours = item.origin == self_;
    // A stranger's copy that was refused says nothing about ours, and a duplicate's answer stands elsewhere.
    if (!item.answers && (!is_ours || item.code == ErrorCode::DUPLICATE)) continue;
    if (!entries_.contains(item.id) && !waiting_.contains(item.id)) continue;
    settle({.fate = item.code == ErrorCode::OK ? Fate::committed : Fate::rejected,
            .id = item.id,
            .code = item.code,
            .height = block.height,
            .time_ms = block.time_ms,
            .results = item.results},
           notices);
  }
  expire(block.time_ms, notices);
  return notices;
}

std::vector<Notice> Mempool::on_answer(const Outcome& outcome) {
  std::vector<Notice> notices;
  settle(outcome, notices);
  return notices;
}

void Mempool::expire(TimestampMs block_time_ms, std::vector<Notice>& notices) {
  // No later block may hold what has expired by the time of this one.
  while (!by_expiry_.empty() && by_expiry_.begin()->first < block_time_ms) {
    const auto id = by_expiry_.begin()->second;
    settle({.fate = Fate::expired, .id = id, .code = ErrorCode::EXPIRED}, notices);
  }
  std::vector<std::pair<std::uint64_t, TransactionId>> returned;
  for (auto flight = flights_.begin(); flight != flights_.end();) {
    if (flight->second.valid_until_ms >= block_time_ms) {
      ++flight;
      continue;
    }
    for (const auto& id : flight->second.ids) {
      auto found = entries_.find(id);
      if (found == entries_.end() || found->second.batch != flight->first) continue;
      found->second.batch.reset();
      found->second.taken = false;
      queued_bytes_ += encoded_bytes(found->second.item);
      returned.emplace_back(found->second.arrived_us, id);
    }
    flight = flights_.erase(flight);
  }
  std::stable_sort(returned.begin(), returned.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [arrived_us, id] : returned) queue_.push_front(id);
}

}  // namespace galen::execution
