#include "sim/whole/world.hpp"

#include <cstring>

#include "galen/base/assert.hpp"
#include "galen/types/purpose.hpp"

namespace galen::sim {

namespace {

namespace pb = ledger::v1;
constexpr auto kSuite = crypto::Suite::p256_sha256;
constexpr std::size_t kMembersMax = 7;

const std::vector<crypto::PrivateKey>& all_keys() {
  static const auto keys = [] {
    std::vector<crypto::PrivateKey> out;
    for (std::size_t i = 0; i < kMembersMax; ++i) out.push_back(crypto::PrivateKey::generate(kSuite));
    return out;
  }();
  return keys;
}

template <class Id>
Id id_of(const Hash& hash) {
  Id out;
  std::copy_n(hash.data.begin(), out.data.size(), out.data.begin());
  return out;
}

}  // namespace

RealKeyring::RealKeyring(std::size_t members) : keys_(&all_keys()) {
  for (std::size_t i = 0; i < members; ++i) {
    auto verifier = crypto::Verifier::make(kSuite, (*keys_)[i].public_key());
    GALEN_ASSERT(verifier.has_value());
    verifiers_.push_back(std::move(*verifier));
  }
}

Signature RealKeyring::sign(MemberIndex signer, ByteSpan bytes) const {
  auto signature = (*keys_)[signer].sign(bytes);
  return signature;
}

bool RealKeyring::verify(MemberIndex signer, ByteSpan bytes, const Signature& signature) const {
  if (signer >= verifiers_.size()) return false;
  std::array<std::uint64_t, 3> name{signer, mix(1, bytes), mix(2, signature.span())};
  auto [place, inserted] = verdicts_.emplace(name, false);
  if (inserted) place->second = verifiers_[signer].verify(bytes, signature);
  return place->second;
}

World::World(std::size_t members, std::uint64_t seed) : keyring_(members), rng_(seed), patients_(members) {
  std::vector<Member> list;
  for (std::size_t i = 0; i < members; ++i) {
    auto index = static_cast<MemberIndex>(i);
    list.push_back({id_of<PrincipalId>(small_hash(21, i + 1)), keyring_.key(index).public_key(), small_hash(22, i + 1)});
    genesis_.members.push_back({"member " + std::to_string(i), list.back().id, list.back().consensus_key,
                                id_of<PrincipalId>(small_hash(23, i + 1)), ""});
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
  context_ = genesis_.context();
}

BatchItem World::new_request(MemberIndex origin, TimestampMs valid_until_ms) {
  pb::Operation operation;
  auto& patients = patients_[origin];
  auto what = patients.empty() ? 0 : rng_.below(4);
  if (what == 0) {
    patients.push_back(number(31));
    auto* body = operation.mutable_register_principal();
    body->set_id(patients.back().str());
    body->set_kind(pb::PRINCIPAL_KIND_PATIENT);
  } else if (what == 1) {
    auto* body = operation.mutable_decide();
    body->set_patient(patients[rng_.below(patients.size())].str());
    body->set_requester(genesis_.members[rng_.below(genesis_.members.size())].id.str());
    body->set_purpose(*purpose_from_code("TREAT"));
  } else {
    auto* body = operation.mutable_anchor_record();
    body->set_pointer_id(number(32).str());
    body->set_custodian(genesis_.members[origin].id.str());
    body->set_subject(patients[rng_.below(patients.size())].str());
    body->set_commitment(number(33).str());
    body->set_canon(pb::CANON_METHOD_RAW);
    body->set_status(pb::RECORD_STATUS_CURRENT);
    body->set_class_(pb::RECORD_CLASS_N);
    body->set_retention(pb::RETENTION_CLASS_NONE);
  }
  auto request_id = id_of<RequestId>(number(34));
  request_id.data[6] = (request_id.data[6] & 0x0f) | 0x40;
  request_id.data[8] = (request_id.data[8] & 0x3f) | 0x80;
  auto transaction = Transaction::decode(
      kSuite, genesis_.chain_id,
      Transaction::encode({genesis_.chain_id, genesis_.members[origin].admin, request_id, valid_until_ms, {operation}}));
  GALEN_ASSERT(transaction.has_value());
  return {Authorization{}, std::move(*transaction)};
}

BatchPtr World::batch(MemberIndex origin, std::vector<BatchItem> items) const {
  return std::make_shared<const Batch>(Batch::make(context_, {origin, std::move(items)}, keyring_.key(origin)));
}

}  // namespace galen::sim
