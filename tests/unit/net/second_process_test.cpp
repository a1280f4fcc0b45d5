// Two processes with one member's certificate: the connected one stays while it answers, and whoever takes the place of one
// that is gone is let in. Seen from a peer of the higher index and from one of the lower, since either rule of choosing a
// connection has to hold back the newcomer.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "unit/net/net_fixture.hpp"

namespace galen::net::test {
namespace {

constexpr std::uint32_t kProbeMs = 400;

/// The member that runs twice, and its peer.
class SecondProcess : public ::testing::TestWithParam<MemberIndex> {
 protected:
  const MemberIndex member = GetParam(), other = static_cast<MemberIndex>(1 - GetParam());
  Consortium consortium{2};

  MeshOptions options(MemberIndex self, std::uint32_t probe_ms = kProbeMs) const {
    auto out = consortium.options(self);
    out.timings.probe_ms = probe_ms;
    out.timings.backoff_max_ms = 200;
    return out;
  }
  std::unique_ptr<Node> start_member(const Node& peer) const {
    auto node = std::make_unique<Node>(options(member));
    node->mesh->set_address(other, peer.mesh->listen_address());
    return node;
  }
  /// A process of the member that connects and from then on neither reads nor answers.
  std::unique_ptr<RawClient> start_silent(const Node& peer) const {
    auto client = std::make_unique<RawClient>(peer.mesh->listen_address());
    EXPECT_TRUE(client->handshake({.files = consortium.files(member)}));
    if (member > other) {
      EXPECT_TRUE(client->join(consortium.chain_id, 7));
      return client;
    }
    // As the lower index it chooses the connection itself.
    wire::Hello hello;
    hello.chain_id = consortium.chain_id;
    hello.start_nonce = 7;
    Bytes out;
    wire::put_control(out, wire::Type::hello, hello.encode());
    wire::put_control_u64(out, wire::Type::activate, 1);
    client->send(out);
    return client;
  }
};

TEST_P(SecondProcess, IsRefusedWhileTheFirstLives) {
  Node peer(options(other));
  auto first = start_member(peer);
  ASSERT_TRUE(peer.wait_up(member));
  ASSERT_TRUE(first->wait_up(other));
  const auto address = peer.peer(member).remote_address;
  auto second = start_member(peer);
  ASSERT_TRUE(second->wait([&] { return !second->in_use[other].empty(); }));
  const auto words = second->now(second->in_use, other);
  EXPECT_NE(words.find(address + " since 2"), std::string::npos) << words;
  EXPECT_TRUE(eventually([&] { return second->refused(Refusal::IDENTITY_IN_USE) > 0; }));
  EXPECT_TRUE(eventually([&] { return second->peer(other).last_error.find("IDENTITY_IN_USE") != std::string::npos; }));
  EXPECT_EQ(second->now(second->ups, other), 0) << "it has no word with the peer";
  ASSERT_TRUE(eventually([&] { return peer.peer(member).second_processes > 1; })) << "it tries again";
  EXPECT_GT(peer.refused(Refusal::IDENTITY_IN_USE), 0u);
  EXPECT_NE(peer.peer(member).second_process_address, address);
  EXPECT_EQ(peer.now(peer.downs, member), 0) << "the first one is not disturbed";
  first->mesh->send(other, Lane::votes, to_bytes(std::string_view("still here")));
  EXPECT_TRUE(peer.wait_frames(1));
  // Whichever was refused is let in when the other one has gone.
  first.reset();
  EXPECT_TRUE(second->wait_up(other));
  EXPECT_TRUE(peer.wait([&] { return peer.ups[member] == 2; }));
  EXPECT_EQ(peer.peer(member).start_nonce, second->mesh->start_nonce());
}

TEST_P(SecondProcess, OneThatAnswersNothingGivesWay) {
  Node peer(options(other));
  auto silent = start_silent(peer);
  ASSERT_TRUE(peer.wait_up(member));
  const auto began = std::chrono::steady_clock::now();
  auto second = start_member(peer);
  ASSERT_TRUE(second->wait_up(other));
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(kProbeMs));
  ASSERT_TRUE(peer.wait([&] { return peer.ups[member] == 2; }));
  EXPECT_NE(peer.now(peer.down_reason, member).find("no answer within"), std::string::npos);
  EXPECT_EQ(peer.peer(member).second_processes, 0u);
  EXPECT_EQ(second->now(second->in_use, other), "");
  EXPECT_TRUE(silent->wait_closed());
}

// What was on its way when a machine lost its power still arrives.
TEST_P(SecondProcess, BytesThatAnswerNothingAreNoSignOfLife) {
  Node peer(options(other));
  auto old = start_silent(peer);
  ASSERT_TRUE(peer.wait_up(member));
  std::atomic<bool> done{false};
  std::thread sends([&] {
    Bytes pings;
    wire::put_control_u64(pings, wire::Type::ping, 1);
    wire::put_control_u64(pings, wire::Type::pong, 1);  // to a ping of long ago
    for (; !done; std::this_thread::sleep_for(std::chrono::milliseconds(20))) old->send(pings);
  });
  auto second = start_member(peer);
  EXPECT_TRUE(second->wait_up(other));
  done = true;
  sends.join();
  EXPECT_EQ(peer.peer(member).second_processes, 0u);
}

TEST_P(SecondProcess, AfterACrashItIsLetInAtOnce) {
  Node peer(options(other, 4'000));
  auto crashed = start_silent(peer);
  ASSERT_TRUE(peer.wait_up(member));
  const auto began = std::chrono::steady_clock::now();
  crashed->close();  // as the kernel does for a process that ends
  auto second = start_member(peer);
  ASSERT_TRUE(second->wait_up(other));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(2'000)) << "nothing was probed";
}

// The end of the old connection decides before the probe has run out.
TEST_P(SecondProcess, IsLetInWhenTheFirstEndsDuringTheProbe) {
  Node peer(options(other, 4'000));
  auto old = start_silent(peer);
  ASSERT_TRUE(peer.wait_up(member));
  const auto began = std::chrono::steady_clock::now();
  auto second = start_member(peer);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  old->close();
  ASSERT_TRUE(second->wait_up(other));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(3'000));
}

INSTANTIATE_TEST_SUITE_P(OfTheLowerAndTheHigherIndex, SecondProcess, ::testing::Values(MemberIndex{0}, MemberIndex{1}));

}  // namespace
}  // namespace galen::net::test
