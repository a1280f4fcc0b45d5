#include "sim/checker.hpp"

#include <algorithm>

namespace galen::sim {

using namespace consensus;

namespace {

std::string member_name(MemberIndex who) { return "member " + std::to_string(who); }
std::string place_name(View view, Height height) { return std::to_string(view) + "/" + std::to_string(height); }

}  // namespace

Checker::Checker(const ChainContext& context, const MemberSet& members, const Keyring& keyring, const Hash& block_zero,
                 std::vector<bool> honest)
    : honest_(std::move(honest)) {
  epoch_began(context, members, keyring);
  canonical_[0] = block_zero;
  headers_.emplace_back();
  leaderships_.emplace_back();
}

void Checker::epoch_began(const ChainContext& context, const MemberSet& members, const Keyring& keyring) {
  epochs_.push_back({&context, &members, &keyring, std::vector<Words>(honest_.size()), 0});
}

void Checker::fail(const std::string& what) {
  if (failure_.empty()) failure_ = what;
}

void Checker::once(Words& words, MemberIndex who, int kind, const VoteSubject& subject) {
  auto [place, inserted] = words.said.emplace(std::tuple(kind, subject.view, subject.height), subject.digest);
  if (inserted || place->second == subject.digest) return;
  static constexpr const char* kKinds[] = {"PRE-PREPARE", "PREPARE", "COMMIT"};
  fail("two values: " + member_name(who) + " signed two of " + kKinds[kind] + " " +
       place_name(subject.view, subject.height));
}

void Checker::said(MemberIndex who, const Message& message, Epoch epoch, MemberIndex index) {
  auto& words = of(epoch).words[who];
  if (const auto* m = std::get_if<PrePrepare>(&message)) {
    // It passes on what others have signed, too.
    if (m->sender == index) once(words, who, 0, {m->view, m->block.header.height, m->digest});
  } else if (const auto* p = std::get_if<Prepare>(&message)) {
    once(words, who, 1, p->subject);
  } else if (const auto* c = std::get_if<Commit>(&message)) {
    once(words, who, 2, c->subject);
    check_commit(words, who, c->subject);
  } else if (const auto* v = std::get_if<ViewChange>(&message)) {
    check_view_change(words, who, v->header);
  } else if (const auto* e = std::get_if<Executed>(&message); e != nullptr && e->sender == index) {
    if (words.executed.emplace(e->subject.height, e->subject).first->second != e->subject)
      fail("two values: " + member_name(who) + " signed two EXECUTED of " + std::to_string(e->subject.height));
  }
}

/// R5 as others see it.
void Checker::check_commit(Words& words, MemberIndex who, const VoteSubject& subject) {
  for (auto later = words.reported.upper_bound(subject.view); later != words.reported.end(); ++later)
    if (later->second < Place{subject.view, subject.height})
      fail("R5: " + member_name(who) + " gave COMMIT " + place_name(subject.view, subject.height) +
           " after it reported less to view " + std::to_string(later->first));
  auto& highest = words.commits[subject.view];
  highest = std::max(highest, subject.height);
}

/// R7: a VIEW-CHANGE reports at least what its sender has COMMITted.
void Checker::check_view_change(Words& words, MemberIndex who, const ViewChangeHeader& header) {
  Place place{header.high.view, header.high.height};
  auto later = words.commits.lower_bound(header.target);
  if (later != words.commits.begin()) {
    auto last = std::prev(later);
    if (Place{last->first, last->second} > place)
      fail("R7: " + member_name(who) + " reported " + place_name(place.first, place.second) + " to view " +
           std::to_string(header.target) + " after COMMIT " + place_name(last->first, last->second));
  }
  if (auto owed = words.owed.find(header.target); owed != words.owed.end() && owed->second > place)
    fail("R7: " + member_name(who) + " reported " + place_name(place.first, place.second) + " to view " +
         std::to_string(header.target) + ", but had given out blocks on " +
         place_name(owed->second.first, owed->second.second));
  auto [known, inserted] = words.reported.emplace(header.target, place);
  if (!inserted && known->second != place) fail("two values: " + member_name(who) + " signed two VIEW-CHANGEs");
}

void Checker::forgot(MemberIndex who) {
  for (auto& epoch : epochs_) {
    auto& words = epoch.words[who];
    words.reported.clear();
    words.owed.clear();
    words.commits.clear();
  }
}

bool Checker::began_anew(MemberIndex who, Epoch epoch) {
  auto& words = of(epoch).words[who];
  bool said_something = !words.said.empty();
  words = {};
  words.began_anew = said_something;
  return said_something;
}

void Checker::healed() { is_healed_ = true; }

void Checker::reported(MemberIndex who, const Event& event, const std::optional<VoteSubject>& tip, Epoch epoch) {
  auto& wanted = of(epoch).wanted;
  switch (event.kind) {
    case EventKind::fork:
      fail("agreement: " + member_name(who) + " saw a fork at " + std::to_string(event.height));
      break;
    case EventKind::diverged:
      fail("agreement: " + member_name(who) + " diverged at " + std::to_string(event.height));
      break;
    case EventKind::equivocation:
      if (honest_[event.member] && !of(epoch).words[event.member].began_anew)
        fail("blame: " + member_name(who) + " blames honest " + member_name(event.member));
      break;
    case EventKind::proposal_refused:
      if (event.value == static_cast<std::uint64_t>(RefusalReason::not_leader) && honest_[event.member])
        fail("leader: " + member_name(who) + " does not take honest " + member_name(event.member) + " for that of view " +
             std::to_string(event.view));
      // A liar may dress its block up as another's, so only where nobody lies.
      if (event.value == static_cast<std::uint64_t>(RefusalReason::duplicate_batch) &&
          std::find(honest_.begin(), honest_.end(), false) == honest_.end())
        fail("exactly once: honest " + member_name(event.member) + " proposed a batch that is in the chain at height " +
             std::to_string(event.height));
      break;
    case EventKind::view_change_sent:
      if (event.view > wanted + 1)
        fail("views: " + member_name(who) + " asks for view " + std::to_string(event.view) +
             ", but no honest member was above " + std::to_string(wanted));
      wanted = std::max(wanted, event.view);
      if (tip) of(epoch).words[who].owed.insert_or_assign(event.view, Place{tip->view, tip->height});
      break;
    case EventKind::view_entered:
      if (is_healed_ && event.value == 0) burned_.emplace(epoch, event.view);
      wanted = std::max(wanted, event.view);
      break;
    case EventKind::resumed:
      wanted = std::max(wanted, event.view);
      break;
    default:
      break;
  }
}

template <class SignBytes>
void Checker::check_signatures(Epoch epoch, const SignerSet& set, const std::vector<Signature>& signatures,
                               SignBytes sign_bytes) {
  const auto& of_epoch = of(epoch);
  const auto& signers = set.signers;
  auto n = of_epoch.members->size();
  if (signers.size() < (n + (n - 1) / 3) / 2 + 1 || signatures.size() != signers.size())
    return fail("certificate: fewer than q signatures");
  for (std::size_t i = 0; i < signers.size(); ++i) {
    if (signers[i] >= n || (i > 0 && signers[i] <= signers[i - 1])) return fail("certificate: signers not ascending");
    if (!of_epoch.keyring->verify(signers[i], sign_bytes(*of_epoch.context, signers[i]), signatures[i]))
      return fail("certificate: a signature is wrong");
  }
}

void Checker::check_certificate(const Effects::CommittedBlock& block) {
  const auto& c = block.certificate;
  const auto& header = block.block.header;
  if (c.phase != VotePhase::commit || c.subject.height < header.height)
    return fail("certificate: a block was committed by a wrong one");
  if (c.subject.height == header.height && c.subject.digest != block.digest)
    return fail("certificate: it is about another block");
  auto& judged = judged_[header.height];
  if (judged == c) return;
  judged = c;
  check_signatures(header.epoch, c.signers, c.signatures, [&](const ChainContext& context, MemberIndex signer) {
    return vote_sign_bytes(context, c.phase, signer, c.subject);
  });
}

void Checker::certified(MemberIndex who, const ExecutedCertificate& c, Epoch epoch) {
  const auto& subject = c.subject;
  check_signatures(epoch, c.signers, c.signatures, [&](const ChainContext& context, MemberIndex signer) {
    return executed_sign_bytes(context, signer, subject);
  });
  auto block = canonical_.find(subject.height);
  bool is_other = block != canonical_.end() && block->second != subject.digest;
  if (is_other || outcomes_.emplace(subject.height, subject).first->second != subject)
    fail("agreement: " + member_name(who) + " has another outcome of height " + std::to_string(subject.height));
}

/// V6: whose turn a view is follows from the chain below the block it stands on.
void Checker::check_leader(const BlockHeader& header) {
  if (headers_.size() != header.height) return;  // something went wrong before
  auto n = of(header.epoch).members->size();
  auto base = base_exec_height(header, [&](Height height) { return std::optional(headers_[height]); });
  auto leadership = leaderships_.back();
  if (leader_of(n, leadership.skips, header.view, *base) != header.proposer)
    fail("leader: view " + std::to_string(header.view) + " was not that of " + std::to_string(header.proposer) +
         ", who proposed height " + std::to_string(header.height));
  note_block(leadership, n, headers_.back(), header);
  for (const auto& skip : leadership.skips)
    if (skipped_at(leadership.skips, skip.from_view, header.height).size() > (n - 1) / 3)
      fail("leader: more than f are left out at height " + std::to_string(header.height));
  headers_.push_back(header);
  leaderships_.push_back(header.epoch_end() ? Leadership{} : std::move(leadership));
}

void Checker::executed(MemberIndex who, Height height, const Leadership& leadership) {
  if (height >= leaderships_.size() || leaderships_[height] != leadership)
    fail("leader: " + member_name(who) + " leaves out others at height " + std::to_string(height));
}

void Checker::committed(MemberIndex who, std::size_t chain_length, const Effects::CommittedBlock& block) {
  const auto& header = block.block.header;
  if (header.height != chain_length + 1)
    return fail("order: " + member_name(who) + " gives out height " + std::to_string(header.height) + " after " +
                std::to_string(chain_length));
  auto [place, inserted] = canonical_.emplace(header.height, block.digest);
  if (place->second != block.digest) return fail("agreement: two blocks at height " + std::to_string(header.height));
  if (inserted && header.epoch != next_epoch_)
    return fail("agreement: height " + std::to_string(header.height) + " is of epoch " + std::to_string(header.epoch));
  if (inserted && header.epoch_end()) ++next_epoch_;
  check_certificate(block);
  if (!inserted) return;
  if (header.parent != canonical_.at(header.height - 1))
    return fail("agreement: a block does not stand on the one before");
  check_leader(header);
  for (const auto& digest : block.block.batch_digests)
    if (!ordered_.insert(digest).second) return fail("exactly once: a batch is in two blocks");
}

}  // namespace galen::sim
