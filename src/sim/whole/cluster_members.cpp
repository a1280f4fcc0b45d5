// Who the members are: administrators that propose and vote through the shipped contract, and what nodes do when an epoch
// ends (docs/spec/consensus.md 11, docs/spec/membership.md). Administrators look at a ledger now and then and do what is
// next; so whatever gets lost on the way is done again.
#include <algorithm>

#include "galen/execution/membership.hpp"
#include "galen/ledger/v1/state.pb.h"
#include "galen/types/receipt.hpp"
#include "node/participants.hpp"
#include "sim/whole/cluster_node.hpp"

namespace galen::sim {

namespace {

namespace pb = ledger::v1;
constexpr std::size_t kMembersMax = 7;
constexpr std::uint64_t kAskAgainMs = 400;
constexpr std::uint64_t kTellMs = 50;  ///< between two fetches because others are in a later epoch
constexpr std::uint64_t kLastCertificateMs = 300;

bool is_in(const std::vector<Identity>& list, Identity who) { return std::find(list.begin(), list.end(), who) != list.end(); }

/// The row as it is; one that is not there is empty.
template <class Row>
Row row_of(const ledger::View& view, StateKind kind, ByteSpan key) {
  Row row;
  auto bytes = view.state(static_cast<std::uint8_t>(kind), key);
  if (bytes && *bytes) row.ParseFromArray((*bytes)->data(), static_cast<int>((*bytes)->size()));
  return row;
}

}  // namespace

/// Looks at the ledger of some honest node that is ahead.
void Cluster::govern() {
  at(60 + rng_.below(120), [this] { govern(); });
  Node* newest = nullptr;
  for (auto& node : nodes_) {
    if (!node->up || node->dying || !node->is_honest() || node->ledger_hurt) continue;
    if (newest == nullptr || node->executor->applied_height() > newest->executor->applied_height()) newest = node.get();
  }
  if (newest == nullptr) return;
  set_admin_keys(newest->store->latest());
  if (plan_ && plan_->epoch < world_.newest()) plan_.reset();
  if (world_.of(world_.newest()).change_pending_from) return;
  if (!plan_ && world_.newest() <= options_.changes) make_plan();
  if (plan_) pursue_plan(*newest);
}

/// At most one thing at a time from each administrator, by the node of his own hospital.
void Cluster::ask(Identity who, const std::function<BatchItem(TimestampMs)>& make) {
  auto& node = *nodes_[who];
  auto& asked = asked_ms_[who];
  if ((asked > 0 && now_ < asked + kAskAgainMs) || !lives(node) || !node.identity.is_voter()) return;
  asked = now_;
  std::vector<BatchItem> items;
  items.push_back(make(kWholeWallStart + now_ + kValidMs));
  send_batch(node, std::move(items));
}

void Cluster::set_admin_keys(const ledger::View& view) {
  for (auto who : world_.of(world_.newest()).identities)
    if (row_of<pb::PrincipalState>(view, StateKind::principal, world_.admin_id(who)).key().empty())
      ask(who, [&](TimestampMs until) { return world_.set_admin_key(who, until); });
}

/// One change that the members can bear before and after it.
void Cluster::make_plan() {
  const auto& now = world_.of(world_.newest()).identities;
  Plan plan{Plan::Kind::rotate, now[rng_.below(now.size())], world_.newest(), now, world_.number(41), world_.number(41)};
  auto kind = rng_.below(3);
  if (kind == 0 && now.size() < kMembersMax) {
    std::vector<Identity> others;
    for (Identity who = options_.members; who < world_.identities(); ++who) {
      bool was_one = false;
      for (Epoch epoch = 1; epoch <= world_.newest(); ++epoch) was_one |= is_in(world_.of(epoch).identities, who);
      if (!was_one) others.push_back(who);
    }
    if (others.empty()) return;
    plan.kind = Plan::Kind::let_in;
    plan.who = others[rng_.below(others.size())];
    plan.next.push_back(plan.who);
    plan.forges = rng_.chance(1, 2);
  } else if (kind == 1 && now.size() > 4) {
    plan.kind = Plan::Kind::remove;
    std::erase(plan.next, plan.who);
  }
  if (bears(now) && bears(plan.next)) plan_ = std::move(plan);
}

void Cluster::pursue_plan(Node& newest) {
  if (!bears(world_.of(world_.newest()).identities) || !bears(plan_->next)) return;  // not now
  const auto& view = newest.store->latest();
  switch (plan_->kind) {
    case Plan::Kind::let_in: return pursue_admission(newest);
    case Plan::Kind::remove: return pursue_proposal(view, plan_->proposal, world_.removing(plan_->who));
    case Plan::Kind::rotate: return pursue_proposal(view, plan_->proposal, world_.rotating(plan_->who));
  }
}

/// First it learns, then it shows that it has come to a certified root, then it gets its vote.
void Cluster::pursue_admission(Node& newest) {
  const auto& view = newest.store->latest();
  auto row = row_of<pb::MemberState>(view, StateKind::member, world_.member_id(plan_->who));
  if (plan_->forges) return forge_admission();
  if (row.status() != pb::MEMBER_STATUS_LEARNER)
    return pursue_proposal(view, plan_->proposal, world_.letting_in(plan_->who));
  if (row.ready_height() > 0) return pursue_proposal(view, plan_->promotion, world_.promoting(plan_->who));
  auto& learner = *nodes_[plan_->who];
  if (!lives(learner)) return;
  auto kept = row_of<pb::CertifiedRootsState>(view, StateKind::certified_roots, {});
  if (kept.roots_size() == 0) return;
  auto height = kept.roots(kept.roots_size() - 1).height();
  auto own = learner.store->latest().info(height);
  if (!own || !*own || height > learner.executor->applied_height()) return;  // not there yet
  const auto& voters = world_.of(world_.newest()).identities;
  auto author = voters[rng_.below(voters.size())];
  ask(author, [&](TimestampMs until) { return world_.show_ready(author, plan_->who, height, (*own)->state_root, until); });
}

/// Somebody asks for it first with a key that is not the learner's to show.
void Cluster::forge_admission() {
  const auto& voters = world_.of(world_.newest()).identities;
  auto who = voters[rng_.below(voters.size())];
  ask(who, [&](TimestampMs until) {
    plan_->forges = false;
    auto item = world_.propose(who, world_.number(41), world_.letting_in_by(plan_->who, who), until);
    forged_.insert(item.transaction.id());
    return item;
  });
}

void Cluster::pursue_proposal(const ledger::View& view, const Hash& id, const pb::MembersChange& change) {
  const auto& voters = world_.of(world_.newest()).identities;
  auto row = row_of<pb::ProposalState>(view, StateKind::proposal, id);
  if (row.status() == pb::PROPOSAL_STATUS_UNSPECIFIED) {
    auto who = voters[rng_.below(voters.size())];
    return ask(who, [&](TimestampMs until) { return world_.propose(who, id, change, until); });
  }
  if (row.status() != pb::PROPOSAL_STATUS_OPEN) return;
  for (auto who : voters) {
    const auto& approvals = row.approvals();
    if (std::find(approvals.begin(), approvals.end(), world_.member_id(who).str()) != approvals.end()) continue;
    if (rng_.chance(2, 3)) ask(who, [&](TimestampMs until) { return world_.approve(who, id, until); });
  }
}

/// Liars, those that have forgotten or may have, and those whose disk may make them forget.
bool Cluster::counts_as_faulty(const Node& node) const {
  // A ledger that is made anew is behind its log, which may not know the later epochs any more (node/startup.cpp).
  bool may_forget = options_.changes > 0 && (node.ledger_hurt || node.ledger_failed);
  return !node.is_honest() || node.is_suspect || node.is_damaged || !node.is_believed || may_forget;
}

bool Cluster::bears(const std::vector<Identity>& members, const Node* one_more) const {
  auto faulty = std::count_if(members.begin(), members.end(), [&](Identity who) {
    return nodes_[who].get() == one_more || counts_as_faulty(*nodes_[who]);
  });
  return static_cast<std::size_t>(faulty) <= faults_tolerated(members.size());
}

/// At most f members of any epoch that is not over may lie or have forgotten, that which may come included.
bool Cluster::may_hurt(const Node& node) const {
  if (!options_.disk_lies || !node.is_honest() || is_healed_) return false;
  auto newest = world_.newest();
  for (auto epoch = std::max<Epoch>(newest, 2) - 1; epoch <= newest; ++epoch)
    if (const auto& members = world_.of(epoch).identities; is_in(members, node.place) && !bears(members, &node)) return false;
  return !plan_ || !is_in(plan_->next, node.place) || bears(plan_->next, &node);
}

/// Whoever comes first to a height after which a change is pending says it for all.
void Cluster::learn_of_decision(Node& node) {
  if (options_.changes == 0 || node.epoch() != world_.newest()) return;
  if (world_.of(world_.newest()).change_pending_from) return;
  auto membership = node.executor->membership();
  if (!membership || membership->epoch != world_.newest() || !membership->next) return;
  world_.decided(membership->next->members, membership->next->since);
  trace(node, "finds a change decided at " + std::to_string(membership->next->since));
  static constexpr std::array kNames{"member added", "member removed", "member's key rotated"};
  if (plan_) count(kNames[static_cast<std::size_t>(plan_->kind)]);
}

/// A block ends its epoch if and only if a change was pending at its exec_height, and with the members that were decided.
void Cluster::check_epoch_end(const BlockHeader& header) {
  const auto* pending = header.epoch == world_.newest() ? world_.pending_at(header.exec_height) : nullptr;
  if (header.epoch < world_.newest()) {
    const auto& set = world_.of(header.epoch);
    if (set.change_pending_from && header.exec_height >= *set.change_pending_from) pending = &world_.of(header.epoch + 1).members;
  }
  auto next = pending != nullptr ? pending->hash(world_.genesis().suite) : Hash{};
  if (header.epoch_end() != (pending != nullptr) || header.next_members_hash != next)
    return fail("epoch: height " + std::to_string(header.height) + " of epoch " + std::to_string(header.epoch) +
                (header.epoch_end() ? " ends it" : " does not end it"));
  if (pending == nullptr || header.epoch < world_.newest()) return;
  world_.begin_epoch(*pending, header.height);
  const auto& set = world_.of(world_.newest());
  checker_->epoch_began(set.context, set.members, *set.keyring);
  count("epoch ended");
}

/// Others take part now than the node was opened with: it opens again, in the same process.
Status Cluster::look_at_participants(Node& node) {
  if (options_.changes == 0 || node.leaves || !lives(node)) return {};
  GALEN_ASSIGN(node.leaves, node::are_participants_new(node.identity, node.store->latest()));
  if (node.leaves) at(rng_.below(kLastCertificateMs), node, [this, &node] { reopen(node); });
  return {};
}

/// As at every stop: what is executed is made durable first.
void Cluster::reopen(Node& node) {
  checkpoint(node);
  if (!lives(node)) return;
  count("opens again");
  node.in_order = true;
  die(node, "opens again for epoch " + std::to_string(world_.newest()));
}

/// Any message of a later epoch says that blocks are missing here.
void Cluster::hear_of_epoch(Node& node, Node& from, Epoch epoch) {
  if (!lives(node) || node.epoch() >= epoch || (node.told_ms > 0 && now_ < node.told_ms + kTellMs)) return;
  node.told_ms = now_;
  count("hears of a later epoch");
  at(latency(), node, [this, &node, &from] { answer_blocks(from, node, node.committed + 1); });
}

/// From genesis to the members of now, by nothing but the links that the node gives out.
void Cluster::check_epochs(Node& node) {
  auto fails = [&](const std::string& what) { fail("epochs: member " + std::to_string(node.place) + ": " + what); };
  auto view = node.store->snapshot();
  if (!view) return fails(view.error().message);
  auto links = (*view)->epoch_links(node.epoch());
  if (!links && links.error().code == ErrorCode::UNAVAILABLE) return;  // the certificate of the last end is on its way
  if (!links && node.ledger_hurt) return;  // a bit that turned may be found only now
  if (!links) return fails(links.error().message);
  auto chain = EpochChain::follow(world_.genesis(), *links);
  if (!chain) return fails(chain.error().message);
  for (Epoch epoch = 1; epoch <= node.epoch(); ++epoch)
    if (chain->members_of(epoch).all() != world_.of(epoch).members.all()) return fails("other members in epoch " + std::to_string(epoch));
  if (node.epoch() > 1) count("epoch chain verified");
}

}  // namespace galen::sim
