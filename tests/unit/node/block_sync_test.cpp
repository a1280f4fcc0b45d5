// Catch-up believes nothing without a certificate: what is delivered, who is asked next, and after which lies.
#include "node/block_sync.hpp"

#include <thread>

#include "node/peer_messages.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::node {
namespace {

using execution::test::ExecutionTest;
using execution::test::take;

class BlockSyncTest : public ExecutionTest {
 protected:
  struct Asked {
    MemberIndex peer;
    FetchBlocks request;
  };

  BlockSyncTest()
      : identity{chain.genesis, 0, chain.genesis.context(), chain.keys[0]},
        sync(identity, health,
             {.send =
                  [this](MemberIndex to, Bytes bytes) {
                    if (to == away) return false;
                    asked.push_back({to, take(decode_fetch_blocks(ByteSpan(bytes).subspan(1)))});
                    return true;
                  },
              .deliver = [this](FetchedBlock fetched) { delivered.push_back(fetched.block); },
              .may_fetch = [this](Height missing) { return missing < too_many; }}) {
    for (int i = 0; i < 5; ++i) chain.block({});  // heights 2 to 6: 1 is the fixture's
  }
  Height height_of(const BlockPtr& block) { return block->skeleton.header.height; }
  /// The body of an answer: blocks of these heights, a certificate on those named.
  Bytes answer(std::vector<Height> heights, std::vector<Height> certified) {
    BlocksWriter writer;
    for (auto height : heights) {
      const auto& block = chain.blocks.at(height - 1);
      bool with = std::find(certified.begin(), certified.end(), height) != certified.end();
      writer.add(block->encode(),
                 with ? std::optional(chain.commit_certificate(block->skeleton.header)) : std::nullopt);
    }
    return to_bytes(ByteSpan(std::move(writer).take()).subspan(1));
  }
  std::vector<Height> heights() {
    std::vector<Height> out;
    for (const auto& block : delivered) out.push_back(height_of(block));
    return out;
  }

  Identity identity;
  Health health;
  std::vector<Asked> asked;
  std::vector<BlockPtr> delivered;
  MemberIndex away = 99;
  Height too_many = 1000;  ///< a snapshot takes the place of so many
  BlockSync sync;
};

TEST_F(BlockSyncTest, NothingIsAskedForThatASnapshotReplaces) {
  too_many = 5;
  sync.fetch({.from = 2, .to = 6, .hint = 2});
  EXPECT_TRUE(asked.empty());
  sync.fetch({.from = 3, .to = 6, .hint = 2});
  EXPECT_EQ(asked.size(), 1u);
}

// The core of a learner wants the next block, one at a time: it would never come up with a busy chain, nor take a
// snapshot.
TEST_F(BlockSyncTest, AskedForIsAllThatMembersHaveExecuted) {
  health.set_peer_height(1, 1'000'000);
  health.set_peer_height(2, 6);
  health.set_peer_height(3, 5);
  health.set_peer_height(4, 1'000'000);
  sync.fetch({.from = 2, .to = 2, .hint = 2});
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].request.count_max, 5u) << "up to 6: one voter may lie, and who has no vote does not count";
  EXPECT_TRUE(sync.on_blocks(2, answer({2, 3, 4, 5, 6}, {6})));
  EXPECT_EQ(asked.size(), 1u);
  too_many = 5;
  sync.fetch({.from = 2, .to = 2, .hint = 2});
  EXPECT_EQ(asked.size(), 1u) << "a snapshot replaces them";
}

TEST_F(BlockSyncTest, OneCertificateAtTheEndCoversTheAnswerAndTheRestIsAskedFor) {
  sync.fetch({.from = 2, .to = 6, .hint = 2});
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].peer, 2);
  EXPECT_EQ(asked[0].request.from, 2u);
  EXPECT_EQ(asked[0].request.count_max, 5u);
  EXPECT_TRUE(sync.on_blocks(2, answer({2, 3, 4}, {4})));
  EXPECT_EQ(heights(), (std::vector<Height>{2, 3, 4}));
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[1].request.from, 5u);
  EXPECT_TRUE(sync.on_blocks(asked[1].peer, answer({5, 6}, {5, 6})));
  EXPECT_EQ(heights(), (std::vector<Height>{2, 3, 4, 5, 6}));
  EXPECT_EQ(asked.size(), 2u) << "nothing is missing any more";
}

TEST_F(BlockSyncTest, BlocksBehindTheLastCertificateAreLeftOut) {
  sync.fetch({.from = 2, .to = 4, .hint = 1});
  EXPECT_TRUE(sync.on_blocks(1, answer({2, 3, 4}, {3})));
  EXPECT_EQ(heights(), (std::vector<Height>{2, 3}));
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[1].request.from, 4u);
}

TEST_F(BlockSyncTest, OneRequestAtATime) {
  sync.fetch({.from = 2, .to = 3, .hint = 1});
  sync.fetch({.from = 2, .to = 5, .hint = 3});
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_TRUE(sync.on_blocks(1, answer({2, 3}, {3})));
  ASSERT_EQ(asked.size(), 2u) << "what was wanted meanwhile is not forgotten";
  EXPECT_EQ(asked[1].request.from, 4u);
  EXPECT_EQ(asked[1].request.count_max, 2u);
  EXPECT_EQ(asked[1].peer, 1) << "who answered in full and at once is asked again";
}

TEST_F(BlockSyncTest, WhoSendsLittleIsNotAskedAgainAtOnce) {
  sync.fetch({.from = 2, .to = 6, .hint = 2});
  EXPECT_TRUE(sync.on_blocks(2, answer({2}, {2})));
  EXPECT_EQ(heights(), std::vector<Height>{2}) << "what came is taken all the same";
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[1].request.from, 3u);
  EXPECT_EQ(asked[1].peer, 3);
}

TEST_F(BlockSyncTest, WhoAnswersJustBeforeTheTimeoutIsNotAskedAgainAtOnce) {
  sync.fetch({.from = 2, .to = 3, .hint = 2});
  sync.fetch({.from = 2, .to = 6, .hint = 2});
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  EXPECT_TRUE(sync.on_blocks(2, answer({2, 3}, {3})));
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[1].peer, 3);
}

TEST_F(BlockSyncTest, WhoIsAwayIsPassedOverAndNobodyAsksHimself) {
  away = 3;
  sync.fetch({.from = 2, .to = 3, .hint = 3});
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].peer, 1) << "not 3, who is away, nor 0, who asks";
}

TEST_F(BlockSyncTest, AnAnswerNobodyAskedForIsNothing) {
  EXPECT_TRUE(sync.on_blocks(1, answer({2}, {2})));
  sync.fetch({.from = 2, .to = 3, .hint = 1});
  EXPECT_TRUE(sync.on_blocks(2, answer({2}, {2})));
  EXPECT_TRUE(delivered.empty());
}

// A certificate covers a batch's digest, and that not the signature: what is taken here is stored and handed on.
TEST_F(BlockSyncTest, ABatchWithAForgedSignatureIsRefused) {
  auto block = chain.block({chain.batch(1, {chain.item(service_b, {ask()})})});
  const auto height = height_of(block);
  auto bytes = block->encode();
  bytes[kHeaderBytes + 4 + Hash::kSize + 4 + kBatchHeaderBytes + 9] ^= 1;
  ASSERT_TRUE(Block::decode(identity.context, bytes)) << "its digests are right";
  BlocksWriter writer;
  writer.add(bytes, chain.commit_certificate(block->skeleton.header));
  sync.fetch({.from = height, .to = height, .hint = 1});
  auto status = sync.on_blocks(1, ByteSpan(std::move(writer).take()).subspan(1));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::BAD_SIGNATURE);
  EXPECT_TRUE(delivered.empty());
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[1].peer, 2);
  EXPECT_TRUE(sync.on_blocks(2, answer({height}, {height})));
  EXPECT_EQ(heights(), std::vector<Height>{height});
}

TEST_F(BlockSyncTest, LiesAreRefusedWholeAndTheNextPeerIsAsked) {
  auto forged = chain.commit_certificate(chain.blocks.at(2)->skeleton.header);
  forged.signatures[1].data[5] ^= 1;
  BlocksWriter writer;
  writer.add(chain.blocks.at(1)->encode(), std::nullopt);
  writer.add(chain.blocks.at(2)->encode(), forged);
  auto badly_signed = to_bytes(ByteSpan(std::move(writer).take()).subspan(1));
  const std::vector<std::pair<const char*, Bytes>> lies = {{"no certificate at all", answer({2, 3}, {})},
                                                           {"other heights than asked", answer({3, 4}, {4})},
                                                           {"a gap", answer({2, 4}, {4})},
                                                           {"out of order", answer({3, 2}, {2})},
                                                           {"a forged signature", badly_signed},
                                                           {"garbage", Bytes(100, 0x7f)},
                                                           {"nothing", {}}};
  for (const auto& [what, body] : lies) {
    SCOPED_TRACE(what);
    asked.clear();
    BlockSync fresh(identity, health,
                    {.send =
                         [this](MemberIndex to, Bytes) {
                           return asked.push_back({to, {}}), true;
                         },
                     .deliver = [this](FetchedBlock fetched) { delivered.push_back(fetched.block); },
                     .may_fetch = [](Height) { return true; }});
    fresh.fetch({.from = 2, .to = 3, .hint = 1});
    EXPECT_FALSE(fresh.on_blocks(1, body));
    ASSERT_EQ(asked.size(), 2u);
    EXPECT_EQ(asked[1].peer, 2);
  }
  EXPECT_TRUE(delivered.empty());
}

TEST_F(BlockSyncTest, AnAnswerIsTakenUpToTheEndOfTheEpoch) {
  auto next = [&](auto alter) {
    auto block = std::make_shared<Block>(*chain.block({}));
    alter(block->skeleton.header);
    chain.replace_last(block);
  };
  next([&](BlockHeader& header) {  // 7
    header.flags = kEpochEnd;
    header.next_members_hash = chain.genesis.member_set.hash(identity.context.suite);
  });
  for (int i = 0; i < 2; ++i) next([](BlockHeader& header) { header.epoch = 2; });
  sync.follow(2, 5);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].peer, 2);
  EXPECT_EQ(asked[0].request.from, 5u);
  EXPECT_TRUE(sync.on_blocks(2, answer({5, 6, 7, 8, 9}, {7, 9})));
  EXPECT_EQ(heights(), (std::vector<Height>{5, 6, 7}));
  EXPECT_EQ(asked.size(), 1u) << "who votes on the next ones is known once the end is executed";
  sync.follow(2, 8);
  EXPECT_TRUE(sync.on_blocks(2, answer({8, 9}, {8, 9}))) << "no lie, and nothing to take";
  EXPECT_EQ(delivered.size(), 3u);
  asked.clear();
  sync.follow(2, 8);
  EXPECT_TRUE(asked.empty())
      << "a question that brought nothing stays open until its timeout: no liar keeps asking for itself";
  std::this_thread::sleep_for(std::chrono::milliseconds(2'050));
  sync.follow(2, 5);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].peer, 3) << "somebody else than the one that had nothing";
  // A certificate of the next epoch says nothing of this one's blocks.
  EXPECT_EQ(sync.on_blocks(3, answer({5, 6, 7, 8}, {8})).error().code, ErrorCode::BAD_CERTIFICATE);
  EXPECT_EQ(delivered.size(), 3u);
}

}  // namespace
}  // namespace galen::node
