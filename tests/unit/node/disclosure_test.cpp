#include "node/disclosure.hpp"

#include "unit/execution/chain_fixture.hpp"

namespace galen::node {
namespace {

namespace pb = ledger::v1;
using execution::test::ExecutionTest;
using execution::test::random_id;
using execution::test::take;

/// service_a and patient belong to member 0, service_b to member 1; members 2 and 3 have nothing to do with them.
class DisclosureTest : public ExecutionTest {
 protected:
  Disclosure as(MemberIndex member) { return Disclosure(node.view(), chain.member(member)); }
  /// Which members see it, e.g. "01".
  template <class See>
  std::string seen_by(See see) {
    std::string out;
    for (MemberIndex i = 0; i < 4; ++i) {
      auto disclosure = as(i);
      if (take(see(disclosure))) out += static_cast<char>('0' + i);
    }
    return out;
  }
  std::string transaction(const BatchItem& item) {
    return seen_by([&](Disclosure& d) { return d.transaction(item.transaction); });
  }
  std::string row(StateKind kind, ByteSpan key) {
    return seen_by([&](Disclosure& d) { return d.state_row(kind, key); });
  }
  void commit(MemberIndex origin, BatchItem item) { ASSERT_EQ(run_one(origin, std::move(item)), ErrorCode::OK); }
};

TEST_F(DisclosureTest, ATransactionIsSeenByItsAuthorsMemberAndByThoseWhomAllOfItConcerns) {
  auto consent = random_id<ConsentId>(chain.rng);
  EXPECT_EQ(transaction(chain.item(service_a, {anchor()})), "0");
  EXPECT_EQ(transaction(chain.item(service_b, {anchor(random_id<PointerId>(chain.rng), 1)})), "01");
  EXPECT_EQ(transaction(chain.item(service_b, {ask()})), "01");
  auto without_subject = anchor(random_id<PointerId>(chain.rng), 1);
  without_subject.mutable_anchor_record()->clear_subject();
  EXPECT_EQ(transaction(chain.item(service_b, {without_subject})), "1");
  EXPECT_EQ(transaction(chain.item(service_b, {ask(), without_subject})), "1") << "shown whole or not at all";
  auto given = chain.item(patient, {grant(consent)}, &patient_key);
  EXPECT_EQ(transaction(given), "01");
  EXPECT_EQ(transaction(chain.item(patient, {revoke(consent)}, &patient_key)), "0") << "no such consent yet";
  commit(0, given);
  EXPECT_EQ(transaction(chain.item(patient, {revoke(consent)}, &patient_key)), "01");
  EXPECT_EQ(transaction(chain.item(chain.admin(2), {registration(random_id<PrincipalId>(chain.rng),
                                                                 pb::PRINCIPAL_KIND_PATIENT)})),
            "2");
  EXPECT_EQ(transaction(chain.item(random_id<PrincipalId>(chain.rng), {ask()})), "0") << "an author nobody knows";
}

TEST_F(DisclosureTest, ARecordIsTheCustodiansAndTheHomeMembersAndTheirsSheLetsSeeIt) {
  auto pointer = random_id<PointerId>(chain.rng);
  auto consent = random_id<ConsentId>(chain.rng);
  commit(0, chain.item(service_a, {anchor(pointer)}));
  EXPECT_EQ(row(StateKind::record, pointer), "0");
  commit(0, chain.item(patient, {grant(consent)}, &patient_key));
  EXPECT_EQ(row(StateKind::record, pointer), "01") << "her consent to member 1 is in force";
  commit(0, chain.item(patient, {revoke(consent)}, &patient_key));
  EXPECT_EQ(row(StateKind::record, pointer), "0");
  auto elsewhere = random_id<PointerId>(chain.rng);
  commit(1, chain.item(service_b, {anchor(elsewhere, 1)}));
  EXPECT_EQ(row(StateKind::record, elsewhere), "01") << "member 0 registered her";
}

TEST_F(DisclosureTest, AConsentThatIsPastOrYetToComeOpensNothing) {
  auto pointer = random_id<PointerId>(chain.rng);
  commit(0, chain.item(service_a, {anchor(pointer)}));
  auto later = grant(random_id<ConsentId>(chain.rng));
  later.mutable_grant_consent()->set_not_before_ms(chain.time_ms + 1000);
  later.mutable_grant_consent()->set_not_after_ms(chain.time_ms + 1500);
  commit(0, chain.item(patient, {later}, &patient_key));
  EXPECT_EQ(row(StateKind::record, pointer), "0");
  while (chain.time_ms < later.grant_consent().not_before_ms()) node.apply(chain.block({}));
  EXPECT_EQ(row(StateKind::record, pointer), "01");
  while (chain.time_ms < later.grant_consent().not_after_ms()) node.apply(chain.block({}));
  EXPECT_EQ(row(StateKind::record, pointer), "0");
}

TEST_F(DisclosureTest, ConsentsAndAccessesAreHersAndTheOtherSides) {
  auto consent = random_id<ConsentId>(chain.rng);
  commit(0, chain.item(patient, {grant(consent)}, &patient_key));
  EXPECT_EQ(row(StateKind::consent, consent), "01");
  EXPECT_EQ(row(StateKind::grant_index, contracts::grant_index_key(patient, chain.member(1))), "01");
  EXPECT_EQ(row(StateKind::grant_index, contracts::grant_index_key(patient, chain.member(2))), "02")
      << "that there is none is told to the same";
  EXPECT_EQ(row(StateKind::access_head, contracts::access_head_key(patient)), "0");
  auto done = run(1, {chain.item(service_b, {ask()})});
  auto entry = entry_of(done.items.at(0).results.at(0));
  EXPECT_EQ(seen_by([&](Disclosure& d) { return d.access(entry); }), "01");
}

TEST_F(DisclosureTest, OnlyPatientsAmongPrincipalsAreKept) {
  EXPECT_EQ(row(StateKind::principal, patient), "0");
  EXPECT_EQ(row(StateKind::principal, service_a), "0123");
  EXPECT_EQ(row(StateKind::principal, chain.member(0)), "0123");
  EXPECT_EQ(row(StateKind::principal, random_id<PrincipalId>(chain.rng)), "0123") << "there is nothing to keep";
  EXPECT_EQ(row(StateKind::parameters, {}), "0123");
}

TEST_F(DisclosureTest, IdsOfAWrongLengthConcernNobody) {
  pb::AccessEntry entry;
  entry.set_patient("short");
  EXPECT_EQ(seen_by([&](Disclosure& d) { return d.access(entry); }), "");
  EXPECT_EQ(row(StateKind::access_head, as_bytes("short")), "");
  EXPECT_EQ(row(StateKind::grant_index, as_bytes("short")), "");
}

}  // namespace
}  // namespace galen::node
