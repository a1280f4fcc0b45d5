// From the two messages that the core found to what every node tells of their author.
#include "galen/consensus/messages.hpp"
#include "galen/contracts/membership.hpp"
#include "galen/v1/governance_service.pb.h"
#include "galen/v1/node_service.pb.h"
#include "node/accusations.hpp"
#include "unit/equivocation_parts.hpp"
#include "unit/node/queries_fixture.hpp"

namespace galen::node {
namespace {

using consensus::Effects;
using consensus::Justification;
using consensus::Message;

class EquivocationTest : public QueriesTest {
 protected:
  template <class Vote>
  consensus::MessagePtr vote(MemberIndex sender, View view, Height height, std::uint8_t fill) {
    Vote out{{sender, {view, height, filled(fill)}, {}}};
    out.signature = chain.keys[sender].sign(sign_bytes(chain.genesis.context(), out));
    return std::make_shared<const Message>(out);
  }
  consensus::MessagePtr proposal(MemberIndex sender, TimestampMs time_ms, Justification justification = {}) {
    consensus::PrePrepare out;
    out.sender = sender;
    out.view = 4;
    out.block.header.height = 9;
    out.block.header.time_ms = time_ms;
    out.justification = std::move(justification);
    out.digest = out.block.header.digest(chain.genesis.suite);
    out.signature = chain.keys[sender].sign(pre_prepare_sign_bytes(chain.genesis.context(), out));
    return std::make_shared<const Message>(out);
  }
  static Hash filled(std::uint8_t fill) {
    Hash out;
    out.data.fill(fill);
    return out;
  }
  static Effects::Evidence evidence(consensus::MessagePtr first, consensus::MessagePtr second) {
    return {.member = 3, .view = 4, .height = 9, .first = std::move(first), .second = std::move(second)};
  }
  std::optional<pb::Operation> report(consensus::MessagePtr first, consensus::MessagePtr second) {
    return report_of(chain.genesis.context(), evidence(std::move(first), std::move(second)));
  }
  ErrorCode execute(MemberIndex author, const pb::Operation& operation) {
    return run_one(author, chain.item(chain.member(author), {operation}));
  }
  galen::v1::ListEquivocationsResponse listed(MemberIndex at) {
    return decode<galen::v1::ListEquivocationsResponse>(
        wait(ask_for(at, Method::list_equivocations, galen::v1::ListEquivocationsRequest())));
  }
  galen::v1::GetStatusResponse status(MemberIndex at) {
    return decode<galen::v1::GetStatusResponse>(wait(ask_for(at, Method::get_status, galen::v1::GetStatusRequest())));
  }
};

TEST_F(EquivocationTest, WhatTheCoreFoundIsAProofToTheContract) {
  using consensus::Commit;
  using consensus::Prepare;
  const auto prepares = report(vote<Prepare>(3, 4, 9, 7), vote<Prepare>(3, 4, 9, 5));
  ASSERT_TRUE(prepares.has_value());
  const auto& body = prepares->report_equivocation();
  EXPECT_EQ(body.epoch(), 1u);
  EXPECT_EQ(body.member(), 4u);
  EXPECT_EQ(body.kind(), pb::SIGNED_KIND_PREPARE);
  EXPECT_EQ(body.view(), 5u);
  EXPECT_EQ(body.height(), 9u);
  EXPECT_EQ(body.first().digest(), filled(5).str()) << "whichever came first";
  EXPECT_EQ(execute(0, *prepares), ErrorCode::OK);

  const auto commits = report(vote<Commit>(2, 4, 9, 5), vote<Commit>(2, 4, 9, 7));
  ASSERT_TRUE(commits.has_value());
  EXPECT_EQ(execute(0, *commits), ErrorCode::OK);

  Justification tenure_end;
  tenure_end.kind = Justification::Kind::tenure_end;
  const auto proposals = report(proposal(1, 10), proposal(1, 11, tenure_end));
  ASSERT_TRUE(proposals.has_value());
  EXPECT_NE(proposals->report_equivocation().first().justification(),
            proposals->report_equivocation().second().justification());
  EXPECT_EQ(execute(0, *proposals), ErrorCode::OK);
}

TEST_F(EquivocationTest, WhatIsNoPairIsNotReported) {
  using consensus::Commit;
  using consensus::Prepare;
  const auto first = vote<Prepare>(3, 4, 9, 5);
  EXPECT_TRUE(report(first, vote<Prepare>(3, 4, 9, 7)).has_value());
  EXPECT_FALSE(report(first, first)) << "one value";
  EXPECT_FALSE(report(first, vote<Prepare>(2, 4, 9, 7))) << "another's";
  EXPECT_FALSE(report(first, vote<Prepare>(3, 5, 9, 7))) << "another view";
  EXPECT_FALSE(report(first, vote<Prepare>(3, 4, 8, 7))) << "another height";
  EXPECT_FALSE(report(first, vote<Commit>(3, 4, 9, 7))) << "another phase";
  Justification tenure_end;
  tenure_end.kind = Justification::Kind::tenure_end;
  EXPECT_FALSE(report(proposal(1, 10), proposal(1, 10, tenure_end))) << "one block";
  const auto other = std::make_shared<const Message>(consensus::FetchCertificate{9});
  EXPECT_FALSE(report(other, other));

  Accusations accusations(chain.genesis.context());
  EXPECT_TRUE(accusations.all_settled());
  accusations.add(evidence(first, first));
  EXPECT_TRUE(accusations.all().empty());
  accusations.add(evidence(vote<Prepare>(3, UINT64_MAX, 9, 5), vote<Prepare>(3, UINT64_MAX, 9, 7)));
  accusations.add(evidence(vote<Prepare>(3, 4, 0, 5), vote<Prepare>(3, 4, 0, 7)));
  EXPECT_TRUE(accusations.all().empty()) << "a place that no operation can name must not stand in the way of one that it can";
  accusations.add(evidence(first, vote<Prepare>(3, 4, 9, 7)));
  accusations.add(evidence(first, vote<Prepare>(3, 4, 9, 8)));
  ASSERT_EQ(accusations.all().size(), 1u) << "one of a member is enough";
  EXPECT_EQ(accusations.all().at(3).report.report_equivocation().second().digest(), filled(7).str());
  EXPECT_FALSE(accusations.all_settled());
}

TEST_F(EquivocationTest, EveryNodeNamesTheMember) {
  EXPECT_EQ(listed(1).equivocations_size(), 0);
  EXPECT_EQ(status(1).equivocations_size(), 0);
  EXPECT_EQ(status(1).epoch(), 1u);
  EXPECT_EQ(status(1).counters().at("equivocations_proven"), 0u);
  auto item = chain.item(chain.member(0),
                         {galen::test::make_report({.context = chain.genesis.context(), .member = 3}, chain.keys[3])});
  const auto id = item.transaction.id();
  commit(0, std::move(item));
  for (MemberIndex at : {0, 1}) {
    const auto response = listed(at);
    ASSERT_EQ(response.equivocations_size(), 1);
    const auto& one = response.equivocations(0);
    EXPECT_EQ(one.epoch(), 1u);
    EXPECT_EQ(one.member(), chain.member(3).str());
    EXPECT_EQ(one.name(), "member 3");
    EXPECT_EQ(one.state().kind(), pb::SIGNED_KIND_PREPARE);
    EXPECT_EQ(one.state().transaction_id(), id.str());
    EXPECT_EQ(one.state().reporter(), chain.member(0).str());
    EXPECT_EQ(response.read_point().height(), node.view().height());
    const auto told = status(at);
    ASSERT_EQ(told.equivocations_size(), 1);
    EXPECT_EQ(told.equivocations(0), "member 3");
    EXPECT_EQ(told.counters().at("equivocations_proven"), 1u);
  }
}

}  // namespace
}  // namespace galen::node
