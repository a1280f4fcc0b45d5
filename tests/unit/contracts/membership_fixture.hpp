// Four voters (1, 2, 4, 5) with their administrators (11, 12, 14, 15), who hold keys; hospital 50 with administrator 60
// asks to be let in. Whose name and ids a test needs besides follow from its number.
#pragma once

#include "galen/contracts/membership.hpp"
#include "galen/types/limits.hpp"
#include "galen/types/membership.hpp"
#include "unit/contracts/memory_state.hpp"

namespace galen::contracts::test {

class MembershipTest : public ContractTest {
 protected:
  static constexpr std::uint8_t kLearner = 50, kLearnerAdmin = 60;

  MembershipTest() {
    genesis.suite = kSuite;
    genesis.chain_id = make_id<Hash>(77);
    std::vector<Member> members;
    for (std::uint8_t id : {1, 2, 4, 5}) {
      voter_keys.push_back(crypto::PrivateKey::generate(kSuite));
      members.push_back({make_id<PrincipalId>(id), voter_keys.back().public_key(), ca_of(id)});
      genesis.members.push_back({name_of(id), members.back().id, members.back().consensus_key,
                                 make_id<PrincipalId>(static_cast<std::uint8_t>(id + 10)), ""});
    }
    genesis.member_set = MemberSet(members);
    for (std::uint8_t id : {4, 5}) add(id, pb::PRINCIPAL_KIND_MEMBER, id);
    for (std::uint8_t id : {1, 2, 4, 5})
      add(static_cast<std::uint8_t>(id + 10), pb::PRINCIPAL_KIND_ADMIN, id, key());
  }

  static Hash ca_of(std::uint8_t id) { return make_id<Hash>(static_cast<std::uint8_t>(id + 100)); }
  static std::string name_of(std::uint8_t id) { return "Hospital " + std::to_string(id); }

  static pb::MembersChange added(std::uint8_t id, const crypto::PrivateKey& consensus_key) {
    return added({make_id<PrincipalId>(id), consensus_key.public_key(), ca_of(id),
                  make_id<PrincipalId>(static_cast<std::uint8_t>(id + 10)), *PublicKey::from(std::string_view(key())),
                  name_of(id)},
                 consensus_key);
  }
  static pb::MembersChange added(const MemberAdmission& admission, const crypto::PrivateKey& signer) {
    pb::MembersChange change;
    *change.mutable_add_learner() = admission.with_proof(signer.sign(admission.sign_bytes(make_id<Hash>(77))));
    return change;
  }
  static pb::MembersChange promoted(std::uint8_t id) {
    pb::MembersChange change;
    change.mutable_promote()->set_member(id_text(id));
    return change;
  }
  static pb::MembersChange removed(std::uint8_t id) {
    pb::MembersChange change;
    change.mutable_remove()->set_member(id_text(id));
    return change;
  }
  static pb::MembersChange rotated(std::uint8_t id, const crypto::PrivateKey& next) {
    pb::MembersChange change;
    auto* body = change.mutable_rotate_key();
    body->set_member(id_text(id));
    body->set_consensus_key(next.public_key().str());
    body->set_proof(
        next.sign(member_key_sign_bytes(make_id<Hash>(77), make_id<PrincipalId>(id), next.public_key())).str());
    return change;
  }
  static pb::MembersChange pinned(std::uint8_t id, const Hash& tls_ca) {
    pb::MembersChange change;
    change.mutable_pin_ca()->set_member(id_text(id));
    change.mutable_pin_ca()->set_tls_ca(tls_ca.str());
    return change;
  }
  static pb::Operation proposal(std::uint8_t id, const pb::MembersChange& change) {
    pb::Operation operation;
    operation.mutable_propose_members()->set_proposal_id(id_text(id));
    *operation.mutable_propose_members()->mutable_change() = change;
    return operation;
  }
  static pb::Operation ballot(std::uint8_t id, pb::MembersVote choice = pb::MEMBERS_VOTE_APPROVE) {
    pb::Operation operation;
    operation.mutable_vote_members()->set_proposal_id(id_text(id));
    operation.mutable_vote_members()->set_vote(choice);
    return operation;
  }
  static pb::Operation ready(std::uint8_t id, Height height, const Hash& root, const crypto::PrivateKey& signer) {
    pb::Operation operation;
    auto* body = operation.mutable_learner_ready();
    body->set_member(id_text(id));
    body->set_height(height);
    body->set_state_root(root.str());
    body->set_signature(
        signer.sign(learner_ready_sign_bytes(make_id<Hash>(77), make_id<PrincipalId>(id), height, root)).str());
    return operation;
  }

  ErrorCode propose(std::uint8_t id, const pb::MembersChange& change, std::uint8_t admin = 11) {
    return code(admin, proposal(id, change), Assurance::author);
  }
  ErrorCode vote(std::uint8_t admin, std::uint8_t id, pb::MembersVote choice = pb::MEMBERS_VOTE_APPROVE) {
    return code(admin, ballot(id, choice), Assurance::author);
  }
  /// Proposed by member 1, approved by 2 and 4: three of four.
  void approve(std::uint8_t id, const pb::MembersChange& change) {
    ASSERT_EQ(propose(id, change), ErrorCode::OK);
    ASSERT_EQ(vote(12, id), ErrorCode::OK);
    ASSERT_EQ(vote(14, id), ErrorCode::OK);
    ASSERT_EQ(proposal_row(id).status(), pb::PROPOSAL_STATUS_APPROVED);
  }
  /// The learner shows itself ready at the next height.
  ErrorCode show_ready(std::uint8_t id, const crypto::PrivateKey& signer) {
    height += 2;
    time_ms += limits::kCertifiedRootIntervalMs;
    BlockHeader header;
    header.height = height;
    header.exec_height = height - 1;
    header.time_ms = time_ms;
    header.state_root = make_id<Hash>(static_cast<std::uint8_t>(height));
    begin_block(membership(), header, state);
    return code(11, ready(id, header.exec_height, header.state_root, signer));
  }
  /// A block that ends the epoch with what is pending.
  Status finish_epoch() {
    BlockHeader header;
    header.height = ++height;
    header.next_members_hash = membership().next ? membership().next->members.hash(kSuite) : Hash{};
    return end_epoch(genesis, header, state);
  }

  Membership membership() {
    auto loaded = load_membership(genesis, [&](StateKind kind, ByteSpan key) -> Result<std::optional<Bytes>> {
      return state.get(kind, key);
    });
    EXPECT_TRUE(loaded.has_value());
    return *loaded;
  }
  pb::ProposalState proposal_row(std::uint8_t id) {
    return state.value<pb::ProposalState>(StateKind::proposal, make_id<Hash>(id)).value_or(pb::ProposalState{});
  }
  pb::MemberState member_row(std::uint8_t id) {
    return state.value<pb::MemberState>(StateKind::member, make_id<PrincipalId>(id)).value_or(pb::MemberState{});
  }
  pb::PrincipalState principal_row(std::uint8_t id) {
    return state.value<pb::PrincipalState>(StateKind::principal, make_id<PrincipalId>(id))
        .value_or(pb::PrincipalState{});
  }

  std::vector<crypto::PrivateKey> voter_keys;
  crypto::PrivateKey learner_key = crypto::PrivateKey::generate(kSuite);
};

}  // namespace galen::contracts::test
