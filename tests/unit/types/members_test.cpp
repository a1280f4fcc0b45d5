#include "galen/types/members.hpp"

#include <gtest/gtest.h>

#include "unit/suite.hpp"
#include "unit/types/sample_chain.hpp"

namespace galen {
namespace {

using test::sample_chain;

TEST(QuorumTest, EverySizeUpTo200) {
  for (std::size_t n = 1; n <= 200; ++n) {
    auto f = faults_tolerated(n), q = quorum_size(n);
    EXPECT_LT(3 * f, n) << n;
    EXPECT_GE(2 * q, n + f + 1) << "two quorums share an honest member, n = " << n;
    EXPECT_LE(q, n - f) << "the honest ones are a quorum, n = " << n;
  }
  EXPECT_EQ(quorum_size(4), 3u);
  EXPECT_EQ(quorum_size(5), 4u);
  EXPECT_EQ(quorum_size(6), 4u);
  EXPECT_EQ(quorum_size(7), 5u);
  EXPECT_EQ(quorum_size(10), 7u);
  EXPECT_EQ(quorum_size(31), 21u);
  EXPECT_EQ(quorum_size(100), 67u);
}

TEST(MemberSetTest, RoundTripsAndFindsMembers) {
  const auto& members = sample_chain().genesis.member_set;
  auto again = MemberSet::decode(members.encode());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->all(), members.all());
  EXPECT_EQ(members.encode().size(), 4u + 4 * 129);
  EXPECT_EQ(members.index_of(members[2].id), 2);
  EXPECT_FALSE(members.index_of(PrincipalId{}));
}

TEST(MemberSetTest, RefusesWhatIsNotTheLayout) {
  auto good = sample_chain().genesis.member_set.encode();
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(MemberSet::decode(ByteSpan(good).first(size))) << size;
  auto longer = good;
  longer.push_back(0);
  EXPECT_FALSE(MemberSet::decode(longer));
  auto version = good;
  version[1] = 2;
  EXPECT_EQ(MemberSet::decode(version).error().code, ErrorCode::UNSUPPORTED_VERSION);
  auto twice = good;
  std::copy(good.begin() + 4, good.begin() + 4 + 129, twice.begin() + 4 + 129);
  EXPECT_FALSE(MemberSet::decode(twice));
  EXPECT_FALSE(MemberSet::decode(*from_hex("00010000")));
  EXPECT_FALSE(MemberSet::decode(*from_hex("0001ffff")));
  Bytes too_many(4 + 101 * 129);
  too_many[1] = 1;
  too_many[3] = 101;
  EXPECT_FALSE(MemberSet::decode(too_many));
}

TEST(MemberSetTest, HashCoversEveryByte) {
  auto bytes = sample_chain().genesis.member_set.encode();
  auto hash = sample_chain().genesis.member_set.hash(test::suite());
  for (std::size_t i = 4; i < bytes.size(); ++i) {
    auto changed = bytes;
    changed[i] ^= 1;
    auto members = MemberSet::decode(changed);
    ASSERT_TRUE(members) << i;
    EXPECT_NE(members->hash(test::suite()), hash) << i;
  }
}

TEST(SignPrefixTest, CoversEveryFieldOfTheContext) {
  const auto& context = sample_chain().context;
  auto prefix = sign_prefix(context, MessageType::prepare);
  EXPECT_EQ(prefix.size(), kSignPrefixBytes);
  EXPECT_NE(sign_prefix(context, MessageType::commit), prefix);
  auto other = context;
  other.epoch = 2;
  EXPECT_NE(sign_prefix(other, MessageType::prepare), prefix);
  other = context;
  other.chain_id.data[0] ^= 1;
  EXPECT_NE(sign_prefix(other, MessageType::prepare), prefix);
  other = context;
  other.members_hash.data[31] ^= 1;
  EXPECT_NE(sign_prefix(other, MessageType::prepare), prefix);
}

}  // namespace
}  // namespace galen
