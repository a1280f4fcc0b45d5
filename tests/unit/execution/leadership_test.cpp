// The row of kind 14 (V6): what the executor makes of views that failed, and what it tells the core.
#include "chain_fixture.hpp"

namespace galen::execution::test {
namespace {

class LeadershipTest : public testing::Test {
 protected:
  /// An empty block of this view; what lies between has failed.
  ExecutedBlock run(View view, std::uint16_t flags = kTenureEnd) {
    auto block = std::make_shared<Block>(*chain.block({}, last.height > 0 ? &last : nullptr));
    auto& header = block->skeleton.header;
    header.view = view;
    header.flags = flags;
    header.proposer = static_cast<MemberIndex>(view % 4);
    chain.replace_last(block);
    return last = node.apply(block);
  }
  std::optional<Bytes> row() {
    return take(node.view().state(static_cast<std::uint8_t>(StateKind::leadership), {}));
  }
  Leadership stored() { return take(load_leadership(node.view())); }

  TestChain chain;
  TestNode node{chain};
  ExecutedBlock last;
};

TEST_F(LeadershipTest, AChainWithoutFailuresHasNoSuchRow) {
  for (View view = 0; view < 9; ++view) {
    run(view, 0);
    EXPECT_TRUE(run(view).leader_skips.empty());
  }
  EXPECT_FALSE(row());
  EXPECT_EQ(stored(), Leadership{});
}

TEST_F(LeadershipTest, TheCoreIsToldWhomTheRotationLeavesOut) {
  run(0);
  EXPECT_TRUE(run(2).leader_skips.empty()) << "view 1 failed once";
  run(3), run(4);
  const auto decided = run(6);
  const LeaderSkip skip{1, 8, 40, decided.height};
  EXPECT_EQ(decided.leader_skips, std::vector{skip});
  EXPECT_EQ(stored().skips, std::vector{skip});
  EXPECT_EQ(stored().failures, (std::vector<std::uint32_t>{0, 1, 0, 0}));
  EXPECT_EQ(run(7).leader_skips, std::vector{skip}) << "at every block, not only where it changes";
  take(node.store().checkpoint());
  node.reopen();
  EXPECT_EQ(stored().skips, std::vector{skip});
  EXPECT_EQ(take(node.executor().apply(chain.blocks.back())).leader_skips, std::vector{skip}) << "replayed";
}

TEST_F(LeadershipTest, TheBytesOfTheRow) {
  run(0), run(2), run(3), run(4), run(6);
  // format 1; failures, packed; one skip: member 1, views 8 to 40, height 5.
  EXPECT_EQ(to_hex(*row()), "0801" "120400010000" "1a08" "0801" "1008" "1828" "2005");
}

TEST_F(LeadershipTest, ReplicasThatExecuteTheSameBlocksLeaveOutTheSame) {
  run(0), run(2), run(3), run(4), run(6), run(9), run(40);
  TestNode other{chain};
  for (const auto& block : chain.blocks) other.apply(block);
  EXPECT_EQ(other.view().head().state_root, node.view().head().state_root);
  EXPECT_EQ(take(load_leadership(other.view())), stored());
}

TEST_F(LeadershipTest, ARowThatDoesNotDecodeStopsTheNode) {
  contracts::RowReader broken = [](StateKind, ByteSpan) { return std::optional<Bytes>(Bytes{0xff}); };
  EXPECT_EQ(contracts::load_leadership(broken).error().code, ErrorCode::CORRUPT);
  contracts::RowReader far = [](StateKind, ByteSpan) { return std::optional<Bytes>(Bytes{0x1a, 0x03, 0x08, 0x90, 0x4e}); };
  EXPECT_EQ(contracts::load_leadership(far).error().code, ErrorCode::CORRUPT) << "no member has such a place";
}

}  // namespace
}  // namespace galen::execution::test
