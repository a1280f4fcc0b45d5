// Where the vault's index stands in the log, and when that cannot be gone on from.
#include "node/vault_position.hpp"

#include "unit/node/data_dir_fixture.hpp"

namespace galen::node {
namespace {

constexpr LogRecordType kFiller = 999;  ///< of a kind that the start does not know

using VaultPositionTest = test::DataDirTest;

// What to do is in the words of the refusal: an operator reads them before any page.
TEST_F(VaultPositionTest, AnIndexFromBeforeTheLogsFirstRecordIsRefusedWithWhatToDo) {
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  for (int turn = 0; turn < 40; ++turn) append(*opened->log, {kFiller, false, Bytes(8'000)});
  opened->log->recycle(opened->log->stats().next_seq);
  append(*opened->log, {kFiller, true, Bytes(8)});
  const auto& log = *opened->log;
  ASSERT_GT(log.stats().oldest_seq, 1u);
  EXPECT_TRUE(check_vault_follows({log.log_id(), log.stats().oldest_seq}, reach_of(log, false)));
  const auto refused = check_vault_follows({log.log_id(), log.stats().oldest_seq - 1}, reach_of(log, false));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::CORRUPT);
  for (const auto* what : {"vault/ from the newest backup", "galend repair --older-vault"})
    EXPECT_NE(refused.error().message.find(what), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace galen::node
