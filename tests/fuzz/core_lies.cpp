// What the fourth member says: its own messages and those it has heard, changed where the bytes want it, with its own
// signature and the certificates that honest votes allow.
#include <algorithm>

#include "fuzz/core_world.hpp"

namespace galen::fuzz {

using namespace consensus;

namespace {

constexpr std::size_t kHeardMax = 96, kSubjectsMax = 256, kTargetsMax = 64;

/// The entry of a map that a byte names.
template <class Map>
auto at(const Map& map, std::size_t which) {
  return std::next(map.begin(), static_cast<std::ptrdiff_t>(which % map.size()));
}

}  // namespace

void CoreWorld::hear(const MessagePtr& message) {
  heard_.push_back(message);
  if (heard_.size() > kHeardMax) heard_.pop_front();
  auto vote = [&](VotePhase phase, const SignedVote& m) { votes_[{phase, m.subject}][m.sender] = m.signature; };
  if (const auto* prepare = std::get_if<Prepare>(message.get())) vote(VotePhase::prepare, *prepare);
  if (const auto* commit = std::get_if<Commit>(message.get())) vote(VotePhase::commit, *commit);
  if (const auto* change = std::get_if<ViewChange>(message.get()))
    view_changes_[change->header.target][change->header.sender] = change->header;
  if (votes_.size() > kSubjectsMax) votes_.erase(votes_.begin());
  if (view_changes_.size() > kTargetsMax) view_changes_.erase(view_changes_.begin());
}

/// Of votes that were given, with its own where one is missing.
std::optional<QuorumCertificate> CoreWorld::some_certificate() {
  if (votes_.empty()) return std::nullopt;
  const auto& [what, given] = *at(votes_, choices_.byte());
  auto signatures = given;
  signatures[liar_] = keyring_.sign(liar_, vote_sign_bytes(context_, what.first, liar_, what.second));
  if (signatures.size() > set_.quorum() && choices_.chance()) signatures.erase(signatures.begin());
  QuorumCertificate out{what.first, what.second, {static_cast<std::uint16_t>(set_.size()), {}}, {}};
  for (const auto& [signer, signature] : signatures) {
    out.signers.signers.push_back(signer);
    out.signatures.push_back(signature);
  }
  return out;
}

VoteSubject CoreWorld::some_subject() {
  if (votes_.empty()) return {0, 1, some_hash()};
  return at(votes_, choices_.byte())->first.second;
}

Hash CoreWorld::some_hash() {
  const auto which = choices_.byte();
  if (which < 64 && !batches_.empty()) return at(batches_, which)->first;
  if (which < 192 && !votes_.empty()) return at(votes_, which)->first.second.digest;
  return which == 255 ? Hash{} : sim::small_hash(which, 5);
}

Message CoreWorld::some_message() {
  switch (choices_.below(10)) {
    case 0: return Prepare{{liar_, some_subject(), {}}};
    case 1: return Commit{{liar_, some_subject(), {}}};
    case 2: {
      ViewChange out;
      out.header.target = view_changes_.empty() || choices_.chance() ? choices_.number() : at(view_changes_, choices_.byte())->first;
      out.high_qc = some_certificate();
      if (out.high_qc) out.header.high = out.high_qc->subject;
      return out;
    }
    case 3:
      if (auto certificate = some_certificate()) return Certificate{*certificate};
      break;
    case 4: {
      // Anything at all.
      auto any = decode(context_.suite, choices_.bytes(std::size_t{choices_.byte()} * 4));
      if (any) return std::move(*any);
      break;
    }
    case 5: {
      const auto nonce = choices_.number();
      return StatusRequest{nonce, choices_.number(), choices_.number()};
    }
    default:
      if (!heard_.empty()) return *heard_[heard_.size() - 1 - choices_.byte() % heard_.size()];
  }
  if (choices_.chance()) return FetchCertificate{choices_.number()};
  return FetchSkeleton{some_hash()};
}

void CoreWorld::change(BlockSkeleton& block) {
  auto& h = block.header;
  switch (choices_.below(17)) {
    case 0: h.flags ^= kTenureEnd; break;
    case 1: h.flags ^= kEpochEnd; break;
    case 2: h.view = choices_.near(h.view); break;
    case 3: h.height = choices_.near(h.height); break;
    case 4: h.parent = some_hash(); break;
    case 5: h.time_ms = choices_.near(h.time_ms); break;
    case 6: h.exec_height = choices_.near(h.exec_height); break;
    case 7: h.state_root = some_hash(); break;
    case 8: h.results_root = some_hash(); break;
    case 9: h.history_size = choices_.near(h.history_size); break;
    case 10: h.history_root = some_hash(); break;
    case 11: h.rules_version ^= 1; break;
    case 12: h.proposer = choices_.byte(); break;
    case 13: h.next_members_hash = choices_.chance() ? sim::small_hash(9, 9) : some_hash(); break;
    case 14: h.epoch = choices_.near(h.epoch); break;
    case 15:
      if (!block.batch_digests.empty()) block.batch_digests.pop_back();
      break;
    default: block.batch_digests.push_back(some_hash());
  }
  h.batch_count = static_cast<std::uint32_t>(block.batch_digests.size());
  h.body_root = body_root(context_.suite, block.batch_digests);
}

void CoreWorld::change(Message& message) {
  if (auto* m = std::get_if<PrePrepare>(&message)) {
    switch (choices_.below(5)) {
      case 0:
        m->view = liar_ + kMembers * choices_.below(8);
        m->block.header.view = m->view;
        m->block.header.proposer = liar_;
        break;
      case 1: m->justification = {Justification::Kind::tenure_end, {}, some_certificate()}; break;
      case 2: {
        // What was said for its view, by as many as it takes.
        m->justification = {Justification::Kind::new_view, {}, some_certificate()};
        auto headers = view_changes_[m->view];
        auto& own = headers[liar_] = {liar_, m->view, {}, choices_.number(), {}};
        if (m->justification.certificate) own.high = m->justification.certificate->subject;
        own.signature = keyring_.sign(liar_, view_change_sign_bytes(context_, own));
        if (headers.size() > set_.quorum()) headers.erase(liar_ == 0 ? 1 : 0);
        for (const auto& [sender, header] : headers) m->justification.view_changes.push_back(header);
        break;
      }
      case 3: m->justification = {}; break;
      default: change(m->block);
    }
  } else if (auto* s = std::get_if<StatusAnswer>(&message)) {
    switch (choices_.below(9)) {
      case 0: s->mode = static_cast<Mode>(choices_.below(5)); break;
      case 1: s->view = choices_.near(s->view); break;
      case 2: s->max_view_change = choices_.near(s->max_view_change); break;
      case 3: s->executed_height = choices_.near(s->executed_height); break;
      case 4: s->wall_ms = choices_.near(s->wall_ms); break;
      case 5:
        s->high_qc = some_certificate();
        s->high = s->high_qc ? s->high_qc->subject : VoteSubject{};
        break;
      case 6:
        s->tip_qc = some_certificate();
        s->tip = s->tip_qc ? s->tip_qc->subject : VoteSubject{};
        break;
      case 7: s->nonce = choices_.near(s->nonce); break;
      default: s->seen_prepare.reset(), s->seen_commit.reset(), s->seen_view_change.reset();
    }
  } else if (auto* e = std::get_if<Executed>(&message)) {
    auto& subject = e->subject;
    switch (choices_.below(3)) {
      case 0: subject.height = choices_.near(subject.height); break;
      case 1: subject.state_root = some_hash(); break;
      default: subject.digest = some_hash();
    }
  } else if (auto* v = std::get_if<ViewChange>(&message)) {
    if (choices_.chance()) v->header.target = choices_.near(v->header.target);
    else v->header.commit_height = choices_.number();
  } else if (auto* k = std::get_if<Skeleton>(&message)) {
    change(k->block);
  } else if (auto* c = std::get_if<Certificate>(&message)) {
    if (auto other = some_certificate()) c->certificate = *other;
  } else {
    auto vote = [&](VoteSubject& subject) {
      if (choices_.chance()) subject.view = choices_.near(subject.view);
      else subject.height = choices_.near(subject.height);
      if (choices_.chance()) subject.digest = some_hash();
    };
    if (auto* prepare = std::get_if<Prepare>(&message)) vote(prepare->subject);
    if (auto* commit = std::get_if<Commit>(&message)) vote(commit->subject);
  }
}

/// With its signature, as it comes out at the other end of the wire; null if nothing does.
MessagePtr CoreWorld::own(Message message) const {
  struct Signer {
    const CoreWorld& w;
    Signature sign(const Bytes& bytes) const { return w.keyring_.sign(w.liar_, bytes); }
    void operator()(PrePrepare& m) const {
      m.sender = w.liar_;
      m.digest = m.block.header.digest(w.context_.suite);
      m.signature = sign(pre_prepare_sign_bytes(w.context_, m));
    }
    void operator()(Prepare& m) const { m.sender = w.liar_, m.signature = sign(sign_bytes(w.context_, m)); }
    void operator()(Commit& m) const { m.sender = w.liar_, m.signature = sign(sign_bytes(w.context_, m)); }
    void operator()(Executed& m) const { m.sender = w.liar_, m.signature = sign(sign_bytes(w.context_, m)); }
    void operator()(ViewChange& m) const {
      m.header.sender = w.liar_;
      m.header.signature = sign(view_change_sign_bytes(w.context_, m.header));
    }
    void operator()(StatusAnswer& m) const { m.sender = w.liar_, m.signature = sign(status_sign_bytes(w.context_, m)); }
    void operator()(StatusRequest&) const {}
    void operator()(FetchSkeleton&) const {}
    void operator()(Skeleton&) const {}
    void operator()(FetchCertificate&) const {}
    void operator()(consensus::Certificate&) const {}
  };
  std::visit(Signer{*this}, message);
  auto decoded = decode(context_.suite, encode(message));
  return decoded ? std::make_shared<const Message>(std::move(*decoded)) : nullptr;
}

void CoreWorld::lie() {
  auto message = some_message();
  const auto changes = choices_.below(4);
  for (std::size_t i = 0; i < changes; ++i) change(message);
  // Unchanged, it is passed on with the signature it has.
  const auto* pre_prepare = std::get_if<PrePrepare>(&message);
  const bool passed_on = changes == 0 && pre_prepare != nullptr && pre_prepare->sender != liar_;
  const auto said = passed_on ? std::make_shared<const Message>(std::move(message)) : own(std::move(message));
  const auto to = choices_.byte();
  if (said == nullptr || !verify_message(context_, set_, keyring_, liar_, *said)) return;
  if (const auto* change = std::get_if<ViewChange>(said.get())) view_changes_[change->header.target][liar_] = change->header;
  for (MemberIndex i = 0; i < kMembers; ++i)
    if (i != liar_ && (to >> i & 1) == 0) give(*members_[i], MessageReceived{liar_, said});
}

}  // namespace galen::fuzz
