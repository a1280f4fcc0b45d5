// What nodes say to each other, honestly or not, and how it gets lost.
#include <cstdio>

#include "sim/journal.hpp"
#include "sim/node.hpp"

namespace galen::sim {

using namespace consensus;

bool Simulation::linked(std::size_t a, std::size_t b) const {
  return is_healed_ || calm() || (side_[a] == side_[b] && !is_cut(a, b));
}

bool Simulation::is_lost() {
  bool lost = !is_healed_ && !calm() && rng_.below(100) < loss_percent_;
  if (lost) count(Fault::loss);
  return lost;
}

std::uint64_t Simulation::latency() { return 1 + rng_.below(is_healed_ ? 10 : delay_max_); }

/// Where the member runs; either place of a twin.
std::size_t Simulation::place_of(MemberIndex member) {
  for (std::size_t i = members_.size(); i < nodes_.size(); ++i)
    if (nodes_[i]->index == member && rng_.chance(1, 2)) return i;
  return member;
}

void Simulation::send(Node& node, const Target& to, const MessagePtr& message) {
  if (is_traced()) trace_message(node, to, *message);
  if (node.adversary && !calm()) {
    Adversary::Outbox outbox;
    node.adversary->says(to, message, outbox);
    post_lies(node.place, outbox);
    return;
  }
  if (node.is_honest()) checker_->said(node.index, *message);
  for (MemberIndex member = 0; member < members_.size(); ++member)
    if (member != node.index && (!to || *to == member)) post(node.place, member, message, 0);
}

void Simulation::post(std::size_t from, MemberIndex to, const MessagePtr& message, std::uint64_t delay_ms) {
  for (std::size_t place = 0; place < nodes_.size(); ++place) {
    if (nodes_[place]->index != to || !linked(from, place) || is_lost()) continue;
    at(delay_ms + latency() + slowness(from, place), [this, from, place, message] { deliver(from, place, message); });
    if (!is_healed_ && is_planned(Fault::repeat) && rng_.chance(1, 20))
      count(Fault::repeat), at(1 + rng_.below(3 * delay_max_), [this, from, place, message] { deliver(from, place, message); });
  }
}

void Simulation::post_lies(std::size_t from, const Adversary::Outbox& outbox) {
  for (const auto& one : outbox) post(from, one.to, one.message, one.delay_ms);
}

/// As the node's verify threads do. What an honest member sends must pass.
bool Simulation::verified(std::size_t from, const MessagePtr& message) {
  auto sender = nodes_[from]->index;
  if (judged_.first == message && judged_.second == sender) return verdict_;
  auto status = verify_message(context_, members_, *keyring_, sender, *message);
  judged_ = {message, sender};
  verdict_ = status.has_value();
  if (verdict_) return true;
  if (nodes_[from]->is_honest()) fail("a message of an honest member does not verify: " + status.error().message);
  ++tally_.rejected[std::string(consensus::to_name(*message)) + ": " + status.error().message];
  return false;
}

void Simulation::deliver(std::size_t from, std::size_t to, const MessagePtr& message) {
  auto& node = *nodes_[to];
  if (!node.up || !linked(from, to)) return;
  note(message->index() * 64 + from * 8 + to);
  if (options_.journal != nullptr && !std::holds_alternative<Executed>(*message))
    options_.journal->delivered(now_, from, to, brief(*message));
  if (!verified(from, message)) return;
  if (rng_.chance(1, 64)) {
    auto copy = decode(context_.suite, encode(*message));
    if (!copy || !(*copy == *message)) return fail("a message does not survive its encoding");
  }
  if (node.adversary && !calm()) {
    Adversary::Outbox outbox;
    node.adversary->heard(message, outbox);
    post_lies(to, outbox);
    if (!node.adversary->hears(nodes_[from]->index, *message)) return;
  }
  give(to, MessageReceived{nodes_[from]->index, message});
}

void Simulation::answer_batches(std::size_t from, std::size_t to, const std::vector<Hash>& digests) {
  if (!nodes_[from]->up || !nodes_[to]->up || !linked(from, to)) return;
  if (nodes_[from]->adversary && nodes_[from]->adversary->does(Lie::withholds) && rng_.chance(1, 2)) return;
  for (const auto& digest : digests) {
    if (nodes_[from]->bodies.count(digest) == 0) continue;
    at(latency(), [this, from, to, digest] {
      auto& node = *nodes_[to];
      if (!node.up || !linked(from, to) || !node.bodies.insert(digest).second) return;
      node.log.push_back({{}, batches_.at(digest), {}});
      give(to, BatchArrived{batches_.at(digest)});
    });
  }
}

void Simulation::answer_blocks(std::size_t from, std::size_t to, Height first) {
  if (!nodes_[from]->up || !nodes_[to]->up || !linked(from, to)) return;
  if (nodes_[from]->adversary && nodes_[from]->adversary->does(Lie::withholds) && rng_.chance(1, 2)) return;
  const auto& chain = nodes_[from]->chain;
  if (first == 0 || first > chain.size()) return;
  auto last = std::min<std::size_t>(chain.size(), first + 19);
  std::vector<Effects::CommittedBlock> blocks(chain.begin() + static_cast<std::ptrdiff_t>(first - 1),
                                              chain.begin() + static_cast<std::ptrdiff_t>(last));
  at(latency(), [this, from, to, blocks = std::move(blocks)] {
    auto& node = *nodes_[to];
    if (!node.up || !linked(from, to)) return;
    for (const auto& block : blocks) {
      BlockFetched input{block.block, block.certificate, {}};
      for (const auto& digest : block.block.batch_digests) {
        const auto& batch = batches_.at(digest);
        if (node.bodies.insert(digest).second) node.log.push_back({{}, batch, {}});
        input.batches.push_back(batch);
      }
      give(to, input);
      if (!node.up) return;
    }
  });
}

void Simulation::trace(const Node& node, const std::string& text) const {
  if (options_.journal != nullptr) options_.journal->told(now_, node.place, text);
  if (!options_.trace) return;
  std::printf("%7llu  %u%s %s\n", static_cast<unsigned long long>(now_), node.index,
              node.is_honest() ? " " : (node.place < members_.size() ? "!" : "\""), text.c_str());
}

/// What a reader needs to follow: kind and place.
std::string Simulation::brief(const Message& message) {
  auto place = [](View view, Height height) { return " " + std::to_string(view) + "/" + std::to_string(height); };
  auto start = [](const Hash& digest) { return " " + digest.hex().substr(0, 6); };
  auto text = std::string(consensus::to_name(message));
  if (const auto* p = std::get_if<Prepare>(&message)) {
    text += place(p->subject.view, p->subject.height) + start(p->subject.digest);
  } else if (const auto* c = std::get_if<Commit>(&message)) {
    text += place(c->subject.view, c->subject.height) + start(c->subject.digest);
  } else if (const auto* m = std::get_if<PrePrepare>(&message)) {
    text += place(m->view, m->block.header.height) + start(m->digest) + " on" + start(m->block.header.parent);
  } else if (const auto* v = std::get_if<ViewChange>(&message)) {
    text += " " + std::to_string(v->header.target) + " high" + place(v->header.high.view, v->header.high.height);
  }
  return text;
}

std::vector<std::string> Simulation::place_names() const {
  std::vector<std::string> out;
  for (const auto& node : nodes_)
    out.push_back(std::to_string(node->index) +
                  (node->is_honest() ? "" : node->place < members_.size() ? " lies" : " again"));
  return out;
}

void Simulation::trace_message(const Node& node, const Target& to, const Message& message) const {
  if (!options_.trace || std::holds_alternative<Executed>(message)) return;
  trace(node, "says " + brief(message) + (to ? " to " + std::to_string(*to) : ""));
}

}  // namespace galen::sim
