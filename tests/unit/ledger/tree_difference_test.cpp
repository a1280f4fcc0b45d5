// Two trees, one of which differs in a few leaves: exactly those are named, with few pages read, and a page that lies
// is refused.
#include "galen/ledger/tree_difference.hpp"

#include <map>

#include <gtest/gtest.h>

#include "galen/base/rng.hpp"
#include "galen/ledger/state_tree.hpp"
#include "unit/suite.hpp"

namespace galen::ledger {
namespace {

const auto kSuite = galen::test::suite();

Hash random_hash(Rng& rng) {
  Hash out;
  for (auto& byte : out.data) byte = static_cast<std::uint8_t>(rng.next());
  return out;
}

struct Side {
  std::map<Hash, Hash> leaves;
  std::unique_ptr<StateTree> tree;
  std::size_t pages = 0;

  void build() {
    tree = std::make_unique<StateTree>(StateTree::Options{.suite = kSuite});
    std::vector<LeafChange> changes;
    for (const auto& [path, value] : leaves) changes.push_back({path, value});
    ASSERT_TRUE(tree->update(1, changes));
  }
  TreeSide side() {
    return {tree->root(), [this](unsigned depth, const Hash& path) {
              ++pages;
              return tree->page(1, depth, path);
            }};
  }
};

std::vector<LeafDifference> expected(const Side& a, const Side& b) {
  std::map<Hash, LeafDifference> out;
  auto get = [](const Side& side, const Hash& path) {
    auto found = side.leaves.find(path);
    return found == side.leaves.end() ? std::nullopt : std::optional(found->second);
  };
  for (const auto* side : {&a, &b})
    for (const auto& [path, value] : side->leaves)
      if (get(a, path) != get(b, path)) out[path] = {path, get(a, path), get(b, path)};
  std::vector<LeafDifference> list;
  for (auto& [path, leaf] : out) list.push_back(leaf);
  return list;
}

void expect_same(const std::vector<LeafDifference>& a, const std::vector<LeafDifference>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].path, b[i].path);
    EXPECT_EQ(a[i].here, b[i].here);
    EXPECT_EQ(a[i].there, b[i].there);
  }
}

TEST(TreeDifferenceTest, NamesWhatDiffersAndNothingElse) {
  Rng rng(11);
  for (std::size_t size : {0u, 1u, 4u, 5u, 60u, 3000u}) {
    for (int changes : {0, 1, 7}) {
      SCOPED_TRACE(std::to_string(size) + " leaves, " + std::to_string(changes) + " changes");
      Side a;
      for (std::size_t i = 0; i < size; ++i) a.leaves[random_hash(rng)] = random_hash(rng);
      Side b;
      b.leaves = a.leaves;
      for (int i = 0; i < changes; ++i) {
        auto any = b.leaves.empty() ? b.leaves.end()
                                    : std::next(b.leaves.begin(), static_cast<long>(rng.below(b.leaves.size())));
        switch (rng.below(3)) {
          case 0:
            b.leaves[random_hash(rng)] = random_hash(rng);
            break;
          case 1:
            if (any != b.leaves.end()) any->second = random_hash(rng);
            break;
          default:
            if (any != b.leaves.end()) b.leaves.erase(any);
        }
      }
      a.build();
      b.build();
      auto found = difference(kSuite, a.side(), b.side());
      ASSERT_TRUE(found) << found.error().message;
      EXPECT_TRUE(found->complete);
      expect_same(found->leaves, expected(a, b));
    }
  }
}

TEST(TreeDifferenceTest, OneLeafCostsOnePageALevel) {
  Rng rng(12);
  Side a;
  for (int i = 0; i < 20'000; ++i) a.leaves[random_hash(rng)] = random_hash(rng);
  Side b;
  b.leaves = a.leaves;
  b.leaves.begin()->second = random_hash(rng);
  a.build();
  b.build();
  auto found = difference(kSuite, a.side(), b.side());
  ASSERT_TRUE(found);
  ASSERT_EQ(found->leaves.size(), 1u);
  EXPECT_EQ(found->leaves[0].path, a.leaves.begin()->first);
  EXPECT_LE(b.pages, 6u);
}

TEST(TreeDifferenceTest, ALimitIsSaid) {
  Rng rng(13);
  Side a, b;
  for (int i = 0; i < 500; ++i) a.leaves[random_hash(rng)] = random_hash(rng);
  for (int i = 0; i < 500; ++i) b.leaves[random_hash(rng)] = random_hash(rng);
  a.build();
  b.build();
  auto found = difference(kSuite, a.side(), b.side(), {.leaves = 10});
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->complete);
  EXPECT_EQ(found->leaves.size(), 10u);
}

// It proves itself, for no node and a stub of zero hash alike; but behind the stub stands nothing.
TEST(TreeDifferenceTest, AStubOfNothingIsRefused) {
  const Hash nothing{};
  Hash something{}, root;
  something.data[0] = 1;
  root = crypto::state_inner(kSuite, nothing, something);
  for (int i = 0; i < 3; ++i) root = crypto::state_inner(kSuite, root, nothing);
  ByteWriter page;
  page.u8(1).u8(5).u8(5).u8(5).u8(5).u8(6).raw(nothing).u8(6).raw(something).u8(0).u8(0).u8(0);
  TreeSide lying{root, [&](unsigned depth, const Hash&) -> Result<Bytes> {
                   return depth == 0 ? to_bytes(page.bytes()) : Bytes{1, 0};
                 }};
  Side empty;
  empty.build();
  auto found = difference(kSuite, empty.side(), lying);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::CORRUPT);
}

TEST(TreeDifferenceTest, APageThatLiesIsRefused) {
  Rng rng(14);
  Side a;
  for (int i = 0; i < 300; ++i) a.leaves[random_hash(rng)] = random_hash(rng);
  Side b;
  b.leaves = a.leaves;
  b.leaves.begin()->second = random_hash(rng);
  a.build();
  b.build();
  auto lying = b.side();
  lying.read = [&](unsigned depth, const Hash& path) -> Result<Bytes> {
    auto page = b.tree->page(1, depth, path);
    if (page && depth > 0) page->back() ^= 1;
    return page;
  };
  auto found = difference(kSuite, a.side(), lying);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::CORRUPT);
}

}  // namespace
}  // namespace galen::ledger
