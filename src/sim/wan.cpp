#include "sim/wan.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "galen/base/rng.hpp"
#include "galen/consensus/replica.hpp"
#include "sim/agenda.hpp"
#include "sim/keyring.hpp"

namespace galen::sim {

using namespace consensus;

namespace {

constexpr std::uint64_t kWallStart = 1'700'000'000'000ULL;
constexpr std::uint64_t kTransactionBytes = 400;
constexpr std::uint64_t kBatchWaitUs = 1000;  ///< as the intake: at once when none is under way, else after this

std::size_t signatures_in(const Message& message) {
  if (const auto* m = std::get_if<PrePrepare>(&message))
    return 1 + m->justification.view_changes.size() +
           (m->justification.certificate ? m->justification.certificate->signatures.size() : 0);
  if (const auto* v = std::get_if<ViewChange>(&message)) return 1 + (v->high_qc ? v->high_qc->signatures.size() : 0);
  if (const auto* c = std::get_if<Certificate>(&message)) return c->certificate.signatures.size();
  if (const auto* s = std::get_if<StatusAnswer>(&message))
    return 1 + (s->high_qc ? s->high_qc->signatures.size() : 0) + (s->tip_qc ? s->tip_qc->signatures.size() : 0);
  return std::holds_alternative<Prepare>(message) || std::holds_alternative<Commit>(message) ||
                 std::holds_alternative<Executed>(message)
             ? 1
             : 0;
}

/// One thing after the other.
struct Thread {
  double free_us = 0;
  double busy_us = 0;
  std::uint64_t run(std::uint64_t now, double cost) {
    free_us = std::max(free_us, static_cast<double>(now)) + cost;
    busy_us += cost;
    return static_cast<std::uint64_t>(free_us);
  }
};

struct WanNode {
  MemberIndex index = 0;
  std::unique_ptr<Replica> replica;
  Thread verify, core, exec;
  std::uint64_t last_token = 0, durable_token = 0, ticked = UINT64_MAX, woken = UINT64_MAX;
  bool syncing = false;
  std::vector<std::pair<Effects::Send, std::uint64_t>> held;
  Height committed = 0;
  ExecutedSubject executed;
  std::vector<std::uint64_t> waiting;  ///< arrivals at the intake, not yet in a batch
  std::size_t under_way = 0;           ///< own batches not yet ordered
  bool batch_due = false;
};

class Wan {
 public:
  explicit Wan(const WanOptions& options) : options_(options), rng_(options.seed) {
    std::vector<Member> list(options.members);
    for (std::size_t i = 0; i < list.size(); ++i)
      list[i].id.data[0] = list[i].consensus_key.data[0] = static_cast<std::uint8_t>(i + 1);
    members_ = MemberSet(std::move(list));
    context_.chain_id = small_hash(7, 7);
    BlockHeader zero;
    zero.chain_id = context_.chain_id;
    zero.body_root = zero.history_root = crypto::merkle_root(context_.suite, {});
    auto digest = zero.digest(context_.suite);
    nodes_.resize(options.members);
    for (MemberIndex i = 0; i < nodes_.size(); ++i) {
      nodes_[i].index = i;
      nodes_[i].executed = {0, digest, small_hash(1, 0), small_hash(2, 0)};
      Recovered recovered;
      recovered.safety = SafetyState(context_.epoch, context_.suite);
      recovered.tip = {zero, digest, std::nullopt, 1};
      recovered.history = crypto::MerkleFrontier(context_.suite);
      recovered.history.append(crypto::merkle_leaf(context_.suite, digest));
      recovered.executed = {nodes_[i].executed};
      Config config;
      config.context = context_;
      config.members = members_;
      config.self = i;
      config.rng_seed = rng_.next();
      nodes_[i].replica = std::make_unique<Replica>(config, std::move(recovered));
    }
  }

  WanResult run() {
    end_us_ = options_.warm_us + options_.measure_us;
    for (auto& node : nodes_) at(rng_.below(1000), [this, &node] { give(node, Tick{}); });
    at(options_.warm_us / 2, [this] { arrive(); });
    while (!agenda_.empty() && agenda_.next_at() <= end_us_) {
      now_ = agenda_.next_at();
      ++result_.events;
      agenda_.run_next();
    }
    auto seconds = static_cast<double>(options_.measure_us) / 1e6;
    result_.answered_per_s = static_cast<double>(latencies_.size()) / seconds;
    result_.blocks_per_s = static_cast<double>(blocks_) / seconds;
    std::sort(latencies_.begin(), latencies_.end());
    if (!latencies_.empty()) {
      result_.p50_us = latencies_[latencies_.size() / 2];
      result_.p99_us = latencies_[latencies_.size() * 99 / 100];
    }
    for (const auto& node : nodes_)
      result_.verify_share = std::max(result_.verify_share, node.verify.busy_us / static_cast<double>(end_us_));
    return result_;
  }

 private:
  template <class Action>
  void at(std::uint64_t delay, Action&& action) {
    agenda_.at(now_ + delay, std::forward<Action>(action));
  }
  template <class Action>
  void until(std::uint64_t when, Action&& action) {
    agenda_.at(std::max(when, now_), std::forward<Action>(action));
  }
  /// Half a round trip, give or take a twentieth.
  std::uint64_t distance() { return options_.rtt_us * 19 / 40 + rng_.below(options_.rtt_us / 20 + 1); }
  bool is_measured() const { return now_ >= options_.warm_us; }

  /// Clients everywhere, one after the other.
  void arrive() {
    auto& node = nodes_[rng_.below(nodes_.size())];
    node.waiting.push_back(now_);
    if (node.under_way == 0)
      make_batch(node);
    else if (!std::exchange(node.batch_due, true))
      at(kBatchWaitUs, [this, &node] { make_batch(node); });
    auto mean_us = static_cast<std::uint64_t>(1e6 / options_.load);
    at(mean_us / 2 + rng_.below(mean_us + 1), [this] { arrive(); });
  }

  void make_batch(WanNode& node) {
    node.batch_due = false;
    if (node.waiting.empty()) return;
    auto digest = small_hash(3, ++batches_made_);
    PendingBatch batch{digest, node.index, kWallStart + now_ / 1000 + 60'000, node.waiting.size() * kTransactionBytes};
    batches_[digest] = {batch, std::exchange(node.waiting, {})};
    ++node.under_way;
    // Signed, then synced with its outbox records, then to all.
    auto durable = static_cast<std::uint64_t>(options_.costs.sign_us + options_.costs.sync_us);
    at(durable, [this, &node, batch] {
      give(node, BatchArrived{batch});
      for (auto& other : nodes_)
        if (&other != &node)
          at(distance(), [this, &other, batch] {
            until(other.verify.run(now_, options_.costs.verify_us), [this, &other, batch] { give(other, BatchArrived{batch}); });
          });
    });
  }

  void give(WanNode& node, const Input& input) {
    auto done = node.core.run(now_, options_.costs.core_us);
    auto ms = now_ / 1000;
    if (node.ticked != ms) {
      node.ticked = ms;
      carry_out(node, node.replica->step(Tick{ms, kWallStart + ms}), done);
    }
    if (!std::holds_alternative<Tick>(input)) carry_out(node, node.replica->step(input), done);
  }

  void carry_out(WanNode& node, Effects effects, std::uint64_t done) {
    for (auto& persist : effects.take_persists()) node.last_token = persist.token.value();
    for (const auto& committed : effects.commits) commit(node, committed);
    for (const auto& one : effects.sends()) {
      if (one.after && one.after->value() > node.durable_token)
        node.held.emplace_back(one, one.after->value());
      else
        until(done, [this, &node, one] { send(node, one); });
    }
    for (const auto& request : effects.sign_requests)
      until(node.core.run(now_, options_.costs.sign_us),
            [this, &node, token = request.token, signature = keyring_.sign(node.index, request.bytes)] {
              give(node, Signed{token, signature});
            });
    for (const auto& certificate : effects.executed_certificates) answer(node, certificate.subject.height);
    for (const auto& fetch : effects.fetch_batches)
      for (const auto& digest : fetch.digests) fetch_again(node, digest);
    sync(node);
    if (!effects.wake_at_ms) return;
    auto wake = std::max(*effects.wake_at_ms * 1000, now_ + 1000);
    if (wake >= node.woken) return;
    node.woken = wake;
    until(wake, [this, &node, wake] {
      if (node.woken != wake) return;
      node.woken = UINT64_MAX;
      give(node, Tick{});
    });
  }

  /// Sent already and overtaken by its proposal: comes once more.
  void fetch_again(WanNode& node, const Hash& digest) {
    auto found = batches_.find(digest);
    if (found == batches_.end()) return;
    at(options_.rtt_us, [this, &node, batch = found->second.batch] { give(node, BatchArrived{batch}); });
  }

  void sync(WanNode& node) {
    if (node.syncing || node.last_token == node.durable_token) return;
    node.syncing = true;
    auto token = node.last_token;
    at(static_cast<std::uint64_t>(options_.costs.sync_us), [this, &node, token] {
      node.syncing = false;
      node.durable_token = token;
      auto held = std::exchange(node.held, {});
      for (auto& [one, after] : held) {
        if (after > token)
          node.held.emplace_back(std::move(one), after);
        else
          send(node, one);
      }
      give(node, Durable{token});
    });
  }

  void send(WanNode& node, const Effects::Send& one) {
    auto cost = static_cast<double>(signatures_in(*one.message)) * options_.costs.verify_us;
    for (auto& other : nodes_) {
      if (&other == &node || (one.to && *one.to != other.index)) continue;
      at(distance(), [this, from = node.index, &other, message = one.message, cost] {
        if (is_late(other, *message)) return;
        until(other.verify.run(now_, cost), [this, from, &other, message] { give(other, MessageReceived{from, message}); });
      });
    }
  }

  /// As the node: a vote for what is committed already changes nothing, and is not checked.
  static bool is_late(const WanNode& node, const Message& message) {
    if (const auto* p = std::get_if<Prepare>(&message)) return p->subject.height <= node.committed;
    if (const auto* c = std::get_if<Commit>(&message)) return c->subject.height <= node.committed;
    return false;
  }

  void commit(WanNode& node, const Effects::CommittedBlock& committed) {
    const auto& header = committed.block.header;
    node.committed = header.height;
    std::size_t transactions = 0;
    for (const auto& digest : committed.block.batch_digests) {
      const auto& made = batches_.at(digest);
      transactions += made.arrivals.size();
      if (made.batch.origin != node.index) continue;
      --node.under_way;
      unanswered_[{node.index, header.height}].push_back(digest);
    }
    if (node.index == 0 && is_measured()) ++blocks_;
    auto state = mix(mix(1, node.executed.state_root), committed.digest);
    node.executed = {header.height, committed.digest, small_hash(state, 1), small_hash(state, 2)};
    until(node.exec.run(now_, 100 + static_cast<double>(transactions) * options_.costs.execute_us),
          [this, &node, subject = node.executed] { give(node, BlockExecuted{subject}); });
  }

  /// The member's clients of this block learn their outcome.
  void answer(WanNode& node, Height height) {
    auto found = unanswered_.find({node.index, height});
    if (found == unanswered_.end()) return;
    for (const auto& digest : found->second)
      for (auto arrival : batches_.at(digest).arrivals)
        if (is_measured()) latencies_.push_back(now_ - arrival);
    unanswered_.erase(found);
  }

  WanOptions options_;
  Rng rng_;
  TagKeyring keyring_;
  ChainContext context_;
  MemberSet members_;
  std::vector<WanNode> nodes_;
  Agenda agenda_;
  std::uint64_t now_ = 0, end_us_ = 0, batches_made_ = 0, blocks_ = 0;
  struct Made {
    PendingBatch batch;
    std::vector<std::uint64_t> arrivals;  ///< of its transactions
  };
  std::map<Hash, Made> batches_;
  std::map<std::pair<MemberIndex, Height>, std::vector<Hash>> unanswered_;
  std::vector<std::uint64_t> latencies_;
  WanResult result_;
};

}  // namespace

WanResult run_wan(const WanOptions& options) { return Wan(options).run(); }

}  // namespace galen::sim
