#include "galen/types/certificate.hpp"

#include <gtest/gtest.h>

#include "galen/types/limits.hpp"
#include "unit/types/sample_chain.hpp"

namespace galen {
namespace {

using test::sample_chain;

const MemberSet& members() { return sample_chain().genesis.member_set; }
const ChainContext& context() { return sample_chain().context; }

TEST(VoteTest, SignBytesCoverEveryField) {
  VoteSubject subject{3, 9, test::sample_id<Hash>("d")};
  auto bytes = vote_sign_bytes(context(), VotePhase::prepare, 2, subject);
  EXPECT_EQ(bytes.size(), kSignPrefixBytes + 2 + 8 + 8 + 32);
  EXPECT_NE(vote_sign_bytes(context(), VotePhase::commit, 2, subject), bytes);
  EXPECT_NE(vote_sign_bytes(context(), VotePhase::prepare, 1, subject), bytes);
  EXPECT_NE(vote_sign_bytes(context(), VotePhase::prepare, 2, {4, 9, subject.digest}), bytes);
  EXPECT_NE(vote_sign_bytes(context(), VotePhase::prepare, 2, {3, 8, subject.digest}), bytes);
  EXPECT_NE(vote_sign_bytes(context(), VotePhase::prepare, 2, {3, 9, Hash{}}), bytes);
  auto signature = sample_chain().keys[2].sign(bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto changed = bytes;
    changed[i] ^= 1;
    EXPECT_FALSE(crypto::verify(context().suite, members()[2].consensus_key, changed, signature)) << i;
  }
}

TEST(QuorumCertificateTest, EveryFlippedByteIsFound) {
  const auto& good = sample_chain().commit;
  auto bytes = good.encode();
  ASSERT_EQ(*QuorumCertificate::decode(bytes), good);
  ASSERT_TRUE(good.verify(context(), members()));
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      auto changed = bytes;
      changed[i] = static_cast<std::uint8_t>(changed[i] ^ 1 << bit);
      auto other = QuorumCertificate::decode(changed);
      EXPECT_FALSE(other && other->verify(context(), members())) << "byte " << i << " bit " << bit;
    }
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(QuorumCertificate::decode(ByteSpan(bytes).first(size)));
  bytes.push_back(0);
  EXPECT_FALSE(QuorumCertificate::decode(bytes));
}

TEST(ExecutedCertificateTest, EveryFlippedByteIsFound) {
  const auto& good = sample_chain().executed;
  auto bytes = good.encode();
  ASSERT_EQ(*ExecutedCertificate::decode(bytes), good);
  ASSERT_TRUE(good.verify(context(), members()));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto changed = bytes;
    changed[i] ^= 1;
    auto other = ExecutedCertificate::decode(changed);
    EXPECT_FALSE(other && other->verify(context(), members())) << "byte " << i;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(ExecutedCertificate::decode(ByteSpan(bytes).first(size)));
}

TEST(QuorumCertificateTest, SignersMustBeAQuorumAndAscending) {
  auto fewer = sample_chain().commit;
  fewer.signers.signers.pop_back();
  fewer.signatures.pop_back();
  EXPECT_EQ(fewer.verify(context(), members()).error().code, ErrorCode::BAD_CERTIFICATE);

  auto twice = sample_chain().commit;
  twice.signers.signers = {0, 0, 0};
  twice.signatures = {twice.signatures[0], twice.signatures[0], twice.signatures[0]};
  EXPECT_EQ(twice.verify(context(), members()).error().code, ErrorCode::BAD_CERTIFICATE);

  auto outside = sample_chain().commit;
  outside.signers.signers.back() = 4;
  EXPECT_EQ(outside.verify(context(), members()).error().code, ErrorCode::BAD_CERTIFICATE);

  auto uneven = sample_chain().commit;
  uneven.signatures.pop_back();
  EXPECT_EQ(uneven.verify(context(), members()).error().code, ErrorCode::BAD_CERTIFICATE);

  auto other_size = sample_chain().commit;
  other_size.signers.member_count = 5;
  EXPECT_EQ(other_size.verify(context(), members()).error().code, ErrorCode::BAD_CERTIFICATE);
}

TEST(QuorumCertificateTest, BindsChainEpochMembersAndPhase) {
  const auto& good = sample_chain().commit;
  auto other = context();
  other.epoch = 2;
  EXPECT_FALSE(good.verify(other, members()));
  other = context();
  other.chain_id.data[9] ^= 1;
  EXPECT_FALSE(good.verify(other, members()));
  other = context();
  other.members_hash.data[9] ^= 1;
  EXPECT_FALSE(good.verify(other, members()));
  auto phase = good;
  phase.phase = VotePhase::prepare;
  EXPECT_FALSE(phase.verify(context(), members()));
}

TEST(QuorumCertificateTest, BitmapOfEverySize) {
  for (std::uint16_t count = 1; count <= limits::kMembersMax; ++count) {
    QuorumCertificate certificate{VotePhase::prepare, {1, 2, {}}, {count, {}}, {}};
    for (MemberIndex signer = 0; signer < count; signer = static_cast<MemberIndex>(signer + 3)) {
      certificate.signers.signers.push_back(signer);
      certificate.signatures.emplace_back();
    }
    auto bytes = certificate.encode();
    ASSERT_EQ(*QuorumCertificate::decode(bytes), certificate) << count;
    if (count % 8 == 0) continue;
    auto last_of_bitmap = 53u + (count + 7u) / 8u - 1;
    bytes[last_of_bitmap] |= 0x80;
    ASSERT_FALSE(QuorumCertificate::decode(bytes)) << "a padding bit, " << count;
  }
}

}  // namespace
}  // namespace galen
