// What nodes say to each other, honestly or not, and how it gets lost.
#include <cstdio>

#include "sim/journal.hpp"
#include "sim/node.hpp"
#include "sim/record.hpp"

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
std::size_t Simulation::place_of(Epoch epoch, MemberIndex member) {
  auto identity = epochs_->of(epoch).identities[member];
  for (std::size_t i = identities_; i < nodes_.size(); ++i)
    if (nodes_[i]->identity == identity && rng_.chance(1, 2)) return i;
  return identity;
}

void Simulation::send(Node& node, Seat& seat, const Target& to, const MessagePtr& message) {
  if (is_traced()) trace_message(node, seat, to, *message);
  if (const auto* answer = std::get_if<StatusAnswer>(message.get())) note_status(node, seat, *answer);
  if (seat.adversary && !calm()) {
    if (node.place >= identities_) count(Lie::twins);
    Adversary::Outbox outbox;
    seat.adversary->says(to, message, outbox);
    post_lies(node.place, seat.epoch, outbox);
    return;
  }
  if (node.is_bound()) checker_->said(static_cast<MemberIndex>(node.identity), *message, seat.epoch, seat.index);
  if (node.is_honest()) note_rules(seat, *message);
  if (options_.record && node.is_bound()) options_.record->says(now_, node.identity, seat.epoch, *message);
  auto members = epochs_->of(seat.epoch).members.size();
  auto letter = std::make_shared<Letter>(Letter{message, {}});
  for (MemberIndex member = 0; member < members; ++member)
    if (member != seat.index && (!to || *to == member)) post(node.place, seat.epoch, member, letter, 0);
}

void Simulation::post(std::size_t from, Epoch epoch, MemberIndex to, const LetterPtr& letter, std::uint64_t delay_ms) {
  auto identity = epochs_->of(epoch).identities[to];
  for (std::size_t place = 0; place < nodes_.size(); ++place) {
    if (nodes_[place]->identity != identity || !linked(from, place) || is_lost()) continue;
    at(delay_ms + latency() + slowness(from, place),
       [this, from, place, epoch, letter] { deliver(from, place, epoch, letter); });
    if (!is_healed_ && is_planned(Fault::repeat) && rng_.chance(1, 20)) {
      count(Fault::repeat);
      at(1 + rng_.below(3 * delay_max_), [this, from, place, epoch, letter] { deliver(from, place, epoch, letter); });
    }
  }
}

void Simulation::post_lies(std::size_t from, Epoch epoch, const Adversary::Outbox& outbox) {
  for (const auto& one : outbox)
    post(from, epoch, one.to, std::make_shared<Letter>(Letter{one.message, {}}), one.delay_ms);
}

/// As the node's verify threads do, once for all who get it. What an honest member sends must pass.
bool Simulation::verified(std::size_t from, MemberIndex sender, Epoch epoch, Letter& letter) {
  if (letter.verdict) return *letter.verdict;
  const auto& set = epochs_->of(epoch);
  auto status = verify_message(set.context, set.members, *set.keyring, sender, *letter.message);
  letter.verdict = status.has_value();
  if (status) return true;
  if (nodes_[from]->is_honest()) fail("a message of an honest member does not verify: " + status.error().message);
  ++tally_.rejected[std::string(consensus::to_name(*letter.message)) + ": " + status.error().message];
  return false;
}

void Simulation::deliver(std::size_t from, std::size_t to, Epoch epoch, const LetterPtr& letter) {
  const auto& message = letter->message;
  auto& node = *nodes_[to];
  if (!node.up || !linked(from, to)) return;
  note(message->index() * 64 + from * 8 + to);
  if (options_.journal != nullptr && !std::holds_alternative<Executed>(*message))
    options_.journal->delivered(now_, from, to, brief(*message));
  // The epoch travels beside the message: nothing in it may be judged by another epoch's members.
  auto* seat = node.seat_in(epoch);
  if (seat == nullptr && node.seat->epoch < epoch) return hear_of_epoch(to, from, epoch);
  if (seat == nullptr) return tell_epoch(to, from);
  auto sender = epochs_->of(epoch).index_of(nodes_[from]->identity);
  if (!sender || !verified(from, *sender, epoch, *letter)) return;
  if (const auto* m = std::get_if<PrePrepare>(message.get()); m && !nodes_[from]->is_honest()) note_proposal(*m);
  const auto* vote = std::get_if<Commit>(message.get());
  if (vote != nullptr && node.is_honest() && vote->subject.view < seat->view) ++late_votes_;
  if (options_.record && !nodes_[from]->is_bound())
    options_.record->hears(now_, nodes_[from]->identity, epoch, *message);
  if (rng_.chance(1, 64)) {
    auto copy = decode_of_epoch(context_.suite, encode_in(epoch, *message));
    if (!copy || copy->epoch != epoch || !(copy->message == *message))
      return fail("a message does not survive its encoding");
  }
  if (seat->adversary && !calm()) {
    Adversary::Outbox outbox;
    seat->adversary->heard(message, outbox);
    post_lies(to, epoch, outbox);
    if (!seat->adversary->hears(*sender, *message)) return;
  }
  give(node, epoch, MessageReceived{*sender, message});
}

/// Two values, both by the one who is blamed: anyone may check it.
void Simulation::check_evidence(Epoch epoch, const Effects::Evidence& evidence) {
  const auto& set = epochs_->of(epoch);
  auto subject_of = [](const Message& message) -> std::optional<VoteSubject> {
    if (const auto* m = std::get_if<PrePrepare>(&message))
      return VoteSubject{m->view, m->block.header.height, m->digest};
    if (const auto* p = std::get_if<Prepare>(&message)) return p->subject;
    if (const auto* c = std::get_if<Commit>(&message)) return c->subject;
    return std::nullopt;
  };
  auto first = subject_of(*evidence.first), second = subject_of(*evidence.second);
  bool one_place = first && second && evidence.first->index() == evidence.second->index() &&
                   first->view == evidence.view && second->view == evidence.view &&
                   first->height == evidence.height && second->height == evidence.height;
  if (!one_place || first->digest == second->digest) return fail("blame: evidence does not contradict itself");
  ++tally_.faults["evidence of two " + std::string(consensus::to_name(*evidence.first))];
  for (const auto& message : {evidence.first, evidence.second})
    if (!verify_message(set.context, set.members, *set.keyring, evidence.member, *message))
      return fail("blame: evidence does not verify");
}

/// A batch is good for one epoch only. The body goes into the log before the replica hears of it.
void Simulation::take_body(Node& node, const Batch& batch) {
  if (!node.up || node.seat->epoch != batch.epoch) return;
  if (ignores(node, batch)) return count(Lie::ignores_origin);
  if (!node.bodies.insert(batch.pending.digest).second) return;
  note_body(batch);
  node.log.push_back({{}, batch, {}});
  give(node, batch.epoch, BatchArrived{batch.pending});
}

bool Simulation::withholds(const Node& node) {
  const bool keeps = does(node, Lie::withholds) && rng_.chance(1, 2);
  if (keeps) count(Lie::withholds);
  return keeps;
}

bool Simulation::poisons(const Node& node) {
  const bool is_poisoned = does(node, Lie::poisons) && !calm() && rng_.chance(1, 2);
  if (is_poisoned) count(Lie::poisons);
  return is_poisoned;
}

void Simulation::answer_batches(std::size_t from, std::size_t to, const std::vector<Hash>& digests) {
  if (!nodes_[from]->up || !nodes_[to]->up || !linked(from, to) || withholds(*nodes_[from])) return;
  for (const auto& digest : digests) {
    if (nodes_[from]->bodies.count(digest) == 0) continue;
    // Other bytes have another digest: nobody takes them for this batch.
    if (poisons(*nodes_[from])) continue;
    at(latency(), [this, from, to, digest] {
      if (linked(from, to)) take_body(*nodes_[to], batches_.at(digest));
    });
  }
}

/// Changes one thing in an answer: a block, its certificate, or which blocks there are.
void Simulation::poison(std::vector<Effects::CommittedBlock>& blocks) {
  auto& block = blocks[rng_.below(blocks.size())];
  auto& signers = block.certificate.signers.signers;
  auto& signatures = block.certificate.signatures;
  switch (rng_.below(6)) {
    case 0:
      block.block.header.time_ms += 1;
      break;
    case 1:
      block.block.batch_digests.push_back(small_hash(rng_.next(), 8));
      break;
    case 2:
      signatures.pop_back(), signers.pop_back();
      break;
    case 3:
      signatures.front() = signatures.back();
      break;
    case 4:
      block.certificate.subject.digest = block.digest = small_hash(rng_.next(), 9);
      break;
    default:
      blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(rng_.below(blocks.size())));
      break;
  }
}

/// As the node does before its core hears of them: what a certificate covers that verifies, itself or by links to it,
/// and with that certificate.
void Simulation::keep_proven(std::size_t from, std::vector<Effects::CommittedBlock>& blocks) {
  const Effects::CommittedBlock* covering = nullptr;  // it, or what links to it, is `expected`
  Hash expected;
  auto end = blocks.end();
  for (auto block = blocks.end(); block != blocks.begin();) {
    --block;
    const auto& header = block->block.header;
    const auto& set = epochs_->of(header.epoch);
    const auto digest = header.digest(context_.suite);
    const bool is_linked = covering != nullptr && covering->block.header.epoch == header.epoch && digest == expected;
    const bool is_own = !is_linked && block->certificate.subject.digest == digest &&
                        block->certificate.phase == VotePhase::commit &&
                        verify_certificate(set.context, set.members, *set.keyring, block->certificate);
    if (body_root(context_.suite, block->block.batch_digests) != header.body_root || !(is_linked || is_own)) {
      covering = nullptr;
      end = block;
      continue;
    }
    if (is_own) covering = &*block;
    block->certificate = covering->certificate;
    block->digest = digest;
    expected = header.parent;
  }
  if (nodes_[from]->is_honest() && end == blocks.begin()) fail("certificate: an honest member's blocks are not proven");
  if (end != blocks.end() && !nodes_[from]->is_honest()) ++tally_.faults["blocks of a poisoned answer refused"];
  blocks.erase(end, blocks.end());
}

void Simulation::answer_blocks(std::size_t from, std::size_t to, Height first) {
  if (!nodes_[from]->up || !nodes_[to]->up || !linked(from, to) || withholds(*nodes_[from])) return;
  const auto& chain = nodes_[from]->chain;
  if (first == 0 || first > chain.size()) return;
  auto last = std::min<std::size_t>(chain.size(), first + 19);
  std::vector<Effects::CommittedBlock> blocks(chain.begin() + static_cast<std::ptrdiff_t>(first - 1),
                                              chain.begin() + static_cast<std::ptrdiff_t>(last));
  // What is in its log may end before the block with the certificate.
  while (!blocks.empty() && blocks.back().certificate.subject.digest != blocks.back().digest) blocks.pop_back();
  if (blocks.empty()) return;
  if (poisons(*nodes_[from])) poison(blocks);
  at(latency(), [this, from, to, blocks = std::move(blocks)]() mutable {
    auto& node = *nodes_[to];
    if (!node.up || !linked(from, to)) return;
    keep_proven(from, blocks);
    for (const auto& block : blocks) {
      auto epoch = block.block.header.epoch;
      if (node.seat->epoch != epoch) continue;  // it went over meanwhile, or is not there yet
      BlockFetched input{block.block, block.certificate, {}};
      for (const auto& digest : block.block.batch_digests) {
        const auto& batch = batches_.at(digest);
        if (node.bodies.insert(digest).second) node.log.push_back({{}, batch, {}});
        input.batches.push_back(batch.pending);
      }
      give(node, epoch, input);
      if (!node.up) return;
    }
  });
}

void Simulation::trace(const Node& node, const std::string& text) const {
  if (options_.journal != nullptr) options_.journal->told(now_, node.place, text);
  if (!options_.trace) return;
  std::printf("%7llu  %zu%s %s\n", static_cast<unsigned long long>(now_), node.identity,
              node.is_honest() ? " " : (node.place < identities_ ? "!" : "\""), text.c_str());
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
    out.push_back(std::to_string(node->identity) +
                  (node->is_honest() ? "" : node->place < identities_ ? " lies" : " again"));
  return out;
}

void Simulation::trace_message(const Node& node, const Seat& seat, const Target& to, const Message& message) const {
  if (!options_.trace || std::holds_alternative<Executed>(message)) return;
  auto where = seat.epoch > 1 ? " in epoch " + std::to_string(seat.epoch) : "";
  auto whom = to ? " to " + std::to_string(epochs_->of(seat.epoch).identities[*to]) : "";
  trace(node, "says " + brief(message) + where + whom);
}

}  // namespace galen::sim
