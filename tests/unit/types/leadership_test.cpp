// V6 as a function of headers: who leads, who is left out, and what each block says of it.
#include <gtest/gtest.h>

#include "galen/types/leadership.hpp"

namespace galen {
namespace {

/// A chain of headers and its fold; a view's leader proposes, as the rotation has it.
class Chain {
 public:
  explicit Chain(std::size_t members = 4) : members_(members) { headers.emplace_back(); }

  /// The next block, born in this view; what lies between has failed. True: the fold has changed.
  bool block(View view, std::uint16_t flags = 0, std::optional<Height> exec_height = std::nullopt) {
    BlockHeader next;
    const auto& parent = headers.back();
    next.epoch = parent.epoch + (parent.epoch_end() ? 1 : 0);
    next.view = view;
    next.height = parent.height + 1;
    next.flags = flags;
    next.exec_height = exec_height.value_or(parent.height);
    auto base = base_exec_height(next, at());
    next.proposer = leader_of(members_, leadership.skips, view, *base);
    bool changed = note_block(leadership, members_, parent, next);
    headers.push_back(next);
    return changed;
  }
  HeaderAt at() const {
    return [this](Height height) { return std::optional(headers[height]); };
  }
  /// Tenures of one block each for all views from this one on.
  void tenures(View from, View until) {
    for (auto view = from; view < until; ++view) block(view, kTenureEnd);
  }

  std::vector<BlockHeader> headers;
  Leadership leadership;

 private:
  std::size_t members_;
};

TEST(Leadership, V6NobodyIsLeftOutAndNothingIsKeptWhileViewsEndWithTheirTenure) {
  Chain chain;
  for (View view = 0; view < 40; ++view) {
    EXPECT_FALSE(chain.block(view));
    EXPECT_FALSE(chain.block(view, kTenureEnd));
    EXPECT_EQ(chain.headers.back().proposer, view % 4);
  }
  EXPECT_EQ(chain.leadership, Leadership{});
}

TEST(Leadership, V6TwoViewsInARowThatFailLeaveTheirLeaderOutForEightRotations) {
  Chain chain;
  chain.block(0, kTenureEnd);
  EXPECT_TRUE(chain.block(2, kTenureEnd)) << "view 1 failed";
  EXPECT_EQ(chain.leadership.failures, (std::vector<std::uint32_t>{0, 1, 0, 0}));
  chain.tenures(3, 5);
  EXPECT_TRUE(chain.leadership.skips.empty());
  chain.block(6, kTenureEnd);  // and view 5
  const LeaderSkip skip{1, 8, 40, chain.headers.back().height};
  EXPECT_EQ(chain.leadership.skips, std::vector{skip});
  EXPECT_EQ(chain.leadership.failures[1], 1u) << "one more will do after the skip";
  // Only where the block has been executed, and only in the views of the skip.
  const auto& skips = chain.leadership.skips;
  EXPECT_EQ(leader_of(4, skips, 9, skip.height), 0) << "9 mod 3, of A, C, D";
  EXPECT_EQ(leader_of(4, skips, 13, skip.height), 2);
  EXPECT_EQ(leader_of(4, skips, 9, skip.height - 1), 1);
  EXPECT_EQ(leader_of(4, skips, 5, skip.height), 1);
  EXPECT_EQ(leader_of(4, skips, 41, skip.height), 1);
  for (View view = 8; view < 40; ++view) {
    if (view % 4 == 1) continue;
    EXPECT_EQ(leader_of(4, skips, view, skip.height), view % 4) << "nobody else's turn changes";
  }
  EXPECT_EQ(skipped_at(skips, 8, skip.height), std::vector<MemberIndex>{1});
  EXPECT_TRUE(skipped_at(skips, 7, skip.height).empty());

  chain.tenures(7, 40);
  EXPECT_EQ(chain.leadership.skips.size(), 1u);
  chain.block(40, kTenureEnd);
  EXPECT_TRUE(chain.leadership.skips.empty()) << "it is over, and goes";
  chain.block(42, kTenureEnd);  // it leads 41 again, and fails again
  EXPECT_EQ(chain.leadership.skips, (std::vector{LeaderSkip{1, 44, 76, chain.headers.back().height}}));
}

TEST(Leadership, V6ATenureThatEndsWellClearsItsLeader) {
  Chain chain;
  chain.block(0, kTenureEnd);
  chain.block(2, kTenureEnd);
  chain.tenures(3, 5);
  EXPECT_TRUE(chain.block(5, kTenureEnd)) << "the leader of view 1 leads again";
  EXPECT_EQ(chain.leadership.failures, (std::vector<std::uint32_t>{0, 0, 0, 0}));
  chain.tenures(6, 9);
  chain.block(10, kTenureEnd);
  EXPECT_EQ(chain.leadership.failures[1], 1u);
  EXPECT_TRUE(chain.leadership.skips.empty());
}

TEST(Leadership, V6AViewWithBlocksButNoTenureEndHasFailedToo) {
  Chain chain;
  chain.block(0);
  chain.block(1, kTenureEnd);
  EXPECT_EQ(chain.leadership.failures, (std::vector<std::uint32_t>{1, 0, 0, 0}));
  chain.tenures(2, 4);
  chain.block(4);
  chain.block(4);
  chain.block(5, kTenureEnd);
  EXPECT_EQ(chain.leadership.skips, (std::vector{LeaderSkip{0, 7, 39, chain.headers.back().height}}));
}

TEST(Leadership, V6NeverMoreThanFAreLeftOutInOneView) {
  for (std::size_t members : {3u, 4u, 6u, 7u, 10u}) {
    Chain chain(members);
    View view = 0;
    std::size_t most = 0;
    // Of every rotation only one view comes through.
    for (int i = 0; i < 200; ++i, view += members) {
      chain.block(view, kTenureEnd);
      for (View at = view; at < view + 10 * members; ++at)
        most = std::max(most, skipped_at(chain.leadership.skips, at, UINT64_MAX).size());
      for (const auto& failures : chain.leadership.failures) EXPECT_LE(failures, kFailuresToSkip);
    }
    EXPECT_EQ(most, faults_tolerated(members));
    EXPECT_LE(chain.leadership.skips.size(), 2 * faults_tolerated(members)) << "what is over does not pile up";
  }
}

TEST(Leadership, V6WhoWasRefusedForTheOthersIsLeftOutWhenThereIsRoom) {
  Chain chain;
  chain.block(0, kTenureEnd);
  for (View view : {3u, 4u, 7u, 8u}) chain.block(view, kTenureEnd);  // 1, 2, 5, 6 failed
  ASSERT_EQ(chain.leadership.skips.size(), 1u);
  EXPECT_EQ(chain.leadership.skips[0].member, 1);
  EXPECT_EQ(chain.leadership.failures[2], 2u);
  const auto until = chain.leadership.skips[0].until_view;
  chain.tenures(9, 10);
  for (View view = 10; view < until; ++view)
    if (leader_of(4, chain.leadership.skips, view, UINT64_MAX) != 2) chain.block(view, kTenureEnd);
  EXPECT_EQ(chain.leadership.skips.back().member, 2) << "its next failure, with the other skip over";
}

TEST(Leadership, V6AJumpOfViewsCostsNoMoreThanTheLastRotations) {
  Chain chain;
  chain.block(0, kTenureEnd);
  constexpr View kFar = View{1} << 60;
  chain.block(kFar, kTenureEnd);  // would take a lifetime otherwise
  EXPECT_EQ(chain.leadership.skips.size(), 1u);
  EXPECT_EQ(chain.leadership.skips[0].from_view, kFar + 2);
  chain.block(UINT64_MAX, kTenureEnd);
  for (const auto& skip : chain.leadership.skips) EXPECT_LE(skip.from_view, skip.until_view);
  chain.block(UINT64_MAX, kTenureEnd);
}

TEST(Leadership, V6ViewsOfAnEpochBeginAtZero) {
  Chain chain;
  chain.block(7, kEpochEnd);
  chain.leadership = {};  // as the executor does at an end
  chain.block(0);
  EXPECT_EQ(chain.leadership, Leadership{}) << "view 7 was another epoch's";
  Chain late;
  late.block(3, kEpochEnd);
  late.leadership = {};
  late.block(2);
  EXPECT_EQ(late.leadership.failures, (std::vector<std::uint32_t>{1, 1, 0, 0})) << "views 0 and 1, and nobody's before";
}

TEST(Leadership, V6ABaseIsTheNearestAncestorOfAnEarlierViewOrEpoch) {
  Chain chain;
  chain.block(0, 0, 0);
  chain.block(0, kTenureEnd, 1);
  chain.block(1, 0, 2);
  chain.block(1, 0, 3);
  chain.block(4, kEpochEnd, 3);
  chain.block(0, 0, 4);
  chain.block(0, 0, 5);
  auto base_of = [&](Height height) { return base_exec_height(chain.headers[height], chain.at()); };
  EXPECT_EQ(base_of(0), 0u);
  EXPECT_EQ(base_of(2), 0u) << "block zero";
  EXPECT_EQ(base_of(3), 1u);
  EXPECT_EQ(base_of(4), 1u);
  EXPECT_EQ(base_of(5), 3u) << "the newest block of view 1";
  EXPECT_EQ(base_of(6), 3u) << "the end of the epoch before";
  EXPECT_EQ(base_of(7), 3u);
  EXPECT_FALSE(base_exec_height(chain.headers[4], [](Height) { return std::optional<BlockHeader>(); }));
}

}  // namespace
}  // namespace galen
