// The history tree against the plain RFC 9162 functions over all leaves, which know nothing of stored subtrees.
#include "galen/ledger/history_tree.hpp"
#include "unit/suite.hpp"

#include <map>

#include <gtest/gtest.h>

namespace galen::ledger {
namespace {

const auto kSuite = galen::test::suite();
constexpr std::uint64_t kSizeMax = 100;

class HistoryTreeTest : public testing::Test {
 protected:
  HistoryTreeTest() {
    HistoryTree tree(kSuite);
    for (std::uint64_t i = 0; i < kSizeMax; ++i) {
      auto digest = crypto::hash(kSuite, ByteWriter().u64(i).bytes());
      auto completed = tree.append(digest);
      for (unsigned level = 0; level < completed.size(); ++level) nodes_[{level, i >> level}] = completed[level];
      leaves_.push_back(crypto::merkle_leaf(kSuite, digest));
    }
    reader_ = [this](unsigned level, std::uint64_t index) -> Result<Hash> {
      auto found = nodes_.find({level, index});
      if (found == nodes_.end()) return make_error(ErrorCode::CORRUPT, "no such node");
      return found->second;
    };
  }
  std::span<const Hash> first(std::uint64_t size) const { return std::span(leaves_).first(size); }

  std::vector<Hash> leaves_;
  std::map<std::pair<unsigned, std::uint64_t>, Hash> nodes_;
  HistoryNodeReader reader_;
};

TEST_F(HistoryTreeTest, rootsAndFrontiersOfEverySizeAreTheRfcs) {
  for (std::uint64_t size = 0; size <= kSizeMax; ++size) {
    auto root = crypto::merkle_root(kSuite, first(size));
    EXPECT_EQ(history_root(kSuite, size, reader_).value(), root) << size;
    auto tree = HistoryTree::load(kSuite, size, reader_);
    ASSERT_TRUE(tree.has_value());
    EXPECT_EQ(tree->size(), size);
    EXPECT_EQ(tree->root(), root) << size;
    EXPECT_EQ(tree->frontier().root(), root) << size;
    EXPECT_EQ(tree->frontier().size(), size);
  }
}

TEST_F(HistoryTreeTest, aLoadedTreeGrowsLikeTheOneItContinues) {
  for (std::uint64_t size : {1u, 31u, 32u, 33u, 63u}) {
    auto tree = HistoryTree::load(kSuite, size, reader_);
    ASSERT_TRUE(tree.has_value());
    for (auto i = size; i < kSizeMax; ++i) {
      auto completed = tree->append(crypto::hash(kSuite, ByteWriter().u64(i).bytes()));
      for (unsigned level = 0; level < completed.size(); ++level)
        EXPECT_EQ(completed[level], (nodes_.at({level, i >> level})));
    }
    EXPECT_EQ(tree->root(), crypto::merkle_root(kSuite, leaves_));
  }
}

TEST_F(HistoryTreeTest, pathsOfEveryLeafLeadToTheRoot) {
  for (std::uint64_t size = 1; size <= kSizeMax; ++size) {
    auto root = crypto::merkle_root(kSuite, first(size));
    for (std::uint64_t index = 0; index < size; ++index) {
      auto path = history_path(kSuite, index, size, reader_);
      ASSERT_TRUE(path.has_value());
      EXPECT_EQ(*path, crypto::merkle_path(kSuite, first(size), index)) << index << " of " << size;
      EXPECT_EQ(crypto::merkle_root_of_path(kSuite, leaves_[index], index, size, *path), root)
          << index << " of " << size;
    }
  }
}

TEST_F(HistoryTreeTest, everyPairOfSizesIsProvenConsistent) {
  for (std::uint64_t size_new = 1; size_new <= kSizeMax; ++size_new) {
    auto root_new = crypto::merkle_root(kSuite, first(size_new));
    for (std::uint64_t size_old = 1; size_old <= size_new; ++size_old) {
      auto root_old = crypto::merkle_root(kSuite, first(size_old));
      auto path = history_consistency_path(kSuite, size_old, size_new, reader_);
      ASSERT_TRUE(path.has_value());
      EXPECT_TRUE(crypto::merkle_verify_consistency(kSuite, size_old, size_new, root_old, root_new, *path))
          << size_old << " to " << size_new;
      auto forged = root_old;
      forged.data[0] ^= 1;
      EXPECT_FALSE(crypto::merkle_verify_consistency(kSuite, size_old, size_new, forged, root_new, *path))
          << size_old << " to " << size_new;
    }
  }
}

TEST_F(HistoryTreeTest, refusesWhatLiesOutside) {
  EXPECT_EQ(history_path(kSuite, 5, 5, reader_).error().code, ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(history_consistency_path(kSuite, 0, 5, reader_).error().code, ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(history_consistency_path(kSuite, 6, 5, reader_).error().code, ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(history_root(kSuite, kSizeMax + 1, reader_).error().code, ErrorCode::CORRUPT);
}

}  // namespace
}  // namespace galen::ledger
