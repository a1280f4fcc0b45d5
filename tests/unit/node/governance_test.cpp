// What callers are told about the members, what is proposed and who has not voted.
#include "galen/types/membership.hpp"
#include "galen/v1/governance_service.pb.h"
#include "unit/node/queries_fixture.hpp"

namespace galen::node {
namespace {

class GovernanceTest : public QueriesTest {
 protected:
  GovernanceTest() {
    for (MemberIndex i = 0; i < 4; ++i) {
      admin_keys.push_back(crypto::PrivateKey::generate(execution::test::kSuite));
      const auto& key = admin_keys.back();
      pb::Operation operation;
      operation.mutable_set_admin_key()->set_key(key.public_key().str());
      operation.mutable_set_admin_key()->set_proof(
          key.sign(admin_key_sign_bytes(chain.genesis.chain_id, chain.admin(i), key.public_key())).str());
      if (i < 3) commit(i, chain.item(chain.admin(i), {operation}));
    }
  }
  Hash propose(const pb::MembersChange& change) {
    const auto id = random_id<Hash>(chain.rng);
    pb::Operation operation;
    operation.mutable_propose_members()->set_proposal_id(id.str());
    *operation.mutable_propose_members()->mutable_change() = change;
    commit(0, chain.item(chain.admin(0), {operation}, &admin_keys[0]));
    return id;
  }
  void vote(MemberIndex member, const Hash& id, pb::MembersVote choice) {
    pb::Operation operation;
    operation.mutable_vote_members()->set_proposal_id(id.str());
    operation.mutable_vote_members()->set_vote(choice);
    commit(member, chain.item(chain.admin(member), {operation}, &admin_keys[member]));
  }
  pb::MembersChange pin(MemberIndex member) {
    pb::MembersChange change;
    change.mutable_pin_ca()->set_member(chain.member(member).str());
    change.mutable_pin_ca()->set_tls_ca(random_id<Hash>(chain.rng).str());
    return change;
  }
  galen::v1::ListMembersResponse members() {
    return decode<galen::v1::ListMembersResponse>(
        wait(ask_for(1, Method::list_members, galen::v1::ListMembersRequest())));
  }
  galen::v1::Proposal proposal(const Hash& id) {
    galen::v1::GetProposalRequest request;
    request.set_proposal_id(id.str());
    return decode<galen::v1::GetProposalResponse>(wait(ask_for(1, Method::get_proposal, request))).proposal();
  }
  std::vector<crypto::PrivateKey> admin_keys;
};

TEST_F(GovernanceTest, MembersAreThoseOfGenesisUntilSomethingChanges) {
  const auto response = members();
  EXPECT_EQ(response.epoch(), 1u);
  EXPECT_EQ(response.first_height(), 1u);
  EXPECT_EQ(response.quorum(), 3u);
  EXPECT_EQ(response.faults_tolerated(), 1u);
  EXPECT_EQ(response.members_hash(), chain.genesis.member_set.hash(chain.genesis.suite).str());
  EXPECT_FALSE(response.has_pending());
  ASSERT_EQ(response.members_size(), 4);
  for (int i = 0; i < 4; ++i) {
    const auto& member = response.members(i);
    EXPECT_EQ(member.id(), chain.member(static_cast<MemberIndex>(i)).str());
    EXPECT_EQ(member.name(), "member " + std::to_string(i));
    EXPECT_EQ(member.status(), pb::MEMBER_STATUS_VOTER);
    EXPECT_EQ(member.index(), static_cast<std::uint32_t>(i));
    EXPECT_EQ(member.admin(), chain.admin(static_cast<MemberIndex>(i)).str());
    EXPECT_EQ(member.admin_has_key(), i < 3);
    EXPECT_EQ(member.consensus_key(), chain.keys[static_cast<std::size_t>(i)].public_key().str());
  }
}

TEST_F(GovernanceTest, AProposalSaysWhoHasNotVoted) {
  const auto first = propose(pin(2)), second = propose(pin(3));
  vote(1, first, pb::MEMBERS_VOTE_REJECT);
  auto seen = proposal(first);
  EXPECT_EQ(seen.status(), "open");
  EXPECT_EQ(seen.approvals(), 1u);
  EXPECT_EQ(seen.rejections(), 1u);
  EXPECT_EQ(seen.quorum(), 3u);
  ASSERT_EQ(seen.missing_size(), 2);
  EXPECT_EQ(seen.missing(0), chain.member(2).str());
  EXPECT_EQ(seen.missing(1), chain.member(3).str());
  vote(2, first, pb::MEMBERS_VOTE_REJECT);
  seen = proposal(first);
  EXPECT_EQ(seen.status(), "rejected");
  EXPECT_EQ(seen.missing_size(), 0);

  auto listed = [&](bool open_only, std::uint32_t size, std::string& token) {
    galen::v1::ListProposalsRequest request;
    request.set_open_only(open_only);
    request.set_page_size(size);
    request.set_page_token(token);
    auto response = decode<galen::v1::ListProposalsResponse>(wait(ask_for(1, Method::list_proposals, request)));
    token = response.next_page_token();
    std::vector<std::string> ids;
    for (const auto& one : response.proposals()) ids.push_back(one.proposal_id());
    return ids;
  };
  std::string token;
  EXPECT_EQ(listed(false, 0, token), (std::vector{first.str(), second.str()}));
  EXPECT_EQ(listed(true, 0, token), std::vector{second.str()});
  EXPECT_EQ(listed(false, 1, token), std::vector{first.str()});
  EXPECT_EQ(listed(false, 1, token), std::vector{second.str()});
  EXPECT_TRUE(token.empty());
  chain.time_ms += limits::kProposalLifeMs;
  run({});
  EXPECT_EQ(proposal(second).status(), "expired");
  EXPECT_EQ(proposal(second).missing_size(), 0);
  galen::v1::GetProposalRequest request;
  request.set_proposal_id(random_id<Hash>(chain.rng).str());
  EXPECT_EQ(wait(ask_for(1, Method::get_proposal, request)).code(),
            static_cast<std::uint32_t>(ErrorCode::PROPOSAL_NOT_FOUND));
}

TEST_F(GovernanceTest, APendingChangeAndTheEpochsAreShown) {
  const auto change = pin(2);
  const auto id = propose(change);
  for (MemberIndex member : {1, 2}) vote(member, id, pb::MEMBERS_VOTE_APPROVE);
  auto response = members();
  ASSERT_TRUE(response.has_pending());
  EXPECT_EQ(response.pending().proposal_id(), id.str());
  EXPECT_EQ(response.pending().since_height(), node.view().height());
  EXPECT_EQ(response.pending().members_size(), 4);
  EXPECT_EQ(proposal(id).status(), "approved");

  auto block = std::make_shared<Block>(*chain.block({}));
  block->skeleton.header.flags = kEpochEnd;
  block->skeleton.header.next_members_hash = *Hash::from(std::string_view(response.pending().members_hash()));
  chain.replace_last(block);
  node.apply(block);
  response = members();
  EXPECT_EQ(response.epoch(), 2u);
  EXPECT_EQ(response.first_height(), node.view().height() + 1);
  EXPECT_FALSE(response.has_pending());
  EXPECT_EQ(response.members(2).tls_ca(), change.pin_ca().tls_ca());

  auto epochs = [&](std::uint64_t from, std::uint32_t size) {
    galen::v1::ListEpochsRequest request;
    request.set_from_epoch(from);
    request.set_page_size(size);
    return decode<galen::v1::ListEpochsResponse>(wait(ask_for(1, Method::list_epochs, request)));
  };
  const auto all = epochs(0, 0);
  ASSERT_EQ(all.epochs_size(), 2);
  EXPECT_EQ(all.next_epoch(), 0u);
  EXPECT_TRUE(all.epochs(0).proposal_id().empty());
  EXPECT_EQ(all.epochs(0).members(2).tls_ca(), chain.genesis.member_set[2].tls_ca.str()) << "as it was";
  EXPECT_EQ(all.epochs(1).proposal_id(), id.str());
  EXPECT_EQ(all.epochs(1).members(2).tls_ca(), change.pin_ca().tls_ca());
  EXPECT_EQ(epochs(1, 1).next_epoch(), 2u);
  EXPECT_EQ(epochs(3, 1).epochs_size(), 0);
}

}  // namespace
}  // namespace galen::node
