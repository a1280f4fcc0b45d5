#include "sim/adversary.hpp"

#include <algorithm>

namespace galen::sim {

using namespace consensus;

namespace {

constexpr std::size_t kMemory = 48;
constexpr std::size_t kVotedMax = 512;

/// As it comes out at the other end of the wire; null if nothing does.
MessagePtr sent(crypto::Suite suite, const Message& message) {
  auto decoded = decode(suite, encode(message));
  return decoded ? std::make_shared<const Message>(std::move(*decoded)) : nullptr;
}

}  // namespace

Adversary::Adversary(std::uint64_t seed, const ChainContext& context, const MemberSet& members, const Keyring& keyring,
                     MemberIndex self, std::uint32_t lies, std::uint64_t timeout_ms)
    : rng_(seed),
      context_(&context),
      members_(&members),
      keyring_(&keyring),
      self_(self),
      lies_(lies),
      timeout_ms_(timeout_ms) {
  auto masks = [&](Lie lie) {
    std::vector<std::uint32_t> out(members.size(), 0);
    for (auto& mask : out)
      for (unsigned kind = 0; does(lie) && kind < std::variant_size_v<Message>; ++kind)
        mask |= rng_.chance(1, 4) ? 1U << kind : 0U;
    return out;
  };
  withheld_ = masks(Lie::withholds);
  unheard_ = masks(Lie::deaf);
}

MemberIndex Adversary::someone() {
  auto member = static_cast<MemberIndex>(rng_.below(members_->size() - 1));
  return member >= self_ ? static_cast<MemberIndex>(member + 1) : member;
}

void Adversary::send(MemberIndex to, MessagePtr message, Outbox& out, std::uint64_t delay_ms) {
  if (message == nullptr || to == self_) return;
  if ((withheld_[to] >> message->index() & 1U) != 0) return tells(Lie::withholds);
  out.push_back({to, std::move(message), delay_ms});
}

void Adversary::to_some(const MessagePtr& message, Outbox& out) {
  for (MemberIndex to = 0; to < members_->size(); ++to)
    if (rng_.chance(2, 3)) send(to, message, out);
}

bool Adversary::hears(MemberIndex from, const Message& message) const {
  const bool does_hear = (unheard_[from] >> message.index() & 1U) == 0;
  if (!does_hear) tells(Lie::deaf);
  return does_hear;
}

void Adversary::remember(const MessagePtr& message) {
  auto keep = [&](const std::optional<QuorumCertificate>& certificate) {
    if (!certificate) return;
    if (certificates_.size() < kMemory)
      certificates_.push_back(*certificate);
    else
      certificates_[rng_.below(kMemory)] = *certificate;
  };
  if (const auto* m = std::get_if<PrePrepare>(message.get()))
    keep(m->justification.certificate);
  else if (const auto* v = std::get_if<ViewChange>(message.get()))
    keep(v->high_qc);
  else if (const auto* c = std::get_if<Certificate>(message.get()))
    keep(c->certificate);
  else if (const auto* s = std::get_if<StatusAnswer>(message.get()))
    keep(s->high_qc), keep(s->tip_qc);
  if (memory_.size() < kMemory)
    memory_.push_back(message);
  else if (rng_.chance(1, 4))
    memory_[rng_.below(kMemory)] = message;
}

std::optional<QuorumCertificate> Adversary::some_certificate() {
  if (certificates_.empty()) return std::nullopt;
  return certificates_[rng_.below(certificates_.size())];
}

/// PREPARE and COMMIT, once for each subject, to whoever it pleases.
void Adversary::vote_for(const VoteSubject& subject, Outbox& out) {
  if (!does(Lie::votes_for_all) || voted_.size() > kVotedMax || !voted_.emplace(subject, 1).second) return;
  tells(Lie::votes_for_all);
  to_some(signed_again(Prepare{{self_, subject, {}}}), out);
  to_some(signed_again(Commit{{self_, subject, {}}}), out);
}

void Adversary::heard(const MessagePtr& message, Outbox& out) {
  remember(message);
  const auto* change = std::get_if<ViewChange>(message.get());
  if (change != nullptr && does(Lie::forestalls)) forestall(*change, out);
  const auto* m = std::get_if<PrePrepare>(message.get());
  if (m == nullptr) return;
  highest_ = std::max(highest_, m->block.header.height);
  vote_for({m->view, m->block.header.height, m->digest}, out);
  if (does(Lie::usurps) && m->sender != self_ && rng_.chance(1, 3)) usurp(*m, out);
}

/// The same as if the view were its own, with the reason that its leader gave.
void Adversary::usurp(const PrePrepare& message, Outbox& out) {
  auto m = message;
  m.sender = self_;
  if (m.block.header.view == m.view) m.block.header.proposer = self_;
  auto claimed = signed_again(std::move(m));
  if (claimed == nullptr) return;
  tells(Lie::usurps);
  const auto& own = std::get<PrePrepare>(*claimed);
  vote_for({own.view, own.block.header.height, own.digest}, out);
  to_some(claimed, out);
}

/// With its own VIEW-CHANGE, which it shows nobody else, it has q of them one sooner than the leader.
void Adversary::forestall(const ViewChange& change, Outbox& out) {
  const auto target = change.header.target;
  if (wanting_.size() >= kMemory && wanting_.count(target) == 0) wanting_.erase(wanting_.begin());
  auto& wanting = wanting_[target];
  const bool is_new = wanting.emplace(change.header.sender, change).second;
  if (!is_new || wanting.size() + 1 != members_->quorum() || wanting.count(self_) > 0) return;
  ViewChange own{{self_, target, {}, 0, {}}, std::nullopt};
  own.header.signature = keyring_->sign(self_, view_change_sign_bytes(*context_, own.header));
  auto given = wanting;
  given.emplace(self_, std::move(own));
  Justification reason{Justification::Kind::new_view, {}, {}};
  for (const auto& [member, one] : given) reason.view_changes.push_back(one.header);
  const auto& maximum = maximum_high(reason.view_changes);
  for (const auto& [member, one] : given)
    if (one.header.high == maximum) reason.certificate = one.high_qc;
  for (const auto& known : memory_) {
    const auto* model = std::get_if<PrePrepare>(known.get());
    if (model == nullptr || maximum.height == 0) continue;
    PrePrepare m{self_, target, model->block, std::move(reason), {}, {}};
    auto& header = m.block.header;
    header.view = target;
    header.proposer = self_;
    header.parent = maximum.digest;
    header.height = header.history_size = maximum.height + 1;
    header.flags = 0;
    header.next_members_hash = {};
    const auto leader = static_cast<MemberIndex>(target % members_->size());
    tells(Lie::forestalls);
    return send(leader, signed_again(std::move(m)), out);
  }
}

void Adversary::says(const Target& to, const MessagePtr& message, Outbox& out) {
  remember(message);
  const auto* proposal = std::get_if<PrePrepare>(message.get());
  bool own_proposal = proposal != nullptr && proposal->sender == self_;
  // Nor does it lead, where it has no other use for its proposals: then every view opens by VIEW-CHANGEs.
  if (own_proposal && does(Lie::forestalls) && !does(Lie::equivocates)) return;
  MessagePtr other;
  if (own_proposal && does(Lie::equivocates) && rng_.chance(1, 2)) other = variant(*proposal);
  if (other) tells(Lie::equivocates);
  if (own_proposal && does(Lie::floods) && rng_.chance(1, 3)) flood_blocks(*proposal, out);
  if (own_proposal) vote_for({proposal->view, proposal->block.header.height, proposal->digest}, out);
  if (other) {
    const auto& m = std::get<PrePrepare>(*other);
    vote_for({m.view, m.block.header.height, m.digest}, out);
  }
  std::uint64_t delay = own_proposal && does(Lie::stalls) ? timeout_ms_ * (50 + rng_.below(46)) / 100 : 0;
  if (delay > 0) tells(Lie::stalls);
  for (MemberIndex member = 0; member < members_->size(); ++member) {
    if (member == self_ || (to && *to != member)) continue;
    auto chosen = message;
    if (other && rng_.chance(1, 2)) chosen = other;
    if (const auto* status = std::get_if<StatusAnswer>(message.get()); status != nullptr && does(Lie::lies_status)) {
      chosen = lie_about_status(*status);
      tells(Lie::lies_status);
    }
    if (const auto* change = std::get_if<ViewChange>(message.get());
        change != nullptr && does(Lie::lies_view_change) && rng_.chance(2, 3)) {
      chosen = lie_about_view(*change);
      tells(Lie::lies_view_change);
    }
    send(member, chosen, out, delay);
    if (other && rng_.chance(1, 3)) send(member, chosen == other ? message : other, out, rng_.below(50));
    if (does(Lie::mutates) && rng_.chance(1, 6)) send(member, mutated(*message), out, rng_.below(20));
  }
}

void Adversary::acts(View view, Outbox& out) {
  if (does(Lie::storms)) {
    ViewChange change;
    change.header.sender = self_;
    change.header.target = view + 1 + (rng_.chance(1, 2) ? 0 : rng_.below(30));
    change.high_qc = some_certificate();
    if (change.high_qc) change.header.high = change.high_qc->subject;
    to_some(signed_again(change), out);
    tells(Lie::storms);
  }
  if (does(Lie::floods) && rng_.chance(1, 4)) flood_votes(out);
  if (does(Lie::replays) && !memory_.empty()) tells(Lie::replays);
  if (does(Lie::replays) && !memory_.empty())
    for (int i = 0; i < 4; ++i) send(someone(), memory_[rng_.below(memory_.size())], out, rng_.below(100));
  if (does(Lie::mutates) && !memory_.empty()) send(someone(), mutated(*memory_[rng_.below(memory_.size())]), out);
  if (does(Lie::mutates)) {
    if (auto certificate = some_certificate()) {
      change_certificate(*certificate);
      send(someone(), sent(context_->suite, Certificate{*certificate}), out);
    }
  }
}

/// Bears our signature wherever the sender is us.
MessagePtr Adversary::signed_again(Message message) const {
  struct Signer {
    const Adversary& a;
    Signature sign(const Bytes& bytes) const { return a.keyring_->sign(a.self_, bytes); }
    void operator()(PrePrepare& m) const {
      m.digest = m.block.header.digest(a.context_->suite);
      m.signature = sign(pre_prepare_sign_bytes(*a.context_, m));
    }
    void operator()(Prepare& m) const { m.signature = sign(sign_bytes(*a.context_, m)); }
    void operator()(Commit& m) const { m.signature = sign(sign_bytes(*a.context_, m)); }
    void operator()(Executed& m) const { m.signature = sign(sign_bytes(*a.context_, m)); }
    void operator()(ViewChange& m) const { m.header.signature = sign(view_change_sign_bytes(*a.context_, m.header)); }
    void operator()(StatusAnswer& m) const { m.signature = sign(status_sign_bytes(*a.context_, m)); }
    void operator()(StatusRequest&) const {}
    void operator()(FetchSkeleton&) const {}
    void operator()(Skeleton&) const {}
    void operator()(FetchCertificate&) const {}
    void operator()(Certificate&) const {}
  };
  std::visit(Signer{*this}, message);
  return sent(context_->suite, message);
}

/// Another block for the same place, mostly one that honest members may well PREPARE.
MessagePtr Adversary::variant(const PrePrepare& message) {
  auto m = message;
  auto& header = m.block.header;
  switch (rng_.below(5)) {
    case 0:
      header.flags ^= kTenureEnd;
      break;
    case 2:
      add_odd_batches(m.block);
      break;
    case 1:
      if (!m.block.batch_digests.empty()) {
        m.block.batch_digests.pop_back();
        header.batch_count = static_cast<std::uint32_t>(m.block.batch_digests.size());
        header.body_root = body_root(context_->suite, m.block.batch_digests);
        break;
      }
      [[fallthrough]];
    default:
      header.time_ms += 1 + rng_.below(3);
      break;
  }
  return signed_again(std::move(m));
}

MessagePtr Adversary::lie_about_status(const StatusAnswer& message) {
  auto m = message;
  auto certificate = some_certificate();
  switch (rng_.below(8)) {
    case 0:
      m.view = rng_.below(m.view + 1);
      break;
    case 1:
      m.max_view_change += rng_.chance(1, 2) ? rng_.below(50) : 1 + rng_.below(1'000'000'000);
      break;
    case 2:
      m.high_qc.reset(), m.high = {};
      break;
    case 3:
      if (certificate) m.high_qc = certificate, m.high = certificate->subject;
      break;
    case 4:
      m.tip_qc.reset(), m.tip = {};
      break;
    case 5:
      m.seen_prepare.reset(), m.seen_commit.reset(), m.seen_view_change.reset();
      break;
    case 6:
      m.mode = static_cast<Mode>(rng_.below(5));
      break;
    default:
      m.wall_ms += rng_.below(100'000'000);
      break;
  }
  return signed_again(std::move(m));
}

MessagePtr Adversary::lie_about_view(const ViewChange& message) {
  auto m = message;
  m.high_qc = rng_.chance(1, 2) ? std::nullopt : some_certificate();
  m.header.high = m.high_qc ? m.high_qc->subject : VoteSubject{};
  if (rng_.chance(1, 4)) m.header.target += rng_.below(3);
  return signed_again(std::move(m));
}

void Adversary::change_header(BlockHeader& h) {
  auto noise = small_hash(rng_.next(), 1);
  switch (rng_.below(16)) {
    case 0:
      h.version ^= 1;
      break;
    case 1:
      h.chain_id = noise;
      break;
    case 2:
      h.epoch += 1;
      break;
    case 3:
      h.flags ^= static_cast<std::uint16_t>(1U << rng_.below(16));
      break;
    case 4:
      h.view += 1;
      break;
    case 5:
      h.height += rng_.chance(1, 2) ? 1 : 1000;
      break;
    case 6:
      h.parent = noise;
      break;
    case 7:
      h.time_ms = rng_.chance(1, 2) ? h.time_ms + 60'000 : 1;
      break;
    case 8:
      h.exec_height = rng_.chance(1, 2) ? h.height : 0;
      break;
    case 9:
      h.state_root = noise;
      break;
    case 10:
      h.results_root = noise;
      break;
    case 11:
      h.body_root = noise;
      break;
    case 12:
      h.batch_count += 1;
      break;
    case 13:
      h.history_root = noise;
      break;
    case 14:
      h.rules_version += 1;
      break;
    default:
      h.next_members_hash = noise;
      break;
  }
}

void Adversary::change_certificate(QuorumCertificate& c) {
  switch (rng_.below(6)) {
    case 0:
      ++c.signers.member_count;
      break;
    case 5:
      c.phase = c.phase == VotePhase::commit ? VotePhase::prepare : VotePhase::commit;
      break;
    case 1:
      c.subject.view += 1;
      break;
    case 2:
      c.subject.digest = small_hash(rng_.next(), 2);
      break;
    case 3:
      if (!c.signatures.empty()) c.signatures.pop_back(), c.signers.signers.pop_back();
      break;
    default:
      if (!c.signatures.empty()) c.signatures[0] = c.signatures.back(), c.signers.signers[0] = c.signers.signers.back();
      break;
  }
}

/// A small change: of one bit of the encoding, or of one field and properly signed.
MessagePtr Adversary::mutated(const Message& message) {
  tells(Lie::mutates);
  if (rng_.chance(1, 4)) return malformed(message);
  if (rng_.chance(1, 2)) return damaged(message);
  auto copy = message;
  if (auto* m = std::get_if<PrePrepare>(&copy)) {
    if (m->sender != self_) return nullptr;
    if (rng_.chance(1, 8) && m->justification.certificate)
      change_certificate(*m->justification.certificate);
    else
      change_header(m->block.header);
  } else if (auto* p = std::get_if<Prepare>(&copy)) {
    (rng_.chance(1, 2) ? p->subject.view : p->subject.height) += 1 + rng_.below(3);
  } else if (auto* c = std::get_if<Commit>(&copy)) {
    c->subject.digest = small_hash(rng_.next(), 3);
  } else if (auto* e = std::get_if<Executed>(&copy)) {
    (rng_.chance(1, 2) ? e->subject.state_root : e->subject.results_root) = small_hash(rng_.next(), 4);
  } else if (auto* k = std::get_if<Skeleton>(&copy)) {
    change_header(k->block.header);
  } else if (auto* f = std::get_if<FetchSkeleton>(&copy)) {
    f->digest = small_hash(rng_.next(), 5);
  } else if (auto* r = std::get_if<StatusRequest>(&copy)) {
    r->commit_height = rng_.below(1000), r->view = rng_.below(1000);
  } else if (auto* q = std::get_if<FetchCertificate>(&copy)) {
    q->height = rng_.below(1000);
  } else {
    return nullptr;
  }
  return signed_again(std::move(copy));
}

}  // namespace galen::sim
