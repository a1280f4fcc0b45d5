#include "unit/contracts/memory_state.hpp"

namespace galen::contracts::test {
namespace {

using PrincipalsTest = ContractTest;

TEST_F(PrincipalsTest, TheAuthorsMemberBecomesTheHome) {
  ASSERT_EQ(code(kServiceA, register_principal(50, pb::PRINCIPAL_KIND_PATIENT, key())), ErrorCode::OK);
  auto patient = state.value<pb::PrincipalState>(StateKind::principal, make_id<PrincipalId>(50));
  ASSERT_TRUE(patient);
  EXPECT_EQ(patient->home_member(), id_text(kMemberA));
  EXPECT_EQ(patient->key(), key());
  EXPECT_EQ(patient->key_version(), 1u);
  EXPECT_EQ(patient->registered_height(), 7u);
  EXPECT_EQ(patient->status(), pb::PRINCIPAL_STATUS_ACTIVE);

  ASSERT_EQ(code(kAdminB, register_principal(51, pb::PRINCIPAL_KIND_SERVICE)), ErrorCode::OK);
  auto service = state.value<pb::PrincipalState>(StateKind::principal, make_id<PrincipalId>(51));
  EXPECT_EQ(service->home_member(), id_text(kMemberB));
  EXPECT_EQ(service->key_version(), 0u);
}

TEST_F(PrincipalsTest, RefusesWhatNobodyMayRegister) {
  EXPECT_EQ(code(kServiceA, register_principal(50, pb::PRINCIPAL_KIND_SERVICE)), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(code(kPatient, register_principal(50, pb::PRINCIPAL_KIND_PATIENT)), ErrorCode::PERMISSION_DENIED);
  EXPECT_EQ(code(kAdminA, register_principal(50, pb::PRINCIPAL_KIND_ADMIN)), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(kAdminA, register_principal(50, pb::PRINCIPAL_KIND_MEMBER)), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(kAdminA, register_principal(kPatient, pb::PRINCIPAL_KIND_PATIENT)), ErrorCode::PRINCIPAL_EXISTS);
  EXPECT_EQ(code(kAdminA, register_principal(50, pb::PRINCIPAL_KIND_PATIENT, "key")), ErrorCode::INVALID_ARGUMENT);
  auto off_curve = key();
  off_curve.back() = static_cast<char>(off_curve.back() ^ 1);
  EXPECT_EQ(code(kAdminA, register_principal(50, pb::PRINCIPAL_KIND_PATIENT, off_curve)), ErrorCode::INVALID_ARGUMENT);
  EXPECT_FALSE(state.value<pb::PrincipalState>(StateKind::principal, make_id<PrincipalId>(50)));
}

TEST_F(PrincipalsTest, GenesisHoldsMembersAdminsAndParametersOnly) {
  Genesis genesis;
  for (std::uint8_t i = 1; i <= 4; ++i)
    genesis.members.push_back(
        {"m", make_id<PrincipalId>(i), {}, make_id<PrincipalId>(static_cast<std::uint8_t>(i + 10)), ""});
  auto rows = genesis_state(genesis);
  ASSERT_EQ(rows.size(), 9u);
  pb::PrincipalState admin;
  ASSERT_TRUE(admin.ParseFromArray(rows[1].value.data(), static_cast<int>(rows[1].value.size())));
  EXPECT_EQ(admin.kind(), pb::PRINCIPAL_KIND_ADMIN);
  EXPECT_EQ(admin.home_member(), id_text(1));
  EXPECT_TRUE(admin.key().empty());
  EXPECT_EQ(rows[8].kind, StateKind::parameters);
  EXPECT_TRUE(rows[8].key.empty());
}

}  // namespace
}  // namespace galen::contracts::test
