// The offline check with the real executor: a ledger with every sort of outcome is whole, and one changed row is found.
#include "galen/ledger/verify.hpp"

#include "unit/execution/chain_fixture.hpp"

namespace galen::execution::test {
namespace {

class VerifyTest : public ExecutionTest {
 protected:
  ledger::VerifyReport verify() {
    TempDir scratch;
    BlockRunner runner(chain.genesis);
    ledger::VerifyOptions options;
    options.directory = node.directory();
    options.genesis = &chain.genesis;
    options.executor = &runner;
    options.scratch_directory = scratch.path();
    options.uncertified_max = 100;
    return take(ledger::verify_ledger(options));
  }
};

TEST_F(VerifyTest, ALedgerWithEverySortOfOutcomeIsWhole) {
  auto honest = chain.item(service_a, {anchor()});
  run({chain.batch(2, {honest}), chain.batch(0, {honest, honest, chain.item(service_a, {ask()})})});
  auto draft = chain.draft(service_a, {anchor()});
  draft.valid_until_ms = chain.time_ms;
  run(0, {chain.item(draft), chain.item(random_id<PrincipalId>(chain.rng), {anchor()})});
  run(1, {chain.item(service_b, {ask()})});
  take(node.store().checkpoint());
  node.stop();
  const auto report = verify();
  for (const auto& finding : report.findings)
    ADD_FAILURE() << finding.height << " " << finding.where << ": " << finding.what;
  EXPECT_TRUE(report.executed);
  EXPECT_EQ(report.height_last, 4u);
  EXPECT_EQ(report.items, 9u);
}

}  // namespace
}  // namespace galen::execution::test
