#include "galen/types/batch.hpp"

#include <gtest/gtest.h>

#include "galen/crypto/merkle.hpp"
#include "galen/types/limits.hpp"
#include "unit/suite.hpp"
#include "unit/types/sample_chain.hpp"

namespace galen {
namespace {

using test::make_transaction;
using test::sample_anchor;
using test::sample_chain;
using test::sample_id;
const auto kSuite = galen::test::suite();

TEST(BatchHeaderTest, RoundTripsAndDigestCoversEveryByte) {
  auto header = sample_chain().batches[1]->header();
  auto bytes = header.encode();
  ASSERT_EQ(bytes.size(), kBatchHeaderBytes);
  EXPECT_EQ(*BatchHeader::decode(bytes), header);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto changed = bytes;
    changed[i] ^= 1;
    auto other = BatchHeader::decode(changed);
    if (i < 2) {
      ASSERT_FALSE(other);
      EXPECT_EQ(other.error().code, ErrorCode::UNSUPPORTED_VERSION);
    } else {
      ASSERT_TRUE(other);
      EXPECT_EQ(other->encode(), changed);
      EXPECT_NE(other->digest(kSuite), header.digest(kSuite)) << i;
    }
    EXPECT_FALSE(BatchHeader::decode(ByteSpan(bytes).first(i)));
  }
}

TEST(BatchTest, MadeBatchDecodesAndVerifies) {
  const auto& chain = sample_chain();
  auto early = chain.batches[0]->items()[0];
  auto late_bytes = Transaction::encode(
      {chain.genesis.chain_id, sample_id<PrincipalId>("s"), test::sample_request_id("late"), 10, {sample_anchor("x")}});
  auto late = *Transaction::decode(kSuite, chain.genesis.chain_id, late_bytes);
  auto batch = Batch::make(chain.context, {3, {early, {{}, late}}}, chain.keys[3]);
  EXPECT_EQ(batch.header().valid_until_ms, 10u) << "the smallest of its items";
  EXPECT_EQ(batch.header().origin, 3);
  auto again = Batch::decode(chain.context, batch.bytes());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->bytes(), batch.bytes());
  EXPECT_EQ(again->digest(), batch.digest());
  EXPECT_EQ(again->item_leaves(kSuite), batch.item_leaves(kSuite));
  EXPECT_EQ(crypto::merkle_root(kSuite, batch.item_leaves(kSuite)), batch.header().items_root);
  EXPECT_TRUE(again->verify_signatures(chain.context, chain.genesis.member_set));
}

TEST(BatchTest, EveryFlippedByteIsFound) {
  const auto& chain = sample_chain();
  for (const auto& batch : chain.batches) {
    ASSERT_TRUE(batch->verify_signatures(chain.context, chain.genesis.member_set));
    for (std::size_t i = 0; i < batch->bytes().size(); ++i) {
      auto bytes = batch->bytes();
      bytes[i] ^= 1;
      auto other = Batch::decode(chain.context, bytes);
      EXPECT_FALSE(other && other->verify_signatures(chain.context, chain.genesis.member_set)) << "byte " << i;
    }
  }
}

TEST(BatchTest, TruncatedOrLongerIsRefused) {
  const auto& chain = sample_chain();
  const auto& good = chain.batches[0]->bytes();
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(Batch::decode(chain.context, ByteSpan(good).first(size))) << size;
  auto longer = good;
  longer.push_back(0);
  EXPECT_FALSE(Batch::decode(chain.context, longer));
}

TEST(BatchTest, OtherChainEpochMembersAndKey) {
  const auto& chain = sample_chain();
  const auto& batch = *chain.batches[1];
  auto context = chain.context;
  context.chain_id.data[0] ^= 1;
  EXPECT_EQ(Batch::decode(context, batch.bytes()).error().code, ErrorCode::WRONG_CHAIN);
  context = chain.context;
  context.epoch = 2;
  EXPECT_FALSE(Batch::decode(context, batch.bytes()));
  context = chain.context;
  context.members_hash.data[0] ^= 1;
  EXPECT_EQ(batch.verify_signatures(context, chain.genesis.member_set).error().code, ErrorCode::BAD_SIGNATURE);
  auto foreign = Batch::make(chain.context, {1, batch.items()}, chain.keys[2]);
  EXPECT_EQ(foreign.verify_signatures(chain.context, chain.genesis.member_set).error().code, ErrorCode::BAD_SIGNATURE);
  auto nobody = Batch::make(chain.context, {4, batch.items()}, chain.keys[2]);
  EXPECT_EQ(nobody.verify_signatures(chain.context, chain.genesis.member_set).error().code, ErrorCode::MALFORMED);
}

/// A header that claims what `change` says, signed by nobody: decode must refuse it before looking at signatures.
ErrorCode decode_claiming(auto change) {
  const auto& chain = sample_chain();
  auto header = chain.batches[0]->header();
  change(header);
  auto bytes = header.encode();
  const auto& original = chain.batches[0]->bytes();
  bytes.insert(bytes.end(), original.begin() + kBatchHeaderBytes, original.end());
  auto batch = Batch::decode(chain.context, bytes);
  return batch ? ErrorCode::OK : batch.error().code;
}

TEST(BatchTest, ClaimsBeyondTheLimitsAreRefused) {
  EXPECT_EQ(decode_claiming([](auto&) {}), ErrorCode::OK);
  EXPECT_EQ(decode_claiming([](auto& h) { h.item_count = 0; }), ErrorCode::MALFORMED);
  EXPECT_EQ(decode_claiming([](auto& h) { h.item_count = 1; }), ErrorCode::MALFORMED);
  EXPECT_EQ(decode_claiming([](auto& h) { h.item_count = 3; }), ErrorCode::MALFORMED);
  EXPECT_EQ(decode_claiming([](auto& h) { h.item_count = limits::kBatchItemsMax; }), ErrorCode::MALFORMED);
  EXPECT_EQ(decode_claiming([](auto& h) { h.item_count = limits::kBatchItemsMax + 1; }), ErrorCode::TOO_LARGE);
  EXPECT_EQ(decode_claiming([](auto& h) { h.item_count = 0xffffffff; }), ErrorCode::TOO_LARGE);
  EXPECT_EQ(decode_claiming([](auto& h) { h.items_bytes = limits::kBatchBytesMax + 1; }), ErrorCode::TOO_LARGE);
  EXPECT_EQ(decode_claiming([](auto& h) { h.items_bytes += 1; }), ErrorCode::MALFORMED);
  EXPECT_EQ(decode_claiming([](auto& h) { h.items_root.data[0] ^= 1; }), ErrorCode::BAD_PROOF);
  EXPECT_EQ(decode_claiming([](auto& h) { h.valid_until_ms += 1; }), ErrorCode::MALFORMED);
  EXPECT_EQ(decode_claiming([](auto& h) { h.valid_until_ms -= 1; }), ErrorCode::OK) << "a batch may end earlier";
}

TEST(BatchTest, AuthorizationBeyondItsLimit) {
  const auto& chain = sample_chain();
  auto header = chain.batches[1]->header();
  ByteWriter items;
  items.u8(1).u16(limits::kAuthorizationBytesMax + 1).raw(Bytes(limits::kAuthorizationBytesMax + 1)).u32(0);
  header.items_bytes = static_cast<std::uint32_t>(items.size());
  auto bytes = ByteWriter().raw(header.encode()).raw(Signature{}).raw(items.bytes()).bytes();
  EXPECT_EQ(Batch::decode(chain.context, bytes).error().code, ErrorCode::TOO_LARGE);
}

TEST(BatchTest, LargestBatchRoundTrips) {
  const auto& chain = sample_chain();
  Batch::Draft draft{0, {}};
  auto item = chain.batches[2]->items()[0];
  draft.items.assign(limits::kBatchItemsMax, item);
  auto batch = Batch::make(chain.context, draft, chain.keys[0]);
  auto again = Batch::decode(chain.context, batch.bytes());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->items().size(), limits::kBatchItemsMax);
}

}  // namespace
}  // namespace galen
