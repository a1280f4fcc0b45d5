#include "scenario.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

#include "galen/base/assert.hpp"

namespace galen::consensus::test {

namespace {

constexpr std::uint64_t kWallStart = 1'700'000'000'000ULL;
constexpr std::uint64_t kStepMs = 50;

Hash named_hash(const std::string& name) { return crypto::hash(crypto::Suite::p256_sha256, as_bytes(name)); }

std::string place_of(View view, Height height) { return std::to_string(view) + "/" + std::to_string(height); }

std::string describe(const Message& message) {
  std::string name(to_name(message));
  if (const auto* m = std::get_if<PrePrepare>(&message)) {
    static constexpr const char* kWhy[] = {"", " by NEW-VIEW", " by tenure end", " by epoch end"};
    auto text = name + " " + place_of(m->view, m->block.header.height) + ", " +
                std::to_string(m->block.batch_digests.size()) + " batches";
    if (m->block.header.tenure_end()) text += ", tenure_end";
    if (m->block.header.epoch_end()) text += ", epoch_end";
    return text + kWhy[static_cast<int>(m->justification.kind)];
  }
  if (const auto* p = std::get_if<Prepare>(&message)) return name + " " + place_of(p->subject.view, p->subject.height);
  if (const auto* c = std::get_if<Commit>(&message)) return name + " " + place_of(c->subject.view, c->subject.height);
  if (const auto* v = std::get_if<ViewChange>(&message))
    return name + " to view " + std::to_string(v->header.target) + ", highQC " +
           place_of(v->header.high.view, v->header.high.height);
  return name;
}

std::string describe(const Event& event) {
  switch (event.kind) {
    case EventKind::view_entered: {
      static constexpr const char* kHow[] = {"by NEW-VIEW", "by tenure end", "by its certificate", "as the first"};
      return "enters view " + std::to_string(event.view) + " " + kHow[event.value];
    }
    case EventKind::view_change_sent: {
      static constexpr const char* kWhy[] = {"its timer expired", "joining others", "its leader left", "handing over",
                                             "its tenure is over", "it leaves out an origin"};
      return "asks for view " + std::to_string(event.view) + ", " + kWhy[event.value];
    }
    case EventKind::voting_started:
      return "votes from now on";
    case EventKind::recovering: {
      static constexpr const char* kWhy[] = {"", "has lost its votes", "comes to a chain that has begun",
                                             "is still recovering"};
      return std::string(kWhy[event.value]) + ": follows in silence";
    }
    case EventKind::resumed:
      return "has recovered: votes from view " + std::to_string(event.view);
    case EventKind::fenced:
      return "led view " + std::to_string(event.view) + " before it stopped: hands over";
    case EventKind::ready_to_stop:
      return "is ready to stop";
    case EventKind::epoch_ended:
      return "has come to the end of its epoch";
    default:
      return std::string(to_name(event.kind)) + " " + place_of(event.view, event.height);
  }
}

}  // namespace

/// A node's part in one epoch.
struct Scenario::Seat {
  Epoch epoch = 1;
  MemberIndex index = kNoMember;
  std::unique_ptr<Replica> replica;
  std::uint64_t last_token = 0;
  std::deque<Input> inputs;
};

struct Scenario::Node {
  std::size_t place = 0;
  std::unique_ptr<Seat> seat;
  std::unique_ptr<Seat> old_seat;  ///< of the epoch before, until a block of this one is committed
  std::vector<SafetyRecord> log;
  std::vector<Effects::CommittedBlock> chain;
  Leadership leadership;  ///< after the last executed block
  std::vector<PendingBatch> bodies;
  bool has(const Hash& digest) const {
    return std::any_of(bodies.begin(), bodies.end(), [&](const auto& b) { return b.digest == digest; });
  }
  Seat* seat_in(Epoch epoch) const {
    if (seat && seat->epoch == epoch) return seat.get();
    return old_seat && old_seat->epoch == epoch ? old_seat.get() : nullptr;
  }
};

Scenario::Scenario() {
  for (std::size_t i = 0; i < 5; ++i) {
    nodes_.push_back(std::make_unique<Node>());
    nodes_.back()->place = i;
  }
  block_zero_.chain_id = named_hash("scenario");
  zero_digest_ = block_zero_.digest(crypto::Suite::p256_sha256);
  add_set("ABCD");
}
Scenario::~Scenario() = default;

void Scenario::add_set(const std::string& letters) {
  Set set;
  std::vector<Member> list;
  for (char letter : letters) {
    auto place = static_cast<std::size_t>(letter - 'A');
    set.nodes.push_back(place);
    Member member;
    member.id = *PrincipalId::from(named_hash("member " + std::to_string(place)).span());
    member.consensus_key.data[0] = static_cast<std::uint8_t>(place);
    list.push_back(member);
  }
  set.members = MemberSet(std::move(list));
  set.context.chain_id = block_zero_.chain_id;
  set.context.epoch = sets_.size() + 1;
  set.context.members_hash = set.members.hash(set.context.suite);
  sets_.push_back(std::move(set));
}

std::string Scenario::node_name(const Node& node) const { return std::string(1, static_cast<char>('A' + node.place)); }

std::optional<Hash> Scenario::pending_after(const BlockHeader& header) const {
  bool pending = header.epoch < sets_.size() && !header.epoch_end() && header.height >= change_from_;
  return pending ? std::optional(sets_[header.epoch].context.members_hash) : std::nullopt;
}

const BlockHeader& Scenario::header_at(const Node& node, Height height) const {
  return height == 0 ? block_zero_ : node.chain[height - 1].block.header;
}

void Scenario::note_leaders(Node& node, const BlockHeader& header) {
  auto members = sets_[header.epoch - 1].members.size();
  note_block(node.leadership, members, header_at(node, header.height - 1), header);
  if (header.epoch_end()) node.leadership = {};
}

void Scenario::start(Node& node) {
  auto suite = sets_[0].context.suite;
  Recovered recovered;
  recovered.tip = {block_zero_, zero_digest_, std::nullopt, 1};
  recovered.history.append(crypto::merkle_leaf(suite, zero_digest_));
  recovered.executed.push_back({0, {}, named_hash("state 0"), {}});
  std::set<Hash> ordered;
  node.leadership = {};
  for (const auto& block : node.chain) {
    const auto& header = block.block.header;
    note_leaders(node, header);
    recovered.tip = {header, block.digest, block.certificate, 1};
    recovered.history.append(crypto::merkle_leaf(suite, block.digest));
    for (const auto& digest : block.block.batch_digests) {
      ordered.insert(digest);
      recovered.recent_batches.emplace_back(digest, batches_.at(digest).valid_until_ms);
    }
    recovered.executed.push_back({header.height, {}, named_hash("state " + std::to_string(header.height)), {}});
    if (auto next = pending_after(header)) recovered.pending_members.emplace(header.height, *next);
  }
  recovered.leader_skips = node.leadership.skips;
  recovered.tip.base_exec_height =
      base_exec_height(recovered.tip.header, [&](Height height) { return std::optional(header_at(node, height)); });
  for (const auto& batch : node.bodies)
    if (ordered.count(batch.digest) == 0) recovered.pending.push_back(batch);
  const auto& tip = recovered.tip.header;
  const auto& of_tip = sets_[tip.epoch - 1].nodes;
  bool was_member = std::find(of_tip.begin(), of_tip.end(), node.place) != of_tip.end();
  auto safety = recover_in(suite, node.log, tip, was_member);
  GALEN_ASSERT(safety.has_value());
  auto epoch = safety->epoch();
  recovered.safety = std::move(*safety);
  recovered.epoch_base = sets_[epoch - 1].base;
  take_seat(node, epoch, std::move(recovered));
}

void Scenario::take_seat(Node& node, Epoch epoch, Recovered recovered) {
  const auto& set = sets_[epoch - 1];
  auto seat = std::make_unique<Seat>();
  auto place = std::find(set.nodes.begin(), set.nodes.end(), node.place);
  if (place != set.nodes.end()) seat->index = static_cast<MemberIndex>(place - set.nodes.begin());
  seat->epoch = epoch;
  Config config;
  config.context = set.context;
  config.members = set.members;
  config.self = seat->index;
  config.parameters.tenure_blocks = 3;
  config.rng_seed = 1;
  seat->replica = std::make_unique<Replica>(config, std::move(recovered));
  seat->inputs.push_back(Tick{now_, kWallStart + now_});
  node.seat = std::move(seat);
}

void Scenario::go_over(Node& node) {
  auto recovered = node.seat->replica->next_epoch();
  auto epoch = recovered.safety.epoch();
  for (auto& record : recovered.safety.records()) node.log.push_back(std::move(record));
  node.old_seat = std::move(node.seat);
  sets_[epoch - 1].base = recovered.epoch_base;
  take_seat(node, epoch, std::move(recovered));
}

void Scenario::give(Node& node, const Input& input) {
  if (node.seat) node.seat->inputs.push_back(input);
}

void Scenario::carry_out(Node& node, Seat& seat, Effects effects) {
  for (const auto& event : effects.events) say(node, describe(event));
  for (auto& persist : effects.take_persists()) {
    seat.last_token = persist.token.value();
    for (auto& record : persist.records) node.log.push_back(std::move(record));
  }
  const auto& members = sets_[seat.epoch - 1].nodes;
  for (const auto& send : effects.sends()) {
    if (shown_.count(std::string(to_name(*send.message))) > 0)
      say(node, describe(*send.message) + (send.to ? " to " + node_name(*nodes_[members[*send.to]]) : ""));
    for (MemberIndex index = 0; index < members.size(); ++index)
      if (index != seat.index && (!send.to || *send.to == index))
        network_.push_back({node.place, members[index], seat.epoch, send.message});
  }
  for (const auto& request : effects.sign_requests)
    seat.inputs.push_back(Signed{request.token, keyring_.sign(seat.index, request.bytes)});
  if (seat.last_token > 0 && !effects.persists().empty()) seat.inputs.push_back(Durable{seat.last_token});
  for (auto& block : effects.commits) {
    const auto& header = block.block.header;
    GALEN_ASSERT(header.height == node.chain.size() + 1);
    say(node, "commits " + std::to_string(header.height) + " of view " + std::to_string(header.view));
    node.chain.push_back(block);
    BlockExecuted executed{{header.height, block.digest, named_hash("state " + std::to_string(header.height)), {}},
                           pending_after(header)};
    note_leaders(node, header);
    executed.leader_skips = node.leadership.skips;
    held_.emplace_back(&node, executed);
    if (node.old_seat && node.old_seat.get() != &seat) node.old_seat.reset();
  }
  for (const auto& fetch : effects.fetch_batches) fetch_batches(node, *nodes_[members[fetch.hint]], fetch);
  for (const auto& fetch : effects.fetch_blocks) fetch_blocks(node, *nodes_[members[fetch.hint]], fetch.from);
  if (seat.replica->status().ended && node.seat.get() == &seat) go_over(node);
  if (!is_held_) execute();
}

/// Replicas of both epochs hear of it.
void Scenario::execute() {
  for (const auto& [node, executed] : std::exchange(held_, {}))
    for (auto* seat : {node->old_seat.get(), node->seat.get()})
      if (seat != nullptr) seat->inputs.push_back(executed);
}

void Scenario::fetch_batches(Node& node, Node& source, const Effects::FetchBatches& fetch) {
  for (const auto& digest : fetch.digests) {
    if (!source.seat || !source.has(digest) || node.has(digest)) continue;
    say(node, "fetches a batch from " + node_name(source));
    node.bodies.push_back(batches_.at(digest));
    give(node, BatchArrived{batches_.at(digest)});
  }
}

/// As far as the epoch of the first goes: the next one is another replica's.
void Scenario::fetch_blocks(Node& node, const Node& source, Height from) {
  if (!source.seat || source.chain.size() < from) return;
  say(node, "fetches blocks from " + std::to_string(from) + " from " + node_name(source));
  for (auto height = from; height <= source.chain.size(); ++height) {
    const auto& block = source.chain[height - 1];
    if (block.block.header.epoch != node.seat->epoch) break;
    BlockFetched input{block.block, block.certificate, {}};
    for (const auto& digest : block.block.batch_digests) {
      input.batches.push_back(batches_.at(digest));
      if (!node.has(digest)) node.bodies.push_back(batches_.at(digest));
    }
    give(node, input);
  }
}

bool Scenario::is_dropped(const Node& from, const Node& to, const Message& message) const {
  return std::any_of(filters_.begin(), filters_.end(), [&](const Filter& filter) {
    return (filter.from == "*" || filter.from == node_name(from)) && (filter.to == "*" || filter.to == node_name(to)) &&
           (filter.kind == "*" || filter.kind == to_name(message));
  });
}

void Scenario::deliver_all() {
  for (bool again = true; again;) {
    again = false;
    for (const auto& node : nodes_) {
      for (auto* seat = node->seat.get(); seat != nullptr; seat = node->old_seat.get()) {
        while (!seat->inputs.empty() && node->seat_in(seat->epoch) == seat) {
          auto input = std::move(seat->inputs.front());
          seat->inputs.pop_front();
          carry_out(*node, *seat, seat->replica->step(input));
          again = true;
        }
        if (seat == node->old_seat.get()) break;
      }
    }
    if (network_.empty()) continue;
    auto next = std::move(network_.front());
    network_.pop_front();
    again = true;
    auto& from = *nodes_[next.from];
    auto& to = *nodes_[next.to];
    if (!to.seat || is_dropped(from, to, *next.message)) continue;
    if (to.seat->epoch < next.epoch) {  // others are further: blocks are missing
      fetch_blocks(to, from, to.chain.size() + 1);
      continue;
    }
    auto* seat = to.seat_in(next.epoch);
    if (seat == nullptr) {  // it is told, and asks
      if (from.seat && from.seat->epoch < to.seat->epoch) fetch_blocks(from, to, from.chain.size() + 1);
      continue;
    }
    const auto& set = sets_[next.epoch - 1];
    auto index = static_cast<MemberIndex>(std::find(set.nodes.begin(), set.nodes.end(), next.from) - set.nodes.begin());
    auto status = verify_message(set.context, set.members, keyring_, index, *next.message);
    GALEN_ASSERT(status.has_value());
    seat->inputs.push_back(MessageReceived{index, next.message});
  }
}

void Scenario::submit(Node& node, const std::string& name) {
  PendingBatch batch{named_hash(name), node.seat->index, kWallStart + now_ + 60'000, 100};
  batches_.emplace(batch.digest, batch);
  for (const auto& other : nodes_) {
    if (!other->seat || other->seat->epoch != node.seat->epoch) continue;
    bool lost = other->place != node.place && std::any_of(filters_.begin(), filters_.end(), [&](const Filter& filter) {
                  return (filter.from == "*" || filter.from == node_name(node)) &&
                         (filter.to == "*" || filter.to == node_name(*other)) &&
                         (filter.kind == "*" || filter.kind == "BATCH");
                });
    if (lost) continue;
    other->bodies.push_back(batch);
    give(*other, BatchArrived{batch});
  }
}

std::vector<std::string> Scenario::run(const std::string& command) {
  trace_.clear();
  std::istringstream words(command);
  std::string verb, a, b, c;
  words >> verb >> a >> b >> c;
  auto each = [&](const std::string& who, auto&& action) {
    const auto& members = sets_.back().nodes;
    for (const auto& node : nodes_) {
      bool is_member = std::find(members.begin(), members.end(), node->place) != members.end();
      if (who == "all" ? is_member : who.find(node_name(*node)) != std::string::npos) action(*node);
    }
  };
  if (verb == "start") {
    each(a, [&](Node& node) { start(node); });
  } else if (verb == "submit") {
    each(a, [&](Node& node) { submit(node, b); });
  } else if (verb == "crash") {
    each(a, [&](Node& node) { node.seat.reset(), node.old_seat.reset(); });
  } else if (verb == "lose-log") {
    each(a, [&](Node& node) { node.log.clear(); });
  } else if (verb == "lose-all") {
    each(a, [&](Node& node) { node.log.clear(), node.chain.clear(), node.bodies.clear(); });
  } else if (verb == "drop") {
    filters_.push_back({a, b, c});
  } else if (verb == "heal") {
    filters_.clear();
  } else if (verb == "show") {
    shown_.insert(a);
  } else if (verb == "hide") {
    if (a == "all")
      shown_.clear();
    else
      shown_.erase(a);
  } else if (verb == "stop") {
    each(a, [&](Node& node) { give(node, StopRequested{}); });
  } else if (verb == "hold") {
    is_held_ = true;
  } else if (verb == "execute") {
    is_held_ = false;
    execute();
  } else if (verb == "change") {
    add_set(a);
    change_from_ = std::stoull(b);
  } else if (verb == "status") {
    for (const auto& node : nodes_) {
      bool known = node->place < 4 || node->seat;
      if (!node->seat && known) say(*node, "is down");
      if (!node->seat) continue;
      auto status = node->seat->replica->status();
      std::string skipped;
      for (auto member : status.skipped) skipped += (skipped.empty() ? " without " : "") + std::string(1, static_cast<char>('A' + member));
      auto epoch = node->seat->epoch > 1 ? " epoch " + std::to_string(node->seat->epoch) : "";
      if (node->seat->index == kNoMember) say(*node, "follows" + epoch + " committed " + std::to_string(status.committed));
      else say(*node, std::string(to_name(status.mode)) + epoch + " view " + std::to_string(status.view) + " committed " +
                          std::to_string(status.committed) + skipped);
    }
  } else if (verb == "tick") {
    for (std::uint64_t end = now_ + std::stoull(a); now_ < end;) {
      now_ = std::min(now_ + kStepMs, end);
      for (const auto& node : nodes_)
        for (auto* seat : {node->old_seat.get(), node->seat.get()})
          if (seat != nullptr) seat->inputs.push_back(Tick{now_, kWallStart + now_});
      deliver_all();
    }
  } else {
    trace_.push_back("error: no such command");
  }
  deliver_all();
  return trace_;
}

}  // namespace galen::consensus::test
