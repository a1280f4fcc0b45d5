// What peers send each other decodes to what was encoded, and nothing else decodes: every cut, every byte more, every
// count that does not fit.
#include "node/peer_messages.hpp"

#include "unit/execution/chain_fixture.hpp"

namespace galen::node {
namespace {

using execution::test::ExecutionTest;
using execution::test::random_id;
using execution::test::take;

class PeerMessagesTest : public ExecutionTest {
 protected:
  template <class Decode>
  void only_as_it_is(Bytes message, Decode decode) {
    const auto body = ByteSpan(message).subspan(1);
    EXPECT_TRUE(decode(body));
    for (std::size_t size = 0; size < body.size(); ++size) EXPECT_FALSE(decode(body.first(size))) << size << " bytes";
    message.push_back(0);
    EXPECT_FALSE(decode(ByteSpan(message).subspan(1))) << "a byte more";
  }
  static Bytes with_count(std::uint32_t count, std::size_t bytes) {
    ByteWriter out;
    out.u32(count).raw(Bytes(bytes));
    return std::move(out).take();
  }
};

TEST_F(PeerMessagesTest, FetchBatches) {
  std::vector<Hash> digests;
  for (int i = 0; i < 3; ++i) digests.push_back(random_id<Hash>(chain.rng));
  auto message = encode_fetch_batches(digests);
  EXPECT_EQ(message[0], static_cast<std::uint8_t>(PeerMessageKind::fetch_batches));
  EXPECT_EQ(take(decode_fetch_batches(ByteSpan(message).subspan(1))).digests, digests);
  only_as_it_is(message, decode_fetch_batches);
  while (digests.size() < kFetchBatchesMax) digests.push_back(random_id<Hash>(chain.rng));
  EXPECT_TRUE(decode_fetch_batches(ByteSpan(encode_fetch_batches(digests)).subspan(1)));
  digests.back() = digests.front();
  EXPECT_FALSE(decode_fetch_batches(ByteSpan(encode_fetch_batches(digests)).subspan(1))) << "one twice";
  EXPECT_FALSE(decode_fetch_batches(with_count(kFetchBatchesMax + 1, (kFetchBatchesMax + 1) * Hash::kSize)));
  EXPECT_FALSE(decode_fetch_batches(with_count(0xffffffff, 32)));
}

TEST_F(PeerMessagesTest, Offer) {
  std::vector<Hash> digests;
  for (int i = 0; i < 3; ++i) digests.push_back(random_id<Hash>(chain.rng));
  auto message = encode_offer(digests);
  EXPECT_EQ(message[0], static_cast<std::uint8_t>(PeerMessageKind::offer));
  EXPECT_EQ(take(decode_offer(ByteSpan(message).subspan(1))), digests);
  only_as_it_is(message, decode_offer);
  digests.back() = digests.front();
  EXPECT_FALSE(decode_offer(ByteSpan(encode_offer(digests)).subspan(1))) << "one twice";
  EXPECT_FALSE(decode_offer(with_count(kFetchBatchesMax + 1, (kFetchBatchesMax + 1) * Hash::kSize)));
}

TEST_F(PeerMessagesTest, FetchBlocks) {
  auto message = encode_fetch_blocks({.from = 0x1122334455667788, .count_max = 7});
  auto decoded = take(decode_fetch_blocks(ByteSpan(message).subspan(1)));
  EXPECT_EQ(decoded.from, 0x1122334455667788u);
  EXPECT_EQ(decoded.count_max, 7u);
  only_as_it_is(message, decode_fetch_blocks);
}

TEST_F(PeerMessagesTest, HighestCertificates) {
  auto question = peer_message(PeerMessageKind::fetch_high, encode_fetch_high(0x1122334455667788));
  EXPECT_EQ(take(decode_fetch_high(ByteSpan(question).subspan(1))), 0x1122334455667788u);
  only_as_it_is(question, decode_fetch_high);
  for (bool certified : {false, true}) {
    HighAnswer answer{.nonce = 9, .counts = certified, .certificate = {}};
    if (certified) answer.certificate = chain.commit_certificate(chain.block({})->skeleton.header);
    auto message = peer_message(PeerMessageKind::high, encode_high(answer));
    auto decoded = take(decode_high(ByteSpan(message).subspan(1)));
    EXPECT_EQ(decoded.nonce, 9u);
    EXPECT_EQ(decoded.counts, certified);
    EXPECT_EQ(decoded.certificate, answer.certificate);
    only_as_it_is(message, decode_high);
    for (std::size_t flag : {9u, 10u}) {
      auto other = message;
      other[flag] = 2;
      EXPECT_FALSE(decode_high(ByteSpan(other).subspan(1))) << "a flag is 0 or 1";
    }
  }
}

TEST_F(PeerMessagesTest, BlocksWithAndWithoutCertificates) {
  auto first = chain.block({}), second = chain.block({chain.batch(0, {chain.item(service_a, {anchor()})})});
  auto certificate = chain.commit_certificate(second->skeleton.header);
  BlocksWriter writer;
  EXPECT_TRUE(writer.add(first->encode(), std::nullopt));
  EXPECT_TRUE(writer.add(second->encode(), certificate));
  EXPECT_EQ(writer.count(), 2u);
  auto message = std::move(writer).take();
  auto decoded = take(decode_blocks(ByteSpan(message).subspan(1)));
  ASSERT_EQ(decoded.size(), 2u);
  EXPECT_EQ(to_bytes(decoded[0].block), first->encode());
  EXPECT_FALSE(decoded[0].certificate);
  EXPECT_EQ(to_bytes(decoded[1].block), second->encode());
  ASSERT_TRUE(decoded[1].certificate);
  EXPECT_EQ(decoded[1].certificate->encode(), certificate.encode());
  only_as_it_is(message, decode_blocks);
  EXPECT_FALSE(decode_blocks(with_count(kFetchBlocksMax + 1, 64)));
  EXPECT_FALSE(decode_blocks(with_count(1, 4))) << "a length of zero bytes, and no more";
}

TEST_F(PeerMessagesTest, AnAnswerIsFullButTakesItsFirstBlock) {
  BlocksWriter writer;
  EXPECT_TRUE(writer.add(Bytes(kBlocksAnswerBytesMax + 1), std::nullopt));
  EXPECT_FALSE(writer.add(Bytes(1), std::nullopt));
  EXPECT_EQ(writer.count(), 1u);
}

}  // namespace
}  // namespace galen::node
