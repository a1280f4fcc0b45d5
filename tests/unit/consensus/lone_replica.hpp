/// A single replica (B of four) among messages made by hand: what the tests of the rules of docs/spec/consensus.md
/// stand on. They are named by the rule that they hold to, or by its section where that has no rules: S8b is section 8
/// (b).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "galen/consensus/replica.hpp"
#include "sim/keyring.hpp"

namespace galen::consensus::test {

inline constexpr std::uint64_t kWall = 1'700'000'000'000ULL;

inline Hash hash_of(std::uint8_t value) {
  Hash out;
  out.data.fill(value);
  return out;
}

/// Replica B of A, B, C, D (and more), with everything around it done at once: signatures, syncs, execution.
class Lone {
 public:
  explicit Lone(std::size_t members = 4) {
    std::vector<Member> list(members);
    for (std::size_t i = 0; i < list.size(); ++i)
      list[i].id.data[0] = list[i].consensus_key.data[0] = static_cast<std::uint8_t>(i + 1);
    config.members = MemberSet(list);
    config.context = {crypto::Suite::p256_sha256, hash_of(1), 1, hash_of(2)};
    config.self = 1;
    config.parameters.tenure_blocks = 3;
    zero.chain_id = config.context.chain_id;
    start({});
  }

  void start(const std::vector<SafetyRecord>& records) {
    Recovered recovered;
    recovered.safety = *recover(1, config.context.suite, records);
    recovered.tip = {zero, zero.digest(config.context.suite), std::nullopt, 1};
    recovered.history.append(crypto::merkle_leaf(config.context.suite, recovered.tip.digest));
    recovered.executed = {{0, recovered.tip.digest, hash_of(50), {}}};
    recovered.pending_members = pending;
    begin(std::move(recovered));
  }
  void begin(Recovered recovered) {
    history = recovered.history;
    replica.emplace(config, std::move(recovered));
    nonce.reset();
    tick(0);
    for (MemberIndex from : {0, 2})
      if (nonce) answer_status(from);
  }
  /// Commits the end of the epoch and begins the next one with these members.
  Recovered end_epoch(const BlockSkeleton& end) {
    propose(end);
    receive(3, Certificate{certificate(VotePhase::commit, end)});
    EXPECT_TRUE(replica->status().ended);
    zero = end.header;  // the base of what follows
    ++config.context.epoch;
    config.context.members_hash = end.header.next_members_hash;
    return replica->next_epoch();
  }
  void answer_status(MemberIndex from, View view = 0) {
    StatusAnswer answer;
    answer.view = view;
    answer.sender = from;
    answer.asker = config.self;
    answer.nonce = *nonce;
    answer.mode = Mode::voting;
    answer.wall_ms = kWall + now;
    receive(from, answer);
  }

  void tick(std::uint64_t ms) { now += ms, step(Tick{now, kWall + now}); }
  static Input received(MemberIndex from, Message message) {
    return MessageReceived{from, std::make_shared<const Message>(std::move(message))};
  }
  void receive(MemberIndex from, Message message) { step(received(from, std::move(message))); }
  void step(const Input& input) { carry_out(replica->step(input)); }
  /// A tick and an input in one step.
  void pass(std::uint64_t ms, const Input& input) {
    now += ms, carry_out(replica->step(Tick{now, kWall + now}, input));
  }
  void carry_out(Effects effects) {
    std::vector<Input> next;
    for (auto& event : effects.events) events.push_back(event);
    for (auto& persist : effects.take_persists()) {
      for (auto& record : persist.records) log.push_back(std::move(record));
      if (sync) next.push_back(Durable{persist.token.value()});
      last_token = persist.token.value();
    }
    for (const auto& send : effects.sends()) {
      said.push_back(send.message);
      if (const auto* request = std::get_if<StatusRequest>(send.message.get())) nonce = request->nonce;
    }
    for (auto& request : effects.sign_requests)
      next.push_back(Signed{request.token, keys.sign(config.self, request.bytes)});
    for (auto& block : effects.commits) {
      committed.push_back(block.block.header.height);
      auto change = pending.find(block.block.header.height);
      BlockExecuted done{{block.block.header.height, block.digest, hash_of(50), {}}};
      if (change != pending.end()) done.next_members = change->second;
      done.leader_skips = skips_at(done.subject.height);
      if (execute) next.push_back(done);
    }
    for (auto& one : effects.evidence) evidence.push_back(std::move(one));
    for (const auto& fetch : effects.fetch_blocks) fetched_from.push_back(fetch.from);
    offered.insert(offered.end(), effects.offers.begin(), effects.offers.end());
    for (const auto& fetch : effects.fetch_batches) fetches.push_back(fetch);
    wake_at_ms = effects.wake_at_ms;
    for (const auto& one : next) step(one);
  }

  /// A valid empty block on `parent` (block zero when null).
  BlockSkeleton block(View view, const BlockSkeleton* parent, std::uint16_t flags = 0, std::uint64_t salt = 1) {
    BlockSkeleton out;
    auto& h = out.header;
    const auto& p = parent ? parent->header : zero;
    h.chain_id = config.context.chain_id;
    h.epoch = config.context.epoch;
    h.exec_height = p.exec_height;
    h.flags = flags;
    h.view = view;
    h.height = h.history_size = p.height + 1;
    h.parent = p.digest(config.context.suite);
    h.time_ms = (parent ? p.time_ms : std::max(kWall + now, p.time_ms)) + salt;
    h.state_root = hash_of(50);
    h.body_root = body_root(config.context.suite, {});
    h.proposer = turn(view);
    auto tree = parent ? histories.at(h.parent) : history;
    h.history_root = tree.root();
    remember(out, tree);
    return out;
  }
  /// Of a view while nobody is left out.
  MemberIndex turn(View view) const { return static_cast<MemberIndex>(view % config.members.size()); }
  std::vector<LeaderSkip> skips_at(Height height) const {
    std::vector<LeaderSkip> out;
    for (const auto& skip : skips)
      if (skip.height <= height) out.push_back(skip);
    return out;
  }
  /// The block with another exec_height and, if one is given, another proposer.
  BlockSkeleton executed(BlockSkeleton b, Height exec_height, std::optional<MemberIndex> proposer = std::nullopt) {
    b.header.exec_height = exec_height;
    if (proposer) b.header.proposer = *proposer;
    remember(b, histories.at(b.header.parent));
    return b;
  }
  /// After a change of the block: its digest is another one.
  void remember(const BlockSkeleton& b, crypto::MerkleFrontier tree) {
    auto digest = b.header.digest(config.context.suite);
    tree.append(crypto::merkle_leaf(config.context.suite, digest));
    histories.insert_or_assign(digest, tree);
  }
  PrePrepare proposal(const BlockSkeleton& b, Justification justification = {}) const {
    PrePrepare m{
        b.header.proposer, b.header.view, b, std::move(justification), {}, b.header.digest(config.context.suite)};
    m.signature = keys.sign(m.sender, pre_prepare_sign_bytes(config.context, m));
    return m;
  }
  void propose(const BlockSkeleton& b, Justification justification = {}) {
    receive(b.header.proposer, proposal(b, std::move(justification)));
  }
  /// A leader opens its view with a block of an earlier one, unchanged.
  void propose_again(View view, const BlockSkeleton& b, Justification justification) {
    propose_again(view, b, std::move(justification), turn(view));
  }
  void propose_again(View view, const BlockSkeleton& b, Justification justification, MemberIndex sender) {
    PrePrepare m{sender, view, b, std::move(justification), {}, b.header.digest(config.context.suite)};
    m.signature = keys.sign(m.sender, pre_prepare_sign_bytes(config.context, m));
    ASSERT_TRUE(verify_message(config.context, config.members, keys, m.sender, m).has_value());
    receive(m.sender, m);
  }
  VoteSubject subject(const BlockSkeleton& b) const { return subject(b, b.header.view); }
  VoteSubject subject(const BlockSkeleton& b, View in_view) const {
    return {in_view, b.header.height, b.header.digest(config.context.suite)};
  }
  /// The block with one batch in it, named as work() names it.
  BlockSkeleton with_batch(BlockSkeleton b, std::uint8_t name) {
    b.batch_digests = {hash_of(name)};
    b.header.batch_count = 1;
    b.header.body_root = body_root(config.context.suite, b.batch_digests);
    remember(b, b.header.height == 1 ? history : histories.at(b.header.parent));
    return b;
  }
  /// A block that ends the epoch, with the hash of these next members.
  BlockSkeleton end(View view, const BlockSkeleton* parent, std::uint8_t next, std::uint16_t flags = kEpochEnd) {
    auto b = block(view, parent, flags);
    b.header.next_members_hash = hash_of(next);
    remember(b, parent ? histories.at(b.header.parent) : history);
    return b;
  }
  template <class Vote>
  void vote(MemberIndex from, const BlockSkeleton& b) {
    Vote m{{from, subject(b), {}}};
    m.signature = keys.sign(from, sign_bytes(config.context, m));
    receive(from, m);
  }
  QuorumCertificate certificate(VotePhase phase, const BlockSkeleton& b) const {
    QuorumCertificate out{phase, subject(b), {static_cast<std::uint16_t>(config.members.size()), others()}, {}};
    for (auto signer : out.signers.signers)
      out.signatures.push_back(keys.sign(signer, vote_sign_bytes(config.context, phase, signer, out.subject)));
    return out;
  }
  /// A quorum without B.
  std::vector<MemberIndex> others() const {
    std::vector<MemberIndex> out{0};
    while (out.size() < config.members.quorum()) out.push_back(static_cast<MemberIndex>(out.size() + 1));
    return out;
  }
  ViewChange view_change(MemberIndex from, View target, const BlockSkeleton* high = nullptr) const {
    ViewChange out;
    out.header = {from, target, high ? subject(*high) : VoteSubject{}, 0, {}};
    if (high) out.high_qc = certificate(VotePhase::prepare, *high);
    out.header.signature = keys.sign(from, view_change_sign_bytes(config.context, out.header));
    return out;
  }
  Justification new_view(View view, const BlockSkeleton* high) const {
    Justification out{Justification::Kind::new_view, {}, {}};
    for (MemberIndex from : {0, 2, 3})
      out.view_changes.push_back(view_change(from, view, from == 2 ? high : nullptr).header);
    if (high) out.certificate = certificate(VotePhase::prepare, *high);
    return out;
  }
  template <class M>
  std::size_t said_of() const {
    return static_cast<std::size_t>(
        std::count_if(said.begin(), said.end(), [](const auto& m) { return std::holds_alternative<M>(*m); }));
  }
  template <class Vote>
  bool voted(const VoteSubject& about) const {
    for (const auto& message : said)
      if (const auto* m = std::get_if<Vote>(message.get()))
        if (m->sender == config.self && m->subject == about) return true;
    return false;
  }
  template <class Vote>
  bool voted(const BlockSkeleton& b) const {
    return voted<Vote>(subject(b));
  }
  const PrePrepare* last_proposal() const {
    const PrePrepare* out = nullptr;
    for (const auto& message : said)
      if (const auto* m = std::get_if<PrePrepare>(message.get())) out = m;
    return out;
  }
  bool prepared(const BlockSkeleton& b) const { return voted<Prepare>(b); }
  View asked_for() const {
    View out = 0;
    for (const auto& message : said)
      if (const auto* m = std::get_if<ViewChange>(message.get())) out = std::max(out, m->header.target);
    return out;
  }
  bool refused(RefusalReason reason) const {
    for (const auto& event : events)
      if (event.kind == EventKind::proposal_refused && event.value == static_cast<std::uint64_t>(reason)) return true;
    return false;
  }
  void work(std::uint8_t name = 77, MemberIndex origin = 2) {
    step(BatchArrived{{hash_of(name), origin, kWall + now + 60'000, 100}});
  }
  /// The leader of `view` has a block committed each 100 ms for so long; `batches` may put one into each.
  void goes_on(View view, std::uint64_t ms, std::optional<BlockSkeleton>& tip,
               const std::function<std::optional<std::uint8_t>(Height)>& batches = {}) {
    for (auto end = now + ms; now < end;) {
      tick(100);
      auto next = block(view, tip ? &*tip : nullptr, 0, 100);
      if (auto name = batches ? batches(next.header.height) : std::nullopt) next = with_batch(next, *name);
      propose(next);
      receive(3, Certificate{certificate(VotePhase::commit, next)});
      tip = next;
    }
  }

  sim::TagKeyring keys;
  Config config;
  BlockHeader zero;
  crypto::MerkleFrontier history{crypto::Suite::p256_sha256};
  std::map<Hash, crypto::MerkleFrontier> histories;
  std::optional<Replica> replica;
  std::optional<std::uint64_t> nonce;
  std::vector<MessagePtr> said;
  std::vector<Event> events;
  std::vector<SafetyRecord> log;
  std::vector<Height> committed;
  std::vector<Height> fetched_from;
  std::vector<Effects::Evidence> evidence;
  std::vector<Hash> offered;
  std::vector<Effects::FetchBatches> fetches;
  std::map<Height, Hash> pending;  ///< heights after which a change of members is pending
  std::vector<LeaderSkip> skips;   ///< whom the chain leaves out, as it executes them
  std::uint64_t now = 1000;
  std::uint64_t last_token = 0;
  std::optional<std::uint64_t> wake_at_ms;
  bool sync = true;
  bool execute = true;
};

/// B among members whose first leader stays for long.
inline Lone in_a_long_tenure() {
  Lone b;
  b.config.parameters.tenure_blocks = 1000;
  b.start({});
  return b;
}

}  // namespace galen::consensus::test
