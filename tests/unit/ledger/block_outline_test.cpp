// The outline of a block says what the whole block says about its batches, and takes nothing that the digests do not
// cover.
#include "galen/ledger/block_outline.hpp"

#include "unit/ledger/test_chain.hpp"

namespace galen::ledger::test {
namespace {

class BlockOutlineTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = Store::create(chain_.options(dir_));
    ASSERT_OK(store);
    store_ = std::move(*store);
    for (std::size_t items : {0, 3, 0, 1, 40}) {
      auto applied = chain_.advance(*store_, items);
      ASSERT_OK(applied);
    }
  }
  /// A block of several batches, taken from those of the chain.
  Block several() const {
    std::vector<BatchPtr> batches;
    for (Height height : {1, 3, 4}) batches.push_back(chain_.block(height)->batches[0]);
    return *galen::test::next_block(chain_.context(), chain_.block(4)->skeleton.header, batches, HistoryTree(kSuite));
  }
  static void expect_same(const BlockOutline& outline, const Block& block) {
    EXPECT_EQ(outline.skeleton, block.skeleton);
    ASSERT_EQ(outline.batches.size(), block.batches.size());
    for (std::size_t i = 0; i < block.batches.size(); ++i)
      EXPECT_EQ(outline.batches[i], block.batches[i]->header()) << i;
  }

  TempDir dir_;
  TestChain chain_;
  std::unique_ptr<Store> store_;
};

TEST_F(BlockOutlineTest, AgreesWithTheWholeDecodingOfEveryStoredBlockFromATimeOn) {
  const auto& view = store_->latest();
  const auto time_of = [&](Height height) { return view.header(height).value()->time_ms; };
  const auto heights_since = [&](TimestampMs since_ms) {
    std::vector<Height> heights;
    auto walked = each_block_outline(view, since_ms, [&](const BlockOutline& outline) -> Status {
      heights.push_back(outline.skeleton.header.height);
      expect_same(outline, *view.block(heights.back()).value());
      return {};
    });
    EXPECT_TRUE(walked);
    return heights;
  };
  EXPECT_EQ(heights_since(0), (std::vector<Height>{1, 2, 3, 4}));
  EXPECT_EQ(heights_since(time_of(3)), (std::vector<Height>{3, 4}));
  EXPECT_EQ(heights_since(time_of(3) + 1), std::vector<Height>{4});
  EXPECT_EQ(heights_since(time_of(4) + 1), std::vector<Height>{});
  const auto refuses = [](const BlockOutline&) -> Status { return make_error(ErrorCode::INTERNAL, "enough"); };
  EXPECT_FALSE(each_block_outline(view, 0, refuses));
}

TEST_F(BlockOutlineTest, ReadsSeveralBatches) {
  auto block = several();
  auto outline = BlockOutline::decode(kSuite, block.encode());
  ASSERT_OK(outline);
  expect_same(*outline, block);
}

TEST_F(BlockOutlineTest, RefusesWhatIsCutShortOrTooLong) {
  auto bytes = several().encode();
  for (std::size_t size = 0; size < bytes.size(); ++size)
    ASSERT_FALSE(BlockOutline::decode(kSuite, ByteSpan(bytes).first(size))) << size;
  bytes.push_back(0);
  EXPECT_FALSE(BlockOutline::decode(kSuite, bytes));
}

TEST_F(BlockOutlineTest, TakesNoBatchHeaderThatItsDigestDoesNotName) {
  auto block = several();
  const auto bytes = block.encode();
  auto at = block.skeleton.encode().size();
  for (const auto& batch : block.batches) {
    for (std::size_t i = 0; i < kBatchHeaderBytes; ++i) {
      auto changed = bytes;
      changed[at + 4 + i] ^= 1;
      auto outline = BlockOutline::decode(kSuite, changed);
      ASSERT_FALSE(outline) << i;
      EXPECT_EQ(outline.error().code, i < 2 ? ErrorCode::UNSUPPORTED_VERSION : ErrorCode::BAD_PROOF) << i;
    }
    at += 4 + batch->bytes().size();
  }
}

}  // namespace
}  // namespace galen::ledger::test
