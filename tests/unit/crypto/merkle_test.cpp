#include "galen/crypto/merkle.hpp"
#include "unit/suite.hpp"

#include <gtest/gtest.h>

#include <bit>

namespace galen::crypto {
namespace {

const auto kSuite = galen::test::suite();

std::vector<Hash> leaves_of(std::size_t count) {
  std::vector<Hash> leaves;
  for (std::size_t i = 0; i < count; ++i) leaves.push_back(merkle_leaf(kSuite, as_bytes("leaf " + std::to_string(i))));
  return leaves;
}

/// The RFC's own recursive definition, to hold the iterative code against.
Hash root_by_definition(std::span<const Hash> leaves) {
  if (leaves.empty()) return hash(kSuite, ByteSpan());
  if (leaves.size() == 1) return leaves.front();
  auto split = std::bit_ceil(leaves.size()) / 2;
  return merkle_node(kSuite, root_by_definition(leaves.first(split)), root_by_definition(leaves.subspan(split)));
}

TEST(MerkleTest, RootsOfTheCertificateTransparencyVectors) {
  const char* inputs[] = {
      "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
  const char* roots[] = {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                         "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                         "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                         "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                         "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  std::vector<Hash> leaves;
  EXPECT_EQ(merkle_root(Suite::p256_sha256, leaves).hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  for (std::size_t i = 0; i < 8; ++i) {
    leaves.push_back(merkle_leaf(Suite::p256_sha256, *from_hex(inputs[i])));
    EXPECT_EQ(merkle_root(Suite::p256_sha256, leaves).hex(), roots[i]) << i + 1;
  }
}

TEST(MerkleTest, AllSizesRootsPathsAndFrontier) {
  auto all = leaves_of(70);
  MerkleFrontier frontier(kSuite);
  for (std::size_t size = 1; size <= 70; ++size) {
    auto leaves = std::span(all).first(size);
    auto root = merkle_root(kSuite, leaves);
    ASSERT_EQ(root, root_by_definition(leaves));
    frontier.append(leaves.back());
    ASSERT_EQ(frontier.root(), root);
    auto again = MerkleFrontier::decode(kSuite, frontier.encode());
    ASSERT_TRUE(again);
    ASSERT_EQ(again->root(), root);
    ASSERT_EQ(again->size(), size);
    for (std::size_t i = 0; i < size; ++i) {
      auto path = merkle_path(kSuite, leaves, i);
      ASSERT_EQ(merkle_root_of_path(kSuite, leaves[i], i, size, path), root);
      ASSERT_FALSE(merkle_root_of_path(kSuite, leaves[i], size, size, path));
      auto longer = path;
      longer.push_back(root);
      ASSERT_FALSE(merkle_root_of_path(kSuite, leaves[i], i, size, longer));
      if (path.empty()) continue;
      ASSERT_FALSE(merkle_root_of_path(kSuite, leaves[i], i, size, std::span(path).first(path.size() - 1)));
      for (auto& sibling : path) {
        sibling.data[0] ^= 1;
        ASSERT_NE(merkle_root_of_path(kSuite, leaves[i], i, size, path), root);
        sibling.data[0] ^= 1;
      }
    }
  }
}

TEST(MerkleTest, ConsistencyOfAllPairsOfSizes) {
  auto all = leaves_of(70);
  std::vector<Hash> roots;
  for (std::size_t size = 0; size <= 70; ++size) roots.push_back(merkle_root(kSuite, std::span(all).first(size)));
  auto other = hash(kSuite, as_bytes("another tree"));
  for (std::size_t size_new = 0; size_new <= 70; ++size_new)
    for (std::size_t size_old = 0; size_old <= size_new; ++size_old) {
      auto path = merkle_consistency_path(kSuite, std::span(all).first(size_new), size_old);
      ASSERT_TRUE(merkle_verify_consistency(kSuite, size_old, size_new, roots[size_old], roots[size_new], path))
          << size_old << " " << size_new;
      ASSERT_FALSE(merkle_verify_consistency(kSuite, size_old, size_new, other, roots[size_new], path));
      if (size_old > 0) {
        ASSERT_FALSE(merkle_verify_consistency(kSuite, size_old, size_new, roots[size_old], other, path));
      }
      auto longer = path;
      longer.push_back(other);
      ASSERT_FALSE(merkle_verify_consistency(kSuite, size_old, size_new, roots[size_old], roots[size_new], longer));
      for (auto& element : path) {
        element.data[31] ^= 1;
        ASSERT_FALSE(merkle_verify_consistency(kSuite, size_old, size_new, roots[size_old], roots[size_new], path));
        element.data[31] ^= 1;
      }
      if (path.empty()) continue;
      auto shorter = std::span(path).first(path.size() - 1);
      ASSERT_FALSE(merkle_verify_consistency(kSuite, size_old, size_new, roots[size_old], roots[size_new], shorter));
    }
  EXPECT_FALSE(merkle_verify_consistency(kSuite, 3, 2, roots[3], roots[2], {}));
}

TEST(MerkleTest, FrontierRefusesWrongLengths) {
  MerkleFrontier frontier(kSuite);
  for (const auto& leaf : leaves_of(5)) frontier.append(leaf);
  auto bytes = frontier.encode();
  ASSERT_EQ(bytes.size(), 8u + 2 * 32);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(MerkleFrontier::decode(kSuite, ByteSpan(bytes).first(size)));
  bytes.push_back(0);
  EXPECT_FALSE(MerkleFrontier::decode(kSuite, bytes));
  Bytes huge(8, 0xff);
  EXPECT_FALSE(MerkleFrontier::decode(kSuite, huge));
}

}  // namespace
}  // namespace galen::crypto
