// The judge of a run: what it must not let pass.
#include "sim/checker.hpp"

#include <gtest/gtest.h>

#include "sim/regressions.hpp"
#include "sim/runner.hpp"

namespace galen::sim {
namespace {

constexpr std::size_t kMembers = 4, kQuorum = 3;

class CheckerTest : public testing::Test {
 protected:
  CheckerTest() {
    std::vector<Member> list(kMembers);
    for (std::size_t i = 0; i < kMembers; ++i)
      list[i].id.data[0] = list[i].consensus_key.data[0] = static_cast<std::uint8_t>(i + 1);
    members_ = MemberSet(std::move(list));
    checker_.emplace(context_, members_, keyring_, small_hash(1, 0), std::vector<bool>(kMembers, true));
  }

  ExecutedSubject outcome(std::uint64_t root) const {
    return {1, small_hash(1, 1), small_hash(2, root), small_hash(3, root)};
  }
  ExecutedCertificate certificate(const ExecutedSubject& subject, std::size_t signers = kQuorum) const {
    ExecutedCertificate out{subject, {kMembers, {}}, {}};
    for (MemberIndex i = 0; i < signers; ++i) {
      out.signers.signers.push_back(i);
      out.signatures.push_back(keyring_.sign(i, executed_sign_bytes(context_, i, subject)));
    }
    return out;
  }
  consensus::Effects::CommittedBlock block(std::size_t signers) const {
    consensus::Effects::CommittedBlock out;
    out.block.header.height = 1;
    out.block.header.parent = small_hash(1, 0);
    out.digest = small_hash(1, 1);
    auto& c = out.certificate;
    c.phase = VotePhase::commit;
    c.subject = {0, 1, out.digest};
    c.signers.member_count = kMembers;
    for (MemberIndex i = 0; i < signers; ++i) {
      c.signers.signers.push_back(i);
      c.signatures.push_back(keyring_.sign(i, vote_sign_bytes(context_, c.phase, i, c.subject)));
    }
    return out;
  }

  ChainContext context_;
  MemberSet members_;
  TagKeyring keyring_;
  std::optional<Checker> checker_;
};

TEST_F(CheckerTest, AnOutcomeNeedsQThatSignedIt) {
  checker_->certified(0, certificate(outcome(1)));
  EXPECT_EQ(checker_->failure(), "");
  checker_->certified(1, certificate(outcome(1), kQuorum - 1));
  EXPECT_EQ(checker_->failure(), "certificate: fewer than q signatures");
}

TEST_F(CheckerTest, ASignatureOverSomethingElseIsNone) {
  auto forged = certificate(outcome(1));
  forged.signatures[1] = forged.signatures[0];
  checker_->certified(0, forged);
  EXPECT_EQ(checker_->failure(), "certificate: a signature is wrong");
}

TEST_F(CheckerTest, AHeightHasOneOutcome) {
  checker_->certified(0, certificate(outcome(1)));
  checker_->certified(1, certificate(outcome(2)));
  EXPECT_EQ(checker_->failure(), "agreement: member 1 has another outcome of height 1");
}

TEST_F(CheckerTest, AMemberSaysOneOutcome) {
  for (auto root : {1u, 1u, 2u}) {
    EXPECT_EQ(checker_->failure(), "");
    checker_->said(2, consensus::Executed{2, outcome(root), {}});
  }
  EXPECT_EQ(checker_->failure(), "two values: member 2 signed two EXECUTED of 1");
}

TEST_F(CheckerTest, EachMembersCertificateIsJudged) {
  checker_->committed(0, 0, block(kQuorum));
  EXPECT_EQ(checker_->failure(), "");
  checker_->committed(1, 0, block(kQuorum - 1));
  EXPECT_EQ(checker_->failure(), "certificate: fewer than q signatures");
}

/// Whole runs whose point is that something happens.
void expect_met(const char* scenario, const char* what) {
  RunOptions run;
  run.seeds = 12;
  run.run_one = [&](std::uint64_t seed) { return run_core(*scenario_options(scenario, seed)); };
  const auto result = run_seeds(run);
  EXPECT_TRUE(result.failures.empty()) << scenario << ": " << result.failures.front().what;
  const auto met = result.tally.faults.find(what);
  EXPECT_TRUE(met != result.tally.faults.end() && met->second > 0) << scenario << " without \"" << what << '"';
}

TEST(Scenarios, FromFourMembersToSevenAndBackOneEachEpoch) {
  expect_met("members-come-and-go", "goes over into the last epoch of a walk");
}

TEST(Scenarios, ChangedBlocksAreRefusedAndFetchedFromOthers) {
  expect_met("poisoned-answers", "blocks of a poisoned answer refused");
}

TEST(Scenarios, LogsArePutBack) { expect_met("restored-backups", "restored"); }

}  // namespace
}  // namespace galen::sim
