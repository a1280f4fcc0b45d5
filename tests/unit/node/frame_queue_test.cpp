// Who floods waits behind itself: its share is bounded, and the others' frames come in turn.
#include "node/frame_queue.hpp"

#include <gtest/gtest.h>

#include <map>
#include <thread>

namespace galen::node {
namespace {

using net::Lane;

net::Frame frame(MemberIndex from, Lane lane, std::size_t bytes = 1) {
  net::Frame out;
  out.from = from;
  out.lane = lane;
  out.payload.resize(bytes);
  return out;
}

TEST(FrameQueueTest, MembersAreTakenInTurn) {
  FrameQueue queue({.items_max = 100, .bytes_max = 1000});
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(queue.try_push(frame(3, Lane::votes)));
  for (MemberIndex from : {1, 2, 1}) EXPECT_TRUE(queue.try_push(frame(from, Lane::votes)));
  std::vector<MemberIndex> order;
  for (int i = 0; i < 7; ++i) order.push_back(queue.pop_vote()->from);
  EXPECT_EQ(order, (std::vector<MemberIndex>{1, 2, 3, 1, 3, 3, 3}));
}

TEST(FrameQueueTest, AShareIsItsMembersAlone) {
  FrameQueue queue({.items_max = 3, .bytes_max = 10});
  EXPECT_TRUE(queue.try_push(frame(0, Lane::bulk, 50))) << "a large one passes alone";
  EXPECT_FALSE(queue.try_push(frame(0, Lane::bulk)));
  EXPECT_TRUE(queue.try_push(frame(0, Lane::votes))) << "the other lane has a share of its own";
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.try_push(frame(1, Lane::bulk, 2)));
  auto fourth = frame(1, Lane::bulk, 2);
  EXPECT_FALSE(queue.try_push(std::move(fourth)));
  EXPECT_EQ(fourth.payload.size(), 2u) << "untouched";
  (void)queue.pop();
  EXPECT_TRUE(queue.try_push(frame(1, Lane::bulk, 2))) << "there is room again";
}

TEST(FrameQueueTest, NeitherLaneHoldsUpTheOther) {
  FrameQueue queue({.items_max = 10, .bytes_max = 10});
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(queue.try_push(frame(1, Lane::bulk)));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(queue.try_push(frame(1, Lane::votes)));
  EXPECT_EQ(queue.pop_vote()->lane, Lane::votes);
  EXPECT_EQ(queue.pop()->lane, Lane::bulk);
  EXPECT_EQ(queue.pop()->lane, Lane::bulk);
  EXPECT_EQ(queue.pop()->lane, Lane::votes) << "rather than to stand still";
}

TEST(FrameQueueTest, WhoseFramesAreMuchWorkWaitsForTheOthers) {
  FrameQueue queue({.items_max = 1000, .bytes_max = 1000, .credit_us = 0});
  for (int i = 0; i < 200; ++i)
    for (MemberIndex from : {1, 2}) EXPECT_TRUE(queue.try_push(frame(from, Lane::bulk)));
  // Member 1's are batches, member 2's are questions; time passes only as it is told here.
  std::map<MemberIndex, int> taken;
  for (int i = 0; i < 110; ++i) {
    const auto from = queue.pop()->from;
    ++taken[from];
    queue.handled(from, Lane::bulk, from == 1 ? 10'000 : 100);
  }
  EXPECT_LE(taken[1], 3) << "a hundredth of the frames is half of the time";
  EXPECT_EQ(queue.cpu_us(1), taken[1] * 10'000u);
  EXPECT_TRUE(queue.try_push(frame(1, Lane::votes)));
  EXPECT_TRUE(queue.try_push(frame(2, Lane::votes)));
  EXPECT_EQ(queue.pop_vote()->from, 1u) << "its votes do not wait for its batches";
}

TEST(FrameQueueTest, WaitersGetWhatTheyWaitForAndEndWhenItCloses) {
  FrameQueue queue({.items_max = 1000, .bytes_max = 1000});
  std::atomic<int> all{0};
  std::thread voter([&] {
    while (auto taken = queue.pop_vote()) {
      EXPECT_EQ(taken->lane, Lane::votes);
      ++all;
    }
  });
  std::thread any([&] {
    while (queue.pop()) ++all;
  });
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(queue.try_push(frame(1, Lane::bulk)));
    EXPECT_TRUE(queue.try_push(frame(2, Lane::votes)));
  }
  for (int i = 0; i < 1000 && all < 400; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(all, 400);
  queue.close();
  voter.join();
  any.join();
  EXPECT_FALSE(queue.try_push(frame(1, Lane::bulk)));
  EXPECT_FALSE(queue.pop());
}

}  // namespace
}  // namespace galen::node
