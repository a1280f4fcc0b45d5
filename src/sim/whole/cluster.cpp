#include "sim/whole/cluster.hpp"

#include <algorithm>
#include <cstdio>

#include "galen/execution/receipts.hpp"
#include "galen/types/receipt.hpp"
#include "sim/journal.hpp"
#include "sim/whole/cluster_node.hpp"

namespace galen::sim {

using namespace consensus;

namespace {

constexpr std::uint64_t kEventsMax = 500'000;
constexpr std::uint64_t kTimeoutMs = 300;
constexpr Height kProgress = 8;
constexpr std::size_t kReceiptsChecked = 3;  ///< on each node

}  // namespace

WholeOptions draw_whole(std::uint64_t seed) {
  WholeOptions out;
  out.seed = seed;
  Rng rng(seed + 40'009);
  out.members = rng.chance(3, 4) ? 4 : 7;
  out.byzantine = rng.chance(1, 4) ? 1 : 0;
  out.disk_lies = rng.chance(1, 2) && out.byzantine < faults_tolerated(out.members);
  out.blackout = rng.chance(1, 2);
  out.chaos_ms = 800 + rng.below(1600);
  return out;
}

SeedResult run_whole(const WholeOptions& options) {
  Cluster cluster(options);
  auto failure = cluster.run();
  return {failure, cluster.event_digest(), options.byzantine > 0, cluster.tally()};
}

Cluster::Cluster(const WholeOptions& options)
    : options_(options), rng_(options.seed * 6007 + 17), world_(options.members, options.seed) {
  const auto& members = world_.genesis().member_set;
  loss_percent_ = rng_.chance(1, 2) ? 0 : rng_.below(20);
  delay_max_ = 5 + rng_.below(40);
  auto first_liar = rng_.below(members.size());
  std::vector<bool> honest(members.size(), true);
  for (std::size_t i = 0; i < options_.byzantine; ++i) honest[(first_liar + i) % members.size()] = false;
  for (MemberIndex i = 0; i < members.size(); ++i) {
    nodes_.push_back(std::make_unique<Node>(
        node::Identity{world_.genesis(), i, world_.context(), world_.keyring().key(i)}, rng_.next()));
    auto& node = *nodes_.back();
    node.clock_offset = static_cast<std::int64_t>(rng_.below(400)) - 200;
    if (honest[i]) continue;
    std::uint32_t lies = 0;
    for (unsigned lie = 0; lie < static_cast<unsigned>(kFirstOfBatches); ++lie)
      if (static_cast<Lie>(lie) != Lie::twins && rng_.chance(1, 3)) lies |= 1U << lie;
    node.adversary = std::make_unique<Adversary>(rng_.next(), world_.context(), members, world_.keyring(), i, lies,
                                                 kTimeoutMs);
    for (unsigned lie = 0; lie < static_cast<unsigned>(Lie::count); ++lie)
      if ((lies >> lie & 1U) != 0) count("member " + std::string(to_name(static_cast<Lie>(lie))));
  }
  auto zero = world_.genesis().block_zero().digest(world_.context().suite);
  checker_.emplace(world_.context(), members, world_.keyring(), zero, std::move(honest));
}
Cluster::~Cluster() = default;

void Cluster::at(std::uint64_t delay, Node& node, Action action) {
  at(delay, [&node, life = node.life, action = std::move(action)] {
    if (node.up && !node.dying && node.life == life) action();
  });
}

Tally Cluster::tally() const {
  auto out = tally_;
  out.virtual_ms = now_;
  out.blocks = checker_->highest();
  out.views_burned = checker_->views_burned();
  return out;
}

bool Cluster::is_calm() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const auto& n) { return n->is_honest() && n->is_suspect; });
}

/// At most f members lie, or may have forgotten, at any time.
bool Cluster::may_hurt(const Node& node) const {
  if (!options_.disk_lies || !node.is_honest() || is_healed_) return false;
  std::size_t faulty = options_.byzantine;
  for (const auto& other : nodes_)
    faulty += other->is_honest() && (other->is_suspect || other->is_damaged || !other->is_believed) ? 1 : 0;
  bool counted = node.is_suspect || node.is_damaged || !node.is_believed;
  return faulty + (counted ? 0 : 1) <= faults_tolerated(nodes_.size());
}

/// A client of some member asks for something, now and then twice; its node puts what it has into a batch.
void Cluster::submit() {
  auto& node = *nodes_[rng_.below(nodes_.size())];
  if (lives(node)) {
    auto valid_until = kWholeWallStart + now_ + 60'000;
    std::vector<BatchItem> items;
    for (auto count = 1 + rng_.below(3); count > 0; --count) items.push_back(world_.new_request(node.index(), valid_until));
    if (!retries_.empty() && rng_.chance(1, 8)) items.push_back(retries_[rng_.below(retries_.size())]);
    retries_.push_back(items.front());
    take_batch(node, world_.batch(node.index(), std::move(items)), true);
  }
  at(1 + rng_.below(is_healed_ ? 250 : 150), [this] { submit(); });
}

void Cluster::disturb() {
  if (is_healed_) return;
  auto& node = *nodes_[rng_.below(nodes_.size())];
  switch (rng_.below(12)) {
    case 0:
    case 1:
      count("crash");
      die(node, "crashes");
      break;
    case 2:
    case 3:
      node.disk.fail_power_after(1 + rng_.below(6));
      break;
    case 4:
    case 5:
      node.effects_left = rng_.below(30);
      break;
    case 6:
      count("partition");
      for (auto& one : nodes_) one->side = static_cast<int>(rng_.below(2));
      break;
    case 7:
    case 8:
      for (auto& one : nodes_) one->side = 0;
      break;
    case 9:
      count("slow disk");
      node.disk_ms = rng_.chance(1, 3) ? 0 : rng_.below(80);
      break;
    default:
      if (may_hurt(node)) hurt_disk(node);
      break;
  }
  at(20 + rng_.below(200), [this] { disturb(); });
}

void Cluster::hurt_disk(Node& node) {
  auto lied = [&](const char* what) {
    count(what);
    node.is_believed = false;  // nobody can know what such a disk made it forget
    checker_->disk_lied(node.index());
    node.effects_left = rng_.below(40);
  };
  // At rest: the node is down, or goes down now.
  auto at_rest = [&](const char* what, bool happened) {
    if (!happened) return;
    count(what);
    die(node, std::string("crashes: ") + what);
  };
  switch (rng_.below(6)) {
    case 0:
      node.disk.lose_next_write();
      lied("write lost");
      break;
    case 1:
      node.disk.misdirect_next_write();
      lied("write misdirected");
      break;
    case 2:
      if (!node.up) break;
      at_rest("data directory lost", true);
      node.disk.remove_all();
      node.is_made = false;
      node.is_suspect = true;
      checker_->forgot(node.index());
      break;
    case 3:
      node.ledger_hurt |= node.files.flip_bit();
      at_rest("bit of the ledger flipped", node.ledger_hurt);
      break;
    default:
      if (node.up) die(node, "crashes");
      node.is_damaged |= node.disk.flip_bit();
      at_rest("bit of the log flipped", node.is_damaged);
      break;
  }
}

void Cluster::lie(Node& node) {
  if (node.up && !node.dying && !is_calm_) {
    Adversary::Outbox outbox;
    node.adversary->acts(node.replica->status().view, outbox);
    for (const auto& one : outbox) post(node, one.to, one.message, one.delay_ms);
  }
  at(20 + rng_.below(200), [this, &node] { lie(node); });
}

void Cluster::heal() {
  is_healed_ = true;
  deadline_ = now_ + options_.settle_ms;
  healed_height_ = checker_->highest();
  checker_->healed();
  for (auto& node : nodes_) {
    node->effects_left.reset();
    if (!options_.blackout) continue;
    if (node->up) die(*node, "loses power with all others");
  }
  if (options_.blackout) count("blackout");
}

bool Cluster::settled() const {
  for (const auto& node : nodes_) {
    if (!node->is_honest() || !node->is_believed) continue;
    if (!node->up || node->dying || node->replica->status().mode != Mode::voting) return false;
    if (node->executor->applied_height() < healed_height_ + kProgress) return false;
  }
  return true;
}

std::string Cluster::run() {
  for (auto& node : nodes_) at(rng_.below(50), [this, &node = *node] { start(node); });
  at(rng_.below(200), [this] { submit(); });
  auto begin = [this](auto& again) -> void {
    is_calm_ = is_calm();
    if (is_calm_) return at(20, [this, &again] { again(again); });
    at(100 + rng_.below(200), [this] { disturb(); });
    for (auto& node : nodes_)
      if (!node->is_honest()) lie(*node);
    at(options_.chaos_ms, [this] { heal(); });
  };
  begin(begin);
  auto give_up = options_.settle_ms;  // until all vote for the first time
  while (!queue_.empty() && checker_->failure().empty()) {
    auto next = std::move(const_cast<Scheduled&>(queue_.top()));
    queue_.pop();
    if (next.at > deadline_ || (is_calm_ && next.at > give_up)) break;
    now_ = next.at;
    ++tally_.events;
    next.action();
    bury();
    if (is_healed_ && (tally_.events & 63) == 0 && settled()) break;
    if (tally_.events > kEventsMax) fail("too many events");
  }
  if (checker_->failure().empty()) check_end();
  auto failure = checker_->failure();
  return failure.empty() ? failure : failure + " at " + std::to_string(now_) + " ms";
}

void Cluster::check_end() {
  if (!settled()) {
    std::string where;
    for (const auto& node : nodes_) {
      where += " [" + std::string(node->is_honest() ? "" : "liar ") + (node->is_believed ? "" : "disk lied ");
      if (!node->up || node->dying) {
        where += "down]";
        continue;
      }
      auto status = node->replica->status();
      where += std::to_string(node->executor->applied_height()) + " " + std::string(consensus::to_name(status.mode)) +
               " view " + std::to_string(status.view) + "/" + std::to_string(status.max_view_change) + "]";
    }
    return fail("progress: none after healing at height " + std::to_string(healed_height_) + ":" + where);
  }
  for (auto& node : nodes_)
    if (node->is_honest() && node->is_believed) check_ledger(*node);
}

/// What a client was told is in every ledger, and a receipt of it convinces who has only genesis.
void Cluster::check_ledger(Node& node) {
  auto view = node.store->snapshot();
  if (!view) return fail("ledger: " + view.error().message);
  std::size_t receipts = 0;
  auto who = "member " + std::to_string(node.index());
  for (const auto& [id, height] : acknowledged_) {
    if (height > (*view)->height()) continue;  // newer than what this node has executed
    auto row = (*view)->transaction(id);
    if (!row) return fail("ledger: " + row.error().message);
    if (!*row) return fail("acknowledged: " + who + " does not have a transaction that a client was told about");
    if (receipts >= kReceiptsChecked || !rng_.chance(1, 4)) continue;
    auto receipt = execution::build_receipt(world_.context(), **view, id);
    if (!receipt && receipt.error().code == ErrorCode::UNAVAILABLE) continue;
    if (!receipt) return fail("receipt: " + who + ": " + receipt.error().message);
    auto verdict = verify_receipt(world_.genesis(), *receipt);
    if (!verdict) return fail("receipt: " + who + ": " + verdict.error().message);
    ++receipts;
    count("receipt verified");
  }
}

}  // namespace galen::sim
