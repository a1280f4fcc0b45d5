#include "node/batch_pool.hpp"

#include <algorithm>

namespace galen::node {

BatchPool::Added BatchPool::add(const BatchPtr& batch, bool needed, bool far) { return insert(batch, needed, far, false); }

BatchPool::Added BatchPool::add_own(const BatchPtr& batch) { return insert(batch, true, false, true); }

BatchPool::Added BatchPool::insert(const BatchPtr& batch, bool needed, bool far, bool held) {
  std::lock_guard lock(mutex_);
  if (entries_.contains(batch->digest())) return Added::known;
  const auto bytes = batch->bytes().size();
  while (bytes_ + bytes > bytes_max_ && drop_oldest_used()) {
  }
  if (!needed && (bytes_ + bytes > bytes_max_ || waiting(batch) + bytes > share_ / (far ? 2 : 1))) return Added::full;
  bytes_ += bytes;
  waiting(batch) += bytes;
  entries_.emplace(batch->digest(), Entry{.batch = batch, .held = held});
  return Added::yes;
}

bool BatchPool::drop_oldest_used() {
  if (used_.empty()) return false;
  if (auto oldest = entries_.find(used_.front()); oldest != entries_.end()) {
    bytes_ -= oldest->second.batch->bytes().size();
    used_bytes_ -= oldest->second.batch->bytes().size();
    entries_.erase(oldest);
  }
  used_.pop_front();
  return true;
}

BatchPtr BatchPool::find(const Hash& digest) const {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(digest);
  return found == entries_.end() ? nullptr : found->second.batch;
}

void BatchPool::may_leave(const Hash& digest) {
  std::lock_guard lock(mutex_);
  if (auto found = entries_.find(digest); found != entries_.end()) found->second.held = false;
}

BatchPtr BatchPool::find_for_others(const Hash& digest) const {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(digest);
  return found == entries_.end() || found->second.held ? nullptr : found->second.batch;
}

void BatchPool::logged(const Hash& digest, LogSeq seq) {
  std::lock_guard lock(mutex_);
  if (auto found = entries_.find(digest); found != entries_.end() && found->second.seq == 0) found->second.seq = seq;
}

LogSeq BatchPool::used(const Hash& digest) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(digest);
  if (found == entries_.end()) return 0;
  LogSeq seq = found->second.seq;
  if (found->second.used) return seq;
  found->second.used = true;
  waiting(found->second.batch) -= found->second.batch->bytes().size();
  used_bytes_ += found->second.batch->bytes().size();
  used_.push_back(digest);
  while (used_.size() > kUsedMax || used_bytes_ > used_bytes_max_) drop_oldest_used();
  return seq;
}

void BatchPool::expire(TimestampMs block_time_ms) {
  std::lock_guard lock(mutex_);
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (!it->second.used && it->second.batch->header().valid_until_ms < block_time_ms) {
      bytes_ -= it->second.batch->bytes().size();
      waiting(it->second.batch) -= it->second.batch->bytes().size();
      it = entries_.erase(it);
    } else {
      ++it;
    }
  }
}

std::optional<LogSeq> BatchPool::first_needed() const {
  std::lock_guard lock(mutex_);
  std::optional<LogSeq> first;
  for (const auto& [digest, entry] : entries_)
    if (!entry.used && entry.seq != 0 && (!first || entry.seq < *first)) first = entry.seq;
  return first;
}

std::vector<BatchPtr> BatchPool::logged_below(LogSeq seq, std::size_t bytes_max) const {
  std::lock_guard lock(mutex_);
  std::vector<std::pair<LogSeq, BatchPtr>> found;
  for (const auto& [digest, entry] : entries_)
    if (!entry.used && entry.seq != 0 && entry.seq < seq) found.emplace_back(entry.seq, entry.batch);
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<BatchPtr> out;
  std::size_t bytes = 0;
  for (const auto& [at, batch] : found) {
    bytes += batch->bytes().size();
    if (bytes > bytes_max) break;
    out.push_back(batch);
  }
  return out;
}

std::size_t BatchPool::waiting_bytes() const {
  std::lock_guard lock(mutex_);
  std::size_t out = 0;
  for (const auto& [origin, bytes] : waiting_) out += bytes;
  return out;
}

void BatchPool::logged_again(const Hash& digest, LogSeq seq) {
  std::lock_guard lock(mutex_);
  if (auto found = entries_.find(digest); found != entries_.end() && !found->second.used) found->second.seq = seq;
}

std::vector<BatchPtr> BatchPool::unused(MemberIndex origin, std::size_t count_max) const {
  std::lock_guard lock(mutex_);
  std::vector<BatchPtr> out;
  for (const auto& [digest, entry] : entries_) {
    if (out.size() >= count_max) break;
    if (!entry.used && !entry.held && entry.batch->header().origin == origin) out.push_back(entry.batch);
  }
  return out;
}

}  // namespace galen::node
