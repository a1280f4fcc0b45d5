#include "galen/types/block.hpp"

#include <gtest/gtest.h>

#include "galen/crypto/merkle.hpp"
#include "galen/types/limits.hpp"
#include "unit/suite.hpp"
#include "unit/types/sample_chain.hpp"

namespace galen {
namespace {

using test::sample_chain;
const auto kSuite = galen::test::suite();

Block sample_block() { return {sample_chain().skeleton, sample_chain().batches}; }

TEST(BlockHeaderTest, DigestCoversEveryByte) {
  const auto& header = sample_chain().header;
  auto bytes = header.encode();
  ASSERT_EQ(bytes.size(), kHeaderBytes);
  EXPECT_EQ(*BlockHeader::decode(bytes), header);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto changed = bytes;
    changed[i] ^= 1;
    auto other = BlockHeader::decode(changed);
    if (i < 2) {
      EXPECT_EQ(other.error().code, ErrorCode::UNSUPPORTED_VERSION);
    } else if (i == 2) {
      EXPECT_EQ(other.error().code, ErrorCode::MALFORMED) << "unknown flags";
    } else {
      ASSERT_TRUE(other) << i;
      EXPECT_EQ(other->encode(), changed) << i;
      EXPECT_NE(other->digest(kSuite), header.digest(kSuite)) << i;
    }
    EXPECT_FALSE(BlockHeader::decode(ByteSpan(bytes).first(i)));
  }
  bytes.push_back(0);
  EXPECT_FALSE(BlockHeader::decode(bytes));
}

TEST(BlockHeaderTest, Flags) {
  auto header = sample_chain().header;
  for (std::uint16_t flags = 0; flags < 8; ++flags) {
    header.flags = flags;
    auto again = BlockHeader::decode(header.encode());
    ASSERT_EQ(again.has_value(), flags < 4) << flags;
    if (!again) continue;
    EXPECT_EQ(again->tenure_end(), (flags & 1) != 0);
    EXPECT_EQ(again->epoch_end(), (flags & 2) != 0);
  }
}

TEST(BlockSkeletonTest, RoundTripsAndChecksCountAndRoot) {
  const auto& skeleton = sample_chain().skeleton;
  auto bytes = skeleton.encode();
  EXPECT_EQ(*BlockSkeleton::decode(kSuite, bytes), skeleton);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(BlockSkeleton::decode(kSuite, ByteSpan(bytes).first(size)));
  bytes.push_back(0);
  EXPECT_FALSE(BlockSkeleton::decode(kSuite, bytes));

  auto wrong = skeleton;
  std::swap(wrong.batch_digests[0], wrong.batch_digests[1]);
  EXPECT_EQ(BlockSkeleton::decode(kSuite, wrong.encode()).error().code, ErrorCode::BAD_PROOF) << "order counts";
  wrong = skeleton;
  wrong.batch_digests.pop_back();
  EXPECT_FALSE(BlockSkeleton::decode(kSuite, wrong.encode()));
  wrong = skeleton;
  wrong.header.batch_count = 2;
  EXPECT_FALSE(BlockSkeleton::decode(kSuite, wrong.encode()));
}

TEST(BlockSkeletonTest, BatchCountLimit) {
  BlockSkeleton skeleton;
  skeleton.header = sample_chain().header;
  for (auto count : {std::size_t{0}, limits::kBlockBatchesMax, limits::kBlockBatchesMax + 1}) {
    skeleton.batch_digests.assign(count, Hash{});
    skeleton.header.batch_count = static_cast<std::uint32_t>(count);
    skeleton.header.body_root = body_root(kSuite, skeleton.batch_digests);
    EXPECT_EQ(BlockSkeleton::decode(kSuite, skeleton.encode()).has_value(), count <= limits::kBlockBatchesMax) << count;
  }
}

TEST(BlockTest, RoundTripsWithItsBodies) {
  auto block = sample_block();
  auto bytes = block.encode();
  auto again = Block::decode(sample_chain().context, bytes);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->skeleton, block.skeleton);
  ASSERT_EQ(again->batches.size(), 3u);
  EXPECT_EQ(again->encode(), bytes);
  for (std::size_t size = 0; size < bytes.size(); size += 11)
    EXPECT_FALSE(Block::decode(sample_chain().context, ByteSpan(bytes).first(size)));
  bytes.push_back(0);
  EXPECT_FALSE(Block::decode(sample_chain().context, bytes));
}

TEST(BlockTest, ForeignBodyIsRefused) {
  auto block = sample_block();
  std::swap(block.batches[0], block.batches[1]);
  auto decoded = Block::decode(sample_chain().context, block.encode());
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::BAD_PROOF);
}

TEST(OutcomeTest, LeafAndChainCoverEveryPart) {
  Hash hash = test::sample_id<Hash>("t"), id = test::sample_id<Hash>("i");
  std::vector<Bytes> results{{1}, {2}};
  auto leaf = outcome_leaf_data(kSuite, 7, hash, id, 0, results);
  EXPECT_EQ(leaf.size(), 104u);
  EXPECT_NE(outcome_leaf_data(kSuite, 8, hash, id, 0, results), leaf);
  EXPECT_NE(outcome_leaf_data(kSuite, 7, id, id, 0, results), leaf);
  EXPECT_NE(outcome_leaf_data(kSuite, 7, hash, hash, 0, results), leaf);
  EXPECT_NE(outcome_leaf_data(kSuite, 7, hash, id, 1, results), leaf);
  std::vector<Bytes> joined{{1, 2}}, swapped{{2}, {1}};
  EXPECT_NE(outcome_leaf_data(kSuite, 7, hash, id, 0, joined), leaf);
  EXPECT_NE(outcome_leaf_data(kSuite, 7, hash, id, 0, swapped), leaf);
  auto root = next_results_root(kSuite, hash, 3, id);
  EXPECT_NE(next_results_root(kSuite, hash, 4, id), root);
  EXPECT_NE(next_results_root(kSuite, id, 3, id), root);
  EXPECT_NE(next_results_root(kSuite, hash, 3, hash), root);
}

}  // namespace
}  // namespace galen
