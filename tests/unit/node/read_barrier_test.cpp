// Up to where a linearizable read waits: whose answers count, which round serves whom, and that nobody can raise the height
// without a certificate.
#include "node/read_barrier.hpp"

#include "unit/execution/chain_fixture.hpp"

namespace galen::node {
namespace {

using execution::test::ExecutionTest;
using execution::test::take;

class ReadBarrierTest : public ExecutionTest {
 protected:
  ReadBarrierTest() : identity{chain.genesis, 0, chain.genesis.context(), chain.keys[0]} {
    barrier = std::make_unique<ReadBarrier>(
        identity, 100,
        ReadBarrier::Ports{.send =
                               [this](MemberIndex to, Bytes message) {
                                 EXPECT_EQ(message[0], static_cast<std::uint8_t>(PeerMessageKind::fetch_high));
                                 asked.emplace_back(to, take(decode_fetch_high(ByteSpan(message).subspan(1))));
                                 return to != unreachable;
                               },
                           .own =
                               [this](std::uint64_t nonce) {
                                 return HighAnswer{nonce, votes, own_height == 0 ? std::nullopt : certificate(own_height)};
                               },
                           .now_ms = [this] { return now_ms; }});
  }
  std::optional<QuorumCertificate> certificate(Height height) const {
    BlockHeader header;
    header.height = height;
    return chain.commit_certificate(header);
  }
  std::uint64_t nonce() const { return asked.back().second; }
  Status answer(MemberIndex from, std::optional<QuorumCertificate> what, std::optional<std::uint64_t> to = {},
                bool counts = true) {
    return barrier->on_answer(from, encode_high({to.value_or(nonce()), counts, std::move(what)}));
  }

  const Identity identity;
  std::vector<std::pair<MemberIndex, std::uint64_t>> asked;
  MemberIndex unreachable = 9;
  bool votes = true;
  Height own_height = 5;
  std::uint64_t now_ms = 1'000;
  std::unique_ptr<ReadBarrier> barrier;
};

TEST_F(ReadBarrierTest, AQuorumsHighestCertificateIsTheHeight) {
  const auto ticket = barrier->begin();
  ASSERT_EQ(asked.size(), 3u);
  auto look = barrier->look(ticket);
  EXPECT_FALSE(look.height);
  EXPECT_EQ(look.silent, (std::vector<MemberIndex>{1, 2, 3}));
  ASSERT_TRUE(answer(2, certificate(7)));
  EXPECT_FALSE(barrier->look(ticket).height);
  ASSERT_TRUE(answer(1, std::nullopt)) << "who knows none yet has answered all the same";
  EXPECT_EQ(barrier->look(ticket).height, Height{7});
  ASSERT_TRUE(answer(3, certificate(9))) << "nobody waits for it any more";
  EXPECT_EQ(barrier->look(ticket).height, Height{7});
  EXPECT_EQ(asked.size(), 3u);
}

TEST_F(ReadBarrierTest, ReadsThatBeginDuringARoundShareTheNext) {
  const auto first = barrier->begin();
  const auto round = nonce();
  std::vector<ReadBarrier::Ticket> later;
  for (int i = 0; i < 100; ++i) later.push_back(barrier->begin());
  EXPECT_EQ(asked.size(), 3u);
  for (MemberIndex from : {1, 2}) ASSERT_TRUE(answer(from, certificate(6), round));
  EXPECT_EQ(barrier->look(first).height, Height{6});
  for (auto ticket : later) EXPECT_FALSE(barrier->look(ticket).height) << "the answers may be older than the read";
  ASSERT_EQ(asked.size(), 6u) << "one more round for all of them";
  for (MemberIndex from : {1, 2}) ASSERT_TRUE(answer(from, certificate(8)));
  for (auto ticket : later) EXPECT_EQ(barrier->look(ticket).height, Height{8});
  EXPECT_EQ(asked.size(), 6u);
}

TEST_F(ReadBarrierTest, WhoDoesNotVoteDoesNotCount) {
  votes = false;
  const auto ticket = barrier->begin();
  for (MemberIndex from : {1, 2}) ASSERT_TRUE(answer(from, certificate(6)));
  auto look = barrier->look(ticket);
  EXPECT_FALSE(look.height) << "this node may have forgotten what it promised";
  EXPECT_EQ(look.not_voting, (std::vector<MemberIndex>{0}));
  EXPECT_EQ(look.silent, (std::vector<MemberIndex>{3}));
  ASSERT_TRUE(answer(3, certificate(40), {}, false));
  EXPECT_FALSE(barrier->look(ticket).height);
  EXPECT_EQ(barrier->look(ticket).not_voting, (std::vector<MemberIndex>{0, 3}));
}

TEST_F(ReadBarrierTest, OneMemberAnswersOnce) {
  const auto ticket = barrier->begin();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(answer(1, certificate(6)));
  EXPECT_FALSE(barrier->look(ticket).height);
}

TEST_F(ReadBarrierTest, AHeightWithoutAQuorumsSignaturesIsRefused) {
  const auto ticket = barrier->begin();
  auto forged = certificate(1'000'000);
  forged->signatures[1] = forged->signatures[0];
  auto status = answer(1, forged);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::BAD_CERTIFICATE);
  auto few = certificate(1'000'000);
  few->signers.signers.pop_back();
  few->signatures.pop_back();
  EXPECT_FALSE(answer(2, few));
  EXPECT_EQ(barrier->look(ticket).silent, (std::vector<MemberIndex>{1, 2, 3})) << "a lie is no answer";
  EXPECT_FALSE(barrier->on_answer(1, Bytes(9)));
}

TEST_F(ReadBarrierTest, ARoundThatGetsNoQuorumIsAskedAnew) {
  const auto first = barrier->begin();
  const auto round = nonce();
  ASSERT_TRUE(answer(1, certificate(6)));
  now_ms += ReadBarrier::kRoundMs - 1;
  EXPECT_FALSE(barrier->look(first).height);
  EXPECT_EQ(asked.size(), 3u);
  now_ms += 1;
  const auto second = barrier->begin();
  EXPECT_FALSE(barrier->look(first).height);
  ASSERT_EQ(asked.size(), 6u);
  EXPECT_NE(nonce(), round);
  EXPECT_EQ(barrier->look(first).silent, (std::vector<MemberIndex>{2, 3})) << "member 1 was there a moment ago";
  ASSERT_TRUE(answer(2, certificate(9), round)) << "late: dropped";
  EXPECT_FALSE(barrier->look(first).height);
  for (MemberIndex from : {1, 2}) ASSERT_TRUE(answer(from, certificate(7)));
  EXPECT_EQ(barrier->look(first).height, Height{7});
  EXPECT_EQ(barrier->look(second).height, Height{7}) << "asked after it began";
}

}  // namespace
}  // namespace galen::node
