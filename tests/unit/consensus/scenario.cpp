#include "scenario.hpp"

#include <algorithm>
#include <sstream>

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
      static constexpr const char* kWhy[] = {"its timer expired", "joining others", "its leader left", "handing over"};
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
    default:
      return std::string(to_name(event.kind)) + " " + place_of(event.view, event.height);
  }
}

}  // namespace

struct Scenario::Node {
  MemberIndex index = 0;
  std::unique_ptr<Replica> replica;
  std::vector<SafetyRecord> log;
  std::vector<Effects::CommittedBlock> chain;
  std::vector<PendingBatch> bodies;
  std::uint64_t last_token = 0;
  std::deque<Input> inputs;
  bool has(const Hash& digest) const {
    return std::any_of(bodies.begin(), bodies.end(), [&](const auto& b) { return b.digest == digest; });
  }
};

Scenario::Scenario() {
  std::vector<Member> list(4);
  for (std::size_t i = 0; i < list.size(); ++i) {
    list[i].id = *PrincipalId::from(named_hash("member " + std::to_string(i)).span());
    list[i].consensus_key.data[0] = static_cast<std::uint8_t>(i);
    nodes_.push_back(std::make_unique<Node>());
    nodes_.back()->index = static_cast<MemberIndex>(i);
  }
  members_ = MemberSet(std::move(list));
  context_.chain_id = named_hash("scenario");
  context_.members_hash = members_.hash(context_.suite);
  block_zero_.chain_id = context_.chain_id;
  zero_digest_ = block_zero_.digest(context_.suite);
}
Scenario::~Scenario() = default;

std::string Scenario::node_name(const Node& node) const { return std::string(1, static_cast<char>('A' + node.index)); }

void Scenario::start(Node& node) {
  auto safety = recover(1, context_.suite, node.log);
  GALEN_ASSERT(safety.has_value());
  Recovered recovered;
  recovered.safety = std::move(*safety);
  recovered.tip = {block_zero_, zero_digest_, std::nullopt, 1};
  recovered.history.append(crypto::merkle_leaf(context_.suite, zero_digest_));
  std::set<Hash> ordered;
  for (const auto& block : node.chain) {
    recovered.tip = {block.block.header, block.digest, block.certificate, 1};
    recovered.history.append(crypto::merkle_leaf(context_.suite, block.digest));
    for (const auto& digest : block.block.batch_digests) {
      ordered.insert(digest);
      recovered.recent_batches.emplace_back(digest, batches_.at(digest).valid_until_ms);
    }
  }
  for (const auto& batch : node.bodies)
    if (ordered.count(batch.digest) == 0) recovered.pending.push_back(batch);
  for (Height height = 0; height <= node.chain.size(); ++height)
    recovered.executed.push_back({height, {}, named_hash("state " + std::to_string(height)), {}});
  Config config;
  config.context = context_;
  config.members = members_;
  config.self = node.index;
  config.parameters.tenure_blocks = 3;
  config.rng_seed = 1;
  node.last_token = 0;
  node.replica = std::make_unique<Replica>(config, std::move(recovered));
  node.inputs.clear();
  node.inputs.push_back(Tick{now_, kWallStart + now_});
}

void Scenario::give(Node& node, const Input& input) { node.inputs.push_back(input); }

void Scenario::carry_out(Node& node, Effects effects) {
  for (const auto& event : effects.events) say(node, describe(event));
  for (auto& persist : effects.take_persists()) {
    node.last_token = persist.token.value();
    for (auto& record : persist.records) node.log.push_back(std::move(record));
  }
  for (const auto& send : effects.sends()) {
    if (shown_.count(std::string(to_name(*send.message))) > 0)
      say(node, describe(*send.message) + (send.to ? " to " + node_name(*nodes_[*send.to]) : ""));
    for (const auto& other : nodes_)
      if (other->index != node.index && (!send.to || *send.to == other->index))
        network_.push_back({node.index, other->index, send.message});
  }
  for (const auto& request : effects.sign_requests)
    node.inputs.push_back(Signed{request.token, keyring_.sign(node.index, request.bytes)});
  if (node.last_token > 0 && !effects.persists().empty()) node.inputs.push_back(Durable{node.last_token});
  for (auto& block : effects.commits) {
    auto height = block.block.header.height;
    GALEN_ASSERT(height == node.chain.size() + 1);
    say(node, "commits " + std::to_string(height) + " of view " + std::to_string(block.block.header.view));
    node.chain.push_back(block);
    node.inputs.push_back(BlockExecuted{{height, block.digest, named_hash("state " + std::to_string(height)), {}}});
  }
  for (const auto& fetch : effects.fetch_batches) fetch_batches(node, fetch);
  for (const auto& fetch : effects.fetch_blocks) fetch_blocks(node, fetch);
}

void Scenario::fetch_batches(Node& node, const Effects::FetchBatches& fetch) {
  for (const auto& digest : fetch.digests) {
    if (!nodes_[fetch.hint]->replica || !nodes_[fetch.hint]->has(digest) || node.has(digest)) continue;
    say(node, "fetches a batch from " + node_name(*nodes_[fetch.hint]));
    node.bodies.push_back(batches_.at(digest));
    node.inputs.push_back(BatchArrived{batches_.at(digest)});
  }
}

void Scenario::fetch_blocks(Node& node, const Effects::FetchBlocks& fetch) {
  const auto& source = *nodes_[fetch.hint];
  if (!source.replica || source.chain.size() < fetch.from) return;
  say(node, "fetches blocks from " + std::to_string(fetch.from) + " from " + node_name(source));
  for (auto height = fetch.from; height <= source.chain.size(); ++height) {
    const auto& block = source.chain[height - 1];
    BlockFetched input{block.block, block.certificate, {}};
    for (const auto& digest : block.block.batch_digests) {
      input.batches.push_back(batches_.at(digest));
      if (!node.has(digest)) node.bodies.push_back(batches_.at(digest));
    }
    node.inputs.push_back(std::move(input));
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
      while (node->replica && !node->inputs.empty()) {
        auto input = std::move(node->inputs.front());
        node->inputs.pop_front();
        carry_out(*node, node->replica->step(input));
        again = true;
      }
    }
    if (network_.empty()) continue;
    auto next = std::move(network_.front());
    network_.pop_front();
    again = true;
    auto& to = *nodes_[next.to];
    if (!to.replica || is_dropped(*nodes_[next.from], to, *next.message)) continue;
    auto status = verify_message(context_, members_, keyring_, static_cast<MemberIndex>(next.from), *next.message);
    GALEN_ASSERT(status.has_value());
    to.inputs.push_back(MessageReceived{static_cast<MemberIndex>(next.from), next.message});
  }
}

void Scenario::submit(Node& node, const std::string& name) {
  PendingBatch batch{named_hash(name), node.index, kWallStart + now_ + 60'000, 100};
  batches_.emplace(batch.digest, batch);
  for (const auto& other : nodes_) {
    if (!other->replica) continue;
    bool lost = other->index != node.index && std::any_of(filters_.begin(), filters_.end(), [&](const Filter& filter) {
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
    for (const auto& node : nodes_)
      if (who == "all" || who.find(node_name(*node)) != std::string::npos) action(*node);
  };
  if (verb == "start") {
    each(a, [&](Node& node) { start(node); });
  } else if (verb == "submit") {
    each(a, [&](Node& node) { submit(node, b); });
  } else if (verb == "crash") {
    each(a, [&](Node& node) { node.replica.reset(); });
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
  } else if (verb == "status") {
    for (const auto& node : nodes_) {
      if (!node->replica) {
        say(*node, "is down");
        continue;
      }
      auto status = node->replica->status();
      say(*node, std::string(to_name(status.mode)) + " view " + std::to_string(status.view) + " committed " +
                     std::to_string(status.committed));
    }
  } else if (verb == "tick") {
    for (std::uint64_t end = now_ + std::stoull(a); now_ < end;) {
      now_ = std::min(now_ + kStepMs, end);
      for (const auto& node : nodes_)
        if (node->replica) give(*node, Tick{now_, kWallStart + now_});
      deliver_all();
    }
  } else {
    trace_.push_back("error: no such command");
  }
  deliver_all();
  return trace_;
}

}  // namespace galen::consensus::test
