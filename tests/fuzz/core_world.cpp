#include "fuzz/core_world.hpp"

#include <algorithm>
#include <cstdio>

#include "galen/base/assert.hpp"

namespace galen::fuzz {

using namespace consensus;

namespace {

constexpr std::uint64_t kWallStart = 1'700'000'000'000ULL;
constexpr std::uint64_t kTimeoutMs = 300;
constexpr std::uint64_t kTtlMs = 600'000;
constexpr std::size_t kPoolOfOrigin = 8;
constexpr std::size_t kInFlightMax = 1'024;
constexpr std::size_t kRootsKept = 24;
/// More than an honest turn ever asks for; without bound a liar could fill a node with what it makes it say.
constexpr std::size_t kEffectsMax = 512;
constexpr std::size_t kRoundsToHeal = 400;

ExecutedSubject execute_block(const ExecutedSubject& before, const Hash& digest) {
  const auto state = sim::mix(sim::mix(1, before.state_root.span()), digest.span());
  return {before.height + 1, digest, sim::small_hash(state, 1), sim::small_hash(state, 2)};
}

}  // namespace

/// One log for all, as in the node, in the order of writing.
struct CoreWorld::Entry {
  std::optional<SafetyRecord> safety;
  std::optional<PendingBatch> batch;
  std::optional<Effects::CommittedBlock> block;
};

struct CoreWorld::Member {
  MemberIndex index = 0;
  std::unique_ptr<Replica> replica;
  std::vector<Entry> log;
  std::size_t durable = 0;  ///< entries that survive a crash
  std::vector<Effects::CommittedBlock> chain;
  std::vector<ExecutedSubject> executed;  ///< from height 0
  Leadership leadership;                  ///< after the last of them
  std::map<Hash, PendingBatch> bodies;
  std::vector<Effects::SignRequest> to_sign;
  std::vector<Effects::Send> held;  ///< until their token is durable
  std::vector<Hash> batches_wanted;
  bool wants_blocks = false;
  std::uint64_t last_token = 0, durable_token = 0;
  std::uint64_t ticked = 0;
  std::optional<std::uint64_t> wake_at_ms;
  bool stops = false;
};

CoreWorld::CoreWorld(Choices& choices) : choices_(choices) {
  context_.chain_id = sim::small_hash(7, 7);
  context_.members_hash = sim::small_hash(8, 8);
  block_zero_.chain_id = context_.chain_id;
  block_zero_.body_root = block_zero_.history_root = crypto::merkle_root(context_.suite, {});
  zero_digest_ = block_zero_.digest(context_.suite);
  std::vector<galen::Member> list(kMembers);
  for (std::size_t i = 0; i < kMembers; ++i)
    list[i].id.data[0] = list[i].consensus_key.data[0] = static_cast<std::uint8_t>(i + 1);
  set_ = MemberSet(std::move(list));
  const auto settings = choices_.byte();
  liar_ = settings % kMembers;
  is_fresh_ = (settings >> 2 & 3) == 3;
  if ((settings >> 4 & 3) == 3) change_from_ = 2 + (settings >> 6);
  std::vector<bool> honest(kMembers, true);
  honest[liar_] = false;
  checker_.emplace(context_, set_, keyring_, zero_digest_, honest);
  for (MemberIndex i = 0; i < kMembers; ++i) {
    members_[i] = std::make_unique<Member>();
    members_[i]->index = i;
    if (is_fresh_) continue;
    members_[i]->log.push_back({SafetyState().mode_record(Mode::voting), {}, {}});
    members_[i]->durable = 1;
  }
  for (auto& member : members_) start(*member);
  for (int i = 0; i < 3; ++i) calm_round();  // STATUS before the first vote
}
CoreWorld::~CoreWorld() = default;

void CoreWorld::require(bool holds, const char* what) const {
  if (!holds) std::fprintf(stderr, "at %llu ms: %s\n", static_cast<unsigned long long>(now_), what);
  GALEN_ASSERT(holds);
}

TimestampMs CoreWorld::wall() const { return kWallStart + now_; }
bool CoreWorld::is_honest(const Member& member) const { return member.index != liar_; }
CoreWorld::Member& CoreWorld::one() { return *members_[choices_.below(kMembers)]; }

// --- one member ------------------------------------------------------------------------------------------------------

/// What it finds in its log. Its ledger may be behind by a few blocks, which are executed again.
Recovered CoreWorld::recovered(Member& member) {
  Recovered out;
  std::vector<SafetyRecord> safety;
  out.tip = {block_zero_, zero_digest_, std::nullopt, 1};
  out.history = crypto::MerkleFrontier(context_.suite);
  out.history.append(crypto::merkle_leaf(context_.suite, zero_digest_));
  std::map<Hash, PendingBatch> pending;
  for (const auto& entry : member.log) {
    if (entry.safety) safety.push_back(*entry.safety);
    if (entry.batch) member.bodies.emplace(entry.batch->digest, *entry.batch), pending.emplace(entry.batch->digest, *entry.batch);
    if (!entry.block) continue;
    const auto& block = *entry.block;
    member.chain.push_back(block);
    out.tip = {block.block.header, block.digest, block.certificate, 1};
    out.history.append(crypto::merkle_leaf(context_.suite, block.digest));
    for (const auto& digest : block.block.batch_digests) {
      pending.erase(digest);
      out.recent_batches.emplace_back(digest, batches_.at(digest).valid_until_ms);
    }
  }
  for (const auto& [digest, batch] : pending) {
    from_logs_.insert(digest);
    out.pending.push_back(batch);
  }
  auto folded = recover(context_.epoch, context_.suite, safety);
  require(folded.has_value(), "own records do not fold");
  const auto again = recover(context_.epoch, context_.suite, folded->records());
  require(again && again->records() == folded->records(), "safety records do not fold to themselves");
  out.safety = std::move(*folded);
  const auto behind = std::min(member.chain.size(), choices_.below(4));
  for (std::size_t i = 0; i + behind < member.chain.size(); ++i) execute_next(member);
  out.leader_skips = member.leadership.skips;
  out.tip.base_exec_height =
      base_exec_height(out.tip.header, [&](Height height) { return std::optional(header_at(member, height)); });
  const auto first = member.executed.size() - std::min(member.executed.size(), kRootsKept);
  out.executed.assign(member.executed.begin() + static_cast<std::ptrdiff_t>(first), member.executed.end());
  for (const auto& executed : out.executed)
    if (change_from_ && executed.height >= *change_from_) out.pending_members.emplace(executed.height, sim::small_hash(9, 9));
  return out;
}

void CoreWorld::start(Member& member) {
  const auto index = member.index;
  auto log = std::move(member.log);
  log.resize(std::min(log.size(), member.durable));
  member = Member();
  member.index = index;
  member.log = std::move(log);
  member.durable = member.log.size();
  member.executed.push_back({0, zero_digest_, sim::small_hash(1, 0), sim::small_hash(2, 0)});
  auto found = recovered(member);
  if (found.tip.header.epoch_end()) {
    // Its epoch is over: the next one's replica is not built here.
    member.stops = true;
    return;
  }
  Config config;
  config.context = context_;
  config.members = set_;
  config.self = index;
  config.parameters.view_timeout_ms = kTimeoutMs;
  config.parameters.idle_block_interval_ms = 1'500;
  config.parameters.tenure_blocks = 5;
  config.parameters.ttl_max_ms = kTtlMs;
  config.rng_seed = index + 1;
  config.tenure_ms = 2'000;
  config.pool_batches_per_origin = kPoolOfOrigin;
  member.replica = std::make_unique<Replica>(config, std::move(found));
  give(member, Tick{now_, wall()});
}

void CoreWorld::give(Member& member, const Input& input) {
  if (!member.replica) return;
  if (member.ticked != now_) {
    member.ticked = now_;
    carry_out(member, member.replica->step(Tick{now_, wall()}), true);
  }
  if (!std::holds_alternative<Tick>(input)) carry_out(member, member.replica->step(input), false);
}

void CoreWorld::carry_out(Member& member, Effects effects, bool was_tick) {
  std::optional<VoteSubject> tip;
  if (!member.chain.empty()) tip = member.chain.back().certificate.subject;
  for (const auto& event : effects.events) {
    if (event.kind == EventKind::epoch_ended) member.stops = true;
    if (is_honest(member)) checker_->reported(member.index, event, tip);
  }
  for (auto& persist : effects.take_persists()) {
    require(persist.token.value() > member.last_token, "tokens do not ascend");
    member.last_token = persist.token.value();
    for (auto& record : persist.records) member.log.push_back({std::move(record), {}, {}});
  }
  for (auto& block : effects.commits) {
    if (is_honest(member)) checker_->committed(member.index, member.chain.size(), block);
    for (const auto& digest : block.block.batch_digests)
      require(member.bodies.contains(digest), "a block was given out without its batches");
    member.log.push_back({{}, {}, block});
    member.chain.push_back(std::move(block));
  }
  for (const auto& one : effects.sends()) {
    require(!one.after || one.after->value() <= member.last_token, "a promise behind a record that was never asked for");
    if (one.after && one.after->value() > member.durable_token) member.held.push_back(one);
    else say(member, one.to, one.message);
  }
  for (auto& request : effects.sign_requests) member.to_sign.push_back(std::move(request));
  for (const auto& fetch : effects.fetch_batches)
    member.batches_wanted.insert(member.batches_wanted.end(), fetch.digests.begin(), fetch.digests.end());
  member.wants_blocks |= !effects.fetch_blocks.empty();
  for (const auto& certificate : effects.executed_certificates)
    require(certificate.signatures.size() >= set_.quorum(), "EXECUTED certified by fewer than q");
  for (const auto& evidence : effects.evidence)
    require(!is_honest(member) || evidence.member == liar_, "evidence against an honest member");
  // In the past it would make the node's loop spin; far away it would never come.
  member.wake_at_ms = effects.wake_at_ms;
  if (was_tick && effects.wake_at_ms) require(*effects.wake_at_ms > now_, "wants to be woken in the past");
  require(!effects.wake_at_ms || *effects.wake_at_ms <= now_ + 60'000, "wants to be woken in a minute at the earliest");
  require(effects.sends().size() + effects.events.size() + effects.fetch_blocks.size() + effects.evidence.size() <= kEffectsMax,
          "a step asks for very much");
  if (!checker_->failure().empty()) require(false, checker_->failure().c_str());
}

/// What may lie in memory is bounded whatever the others say.
void CoreWorld::check_bounds(const Member& member) {
  if (!member.replica) return;
  const auto status = member.replica->status();
  // Beside the pools of the origins, those that blocks wait for, and what a log has for which its pool had had no room:
  // who starts takes up all of it, and others get it with its proposals.
  require(status.in_flight <= 8 * limits::kWindowMax, "blocks in flight without bound");
  require(status.pending_batches <=
              kMembers * kPoolOfOrigin + status.in_flight * limits::kBlockBatchesMax + from_logs_.size(),
          "batches without bound");
  require(member.replica->safety_records().size() <= 2 * kPromisesMax + 4 * limits::kWindowMax * (status.view + 2),
          "safety records without bound");
}

// --- the world around it ---------------------------------------------------------------------------------------------

void CoreWorld::say(Member& member, const Target& to, const MessagePtr& message) {
  if (is_honest(member)) {
    checker_->said(member.index, *message);
    require(verify_message(context_, set_, keyring_, member.index, *message).has_value(), "an honest message does not verify");
  } else if (is_healed_) {
    return;
  }
  hear(message);
  for (MemberIndex i = 0; i < kMembers; ++i)
    if (i != member.index && (!to || *to == i)) network_.push_back({member.index, i, message});
  while (network_.size() > kInFlightMax) network_.pop_front();
}

void CoreWorld::deliver(std::size_t place, bool keeps) {
  if (network_.empty()) return;
  place %= network_.size();
  const auto one = network_[place];
  if (!keeps) network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(place));
  if (one.from == liar_ && !verify_message(context_, set_, keyring_, one.from, *one.message)) return;
  give(*members_[one.to], MessageReceived{one.from, one.message});
}

void CoreWorld::sign(Member& member, std::size_t which) {
  if (member.to_sign.empty()) return;
  const auto place = member.to_sign.begin() + static_cast<std::ptrdiff_t>(which % member.to_sign.size());
  const auto request = std::move(*place);
  member.to_sign.erase(place);
  give(member, Signed{request.token, keyring_.sign(member.index, request.bytes)});
}

void CoreWorld::sync(Member& member) {
  member.durable = member.log.size();
  if (member.durable_token == member.last_token) return;
  member.durable_token = member.last_token;
  for (const auto& one : std::exchange(member.held, {})) say(member, one.to, one.message);
  give(member, Durable{member.durable_token});
}

const BlockHeader& CoreWorld::header_at(const Member& member, Height height) const {
  return height == 0 ? block_zero_ : member.chain[height - 1].block.header;
}

/// The leaders follow from it as well (V6).
void CoreWorld::execute_next(Member& member) {
  const auto height = member.executed.size();
  member.executed.push_back(execute_block(member.executed.back(), member.chain[height - 1].digest));
  const auto& header = header_at(member, height);
  note_block(member.leadership, kMembers, header_at(member, height - 1), header);
  if (header.epoch_end()) member.leadership = {};
  if (is_honest(member)) checker_->executed(member.index, height, member.leadership);
}

void CoreWorld::execute(Member& member) {
  if (member.executed.size() > member.chain.size()) return;
  execute_next(member);
  const auto& subject = member.executed.back();
  const auto& header = member.chain.back().block.header;
  BlockExecuted executed{subject, std::nullopt, member.leadership.skips};
  const bool ended = header.epoch_end() && header.height == subject.height;
  if (change_from_ && subject.height >= *change_from_ && !ended) executed.next_members = sim::small_hash(9, 9);
  give(member, executed);
}

/// By whoever has it; the liar answers as well, for what is fetched proves itself.
void CoreWorld::answer_fetches(Member& member) {
  for (const auto& digest : std::exchange(member.batches_wanted, {}))
    if (auto batch = batches_.find(digest); batch != batches_.end()) add_batch(member, batch->second);
  if (!std::exchange(member.wants_blocks, false)) return;
  for (const auto& other : members_) {
    for (auto height = member.chain.size(); height < other->chain.size() && member.replica; ++height) {
      const auto& block = other->chain[height];
      BlockFetched fetched{block.block, block.certificate, {}};
      for (const auto& digest : block.block.batch_digests) {
        fetched.batches.push_back(batches_.at(digest));
        if (member.bodies.emplace(digest, fetched.batches.back()).second) member.log.push_back({{}, fetched.batches.back(), {}});
      }
      give(member, fetched);
      if (member.chain.size() <= height) break;
    }
  }
}

void CoreWorld::submit(MemberIndex origin, std::uint8_t to, TimestampMs valid_for_ms) {
  const auto number = ++submitted_;
  PendingBatch batch{sim::small_hash(number, 77), origin, wall() + valid_for_ms, 100 + number};
  batches_.emplace(batch.digest, batch);
  for (auto& member : members_)
    if ((to >> member->index & 1) != 0) add_batch(*member, batch);
}

void CoreWorld::add_batch(Member& member, const PendingBatch& batch) {
  if (!member.replica) return;
  if (member.bodies.emplace(batch.digest, batch).second) member.log.push_back({{}, batch, {}});
  give(member, BatchArrived{batch});
}

void CoreWorld::pass(std::uint64_t ms) { now_ += ms; }

/// Everything that is under way gets done once.
void CoreWorld::calm_round() {
  for (auto count = network_.size(); count > 0; --count) deliver(0);
  for (auto& member : members_) {
    while (!member->to_sign.empty()) sign(*member, 0);
    sync(*member);
    execute(*member);
    answer_fetches(*member);
  }
}

void CoreWorld::act() {
  switch (choices_.below(18)) {
    case 0: deliver(0); break;
    case 1: deliver(choices_.byte()); break;
    case 2: deliver(choices_.byte(), true); break;
    case 3:
      if (!network_.empty()) network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(choices_.byte() % network_.size()));
      break;
    case 4:
      for (auto count = choices_.below(32); count > 0; --count) deliver(0);
      break;
    case 5: pass(1ULL << choices_.below(13)); break;
    case 6: {
      // To the moment somebody waits for.
      auto& member = one();
      if (member.wake_at_ms && *member.wake_at_ms > now_) pass(*member.wake_at_ms - now_);
      give(member, Tick{});
      break;
    }
    case 7: sign(one(), choices_.byte()); break;
    case 8: sync(one()); break;
    case 9: execute(one()); break;
    case 10: answer_fetches(one()); break;
    case 11: {
      const auto origin = static_cast<MemberIndex>(choices_.below(kMembers));
      const auto to = origin == liar_ ? choices_.byte() : std::uint8_t{0xff};
      submit(origin, to, choices_.chance() ? kTtlMs : 50 * choices_.byte());
      break;
    }
    case 12:
      if (!is_fresh_) start(one());
      break;
    case 13: {
      const auto other = static_cast<MemberIndex>(choices_.below(kMembers));
      give(one(), PeerConnected{other});
      break;
    }
    case 14: {
      auto& member = one();
      member.stops = true;
      give(member, StopRequested{});
      break;
    }
    case 15: calm_round(); break;
    default: lie(); break;
  }
  for (const auto& member : members_)
    if (is_honest(*member)) check_bounds(*member);
}

void CoreWorld::heal() {
  is_healed_ = true;
  checker_->healed();
  // A log that is new beside a chain makes its member wait for all others; one that stops, or has ended, proposes nothing.
  for (const auto& member : members_)
    if (is_fresh_ || (is_honest(*member) && member->stops)) return;
  std::erase_if(network_, [&](const InFlight& one) { return one.from == liar_; });
  submit(liar_ == 0 ? 1 : 0, 0xff, kTtlMs);
  std::size_t highest = 0;
  for (const auto& member : members_) highest = std::max(highest, member->chain.size());
  auto done = [&](const Member& member) { return !is_honest(member) || member.stops || member.chain.size() > highest + 1; };
  for (std::size_t round = 0; round < kRoundsToHeal; ++round) {
    calm_round();
    if (std::all_of(members_.begin(), members_.end(), [&](const auto& member) { return done(*member); })) return;
    if (!network_.empty()) continue;
    std::uint64_t next = now_ + 50;
    for (const auto& member : members_)
      if (member->wake_at_ms) next = std::min(next, std::max(*member->wake_at_ms, now_ + 1));
    pass(next - now_);
    for (auto& member : members_) give(*member, Tick{});
  }
  require(false, "nothing is ordered although all honest members reach each other");
}

}  // namespace galen::fuzz
