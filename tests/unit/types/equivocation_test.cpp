// Freezes the bytes of a report of equivocation, and of what is signed by whoever is reported.
#include "unit/equivocation_parts.hpp"

#include <gtest/gtest.h>

#include "galen/ledger/v1/state.pb.h"
#include "galen/types/wire_scan.hpp"
#include "unit/suite.hpp"
#include "unit/types/sample_chain.hpp"

namespace galen {
namespace {

namespace pb = ledger::v1;
using test::expect_golden_hex;
using test::sample_chain;
using test::sample_id;

/// Member C's, for view 4 and height 9; the signatures are stored ones.
pb::Operation sample_report(pb::SignedKind kind, const std::string& name) {
  const auto& chain = sample_chain();
  test::ReportParts parts{.context = chain.genesis.context(), .member = 2, .kind = kind};
  parts.first = sample_id<Hash>("block 1").str();
  parts.second = sample_id<Hash>("block 2").str();
  if (parts.first > parts.second) std::swap(parts.first, parts.second);
  auto out = test::make_report(parts, chain.keys[2]);
  auto& report = *out.mutable_report_equivocation();
  auto sign = [&](pb::SignedValue& value, const std::string& which) {
    const auto bytes = test::signed_bytes(parts, value.digest(), as_bytes(value.justification()));
    value.set_signature(chain.sign("report-" + name + "-" + which, chain.keys[2], bytes).str());
  };
  sign(*report.mutable_first(), "first");
  sign(*report.mutable_second(), "second");
  return out;
}

TEST(EquivocationTest, GoldenReports) {
  const auto& chain = sample_chain();
  const auto author = sample_id<PrincipalId>("member A");
  const auto of_votes = sample_report(pb::SIGNED_KIND_COMMIT, "commit");
  const auto of_proposals = sample_report(pb::SIGNED_KIND_PRE_PREPARE, "pre_prepare");
  expect_golden_hex("transaction_report_votes.hex",
                    test::make_transaction(chain.genesis, "report votes", author, {of_votes}).bytes());
  expect_golden_hex("transaction_report_proposals.hex",
                    test::make_transaction(chain.genesis, "report proposals", author, {of_proposals}).bytes());
  const auto& key = chain.keys[2].public_key();
  for (const auto* operation : {&of_votes, &of_proposals}) {
    EXPECT_TRUE(scan_operation(as_bytes(operation->SerializeAsString())));
    EXPECT_TRUE(check_equivocation(chain.genesis.context(), key, operation->report_equivocation()));
    EXPECT_FALSE(
        check_equivocation(chain.genesis.context(), chain.keys[1].public_key(), operation->report_equivocation()));
  }

  const auto& value = of_proposals.report_equivocation().first();
  expect_golden_hex(
      "sign_bytes_pre_prepare.hex",
      proposal_sign_bytes(chain.genesis.context(), 2, {4, 9, *Hash::from(std::string_view(value.digest()))},
                          as_bytes(value.justification())));
}

TEST(EquivocationTest, GoldenRow) {
  pb::EquivocationState state;
  state.set_format(1);
  state.set_kind(pb::SIGNED_KIND_PRE_PREPARE);
  state.set_view(4);
  state.set_place(9);
  state.set_transaction_id(sample_id<Hash>("transaction").str());
  state.set_reporter(sample_id<PrincipalId>("member A").str());
  state.set_height(12);
  state.set_time_ms(1'790'000'000'000);
  expect_golden_hex("state_equivocation.hex", as_bytes(state.SerializeAsString()));
}

}  // namespace
}  // namespace galen
