// The state tree against a naive model that computes the root from all leaves by the definition in formats.md 3.3, with
// random changes, checkpoints, restarts from pages and memory that is let go.
#include "galen/ledger/state_tree.hpp"

#include <atomic>
#include <cstdlib>
#include <map>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "galen/base/rng.hpp"
#include "ledger/tree_node.hpp"
#include "unit/suite.hpp"

namespace galen::ledger {
namespace {

const auto kSuite = galen::test::suite();
using Leaves = std::map<Hash, Hash>;

Hash model_root(Leaves::const_iterator begin, Leaves::const_iterator end, unsigned depth) {
  if (begin == end) return Hash{};
  if (std::next(begin) == end) return crypto::state_leaf_of_hash(kSuite, begin->first, begin->second);
  auto middle = begin;
  while (middle != end && !crypto::path_bit(middle->first, depth)) ++middle;
  return crypto::state_inner(kSuite, model_root(begin, middle, depth + 1), model_root(middle, end, depth + 1));
}
Hash model_root(const Leaves& leaves) { return model_root(leaves.begin(), leaves.end(), 0); }

/// Pages of one checkpoint.
class MemoryPages : public PageSource {
 public:
  explicit MemoryPages(std::map<std::string, Bytes> pages) : pages_(std::move(pages)) {}
  Result<Bytes> load(const std::string& key) const override {
    auto found = pages_.find(key);
    if (found == pages_.end()) return make_error(ErrorCode::CORRUPT, "no page");
    return found->second;
  }

 private:
  std::map<std::string, Bytes> pages_;
};

Hash random_hash(Rng& rng) {
  Hash out;
  for (auto& byte : out.data) byte = static_cast<std::uint8_t>(rng.next());
  return out;
}

/// Random paths share few bits; half of these share many, so that deep and lopsided shapes come up as well.
Hash random_path(Rng& rng) {
  auto path = random_hash(rng);
  if (rng.chance(1, 2)) {
    auto equal_bytes = rng.below(31);
    for (std::size_t i = 0; i < equal_bytes; ++i) path.data[i] = 0xa5;
    path.data[equal_bytes] &= 0x03;
  }
  return path;
}

Hash pick(const Leaves& leaves, Rng& rng) {
  auto it = leaves.lower_bound(random_path(rng));
  return it == leaves.end() ? leaves.begin()->first : it->first;
}

void expect_proofs(const StateTree& tree, const Leaves& leaves, Height height, Rng& rng,
                   std::optional<Hash> root_known = std::nullopt) {
  auto root = root_known ? *root_known : model_root(leaves);
  for (int i = 0; i < 12; ++i) {
    auto path = rng.chance(1, 2) && !leaves.empty() ? pick(leaves, rng) : random_path(rng);
    auto proof = tree.prove(path, height);
    ASSERT_TRUE(proof.has_value()) << proof.error().message;
    auto reencoded = crypto::StateProof::decode(proof->encode());
    ASSERT_TRUE(reencoded.has_value());
    auto result = crypto::root_of_state_proof(kSuite, path, *reencoded);
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->root, root);
    auto found = leaves.find(path);
    ASSERT_EQ(result->present, found != leaves.end());
    if (result->present) {
      EXPECT_EQ(proof->terminal->value_hash, found->second);
    }
  }
}

std::uint64_t test_seed() {
  const char* text = std::getenv("GALEN_TEST_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : std::random_device{}();
}

class StateTreeTest : public testing::Test {
 protected:
  StateTree::Options options_{kSuite, 8, 64, 100'000, 8};

  /// A checkpoint at `height`: writes the pages that changed, gives them to the tree.
  void checkpoint(StateTree& tree, Height height) {
    auto pages = tree.dirty_pages(height, written_, [this](const std::string& key, Bytes&& page) -> Status {
      pages_[key] = std::move(page);
      return {};
    });
    ASSERT_TRUE(pages.has_value()) << pages.error().message;
    written_ = height;
    written_root_ = pages->root;
    tree.set_source(std::make_shared<MemoryPages>(pages_), height);
  }

  std::map<std::string, Bytes> pages_;
  std::optional<Height> written_;
  Hash written_root_;
};

TEST_F(StateTreeTest, randomChangesAgreeWithTheModelAtEveryKeptHeight) {
  auto seed = test_seed();
  std::printf("GALEN_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  SCOPED_TRACE("GALEN_TEST_SEED=" + std::to_string(seed));
  for (int round = 0; round < 6; ++round) {
    Rng rng(seed + static_cast<std::uint64_t>(round));
    pages_.clear();
    written_.reset();
    auto tree = std::make_unique<StateTree>(options_);
    Leaves leaves;
    std::map<Height, std::pair<Leaves, Hash>> past;
    for (Height height = 0; height < 60; ++height) {
      // Rounds grow first, then shrink to nothing and below the size of a bucket.
      bool growing = height < 40;
      std::map<Hash, std::optional<Hash>> changes;
      auto count = rng.below(growing ? 60 : 90);
      for (std::uint64_t i = 0; i < count; ++i) {
        bool known = !leaves.empty() && rng.chance(growing ? 1 : 3, growing ? 3 : 4);
        auto path = known ? pick(leaves, rng) : random_path(rng);
        if (rng.chance(growing ? 1 : 7, 8)) {
          changes[path] = std::nullopt;
        } else if (known && rng.chance(1, 4)) {
          changes[path] = leaves.at(path);  // written again with its old value
        } else {
          changes[path] = random_hash(rng);
        }
      }
      std::vector<LeafChange> batch;
      for (const auto& [path, value] : changes) {
        batch.push_back({path, value});
        if (value) {
          leaves[path] = *value;
        } else {
          leaves.erase(path);
        }
      }
      std::reverse(batch.begin(), batch.end());
      auto root = tree->update(height, batch);
      ASSERT_TRUE(root.has_value()) << root.error().message;
      ASSERT_EQ(*root, model_root(leaves)) << "height " << height;
      past[height] = {leaves, *root};
      for (auto h = height < 7 ? 0 : height - 7; h <= height; ++h)
        if (tree->root_at(h)) expect_proofs(*tree, past.at(h).first, h, rng, past.at(h).second);
      if (rng.chance(1, 5)) checkpoint(*tree, height);
      if (rng.chance(1, 10) && written_ == height) {
        // A restart right after a checkpoint: nothing but the pages is left.
        tree = std::make_unique<StateTree>(options_);
        auto restored = tree->restore(height, written_root_, std::make_shared<MemoryPages>(pages_));
        ASSERT_TRUE(restored.has_value()) << restored.error().message;
        ASSERT_EQ(tree->root(), model_root(leaves));
      }
    }
  }
}

TEST_F(StateTreeTest, emptySingleAndPairAreWhatTheSpecSays) {
  StateTree tree(options_);
  Hash left, right;
  right.data[0] = 0x80;
  Hash value = crypto::hash(kSuite, as_bytes("value"));
  EXPECT_EQ(tree.update(1, {}).value(), Hash{});
  EXPECT_EQ(tree.update(2, {{right, value}}).value(), crypto::state_leaf_of_hash(kSuite, right, value));
  auto both = crypto::state_inner(kSuite, crypto::state_leaf_of_hash(kSuite, left, value),
                                  crypto::state_leaf_of_hash(kSuite, right, value));
  EXPECT_EQ(tree.update(3, {{left, value}}).value(), both);
  EXPECT_EQ(tree.update(4, {{left, std::nullopt}}).value(), crypto::state_leaf_of_hash(kSuite, right, value));
  EXPECT_EQ(tree.root_at(3), both);
  // Paths that differ in their last bit only: the longest possible chain.
  Hash last = right;
  last.data[31] = 1;
  auto root = tree.update(5, {{last, value}});
  ASSERT_TRUE(root.has_value());
  EXPECT_EQ(*root, model_root({{right, value}, {last, value}}));
  EXPECT_EQ(tree.prove(last, 5)->siblings.size(), 256u);
}

TEST_F(StateTreeTest, keepsTheLastVersionsAndNoMore) {
  StateTree tree(options_);
  Rng rng(7);
  for (Height height = 0; height < 20; ++height)
    ASSERT_TRUE(tree.update(height, {{random_hash(rng), random_hash(rng)}}));
  EXPECT_FALSE(tree.root_at(11).has_value());
  EXPECT_TRUE(tree.root_at(12).has_value());
  EXPECT_EQ(tree.prove(Hash{}, 11).error().code, ErrorCode::NOT_FOUND);
  EXPECT_EQ(tree.prove(Hash{}, 20).error().code, ErrorCode::NOT_FOUND);
}

TEST_F(StateTreeTest, manyChangesShortenTheKeptVersionsButNotBelowTheLeast) {
  options_ = {kSuite, 64, 100, 5, 64};
  StateTree tree(options_);
  Rng rng(8);
  for (Height height = 0; height < 60; ++height) {
    std::vector<LeafChange> changes;
    for (Height i = 0; i < (height < 40 ? 4 : 50); ++i) changes.push_back({random_hash(rng), random_hash(rng)});
    ASSERT_TRUE(tree.update(height, changes).has_value());
    if (height == 39) {
      EXPECT_FALSE(tree.root_at(14).has_value());
      EXPECT_TRUE(tree.root_at(15).has_value());
    }
  }
  EXPECT_FALSE(tree.root_at(54).has_value());
  EXPECT_TRUE(tree.root_at(55).has_value());
}

TEST_F(StateTreeTest, lettingGoOfMemoryKeepsRootsAndProofs) {
  options_.leaves_max = 1000;
  StateTree tree(options_);
  Rng rng(11);
  Leaves leaves;
  std::vector<LeafChange> changes;
  // Enough leaves below one 16-bit prefix to have pages there.
  for (int i = 0; i < 20'000; ++i) {
    auto path = random_hash(rng);
    path.data[0] = 0;
    path.data[1] &= 0x1f;
    auto value = random_hash(rng);
    leaves[path] = value;
    changes.push_back({path, value});
  }
  ASSERT_EQ(tree.update(1, changes).value(), model_root(leaves));
  EXPECT_EQ(tree.leaves_loaded(), leaves.size());
  checkpoint(tree, 1);
  EXPECT_LT(tree.leaves_loaded(), 100u);
  expect_proofs(tree, leaves, 1, rng);
  for (Height height = 2; height < 6; ++height) {
    auto path = pick(leaves, rng);
    leaves[path] = random_hash(rng);
    ASSERT_EQ(tree.update(height, {{path, leaves[path]}}).value(), model_root(leaves));
    expect_proofs(tree, leaves, height, rng);
  }
  EXPECT_LT(tree.leaves_loaded(), 5000u);
  // Written again with its old value: no page stays loaded for it, and nothing becomes dirty.
  checkpoint(tree, 5);
  auto loaded = tree.leaves_loaded();
  auto path = pick(leaves, rng);
  ASSERT_TRUE(tree.update(6, {{path, leaves[path]}}).has_value());
  EXPECT_EQ(tree.leaves_loaded(), loaded);
}

TEST_F(StateTreeTest, aCheckpointWritesOnlyWhatChanged) {
  options_.leaves_max = 1'000'000;
  StateTree tree(options_);
  Rng rng(12);
  std::vector<LeafChange> changes;
  for (int i = 0; i < 50'000; ++i) changes.push_back({random_hash(rng), random_hash(rng)});
  auto one = changes[0];
  ASSERT_TRUE(tree.update(1, std::move(changes)).has_value());
  checkpoint(tree, 1);
  auto all = pages_.size();
  EXPECT_GT(all, 1000u);
  one.value_hash = random_hash(rng);
  ASSERT_TRUE(tree.update(2, {one}).has_value());
  std::size_t written = 0;
  auto pages = tree.dirty_pages(2, 1, [&](const std::string&, Bytes&&) -> Status {
    ++written;
    return {};
  });
  ASSERT_TRUE(pages.has_value());
  EXPECT_LE(written, 6u);
  EXPECT_GE(written, 3u);
}

TEST_F(StateTreeTest, aDamagedPageIsFoundWhateverByteIsHit) {
  options_.leaves_max = 0;
  StateTree tree(options_);
  Rng rng(13);
  std::vector<LeafChange> changes;
  for (int i = 0; i < 300; ++i) changes.push_back({random_hash(rng), random_hash(rng)});
  auto probe = changes[0].path;
  ASSERT_TRUE(tree.update(1, std::move(changes)).has_value());
  checkpoint(tree, 1);
  auto whole = pages_;
  auto key = page_key(4, probe);
  ASSERT_TRUE(whole.contains(key));
  for (std::size_t i = 0; i < whole.at(key).size(); ++i) {
    auto damaged = whole;
    damaged.at(key)[i] ^= static_cast<std::uint8_t>(1 + rng.below(255));
    StateTree opened(options_);
    ASSERT_TRUE(opened.restore(1, written_root_, std::make_shared<MemoryPages>(damaged)).has_value());
    auto proof = opened.prove(probe, 1);
    ASSERT_FALSE(proof.has_value()) << "byte " << i;
    EXPECT_EQ(proof.error().code, ErrorCode::CORRUPT);
    auto root = opened.update(2, {{probe, random_hash(rng)}});
    ASSERT_FALSE(root.has_value()) << "byte " << i;
    EXPECT_EQ(opened.root(), written_root_);
  }
  auto truncated = whole;
  truncated.at(page_key(0, probe)).pop_back();
  StateTree opened(options_);
  EXPECT_EQ(opened.restore(1, written_root_, std::make_shared<MemoryPages>(truncated)).error().code,
            ErrorCode::CORRUPT);
}

TEST_F(StateTreeTest, readersProveWhileTheTreeGrowsAndLetsGo) {
  options_.leaves_max = 200;
  StateTree tree(options_);
  std::atomic<Height> newest{0};
  std::atomic<bool> stop{false};
  std::atomic<int> proven{0};
  Rng rng(15);
  auto probe = random_hash(rng);
  probe.data[0] = probe.data[1] = 0;
  ASSERT_TRUE(tree.update(0, {{probe, random_hash(rng)}}).has_value());
  auto reader = [&] {
    while (!stop.load()) {
      auto height = newest.load();
      auto root = tree.root_at(height);
      auto proof = tree.prove(probe, height);
      if (!root || !proof) continue;  // the writer is eight heights further by now
      auto result = crypto::root_of_state_proof(kSuite, probe, *proof);
      ASSERT_TRUE(result.has_value());
      ASSERT_TRUE(result->present);
      ASSERT_EQ(result->root, *root);
      proven.fetch_add(1);
    }
  };
  std::thread first(reader), second(reader);
  for (Height height = 1; height < 200 || proven.load() < 50; ++height) {
    std::vector<LeafChange> changes{{probe, random_hash(rng)}};
    for (int i = 0; i < 40; ++i) {
      changes.push_back({random_hash(rng), random_hash(rng)});
      changes.back().path.data[0] = changes.back().path.data[1] = 0;
    }
    ASSERT_TRUE(tree.update(height, std::move(changes)).has_value());
    newest.store(height);
    if (height % 10 == 0) checkpoint(tree, height);
  }
  stop.store(true);
  first.join();
  second.join();
}

TEST_F(StateTreeTest, rebuildInChunksGivesTheSameTree) {
  Rng rng(14);
  Leaves leaves;
  for (int i = 0; i < 1000; ++i) leaves[random_path(rng)] = random_hash(rng);
  StateTree tree(options_);
  auto it = leaves.begin();
  auto root = tree.rebuild(9, [&]() -> Result<std::vector<LeafChange>> {
    std::vector<LeafChange> chunk;
    for (; it != leaves.end() && chunk.size() < 64; ++it) chunk.push_back({it->first, it->second});
    return chunk;
  });
  ASSERT_TRUE(root.has_value());
  EXPECT_EQ(*root, model_root(leaves));
  EXPECT_EQ(tree.leaves_loaded(), leaves.size());
  expect_proofs(tree, leaves, 9, rng);
}

}  // namespace
}  // namespace galen::ledger
