#include "sim/whole/cluster.hpp"

#include <algorithm>
#include <cstdio>

#include "galen/execution/receipts.hpp"
#include "galen/ledger/v1/state.pb.h"
#include "galen/types/receipt.hpp"
#include "sim/journal.hpp"
#include "sim/whole/cluster_node.hpp"

namespace galen::sim {

using namespace consensus;

namespace {

constexpr std::uint64_t kEventsMax = 500'000;
constexpr Height kProgress = 8;
constexpr std::size_t kReceiptsChecked = 3;  ///< on each node
constexpr std::size_t kJoiners = 2;

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
  Rng changes(seed + 4242);  // apart, so that the other seeds stay what they were
  if (changes.chance(1, 4)) {
    out.changes = 1 + static_cast<unsigned>(changes.below(3));
    out.members = 4 + changes.below(4);
    out.disk_lies = out.disk_lies && out.byzantine < faults_tolerated(out.members);
    out.chaos_ms += 2000;  // people take their time
  }
  Rng liars(seed + 90'123);
  if (out.byzantine > 0 && liars.chance(1, 2)) out.byzantine = faults_tolerated(out.members);
  out.disk_lies = out.disk_lies && out.byzantine < faults_tolerated(out.members);
  return out;
}

SeedResult run_whole(const WholeOptions& options) {
  Cluster cluster(options);
  auto failure = cluster.run();
  return {failure, cluster.event_digest(), options.byzantine > 0, cluster.tally()};
}

Cluster::Cluster(const WholeOptions& options)
    : options_(options),
      rng_(options.seed * 6007 + 17),
      world_(options.members, options.changes > 0 ? kJoiners : 0, options.seed) {
  loss_percent_ = rng_.chance(1, 2) ? 0 : rng_.below(20);
  delay_max_ = 5 + rng_.below(40);
  auto first_liar = rng_.below(options_.members);
  std::vector<bool> honest(world_.identities(), true);
  for (std::size_t i = 0; i < options_.byzantine; ++i) honest[(first_liar + i) % options_.members] = false;
  for (Identity i = 0; i < world_.identities(); ++i) {
    nodes_.push_back(std::make_unique<Node>(i, world_.node_identity(i), rng_.next()));
    auto& node = *nodes_.back();
    node.clock_offset = static_cast<std::int64_t>(rng_.below(400)) - 200;
    if (honest[i]) continue;
    auto& lies = node.lies.emplace(0);
    for (unsigned lie = 0; lie < static_cast<unsigned>(kFirstOfBatches); ++lie)
      if (static_cast<Lie>(lie) != Lie::twins && rng_.chance(1, 3)) lies |= 1U << lie;
    if (Rng(options_.seed * 41 + i).chance(1, 3)) lies |= 1U << static_cast<unsigned>(Lie::poisons);
  }
  const auto& first = world_.of(1);
  auto zero = world_.genesis().block_zero().digest(first.context.suite);
  checker_.emplace(first.context, first.members, *first.keyring, zero, std::move(honest));
  if (options_.changes == 0) world_.tell_first_principals(model_.emplace());
}
Cluster::~Cluster() = default;

void Cluster::at(std::uint64_t delay, Node& node, std::function<void()> action) {
  at(delay, [&node, life = node.life, action = std::move(action)] {
    if (node.up && !node.dying && node.life == life) action();
  });
}

Tally Cluster::tally() const {
  auto out = tally_;
  out.virtual_ms = now_;
  out.blocks = checker_->highest();
  out.views_burned = checker_->views_burned();
  for (unsigned lie = 0; lie < told_.size(); ++lie)
    if (told_[lie] > 0) out.faults["member " + std::string(to_name(static_cast<Lie>(lie)))] += told_[lie];
  return out;
}

bool Cluster::is_calm() const {
  const auto& first = world_.of(1).identities;
  return std::any_of(first.begin(), first.end(), [&](auto i) { return nodes_[i]->is_honest() && nodes_[i]->is_suspect; });
}

/// A client of some member asks for something, now and then twice; its node puts what it has into a batch.
void Cluster::submit() {
  auto& node = *nodes_[rng_.below(nodes_.size())];
  if (lives(node) && node.identity.is_voter()) {
    auto valid_until = kWholeWallStart + now_ + kValidMs;
    std::vector<BatchItem> items;
    for (auto count = 1 + rng_.below(3); count > 0; --count) items.push_back(world_.new_request(node.place, valid_until));
    if (!retries_.empty() && rng_.chance(1, 8)) items.push_back(retries_[rng_.below(retries_.size())]);
    retries_.push_back(items.front());
    send_batch(node, std::move(items));
  }
  at(1 + rng_.below(is_healed_ ? 250 : 150), [this] { submit(); });
}

void Cluster::disturb() {
  if (is_healed_) return;
  auto& node = *nodes_[rng_.below(nodes_.size())];
  switch (rng_.below(16)) {
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
      mend_network();
      break;
    case 9:
      count("slow disk");
      node.disk_ms = rng_.chance(1, 3) ? 0 : rng_.below(80);
      break;
    case 10:
      count("one way");
      (rng_.chance(1, 2) ? node.unheard : node.deaf) = true;
      break;
    case 11:
      count("flapping");
      flap(5 + static_cast<unsigned>(rng_.below(30)));
      break;
    case 12:
      count("slow node");
      node.slow_ms = 20 + rng_.below(180);
      break;
    case 13:
      count("clock jumps");
      node.clock_offset = static_cast<std::int64_t>(rng_.below(6000)) - 3000;
      break;
    default:
      if (may_hurt(node)) hurt_disk(node);
      break;
  }
  at(20 + rng_.below(200), [this] { disturb(); });
}

/// Two sides that part and meet again, faster than any timer.
void Cluster::flap(unsigned times) {
  if (is_healed_ || times == 0) return;
  for (auto& node : nodes_) node->side = times % 2 == 0 ? 0 : static_cast<int>(rng_.below(2));
  at(5 + rng_.below(60), [this, times] { flap(times - 1); });
}

void Cluster::mend_network() {
  for (auto& node : nodes_) {
    node->side = 0;
    node->unheard = node->deaf = false;
    node->slow_ms = 0;
  }
}

void Cluster::hurt_disk(Node& node) {
  auto lied = [&](const char* what) {
    count(what);
    node.is_believed = false;  // nobody can know what such a disk made it forget
    checker_->disk_lied(static_cast<MemberIndex>(node.place));
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
      checker_->forgot(static_cast<MemberIndex>(node.place));
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
  if (node.up && !node.dying && !is_calm_ && node.adversary) {
    Adversary::Outbox outbox;
    node.adversary->acts(node.replica->status().view, outbox);
    post_lies(node, outbox);
  }
  at(20 + rng_.below(200), [this, &node] { lie(node); });
}

void Cluster::heal() {
  is_healed_ = true;
  deadline_ = now_ + options_.settle_ms;
  healed_height_ = checker_->highest();
  checker_->healed();
  mend_network();
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
    if (!node->up || node->dying) return false;
    if (node->executor->applied_height() < healed_height_ + kProgress) return false;
    if (!world_.of(world_.newest()).index_of(node->place)) continue;
    if (node->epoch() != world_.newest() || node->replica->status().mode != Mode::voting) return false;
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
    if (options_.changes > 0) govern();
    at(options_.chaos_ms, [this] { heal(); });
  };
  begin(begin);
  auto give_up = options_.settle_ms;  // until all vote for the first time
  while (!agenda_.empty() && checker_->failure().empty()) {
    auto next = agenda_.next_at();
    if (next > deadline_ || (is_calm_ && next > give_up)) break;
    now_ = next;
    ++tally_.events;
    agenda_.run_next();
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
      where += std::to_string(node->executor->applied_height()) + " " +
               std::string(node->identity.is_voter() ? consensus::to_name(status.mode) : "follows in") + " epoch " +
               std::to_string(node->epoch()) + " view " + std::to_string(status.view) + "/" + std::to_string(status.max_view_change) + "]";
    }
    return fail("progress: none after healing at height " + std::to_string(healed_height_) + ":" + where);
  }
  for (auto& node : nodes_) {
    if (!node->is_honest() || !node->is_believed) continue;
    check_ledger(*node);
    check_epochs(*node);
  }
}

/// What each request came to, as told by a model that shares nothing with the contracts.
void Cluster::check_history(const execution::ExecutedBlock& executed, const Block& block) {
  const auto& genesis = world_.genesis();
  for (const auto& item : executed.items) {
    const auto& batch = *block.batches[item.batch];
    const auto& origin = genesis.members[batch.header().origin].id;
    const auto expected =
        model_->apply(batch.items()[item.item], origin.str(), executed.time_ms, genesis.parameters.ttl_max_ms);
    if (expected != item.code)
      fail("history: height " + std::to_string(executed.height) + " says " + std::string(to_reason(item.code)) +
           " of a request, the model " + std::string(to_reason(expected)));
  }
}

/// One record, and the accesses of its patient, on the member that has just executed what the model knows.
void Cluster::check_read(Node& node) {
  const auto& records = model_->state.records;
  if (records.empty()) return;
  const auto& [pointer, record] = *std::next(records.begin(), static_cast<std::ptrdiff_t>(rng_.below(records.size())));
  const auto& view = node.store->latest();
  auto bytes = view.state(static_cast<std::uint8_t>(StateKind::record), to_bytes(pointer));
  if (!bytes && node.ledger_hurt) return;
  ledger::v1::RecordState row;
  if (!bytes || !*bytes || !row.ParseFromArray((*bytes)->data(), static_cast<int>((*bytes)->size())))
    return fail("history: member " + std::to_string(node.place) + " has no record that the model has");
  if (row.custodian() != record.custodian || row.subject() != record.subject)
    fail("history: member " + std::to_string(node.place) + " reads another record than the model");
  count("read as the model says");
}

/// What a client was told is in every ledger, and a receipt of it convinces who has only genesis.
void Cluster::check_ledger(Node& node) {
  // A bit that turned may be found only now.
  auto cannot_read = [&](const Error& error) {
    if (!node.ledger_hurt) fail("ledger: " + error.message);
  };
  auto view = node.store->snapshot();
  if (!view) return cannot_read(view.error());
  std::size_t receipts = 0;
  auto who = "member " + std::to_string(node.place);
  for (const auto& [id, height] : acknowledged_) {
    if (height > (*view)->height()) continue;  // newer than what this node has executed
    auto row = (*view)->transaction(id);
    if (!row) return cannot_read(row.error());
    if (!*row) return fail("acknowledged: " + who + " does not have a transaction that a client was told about");
    if (receipts >= kReceiptsChecked || !rng_.chance(1, 4)) continue;
    auto receipt = execution::build_receipt(world_.genesis().context(), **view, id);
    if (!receipt && receipt.error().code == ErrorCode::UNAVAILABLE) continue;
    if (!receipt && node.ledger_hurt) return;
    if (!receipt) return fail("receipt: " + who + ": " + receipt.error().message);
    auto verdict = verify_receipt(world_.genesis(), *receipt);
    if (!verdict) return fail("receipt: " + who + ": " + verdict.error().message);
    ++receipts;
    count("receipt verified");
  }
}

}  // namespace galen::sim
