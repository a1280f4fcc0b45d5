#include "sim/simulation.hpp"

#include <algorithm>
#include <cstdio>

#include "sim/journal.hpp"
#include "sim/node.hpp"
#include "sim/record.hpp"

namespace galen::sim {

using namespace consensus;

namespace {
constexpr std::uint64_t kEventsMax = 3'000'000;
constexpr Height kProgress = 8;  ///< blocks that must follow after healing
constexpr std::uint64_t kViewsBurnedMax = 12;  ///< five in 12,000 runs at most
constexpr std::size_t kJoinersMax = 2;
constexpr std::size_t kMembersMax = 7;

template <class Key>
void add_counts(std::map<Key, std::uint64_t>& to, const std::map<Key, std::uint64_t>& from) {
  for (const auto& [key, count] : from) to[key] += count;
}
}  // namespace

void Tally::add(const Tally& other) {
  events += other.events;
  virtual_ms += other.virtual_ms;
  blocks += other.blocks;
  views_burned += other.views_burned;
  add_counts(kinds, other.kinds);
  add_counts(refusals, other.refusals);
  add_counts(rejected, other.rejected);
  add_counts(faults, other.faults);
  add_counts(branches, other.branches);
}

Simulation::Simulation(const Options& options) : options_(options), rng_(options.seed * 7919 + 13) {
  keyring_ = options_.keyring != nullptr ? options_.keyring : &tags_;
  ticks_apart_ = rng_.chance(1, 8);
  context_.chain_id = small_hash(7, 7);
  context_.members_hash = small_hash(8, 8);
  block_zero_.chain_id = context_.chain_id;
  block_zero_.body_root = block_zero_.history_root = crypto::merkle_root(context_.suite, {});
  zero_digest_ = block_zero_.digest(context_.suite);
  if (options_.faults) {
    auto loss = rng_.chance(3, 10) ? 0 : rng_.below(25);
    auto delay = 5 + rng_.below(50);
    if (is_planned(Fault::loss)) loss_percent_ = loss;
    if (is_planned(Fault::delay)) delay_max_ = delay, count(Fault::delay);
  }
  auto first = first_members();
  identities_ = first.size() + (options_.walk ? kMembersMax - first.size() : options_.changes > 0 ? kJoinersMax : 0);
  epochs_.emplace(context_, first, *keyring_, identities_, rng_);
  auto first_liar = rng_.below(first.size());
  std::vector<std::optional<std::uint32_t>> lies(identities_);
  for (std::size_t i = 0; i < options_.byzantine; ++i) {
    auto& of_member = lies[(first_liar + i) % first.size()].emplace(0);
    for (unsigned lie = 0; lie < static_cast<unsigned>(kFirstOfBatches); ++lie)
      if (options_.lies ? (*options_.lies >> lie & 1U) != 0 : rng_.chance(1, 3)) of_member |= 1U << lie;
  }
  draw_rare_lies(lies, first.size());
  for (Identity i = 0; i < identities_; ++i) add_node(i, lies[i]);
  for (auto& node : nodes_)
    if (node->lies)  // the first honest one behind it
      for (node->victim = node->identity; lies[node->victim]; node->victim = (node->victim + 1) % first.size()) {
      }
  for (Identity i = 0; i < identities_; ++i)
    if (lies[i] && (*lies[i] >> static_cast<unsigned>(Lie::twins) & 1U) != 0) add_node(i, lies[i]);
  side_.assign(nodes_.size(), 0);
  links_.assign(nodes_.size() * nodes_.size(), false);
  std::vector<bool> honest;
  for (const auto& of_member : lies) honest.push_back(!of_member);
  const auto& set = epochs_->of(1);
  checker_.emplace(set.context, set.members, *set.keyring, zero_digest_, std::move(honest));
}
Simulation::~Simulation() = default;

void Simulation::add_node(Identity identity, std::optional<std::uint32_t> lies) {
  auto node = std::make_unique<Node>();
  node->place = nodes_.size();
  node->identity = identity;
  node->lies = lies;
  node->clock_offset = static_cast<std::int64_t>(rng_.below(400)) - 200;
  if (does(*node, Lie::errs)) node->errs_from = 3 + options_.seed % 16;
  node->executed.push_back({0, zero_digest_, small_hash(1, 0), small_hash(2, 0)});
  nodes_.push_back(std::move(node));
}

MemberSet Simulation::first_members() const {
  if (options_.member_set != nullptr) return *options_.member_set;
  std::vector<Member> list(options_.members);
  for (std::size_t i = 0; i < list.size(); ++i) {
    list[i].id.data[0] = static_cast<std::uint8_t>(i + 1);
    list[i].consensus_key.data[0] = static_cast<std::uint8_t>(i + 1);
  }
  return MemberSet(std::move(list));
}

void Simulation::fail(const std::string& what) { checker_->fail(what); }

Tally Simulation::tally() const {
  auto out = tally_;
  out.virtual_ms = now_;
  for (unsigned fault = 0; fault < happened_.size(); ++fault)
    if (happened_[fault] > 0) out.faults[std::string(to_name(static_cast<Fault>(fault)))] += happened_[fault];
  for (unsigned lie = 0; lie < told_.size(); ++lie)
    if (told_[lie] > 0) out.faults["member " + std::string(to_name(static_cast<Lie>(lie)))] += told_[lie];
  if (late_votes_ > 0) out.faults["a vote of an ended view arrives"] = late_votes_;
  add_events(out);
  out.blocks = checker_->highest();
  out.views_burned = checker_->views_burned();
  return out;
}

/// Where members lie, all honest ones must vote before trouble begins: one that comes to a chain that has begun must
/// recover, and might be one fault too many.
bool Simulation::calm() const { return is_calm_ && !is_healed_; }

void Simulation::await_votes() {
  const auto& first = epochs_->of(1).identities;
  is_calm_ = std::any_of(first.begin(), first.end(), [this](auto i) { return !nodes_[i]->lies && nodes_[i]->lost_log; });
  if (is_calm_ && now_ > options_.settle_ms) return fail("progress: before trouble begins, not all come to vote");
  if (is_calm_) at(20, [this] { await_votes(); });
}

/// A client hands a batch to some node, which sends it to all.
void Simulation::submit() {
  auto origin = rng_.below(nodes_.size());
  auto* seat = nodes_[origin]->seat.get();
  if (nodes_[origin]->up && seat->is_member()) {
    Batch batch{{small_hash(3, next_batch_++), seat->index, kWallStart + now_ + 5'000 + rng_.below(50'000),
                 100 + rng_.below(1000)},
                seat->epoch};
    if (seat->adversary && seat->adversary->makes_odd_batches() && rng_.chance(1, 3)) make_odd(*seat, batch.pending);
    batches_.emplace(batch.pending.digest, batch);
    // It hears itself; of the others one at most.
    const bool whispers = does(*nodes_[origin], Lie::whispers);
    const auto only = whispers ? rng_.below(nodes_.size()) : 0;
    for (std::size_t to = 0; to < nodes_.size(); ++to) {
      if (whispers && to != origin && to != only) {
        count(Lie::whispers);
        continue;
      }
      if (to != origin && (!linked(origin, to) || is_lost())) continue;
      at(to == origin ? 0 : latency(), [this, to, batch] { take_body(*nodes_[to], batch); });
    }
  }
  auto pause = options_.quiet || rng_.chance(1, 20) ? rng_.below(1500) : rng_.below(120);
  at(1 + pause, [this] { submit(); });
}

/// One that pools take and no block may hold: soon expired, valid for too long, or too large beside another of its origin.
void Simulation::make_odd(Seat& seat, PendingBatch& batch) {
  GenesisParameters limits;
  switch (rng_.below(3)) {
    case 0:
      batch.valid_until_ms = kWallStart + now_ + 200 + rng_.below(1500);
      break;
    case 1:
      batch.valid_until_ms = kWallStart + now_ + limits.ttl_max_ms + 6000 + rng_.below(3000);
      break;
    default:
      batch.bytes = limits.member_block_bytes_max - rng_.below(100);
      break;
  }
  seat.adversary->owns(batch.digest);
}

void Simulation::disturb() {
  if (is_healed_) return;
  if (calm()) return at(20, [this] { disturb(); });
  auto what = rng_.below(10);
  if (what < 4) {
    auto place = rng_.below(nodes_.size());
    if (nodes_[place]->up) {
      bool lose = may_lose_log(*nodes_[place]) && rng_.chance(1, 3) && is_planned(Fault::amnesia);
      bool ledger_alone =
          !lose && options_.ledgers && may_lose_log(*nodes_[place]) && rng_.chance(1, 3) && is_planned(Fault::ledger);
      bool back = !lose && !ledger_alone && options_.restores && may_lose_log(*nodes_[place]) && rng_.chance(1, 2) &&
                  is_planned(Fault::restored);
      bool lose_ledger = ledger_alone || (lose && rng_.chance(1, 2));
      bool in_order = !lose && !ledger_alone && !back && rng_.chance(1, 8) && is_planned(Fault::crash);
      if (back)
        count(Fault::restored), put_back(place);
      else if (in_order)
        stop_in_order(place);
      else if (lose || ledger_alone || is_planned(Fault::crash))
        count(lose ? Fault::amnesia : ledger_alone ? Fault::ledger : Fault::crash), crash(place, lose, lose_ledger);
      at((in_order ? kStopMs : 0) + 1 + rng_.below(rng_.chance(1, 2) ? 30 : 1500), [this, place] {
        if (!nodes_[place]->up) start(place);
      });
    }
  } else if (what < 7) {
    if (is_planned(Fault::partition)) count(Fault::partition);
    for (auto& side : side_) side = is_planned(Fault::partition) ? static_cast<int>(rng_.below(2)) : 0;
  } else if (what < 9) {
    for (auto& side : side_) side = 0;
  } else if (is_planned(Fault::loss)) {
    loss_percent_ = rng_.below(25);
  }
  if (rng_.chance(1, 4)) trouble();
  note_links();
  at(30 + rng_.below(500), [this] { disturb(); });
}

void Simulation::lie(std::size_t place) {
  auto& node = *nodes_[place];
  for (auto* seat : {node.seat.get(), node.old_seat.get()}) {
    if (!node.up || calm() || seat == nullptr || !seat->adversary) continue;
    Adversary::Outbox outbox;
    seat->adversary->acts(seat->replica->status().view, outbox);
    post_lies(place, seat->epoch, outbox);
  }
  at(20 + rng_.below(200), [this, place] { lie(place); });
}

void Simulation::heal() {
  if (is_calm_) return at(50, [this] { heal(); });  // trouble has not begun
  is_healed_ = true;
  deadline_ = now_ + options_.settle_ms;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (!nodes_[i]->up) start(i);
  note_links();
  healed_height_ = checker_->highest();
  checker_->healed();
  if (options_.journal != nullptr) options_.journal->told(now_, 0, "the network heals");
  if (options_.trace)
    std::printf("%7llu     healed at height %llu\n", static_cast<unsigned long long>(now_),
                static_cast<unsigned long long>(healed_height_));
}

bool Simulation::settled() const {
  for (const auto& node : nodes_) {
    if (!node->is_honest()) continue;
    if (!node->up || node->height() < healed_height_ + kProgress) return false;
    if (!epochs_->of(epochs_->newest()).index_of(node->identity)) continue;
    if (node->seat->epoch != epochs_->newest() || node->seat->replica->status().mode != Mode::voting) return false;
  }
  return true;
}

std::string Simulation::run() {
  if (options_.record) {
    std::vector<Identity> liars;
    for (const auto& node : nodes_)
      if (!node->is_honest() && node->place < identities_) liars.push_back(node->identity);
    options_.record->begins(options_.seed, liars);
  }
  auto members = epochs_->of(1).members.size();
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    bool comes_later = i >= members && i < identities_;
    at(rng_.below(comes_later ? options_.chaos_ms : 50), [this, i] {
      if (!nodes_[i]->up) start(i);
    });
  }
  at(rng_.below(200), [this] { submit(); });
  if (options_.faults) at(100 + rng_.below(400), [this] { disturb(); });
  if (options_.byzantine > 0) {
    is_calm_ = true;
    at(50, [this] { await_votes(); });
  }
  for (const auto& node : nodes_)
    if (!node->is_honest()) at(100 + rng_.below(100), [this, place = node->place] { lie(place); });
  at(options_.chaos_ms, [this] { heal(); });
  if (options_.measured) at(700, [this] { measure(); });
  while (!agenda_.empty() && checker_->failure().empty()) {
    if (agenda_.next_at() > deadline_) break;
    now_ = agenda_.next_at();
    ++tally_.events;
    agenda_.run_next();
    if ((tally_.events & 255) == 0) check_memory();
    if (is_healed_ && (tally_.events & 63) == 0 && settled()) break;
    if (tally_.events > kEventsMax) fail("too many events");
  }
  if (checker_->failure().empty() && !settled()) {
    std::string where;
    for (const auto& node : nodes_) {
      auto status = node->seat->replica->status();
      where += " [" + std::string(node->is_honest() ? "" : "liar ") + std::to_string(node->chain.size()) + " " +
               std::string(node->seat->is_member() ? consensus::to_name(status.mode) : "follows in") + " epoch " +
               std::to_string(node->seat->epoch) + " view " + std::to_string(status.view) + "/" +
               std::to_string(status.max_view_change) + "]";
    }
    fail("progress: none after healing at height " + std::to_string(healed_height_) + ":" + where);
  }
  if (checker_->views_burned() > kViewsBurnedMax)
    fail("views: " + std::to_string(checker_->views_burned()) + " were burned after healing");
  check_waits();
  for (const auto& node : nodes_)
    if (node->up && node->is_honest()) check_records(*node);
  auto failure = checker_->failure();
  return failure.empty() ? failure : failure + " at " + std::to_string(now_) + " ms";
}

}  // namespace galen::sim
