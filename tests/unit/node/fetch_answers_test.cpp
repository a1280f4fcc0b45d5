// A short question brings a bounded answer, and the rest to who asks again.
#include "node/fetch_answers.hpp"

#include "unit/execution/chain_fixture.hpp"

namespace galen::node {
namespace {

using execution::test::ExecutionTest;
using execution::test::random_id;

class FetchAnswersTest : public ExecutionTest {
 protected:
  /// About 0.8 MiB.
  BatchPtr large_batch() {
    std::vector<BatchItem> items;
    for (int i = 0; i < 5; ++i)
      items.push_back(chain.item(service_a, std::vector<execution::test::pb::Operation>(1000, anchor())));
    return chain.batch(0, std::move(items));
  }
  Status ask(const std::vector<Hash>& digests) {
    const auto question = encode_fetch_batches(digests);
    return answer_fetch_batches(pool, ByteSpan(question).subspan(1), [this](Bytes answer) {
      if (room == 0) return ++refused, false;
      --room;
      sent_bytes += answer.size();
      return true;
    });
  }

  std::size_t blocks_told_from(Height from) {
    const auto question = encode_fetch_blocks({.from = from, .count_max = kFetchBlocksMax});
    auto answer = execution::test::take(answer_fetch_blocks(node.view(), ByteSpan(question).subspan(1)));
    return answer ? execution::test::take(decode_blocks(ByteSpan(*answer).subspan(1))).size() : 0;
  }

  BatchPool pool{2};
  std::size_t room = 100, sent_bytes = 0;
  int refused = 0;
};

TEST_F(FetchAnswersTest, AnAnswerIsBoundedInBytesAndTheRestComesToWhoAsksAgain) {
  std::vector<Hash> wanted{random_id<Hash>(chain.rng)};
  std::size_t bytes = 0;
  for (int i = 0; i < 4; ++i) {
    auto batch = large_batch();
    pool.add(batch);
    wanted.push_back(batch->digest());
    bytes += batch->bytes().size();
  }
  ASSERT_GT(bytes, kBatchesAnswerBytesMax * 5 / 4);
  EXPECT_TRUE(ask(wanted));
  EXPECT_EQ(room, 98u) << "two of them: not the unknown one, nor more than an answer may hold";
  EXPECT_LE(sent_bytes, kBatchesAnswerBytesMax);
  EXPECT_TRUE(ask({wanted[3], wanted[4]}));
  EXPECT_EQ(room, 96u);
}

TEST_F(FetchAnswersTest, NothingMoreIsMadeForWhoHasNoRoom) {
  std::vector<Hash> wanted;
  for (int i = 0; i < 20; ++i) {
    auto batch = chain.batch(0, {chain.item(service_a, {anchor()})});
    pool.add(batch);
    wanted.push_back(batch->digest());
  }
  room = 3;
  EXPECT_TRUE(ask(wanted));
  EXPECT_EQ(refused, 1);
}

// Who joined by snapshot lacks certificates of the blocks before: to whom it told these it would look like a liar.
TEST_F(FetchAnswersTest, BlocksThatNoCertificateCoversAreNoAnswer) {
  run({});
  EXPECT_EQ(blocks_told_from(1), 0u);
  EXPECT_TRUE(node.store().put_certificate(chain.commit_certificate(chain.blocks[0]->skeleton.header)));
  run({});
  EXPECT_EQ(blocks_told_from(1), 3u) << "with what stands above the certificate";
  EXPECT_EQ(blocks_told_from(2), 0u);
}

TEST_F(FetchAnswersTest, ADigestThatStandsThereTwiceIsNoQuestion) {
  auto batch = chain.batch(0, {chain.item(service_a, {anchor()})});
  pool.add(batch);
  auto status = ask(std::vector<Hash>(kFetchBatchesMax, batch->digest()));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::MALFORMED);
  EXPECT_EQ(sent_bytes, 0u);
}

}  // namespace
}  // namespace galen::node
