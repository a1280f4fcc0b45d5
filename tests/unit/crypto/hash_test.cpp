#include "galen/crypto/hash.hpp"

#include <gtest/gtest.h>

#include "galen/crypto/random.hpp"

namespace galen::crypto {
namespace {

constexpr auto kSha = Suite::p256_sha256;
constexpr auto kSm = Suite::sm2_sm3;

TEST(HashTest, KnownAnswers) {
  // FIPS 180-4 examples and GB/T 32905 appendix A.
  EXPECT_EQ(hash(kSha, as_bytes("abc")).hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash(kSha, ByteSpan()).hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash(kSm, as_bytes("abc")).hex(), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
}

TEST(HashTest, PartsAndPiecesEqualTheWhole) {
  Bytes whole = to_bytes(std::string_view("one two three"));
  EXPECT_EQ(hash(kSha, {as_bytes("one "), as_bytes(""), as_bytes("two three")}), hash(kSha, whole));
  Hasher pieces(kSha);
  for (auto byte : whole) pieces.update({&byte, 1});
  EXPECT_EQ(pieces.finish(), hash(kSha, whole));
}

TEST(HashTest, SuitesTakeTurnsOnOneThread) {
  auto sha = hash(kSha, as_bytes("x")), sm = hash(kSm, as_bytes("x"));
  EXPECT_NE(sha, sm);
  EXPECT_EQ(hash(kSha, as_bytes("x")), sha);
  EXPECT_EQ(hash(kSm, as_bytes("x")), sm);
}

TEST(HashTest, TagIsLengthPrefixed) {
  auto expected = hash(kSha, {as_bytes("\x03"), as_bytes("tag"), as_bytes("body")});
  EXPECT_EQ(hash_tagged(kSha, "tag", {as_bytes("bo"), as_bytes("dy")}), expected);
  EXPECT_NE(hash_tagged(kSha, "ta", {as_bytes("gbody")}), expected);
}

TEST(HmacTest, Rfc4231) {
  Bytes key(20, 0x0b);
  EXPECT_EQ(hmac(kSha, key, {as_bytes("Hi "), as_bytes("There")}).hex(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hmac(kSha, as_bytes("Jefe"), {as_bytes("what do ya want for nothing?")}).hex(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  Bytes long_key(131, 0xaa);
  EXPECT_EQ(hmac(kSha, long_key, {as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")}).hex(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacTest, EmptyKeyIsNotTheKeyBefore) {
  auto empty = hmac(kSha, {}, {});
  EXPECT_EQ(empty.hex(), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  EXPECT_NE(hmac(kSha, as_bytes("k"), {}), empty);
  EXPECT_EQ(hmac(kSha, {}, {}), empty);
}

TEST(SuiteTest, NamesRoundTrip) {
  EXPECT_EQ(suite_from_name("p256-sha256"), kSha);
  EXPECT_EQ(suite_from_name(to_name(kSm)), kSm);
  EXPECT_FALSE(suite_from_name("P256-SHA256"));
}

TEST(ConstantTimeTest, Compares) {
  EXPECT_TRUE(equal_constant_time({}, {}));
  EXPECT_TRUE(equal_constant_time(as_bytes("ab"), as_bytes("ab")));
  EXPECT_FALSE(equal_constant_time(as_bytes("ab"), as_bytes("ac")));
  EXPECT_FALSE(equal_constant_time(as_bytes("ab"), as_bytes("abc")));
}

TEST(RandomTest, RequestIdsAreUuidsOfVersion4) {
  auto first = random_request_id(), second = random_request_id();
  EXPECT_NE(first, second);
  for (const auto& id : {first, second}) {
    EXPECT_EQ(id.data[6] >> 4, 4);
    EXPECT_EQ(id.data[8] >> 6, 2);
  }
}

}  // namespace
}  // namespace galen::crypto
