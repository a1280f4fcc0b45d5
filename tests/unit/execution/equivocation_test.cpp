// A member's own transaction that names another's fault: whose word carries it, once for an epoch, one in a
// transaction.
#include "galen/contracts/membership.hpp"
#include "galen/execution/admission.hpp"
#include "galen/types/state_key.hpp"
#include "unit/equivocation_parts.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::execution::test {
namespace {

using galen::test::make_report;

class EquivocationTest : public ExecutionTest {
 protected:
  pb::Operation report(MemberIndex culprit = 3, View view = 4) {
    return make_report({.context = chain.genesis.context(), .member = culprit, .view = view}, chain.keys[culprit]);
  }
  BatchItem item(MemberIndex author, std::vector<pb::Operation> operations) {
    return chain.item(chain.member(author), std::move(operations));
  }
  std::optional<pb::EquivocationState> row(MemberIndex culprit) {
    return node.state<pb::EquivocationState>(StateKind::equivocation,
                                             equivocation_key(1, chain.member(culprit)));
  }
};

TEST_F(EquivocationTest, TheBatchOfTheAuthorCarriesIt) {
  EXPECT_EQ(run_one(1, item(0, {report()})), ErrorCode::NOT_YOUR_MEMBER) << "another member's word";
  EXPECT_EQ(run_one(0, chain.item(service_a, {report()})), ErrorCode::PERMISSION_DENIED) << "a service";
  EXPECT_EQ(run_one(0, chain.item(chain.member(0), {report()}, &chain.keys[0])), ErrorCode::WRONG_KEY)
      << "the consensus key signs for no author";
  EXPECT_FALSE(row(3));
  auto good = item(0, {report()});
  const auto id = good.transaction.id();
  const auto done = run(0, {std::move(good)});
  ASSERT_EQ(codes(done), std::vector{ErrorCode::OK});
  EXPECT_EQ(done.items[0].results, std::vector<Bytes>{Bytes{}});
  ASSERT_TRUE(row(3).has_value());
  EXPECT_EQ(row(3)->transaction_id(), id.str());
  EXPECT_EQ(row(3)->reporter(), chain.member(0).str());
  EXPECT_EQ(row(3)->height(), done.height);
  EXPECT_EQ(row(3)->time_ms(), done.time_ms);
}

TEST_F(EquivocationTest, OfSeveralInOneBlockTheFirstStands) {
  const auto done = run({chain.batch(1, {item(1, {report()})}), chain.batch(0, {item(0, {report(3, 5)})}),
                         chain.batch(2, {item(2, {report(1)})})});
  EXPECT_EQ(codes(done), (std::vector{ErrorCode::OK, ErrorCode::EVIDENCE_KNOWN, ErrorCode::OK}));
  EXPECT_EQ(row(3)->reporter(), chain.member(1).str());
  EXPECT_EQ(row(3)->view(), 4u);
  EXPECT_EQ(row(1)->reporter(), chain.member(2).str());
  EXPECT_FALSE(row(0) || row(2)) << "nobody else is named";
}

TEST_F(EquivocationTest, OneReportInATransaction) {
  EXPECT_EQ(run_one(0, item(0, {report(3), report(1)})), ErrorCode::INVALID_ARGUMENT);
  EXPECT_FALSE(row(3)) << "all or nothing";
}

TEST_F(EquivocationTest, AdmissionTakesItFromTheMemberItself) {
  const Admission admission(chain.genesis, chain.member(0));
  auto request = [&](std::vector<pb::Operation> operations, const PrincipalId& caller) {
    AdmissionRequest out;
    out.transaction = Transaction::encode(chain.draft(chain.member(0), std::move(operations)));
    out.caller = caller;
    out.now_ms = chain.time_ms;
    return out;
  };
  auto code_of = [&](AdmissionRequest given) {
    auto admitted = admission.admit(node.view(), std::move(given));
    return admitted ? ErrorCode::OK : admitted.error().code;
  };
  EXPECT_EQ(code_of(request({report()}, chain.member(0))), ErrorCode::OK);
  EXPECT_EQ(code_of(request({report()}, service_a)), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(code_of(request({report(), report(1)}, chain.member(0))), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code_of(request({anchor()}, chain.member(0))), ErrorCode::PERMISSION_DENIED);
  auto trial = [&](pb::Operation operation) {
    return take(admission.validate(node.view(), request({std::move(operation)}, chain.member(0)))).trial.code;
  };
  auto bad = report();
  bad.mutable_report_equivocation()->set_height(10);
  EXPECT_EQ(trial(report()), ErrorCode::OK);
  EXPECT_EQ(trial(bad), ErrorCode::EVIDENCE_INVALID);
  EXPECT_FALSE(row(3)) << "a trial writes nothing";
  ASSERT_EQ(run_one(0, item(0, {report()})), ErrorCode::OK);
  EXPECT_EQ(trial(report()), ErrorCode::EVIDENCE_KNOWN);
}

TEST_F(EquivocationTest, TheRowsOfAKindAreListedFromTheLast) {
  const auto kind = static_cast<std::uint8_t>(StateKind::equivocation);
  EXPECT_TRUE(take(node.view().last_state_rows(kind, 10)).empty());
  for (MemberIndex culprit : {3, 1, 2}) ASSERT_EQ(run_one(0, item(0, {report(culprit)})), ErrorCode::OK);
  const auto rows = take(node.view().last_state_rows(kind, 10));
  ASSERT_EQ(rows.size(), 3u);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].key.size(), 40u);
    if (i > 0) { EXPECT_GT(rows[i - 1].key, rows[i].key); }
  }
  EXPECT_EQ(take(node.view().last_state_rows(kind, 2)), (std::vector{rows[0], rows[1]}));
  // A kind whose neighbour above has a row without a key (parameters).
  EXPECT_TRUE(take(node.view().last_state_rows(static_cast<std::uint8_t>(StateKind::access_head), 10)).empty());
  EXPECT_EQ(take(node.view().last_state_rows(static_cast<std::uint8_t>(StateKind::parameters), 10)).size(), 1u);
}

}  // namespace
}  // namespace galen::execution::test
