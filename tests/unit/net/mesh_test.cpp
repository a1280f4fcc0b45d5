// Whole meshes on loopback: who talks to whom, what survives a restart, what overtakes what, and how they end.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "unit/net/net_fixture.hpp"

namespace galen::net::test {
namespace {

using Nodes = std::vector<std::unique_ptr<Node>>;

Nodes start_all(const Consortium& consortium) {
  Nodes nodes;
  for (std::size_t i = 0; i < consortium.size(); ++i)
    nodes.push_back(std::make_unique<Node>(consortium.options(static_cast<MemberIndex>(i))));
  return nodes;
}

void introduce_all(const Nodes& nodes) {
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (std::size_t j = 0; j < nodes.size(); ++j)
      if (i != j) nodes[i]->mesh->set_address(static_cast<MemberIndex>(j), nodes[j]->mesh->listen_address());
}

Bytes text(const std::string& words) { return to_bytes(std::string_view(words)); }

TEST(Mesh, FourNodesAllHearEachOther) {
  Consortium consortium(4);
  auto nodes = start_all(consortium);
  introduce_all(nodes);
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 4; ++j)
      if (i != j) {
        ASSERT_TRUE(nodes[i]->wait_up(static_cast<MemberIndex>(j))) << i << " " << j;
      }
  // Dials that raced may still replace nothing: what was chosen stays, so every message must arrive.
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(nodes[i]->mesh->broadcast(Lane::votes, text("vote of " + std::to_string(i))), 3u);
    EXPECT_EQ(nodes[i]->mesh->broadcast(Lane::bulk, Bytes(300'000, static_cast<std::uint8_t>(i))), 3u);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(nodes[i]->wait_frames(6)) << i;
    std::map<std::pair<MemberIndex, Lane>, Bytes> got;
    for (auto& frame : nodes[i]->take_frames()) got[{frame.from, frame.lane}] = frame.payload;
    EXPECT_EQ(got.size(), 6u);
    for (MemberIndex j = 0; j < 4; ++j) {
      if (i == j) continue;
      EXPECT_EQ((got[{j, Lane::votes}]), text("vote of " + std::to_string(j)));
      EXPECT_EQ((got[{j, Lane::bulk}]), Bytes(300'000, static_cast<std::uint8_t>(j)));
      auto status = nodes[i]->peer(j);
      EXPECT_TRUE(status.connected);
      EXPECT_EQ(status.votes.received_frames, 1u);
      EXPECT_EQ(status.votes.sent_frames, 1u);
      EXPECT_EQ(status.bulk.received_bytes, 300'000u);
      EXPECT_EQ(status.start_nonce, nodes[j]->mesh->start_nonce());
      EXPECT_GT(status.certificate_not_after_s, 0);
      EXPECT_GT(status.wire_bytes_in, 300'000u);
    }
    EXPECT_EQ(nodes[i]->mesh->connected_count(), 3u);
  }
}

TEST(Mesh, RefusesToQueueWhatCannotBeSent) {
  Consortium consortium(2);
  auto nodes = start_all(consortium);
  EXPECT_FALSE(nodes[0]->mesh->send(1, Lane::votes, text("nobody there")));
  introduce_all(nodes);
  ASSERT_TRUE(nodes[0]->wait_up(1));
  EXPECT_FALSE(nodes[0]->mesh->send(0, Lane::votes, text("myself")));
  EXPECT_FALSE(nodes[0]->mesh->send(9, Lane::votes, text("no member")));
  EXPECT_FALSE(nodes[0]->mesh->send(1, Lane::bulk, Bytes(limits::kFrameBytesMax + 1)));
  EXPECT_TRUE(nodes[0]->mesh->send(1, Lane::bulk, Bytes(limits::kFrameBytesMax, 7)));
  ASSERT_TRUE(nodes[1]->wait_frames(1));
  EXPECT_EQ(nodes[1]->take_frames()[0].payload, Bytes(limits::kFrameBytesMax, 7));
}

TEST(Mesh, OrderIsKeptPerLane) {
  Consortium consortium(2);
  auto nodes = start_all(consortium);
  introduce_all(nodes);
  ASSERT_TRUE(nodes[0]->wait_up(1));
  constexpr std::uint32_t kCount = 3000;
  std::thread votes([&] {
    for (std::uint32_t i = 0; i < kCount; ++i)
      nodes[0]->mesh->send(1, Lane::votes, ByteWriter().u32(i).raw(Bytes(i % 500)).bytes());
  });
  for (std::uint32_t i = 0; i < kCount; ++i)
    nodes[0]->mesh->send(1, Lane::bulk, ByteWriter().u32(i).raw(Bytes(i % 7000)).bytes());
  votes.join();
  ASSERT_TRUE(nodes[1]->wait_frames(2 * kCount));
  std::uint32_t next[2] = {0, 0};
  for (auto& frame : nodes[1]->take_frames()) {
    auto& expected = next[frame.lane == Lane::votes ? 0 : 1];
    ASSERT_EQ(ByteReader(frame.payload).u32(), expected++);
  }
}

TEST(Mesh, BothDialAtOnceAndOneConnectionStays) {
  Consortium consortium(2);
  for (int round = 0; round < 10; ++round) {
    auto nodes = start_all(consortium);
    std::thread first([&] { nodes[0]->mesh->set_address(1, nodes[1]->mesh->listen_address()); });
    nodes[1]->mesh->set_address(0, nodes[0]->mesh->listen_address());
    first.join();
    ASSERT_TRUE(nodes[0]->wait_up(1));
    ASSERT_TRUE(nodes[1]->wait_up(0));
    nodes[0]->mesh->send(1, Lane::votes, text("there"));
    nodes[1]->mesh->send(0, Lane::votes, text("back"));
    ASSERT_TRUE(nodes[0]->wait_frames(1));
    ASSERT_TRUE(nodes[1]->wait_frames(1));
    EXPECT_EQ(nodes[0]->now(nodes[0]->ups, 1), 1);
    EXPECT_EQ(nodes[1]->now(nodes[1]->ups, 0), 1);
    EXPECT_NE(nodes[0]->peer(1).dialled_by_us, nodes[1]->peer(0).dialled_by_us)
        << "both speak over the same connection";
  }
}

TEST(Mesh, EitherSideMayDial) {
  Consortium consortium(2);
  for (MemberIndex dialler : {0, 1}) {
    auto nodes = start_all(consortium);
    auto other = static_cast<MemberIndex>(1 - dialler);
    nodes[dialler]->mesh->set_address(other, nodes[other]->mesh->listen_address());
    ASSERT_TRUE(nodes[dialler]->wait_up(other));
    ASSERT_TRUE(nodes[other]->wait_up(dialler));
    EXPECT_TRUE(nodes[dialler]->peer(other).dialled_by_us);
  }
}

TEST(Mesh, APeerThatRestartsIsBackByName) {
  Consortium consortium(3);
  auto nodes = start_all(consortium);
  introduce_all(nodes);
  for (MemberIndex i = 0; i < 3; ++i)
    for (MemberIndex j = 0; j < 3; ++j)
      if (i != j) {
        ASSERT_TRUE(nodes[i]->wait_up(j));
      }
  for (MemberIndex restarted : {0, 2}) {
    auto options = consortium.options(restarted);
    options.listen = nodes[restarted]->mesh->listen_address();
    auto port = options.listen.substr(options.listen.rfind(':'));
    auto old_nonce = nodes[restarted]->mesh->start_nonce();
    nodes[restarted].reset();
    for (MemberIndex i = 0; i < 3; ++i) {
      if (i == restarted) continue;
      ASSERT_TRUE(nodes[i]->wait_down(restarted));
      EXPECT_NE(nodes[i]->now(nodes[i]->down_reason, restarted).find("SHUTTING_DOWN"), std::string::npos)
          << nodes[i]->now(nodes[i]->down_reason, restarted);
      nodes[i]->mesh->set_address(restarted, "localhost" + port);  // resolved at each dial
    }
    nodes[restarted] = std::make_unique<Node>(options);
    for (MemberIndex i = 0; i < 3; ++i) {
      if (i == restarted) continue;
      ASSERT_TRUE(nodes[i]->wait_up(restarted));
      ASSERT_TRUE(nodes[restarted]->wait_up(i));
      EXPECT_NE(nodes[i]->peer(restarted).start_nonce, old_nonce);
      nodes[i]->mesh->send(restarted, Lane::votes, text("welcome back"));
      EXPECT_EQ(nodes[i]->peer(restarted).second_processes, 0u);
    }
    ASSERT_TRUE(nodes[restarted]->wait_frames(2));
    for (MemberIndex i = 0; i < 3; ++i)
      for (MemberIndex j = 0; j < 3; ++j)
        if (i != j && i == restarted) nodes[i]->mesh->set_address(j, nodes[j]->mesh->listen_address());
  }
}

TEST(Mesh, VotesPassWhileBulkIsNotProcessed) {
  Consortium consortium(2);
  Node sender(consortium.options(0));
  Node slow(consortium.options(1), false);
  sender.mesh->set_address(1, slow.mesh->listen_address());
  ASSERT_TRUE(sender.wait_up(1));
  const auto window = MeshLimits{}.bulk_unprocessed_max;
  std::size_t queued = 0;
  while (sender.mesh->send(1, Lane::bulk, Bytes(1'000'000))) ++queued;
  EXPECT_GT(queued, 20u);
  // The receiver holds its window's worth of unprocessed bulk; the rest waits at the sender, bounded.
  ASSERT_TRUE(eventually([&] { return slow.peer(0).bulk.unprocessed_bytes + 2'000'000 > window; }));
  sender.mesh->send(1, Lane::votes, text("first vote"));
  ASSERT_TRUE(slow.wait([&] {
    return std::any_of(slow.frames.begin(), slow.frames.end(),
                       [](const Frame& frame) { return frame.lane == Lane::votes; });
  }));
  EXPECT_LE(slow.peer(0).bulk.unprocessed_bytes, window);
  EXPECT_GT(sender.peer(1).bulk.queued_bytes, 0u);
  EXPECT_LE(sender.peer(1).bulk.queued_bytes, MeshLimits{}.bulk_bytes_max);
  // Released credits let the rest through.
  std::size_t bulk = 0;
  ASSERT_TRUE(eventually([&] {
    for (auto& frame : slow.take_frames()) bulk += frame.lane == Lane::bulk ? 1 : 0;
    return bulk >= queued;
  }));
}

TEST(Mesh, VotesThatNobodyProcessesStopTheReading) {
  Consortium consortium(2);
  auto options = consortium.options(1);
  options.limits.votes_unprocessed_max = 1'000'000;
  Node sender(consortium.options(0));
  Node slow(options, false);
  sender.mesh->set_address(1, slow.mesh->listen_address());
  ASSERT_TRUE(sender.wait_up(1));
  ASSERT_TRUE(eventually([&] {
    for (int i = 0; i < 100; ++i) sender.mesh->send(1, Lane::votes, Bytes(50'000));
    return sender.peer(1).votes.dropped_frames > 0;
  }));
  // A turn of reading may overshoot by what it had in hand.
  EXPECT_LE(slow.peer(0).votes.unprocessed_bytes, 1'000'000u + 4 * 64 * 1024);
  EXPECT_LE(sender.peer(1).votes.queued_bytes, MeshLimits{}.votes_bytes_max);
  ASSERT_TRUE(eventually([&] {
    for (auto& frame : slow.take_frames())
      if (frame.payload == text("the end")) return true;
    sender.mesh->send(1, Lane::votes, text("the end"));
    return false;
  }));
}

// Nothing is dropped: what is beyond the budget waits at its sender, and the other lane does not.
TEST(Mesh, BulkIsTakenNoFasterThanItsBudgetAndVotesPass) {
  Consortium consortium(2);
  auto options = consortium.options(1);
  options.limits.received_bytes_per_s = 8'000'000;
  options.limits.bulk_unprocessed_max = 2 * limits::kFrameBytesMax;
  Node sender(consortium.options(0));
  Node receiver(options);
  sender.mesh->set_address(1, receiver.mesh->listen_address());
  ASSERT_TRUE(sender.wait_up(1));
  const auto began = std::chrono::steady_clock::now();
  constexpr std::size_t kFrames = 24;
  for (std::size_t i = 0; i < kFrames; ++i) ASSERT_TRUE(sender.mesh->send(1, Lane::bulk, Bytes(1'000'000)));
  ASSERT_TRUE(eventually([&] { return receiver.peer(0).bulk.received_frames >= 10; }));
  ASSERT_TRUE(sender.mesh->send(1, Lane::votes, text("a vote")));
  ASSERT_TRUE(eventually([&] { return receiver.peer(0).votes.received_frames == 1; }));
  EXPECT_LT(receiver.peer(0).bulk.received_frames, kFrames) << "it came before what was sent before it";
  ASSERT_TRUE(receiver.wait_frames(kFrames + 1));
  const auto took = std::chrono::steady_clock::now() - began;
  // The burst at once; the rest, less what the last grant held, at three quarters of the rate.
  EXPECT_GT(took, std::chrono::milliseconds(1'200));
  EXPECT_TRUE(eventually([&] { return receiver.peer(0).throttled_us > 500'000; }));
  EXPECT_EQ(sender.peer(1).bulk.dropped_frames, 0u);
}

TEST(Mesh, VotesBeyondTheirBudgetStopTheReading) {
  Consortium consortium(2);
  auto options = consortium.options(1);
  options.limits.received_bytes_per_s = 4'000'000;
  options.limits.votes_unprocessed_max = 1'000'000;
  Node sender(consortium.options(0));
  Node receiver(options);
  sender.mesh->set_address(1, receiver.mesh->listen_address());
  ASSERT_TRUE(sender.wait_up(1));
  const auto began = std::chrono::steady_clock::now();
  constexpr std::size_t kFrames = 80;
  for (std::size_t i = 0; i < kFrames; ++i) ASSERT_TRUE(sender.mesh->send(1, Lane::votes, Bytes(50'000)));
  ASSERT_TRUE(receiver.wait_frames(kFrames));
  EXPECT_GT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(2'000)) << "1 MB, then 1 MB a second";
  EXPECT_TRUE(eventually([&] { return receiver.peer(0).throttled_us > 1'000'000; }));
  EXPECT_EQ(sender.peer(1).votes.dropped_frames, 0u);
}

TEST(Mesh, RoundTripIsMeasuredAndASilentPeerIsDropped) {
  Consortium consortium(2);
  auto options = consortium.options(0);
  options.timings.ping_ms = 20;
  options.timings.dead_ms = 300;
  Node node(options);
  {
    auto other_options = consortium.options(1);
    other_options.timings = options.timings;
    Node other(other_options);
    other.mesh->set_address(0, node.mesh->listen_address());
    ASSERT_TRUE(node.wait_up(1));
    EXPECT_TRUE(eventually([&] { return node.peer(1).rtt_us.has_value(); }));
  }
  ASSERT_TRUE(node.wait_down(1));
  RawClient silent(node.mesh->listen_address());
  ASSERT_TRUE(silent.handshake({.files = consortium.files(1)}));
  ASSERT_TRUE(silent.join(consortium.chain_id));
  ASSERT_TRUE(node.wait_up(1));
  ASSERT_TRUE(node.wait_down(1));
  EXPECT_NE(node.now(node.down_reason, 1).find("nothing heard"), std::string::npos) << node.now(node.down_reason, 1);
}

TEST(Mesh, StopEndsOpenConnectionsAndReportsThemDown) {
  Consortium consortium(4);
  auto nodes = start_all(consortium);
  introduce_all(nodes);
  for (MemberIndex i = 1; i < 4; ++i) ASSERT_TRUE(nodes[0]->wait_up(i));
  for (int i = 0; i < 20; ++i) nodes[0]->mesh->broadcast(Lane::bulk, Bytes(500'000));
  RawClient stranger(nodes[0]->mesh->listen_address());
  nodes[0]->mesh->set_address(3, "name.that.does.not.exist.invalid:1");
  nodes[0]->mesh->stop();
  for (MemberIndex i = 1; i < 4; ++i) {
    EXPECT_EQ(nodes[0]->now(nodes[0]->ups, i), nodes[0]->now(nodes[0]->downs, i));
    EXPECT_TRUE(nodes[i]->wait_down(0));
  }
  EXPECT_FALSE(nodes[0]->mesh->send(1, Lane::votes, text("too late")));
  EXPECT_TRUE(stranger.wait_closed());
  nodes[0]->mesh->stop();
  // Credits may outlive the mesh they came from.
  std::vector<Frame> kept;
  {
    Node holder(consortium.options(0), false);
    holder.mesh->set_address(1, nodes[1]->mesh->listen_address());
    ASSERT_TRUE(holder.wait_up(1));
    ASSERT_TRUE(nodes[1]->wait_up(0));
    for (int i = 0; i < 10; ++i) nodes[1]->mesh->send(0, Lane::bulk, Bytes(400'000));
    ASSERT_TRUE(holder.wait_frames(10));
    kept = holder.take_frames();
  }
  kept.clear();
}

TEST(Mesh, WhoIsShutOutIsTakenAgainAfterAWhile) {
  Consortium consortium(2);
  Nodes nodes;
  for (MemberIndex i = 0; i < 2; ++i) {
    auto options = consortium.options(i);
    options.timings.shut_out_ms = 700;
    nodes.push_back(std::make_unique<Node>(options));
  }
  introduce_all(nodes);
  ASSERT_TRUE(nodes[0]->wait_up(1));
  ASSERT_TRUE(nodes[1]->wait_up(0));
  const auto began = std::chrono::steady_clock::now();
  nodes[0]->mesh->shut_out(1, "it sent many invalid messages");
  nodes[0]->mesh->shut_out(0, "nobody shuts himself out");
  ASSERT_TRUE(nodes[0]->wait_down(1));
  ASSERT_TRUE(nodes[1]->wait_down(0));
  const auto reason = nodes[1]->now(nodes[1]->down_reason, 0);
  EXPECT_NE(reason.find("many invalid messages"), std::string::npos) << reason;
  ASSERT_TRUE(nodes[0]->wait_up(1));
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(650));
}

TEST(Mesh, AnAddressInUseOrUnreachableIsSaid) {
  Consortium consortium(2);
  Node node(consortium.options(0));
  auto options = consortium.options(1);
  options.listen = node.mesh->listen_address();
  auto second = Mesh::make(options, {});
  ASSERT_TRUE(second);
  auto status = (*second)->start();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::UNAVAILABLE);
  node.mesh->set_address(1, "127.0.0.1:1");
  EXPECT_TRUE(eventually([&] { return node.peer(1).last_error.find("cannot connect") != std::string::npos; }));
  node.mesh->set_address(1, "no.such.host.invalid:1");
  EXPECT_TRUE(eventually([&] { return node.peer(1).last_error.find("cannot resolve") != std::string::npos; }));
}

}  // namespace
}  // namespace galen::net::test
