#include "galen/crypto/sparse_merkle.hpp"
#include "unit/suite.hpp"

#include <gtest/gtest.h>

#include <map>

namespace galen::crypto {
namespace {

const auto kSuite = galen::test::suite();

/// The definition, by brute force: a map of path to value hash.
using Rows = std::map<Hash, Hash>;

Hash root_of(const Rows& rows, std::size_t depth = 0) {
  if (rows.empty()) return Hash{};
  if (rows.size() == 1) return state_leaf_of_hash(kSuite, rows.begin()->first, rows.begin()->second);
  Rows sides[2];
  for (const auto& row : rows) sides[path_bit(row.first, depth)].insert(row);
  return state_inner(kSuite, root_of(sides[0], depth + 1), root_of(sides[1], depth + 1));
}

StateProof prove(const Rows& rows, const Hash& path, std::size_t depth = 0) {
  StateProof proof;
  if (rows.size() <= 1) {
    if (!rows.empty()) proof.terminal = StateProof::Terminal{rows.begin()->first, rows.begin()->second};
    return proof;
  }
  Rows sides[2];
  for (const auto& row : rows) sides[path_bit(row.first, depth)].insert(row);
  bool side = path_bit(path, depth);
  proof = prove(sides[side], path, depth + 1);
  proof.siblings.insert(proof.siblings.begin(), root_of(sides[!side], depth + 1));
  return proof;
}

TEST(SparseMerkleTest, EmptyTreeProvesAbsence) {
  auto result = root_of_state_proof(kSuite, state_path(kSuite, 1, as_bytes("a")), StateProof{});
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->root.is_zero());
  EXPECT_FALSE(result->present);
}

TEST(SparseMerkleTest, PathsDependOnKindAndKey) {
  EXPECT_NE(state_path(kSuite, 1, as_bytes("a")), state_path(kSuite, 2, as_bytes("a")));
  EXPECT_NE(state_path(kSuite, 1, as_bytes("a")), state_path(kSuite, 1, as_bytes("b")));
  auto path = state_path(kSuite, 1, as_bytes("a"));
  EXPECT_EQ(state_leaf(kSuite, path, as_bytes("v")), state_leaf_of_hash(kSuite, path, hash(kSuite, as_bytes("v"))));
}

TEST(SparseMerkleTest, EveryRowAndManyAbsentOnesAreProvable) {
  Rows rows;
  for (int count = 1; count <= 60; ++count) {
    auto key = std::to_string(count);
    rows[state_path(kSuite, 2, as_bytes(key))] = hash(kSuite, as_bytes("value " + key));
    auto root = root_of(rows);
    for (int wanted = 1; wanted <= 70; ++wanted) {
      auto path = state_path(kSuite, 2, as_bytes(std::to_string(wanted)));
      auto proof = StateProof::decode(prove(rows, path).encode());
      ASSERT_TRUE(proof);
      auto result = root_of_state_proof(kSuite, path, *proof);
      ASSERT_TRUE(result);
      ASSERT_EQ(result->root, root);
      ASSERT_EQ(result->present, wanted <= count);
      if (result->present) {
        ASSERT_EQ(proof->terminal->value_hash, rows[path]);
      }
    }
  }
}

TEST(SparseMerkleTest, LongSharedPrefix) {
  Hash a{}, b{};
  b.data[31] = 1;
  Rows rows{{a, hash(kSuite, as_bytes("a"))}, {b, hash(kSuite, as_bytes("b"))}};
  auto proof = prove(rows, a);
  EXPECT_EQ(proof.siblings.size(), 256u);
  auto result = root_of_state_proof(kSuite, a, proof);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->root, root_of(rows));
  proof.siblings.push_back(Hash{});
  EXPECT_FALSE(root_of_state_proof(kSuite, a, proof));
}

TEST(SparseMerkleTest, AForeignLeafMustShareTheWalk) {
  Rows rows;
  for (int i = 0; i < 20; ++i) rows[state_path(kSuite, 2, as_bytes(std::to_string(i)))] = Hash{};
  auto path = state_path(kSuite, 2, as_bytes("3"));
  auto proof = prove(rows, path);
  auto far = path;
  far.data[0] ^= 0x80;
  EXPECT_FALSE(root_of_state_proof(kSuite, far, proof));
}

TEST(SparseMerkleTest, EveryFlippedByteOfAProofFails) {
  Rows rows;
  for (int i = 0; i < 20; ++i) rows[state_path(kSuite, 2, as_bytes(std::to_string(i)))] = hash(kSuite, as_bytes("v"));
  auto path = state_path(kSuite, 2, as_bytes("3"));
  auto root = root_of(rows);
  auto good = prove(rows, path).encode();
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bytes = good;
    bytes[i] ^= 1;
    auto proof = StateProof::decode(bytes);
    if (!proof) continue;
    auto result = root_of_state_proof(kSuite, path, *proof);
    EXPECT_FALSE(result && result->root == root) << "byte " << i;
  }
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(StateProof::decode(ByteSpan(good).first(size))) << size;
}

}  // namespace
}  // namespace galen::crypto
