// Freezes the bytes of membership: what is proposed, proved and kept (docs/spec/membership.md).
#include <gtest/gtest.h>

#include "galen/ledger/v1/state.pb.h"
#include "galen/types/membership.hpp"
#include "unit/suite.hpp"
#include "unit/types/sample_chain.hpp"

namespace galen {
namespace {

namespace pb = ledger::v1;
using test::expect_golden_hex;
using test::sample_chain;
using test::sample_id;
const auto kSuite = galen::test::suite();

/// The newcomer's consensus key is the patient's key of the sample chain: the golden keys are few.
MemberAdmission sample_admission() {
  const auto& chain = sample_chain();
  return {sample_id<PrincipalId>("member E"), chain.patient_key.public_key(),
          sample_id<Hash>("ca E"),            sample_id<PrincipalId>("admin E"),
          chain.keys[3].public_key(),         "Hospital \xc3\x89"};
}

/// A stored signature over the message, since ECDSA gives another each time; made anew only where the message changed.
Signature stored_signature(const std::string& name, const crypto::PrivateKey& key, ByteSpan message) {
  const auto file = "signature_" + name + ".hex";
  auto read = [&] {
    auto text = test::read_text(test::golden_path(file));
    std::erase(text, '\n');
    return Signature::parse_hex(text).value_or(Signature{});
  };
  if (test::golden_write() && !crypto::verify(kSuite, key.public_key(), message, read()))
    expect_golden_hex(file, key.sign(message));
  EXPECT_TRUE(crypto::verify(kSuite, key.public_key(), message, read())) << file;
  return read();
}

pb::MembersChange sample_change() {
  const auto& chain = sample_chain();
  const auto admission = sample_admission();
  pb::MembersChange change;
  *change.mutable_add_learner() =
      admission.with_proof(stored_signature("admission", chain.patient_key, admission.sign_bytes(chain.genesis.chain_id)));
  return change;
}

TEST(GoldenMembershipTest, SignBytes) {
  const auto& chain = sample_chain();
  const auto& id = chain.genesis.chain_id;
  const auto& key = chain.patient_key.public_key();
  expect_golden_hex("sign_bytes_admission.hex", sample_admission().sign_bytes(id));
  const auto next_key = member_key_sign_bytes(id, sample_id<PrincipalId>("member A"), key);
  expect_golden_hex("sign_bytes_member_key.hex", next_key);
  const auto admin_key = admin_key_sign_bytes(id, sample_id<PrincipalId>("admin A"), key);
  expect_golden_hex("sign_bytes_admin_key.hex", admin_key);
  const auto ready = learner_ready_sign_bytes(id, sample_id<PrincipalId>("member E"), 7, sample_id<Hash>("root 7"));
  expect_golden_hex("sign_bytes_learner_ready.hex", ready);
  stored_signature("member_key", chain.patient_key, next_key);
  stored_signature("admin_key", chain.patient_key, admin_key);
  stored_signature("learner_ready", chain.patient_key, ready);
}

TEST(GoldenMembershipTest, Transactions) {
  const auto& chain = sample_chain();
  const auto author = sample_id<PrincipalId>("admin A");
  pb::Operation add;
  add.mutable_propose_members()->set_proposal_id(sample_id<Hash>("proposal 1").str());
  *add.mutable_propose_members()->mutable_change() = sample_change();
  expect_golden_hex("transaction_add_learner.hex",
                    test::make_transaction(chain.genesis, "add learner", author, {add}).bytes());

  std::vector<pb::Operation> rest(7);
  auto propose = [&](std::size_t i) {
    rest[i].mutable_propose_members()->set_proposal_id(sample_id<Hash>("proposal " + std::to_string(i + 2)).str());
    return rest[i].mutable_propose_members()->mutable_change();
  };
  propose(0)->mutable_promote()->set_member(sample_id<PrincipalId>("member E").str());
  propose(1)->mutable_remove()->set_member(sample_id<PrincipalId>("member B").str());
  auto* rotation = propose(2)->mutable_rotate_key();
  rotation->set_member(sample_id<PrincipalId>("member A").str());
  rotation->set_consensus_key(chain.patient_key.public_key().str());
  rotation->set_proof(stored_signature("member_key", chain.patient_key,
                                       member_key_sign_bytes(chain.genesis.chain_id, sample_id<PrincipalId>("member A"),
                                                             chain.patient_key.public_key()))
                          .str());
  auto* pin = propose(3)->mutable_pin_ca();
  pin->set_member(sample_id<PrincipalId>("member A").str());
  pin->set_tls_ca(sample_id<Hash>("ca A 2").str());
  rest[4].mutable_vote_members()->set_proposal_id(sample_id<Hash>("proposal 1").str());
  rest[4].mutable_vote_members()->set_vote(pb::MEMBERS_VOTE_REJECT);
  auto* ready = rest[5].mutable_learner_ready();
  ready->set_member(sample_id<PrincipalId>("member E").str());
  ready->set_height(7);
  ready->set_state_root(sample_id<Hash>("root 7").str());
  ready->set_signature(
      stored_signature("learner_ready", chain.patient_key,
                       learner_ready_sign_bytes(chain.genesis.chain_id, sample_id<PrincipalId>("member E"), 7,
                                                sample_id<Hash>("root 7")))
          .str());
  rest[6].mutable_set_admin_key()->set_key(chain.patient_key.public_key().str());
  rest[6].mutable_set_admin_key()->set_proof(
      stored_signature("admin_key", chain.patient_key,
                       admin_key_sign_bytes(chain.genesis.chain_id, author, chain.patient_key.public_key()))
          .str());
  expect_golden_hex("transaction_members.hex", test::make_transaction(chain.genesis, "members", author, rest).bytes());
}

TEST(GoldenMembershipTest, StateValues) {
  const auto& chain = sample_chain();
  auto expect_state = [](const std::string& name, const auto& state) {
    expect_golden_hex("state_" + name + ".hex", as_bytes(state.SerializeAsString()));
  };
  pb::MembershipState membership;
  membership.set_format(1);
  membership.set_epoch(3);
  membership.set_next_members(to_string(chain.genesis.member_set.encode()));
  membership.set_next_proposal(sample_id<Hash>("proposal 1").str());
  membership.set_next_height(70);
  membership.add_learners(sample_id<PrincipalId>("member E").str());
  expect_state("membership", membership);

  pb::EpochState epoch;
  epoch.set_format(1);
  epoch.set_first_height(51);
  epoch.set_members(to_string(chain.genesis.member_set.encode()));
  epoch.set_proposal(sample_id<Hash>("proposal 1").str());
  expect_state("epoch", epoch);

  const auto admission = sample_admission();
  pb::MemberState member;
  member.set_format(1);
  member.set_status(pb::MEMBER_STATUS_LEARNER);
  member.set_name(admission.name);
  member.set_consensus_key(admission.consensus_key.str());
  member.set_tls_ca(admission.tls_ca.str());
  member.set_admin(admission.admin.str());
  member.set_ready_height(7);
  member.set_ready_time_ms(1'790'000'000'000);
  member.add_open_proposals(sample_id<Hash>("proposal 2").str());
  expect_state("member", member);

  pb::MemberClaimState claim;
  claim.set_format(1);
  claim.set_member(admission.member.str());
  claim.set_height(5);
  expect_state("member_claim", claim);

  pb::ProposalState proposal;
  proposal.set_format(1);
  proposal.set_proposer(sample_id<PrincipalId>("member A").str());
  proposal.set_author(sample_id<PrincipalId>("admin A").str());
  *proposal.mutable_change() = sample_change();
  proposal.set_status(pb::PROPOSAL_STATUS_APPROVED);
  proposal.set_proposed_height(4);
  proposal.set_expires_ms(1'790'604'800'000);
  proposal.add_approvals(sample_id<PrincipalId>("member A").str());
  proposal.add_approvals(sample_id<PrincipalId>("member C").str());
  proposal.add_rejections(sample_id<PrincipalId>("member B").str());
  proposal.set_decided_height(5);
  expect_state("proposal", proposal);

  pb::CertifiedRootsState roots;
  roots.set_format(1);
  for (std::uint64_t height : {7, 9}) {
    auto* root = roots.add_roots();
    root->set_height(height);
    root->set_time_ms(1'790'000'000'000 + height * 10'000);
    root->set_state_root(sample_id<Hash>("root " + std::to_string(height)).str());
  }
  expect_state("certified_roots", roots);
}

}  // namespace
}  // namespace galen
