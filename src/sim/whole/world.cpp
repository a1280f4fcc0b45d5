#include "sim/whole/world.hpp"

#include <algorithm>
#include <cstring>

#include "crypto/repeatable/repeatable_random.hpp"
#include "galen/base/assert.hpp"
#include "galen/types/membership.hpp"
#include "galen/types/purpose.hpp"
#include "node/participants.hpp"

namespace galen::sim {

namespace {

namespace pb = ledger::v1;
constexpr auto kSuite = crypto::Suite::p256_sha256;
constexpr std::size_t kKeysMax = 32;
constexpr std::size_t kIdentitiesMax = 10;

/// The consensus keys, then one for each administrator: made once, and the same in every process.
struct Keys {
  std::vector<crypto::PrivateKey> all;
  std::vector<crypto::Verifier> verifiers;  ///< of the consensus keys
  std::map<PublicKey, MemberIndex> numbers;
};
const Keys& keys() {
  static const auto made = [] {
    crypto::repeat_random(1);
    Keys out;
    for (std::size_t i = 0; i < kKeysMax + kIdentitiesMax; ++i) {
      out.all.push_back(crypto::PrivateKey::generate(kSuite));
      if (i >= kKeysMax) continue;
      auto verifier = crypto::Verifier::make(kSuite, out.all.back().public_key());
      GALEN_ASSERT(verifier.has_value());
      out.verifiers.push_back(std::move(*verifier));
      out.numbers.emplace(out.all.back().public_key(), static_cast<MemberIndex>(i));
    }
    return out;
  }();
  return made;
}

template <class Id>
Id id_of(const Hash& hash) {
  Id out;
  std::copy_n(hash.data.begin(), out.data.size(), out.data.begin());
  return out;
}

}  // namespace

RealKeyring::RealKeyring() { (void)keys(); }
const crypto::PrivateKey& RealKeyring::key(std::size_t number) const { return keys().all[number]; }
MemberIndex RealKeyring::number_of(const PublicKey& key) const { return keys().numbers.at(key); }
Signature RealKeyring::sign(MemberIndex number, ByteSpan bytes) const { return key(number).sign(bytes); }

bool RealKeyring::verify(MemberIndex number, ByteSpan bytes, const Signature& signature) const {
  std::array<std::uint64_t, 3> name{number, mix(1, bytes), mix(2, signature.span())};
  auto [place, inserted] = verdicts_.emplace(name, false);
  if (inserted) place->second = keys().verifiers[number].verify(bytes, signature);
  return place->second;
}

World::World(std::size_t members, std::size_t joiners, std::uint64_t seed) : rng_(seed), patients_(members + joiners) {
  crypto::repeat_random(seed);
  GALEN_ASSERT(members + joiners <= kIdentitiesMax);
  std::vector<Member> list;
  for (std::size_t i = 0; i < members + joiners; ++i) {
    people_.push_back({id_of<PrincipalId>(small_hash(21, i + 1)), id_of<PrincipalId>(small_hash(23, i + 1)),
                       small_hash(22, i + 1), "member " + std::to_string(i), {keys_used_, keys_used_ + 1}});
    keys_used_ += 2;
    if (i >= members) continue;
    const auto& person = people_.back();
    list.push_back({person.member, keyring_.key(person.key()).public_key(), person.tls_ca});
    genesis_.members.push_back({person.name, person.member, list.back().consensus_key, person.admin, ""});
  }
  genesis_.suite = kSuite;
  genesis_.name = "simulated";
  genesis_.chain_id = small_hash(24, members);
  genesis_.created_ms = 1'600'000'000'000ULL;
  genesis_.member_set = MemberSet(std::move(list));
  auto& parameters = genesis_.parameters;
  parameters.view_timeout_ms = 300;
  parameters.idle_block_interval_ms = 1500;
  parameters.tenure_blocks = 5;
  add_set(genesis_.member_set);
}

std::optional<Identity> World::identity_of(const PrincipalId& member) const {
  for (Identity i = 0; i < people_.size(); ++i)
    if (people_[i].member == member) return i;
  return std::nullopt;
}

std::vector<crypto::PrivateKey> World::node_keys(Identity who) const {
  std::vector<crypto::PrivateKey> out;
  for (auto number : people_[who].keys) out.push_back(keyring_.key(number));
  return out;
}

node::Participant World::participant(Identity who) const {
  const auto& person = people_[who];
  return {{person.member, keyring_.key(person.key()).public_key(), person.tls_ca}, person.name, {}};
}

node::Identity World::node_identity(Identity who) const {
  node::Identity out{genesis_, 0, genesis_.context(), keyring_.key(people_[who].key()),
                     node::participants_of_genesis(genesis_, participant(who))};
  const auto& all = out.participants->all;
  auto own = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.member.id == people_[who].member; });
  out.self = static_cast<MemberIndex>(own - all.begin());
  return out;
}

void World::add_set(const MemberSet& members) {
  auto set = std::make_unique<EpochSet>();
  std::vector<MemberIndex> numbers;
  for (const auto& member : members.all()) {
    auto who = identity_of(member.id);
    GALEN_ASSERT(who.has_value());
    numbers.push_back(keyring_.number_of(member.consensus_key));
    set->identities.push_back(*who);
    auto& person = people_[*who];
    if (numbers.back() != person.next_key()) continue;
    person.keys.push_back(keys_used_++);
    GALEN_ASSERT(keys_used_ <= kKeysMax);
  }
  set->members = members;
  set->keyring = std::make_unique<SetKeyring>(keyring_, std::move(numbers));
  set->context = genesis_.context();
  set->context.epoch = sets_.size() + 1;
  set->context.members_hash = members.hash(kSuite);
  set->has_begun = true;
  sets_.push_back(std::move(set));
}

void World::begin_epoch(const MemberSet& members, Height base) {
  add_set(members);
  sets_.back()->base = base;
  pending_.reset();
}

void World::decided(const MemberSet& next, Height since) {
  pending_ = next;
  sets_.back()->change_pending_from = since;
}

const MemberSet* World::pending_at(Height exec_height) const {
  return pending_ && exec_height >= *sets_.back()->change_pending_from ? &*pending_ : nullptr;
}

void World::tell_first_principals(SlowModel& model) const {
  for (const auto& person : people_) {
    const auto member = person.member.str();
    model.state.principals[member] = {SlowModel::Kind::member, member, ""};
    model.state.principals[person.admin.str()] = {SlowModel::Kind::admin, member, ""};
  }
}

BatchItem World::new_request(Identity who, TimestampMs valid_until_ms) {
  pb::Operation operation;
  auto& patients = patients_[who];
  auto what = patients.empty() ? 0 : rng_.below(4);
  if (what == 0) {
    patients.push_back(number(31));
    auto* body = operation.mutable_register_principal();
    body->set_id(patients.back().str());
    body->set_kind(pb::PRINCIPAL_KIND_PATIENT);
  } else if (what == 1) {
    auto* body = operation.mutable_decide();
    body->set_patient(patients[rng_.below(patients.size())].str());
    body->set_requester(people_[rng_.below(genesis_.members.size())].member.str());
    body->set_purpose(*purpose_from_code("TREAT"));
  } else {
    auto* body = operation.mutable_anchor_record();
    body->set_pointer_id(number(32).str());
    body->set_custodian(people_[who].member.str());
    body->set_subject(patients[rng_.below(patients.size())].str());
    body->set_commitment(number(33).str());
    body->set_canon(pb::CANON_METHOD_RAW);
    body->set_status(pb::RECORD_STATUS_CURRENT);
    body->set_class_(pb::RECORD_CLASS_N);
    body->set_retention(pb::RETENTION_CLASS_NONE);
  }
  return request(people_[who].admin, operation, valid_until_ms);
}

BatchItem World::request(const PrincipalId& author, const pb::Operation& operation, TimestampMs valid_until_ms,
                         const crypto::PrivateKey* key) {
  auto request_id = id_of<RequestId>(number(34));
  request_id.data[6] = (request_id.data[6] & 0x0f) | 0x40;
  request_id.data[8] = (request_id.data[8] & 0x3f) | 0x80;
  auto transaction = Transaction::decode(
      kSuite, genesis_.chain_id,
      Transaction::encode({genesis_.chain_id, author, request_id, valid_until_ms, {operation}}));
  GALEN_ASSERT(transaction.has_value());
  if (key == nullptr) return {Authorization{}, std::move(*transaction)};
  auto signature = key->sign(Transaction::sign_bytes(kSuite, genesis_.chain_id, transaction->hash()));
  return {Authorization::keyed(kSuite, key->public_key(), signature), std::move(*transaction)};
}

const crypto::PrivateKey& World::admin_key(Identity who) const { return keys().all[kKeysMax + who]; }

BatchItem World::set_admin_key(Identity who, TimestampMs valid_until_ms) {
  pb::Operation operation;
  auto* body = operation.mutable_set_admin_key();
  const auto& key = admin_key(who);
  body->set_key(key.public_key().str());
  body->set_proof(key.sign(admin_key_sign_bytes(genesis_.chain_id, people_[who].admin, key.public_key())).str());
  return request(people_[who].admin, operation, valid_until_ms);
}

BatchItem World::propose(Identity who, const Hash& proposal, const pb::MembersChange& change, TimestampMs valid_until_ms) {
  pb::Operation operation;
  operation.mutable_propose_members()->set_proposal_id(proposal.str());
  *operation.mutable_propose_members()->mutable_change() = change;
  return request(people_[who].admin, operation, valid_until_ms, &admin_key(who));
}

BatchItem World::approve(Identity who, const Hash& proposal, TimestampMs valid_until_ms) {
  pb::Operation operation;
  operation.mutable_vote_members()->set_proposal_id(proposal.str());
  operation.mutable_vote_members()->set_vote(pb::MEMBERS_VOTE_APPROVE);
  return request(people_[who].admin, operation, valid_until_ms, &admin_key(who));
}

BatchItem World::show_ready(Identity author, Identity learner, Height height, const Hash& root, TimestampMs valid_until_ms) {
  pb::Operation operation;
  auto* body = operation.mutable_learner_ready();
  const auto& person = people_[learner];
  body->set_member(person.member.str());
  body->set_height(height);
  body->set_state_root(root.str());
  body->set_signature(keyring_.key(person.key())
                          .sign(learner_ready_sign_bytes(genesis_.chain_id, person.member, height, root))
                          .str());
  return request(people_[author].admin, operation, valid_until_ms, &admin_key(author));
}

pb::MembersChange World::letting_in_by(Identity who, Identity prover) const {
  const auto& person = people_[who];
  const auto& key = keyring_.key(person.key());
  const auto& shown = keyring_.key(people_[prover].key());
  const MemberAdmission admission{person.member, key.public_key(), person.tls_ca, person.admin,
                                  admin_key(who).public_key(), person.name};
  pb::MembersChange change;
  *change.mutable_add_learner() = admission.with_proof(shown.sign(admission.sign_bytes(genesis_.chain_id)));
  return change;
}

pb::MembersChange World::promoting(Identity who) const {
  pb::MembersChange change;
  change.mutable_promote()->set_member(people_[who].member.str());
  return change;
}

pb::MembersChange World::removing(Identity who) const {
  pb::MembersChange change;
  change.mutable_remove()->set_member(people_[who].member.str());
  return change;
}

pb::MembersChange World::rotating(Identity who) const {
  const auto& person = people_[who];
  const auto& next = keyring_.key(person.next_key());
  pb::MembersChange change;
  auto* body = change.mutable_rotate_key();
  body->set_member(person.member.str());
  body->set_consensus_key(next.public_key().str());
  body->set_proof(next.sign(member_key_sign_bytes(genesis_.chain_id, person.member, next.public_key())).str());
  return change;
}

}  // namespace galen::sim
