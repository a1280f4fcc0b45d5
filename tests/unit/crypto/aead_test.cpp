#include "galen/crypto/aead.hpp"

#include <gtest/gtest.h>

#include "galen/crypto/random.hpp"
#include "unit/suite.hpp"

namespace galen::crypto {
namespace {

const auto kSuite = galen::test::suite();

TEST(AeadTest, RoundTripsAllSmallSizes) {
  auto key = random_fixed<AeadKey>();
  for (std::size_t size = 0; size < 70; ++size) {
    Bytes plain(size, static_cast<std::uint8_t>(size));
    auto sealed = seal(kSuite, key, plain, as_bytes("context"));
    ASSERT_EQ(sealed.size(), size + 28);
    auto opened = open(kSuite, key, sealed, as_bytes("context"));
    ASSERT_TRUE(opened);
    ASSERT_EQ(*opened, plain);
  }
}

TEST(AeadTest, KnownAnswerGcm) {
  // Test case 16 of the GCM specification (McGrew and Viega), AES-256.
  auto key = *AeadKey::parse_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  auto sealed = *from_hex(
      "cafebabefacedbaddecaf888"
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a"
      "bcc9f662"
      "76fc6ece0f4e1768cddf8853bb2d551b");
  auto opened = open(Suite::p256_sha256, key, sealed, *from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"));
  ASSERT_TRUE(opened);
  EXPECT_EQ(to_hex(*opened),
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa"
            "0de657ba637b39");
}

TEST(AeadTest, KnownAnswerSm4) {
  // Made with the openssl program (enc -sm4-ctr) and Python's hmac over SM3, from the text of
  // docs/spec/commitments.md 2.
  auto key = *AeadKey::parse_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  auto sealed = *from_hex(
      "6465666768696a6b6c6d6e6fed4f0459d2c16cfcd2825170ffdf36926f735b9c40dd12d7b28bc9a4d699cbb4f6f3f9f5e76b5b3611c02f"
      "b78b5c");
  auto opened = open(Suite::sm2_sm3, key, sealed, as_bytes("galen/1 record key"));
  ASSERT_TRUE(opened);
  EXPECT_EQ(as_text(*opened), "a record key and what it opens");
  EXPECT_FALSE(open(Suite::p256_sha256, key, sealed, as_bytes("galen/1 record key")));
}

TEST(AeadTest, NoncesDiffer) {
  auto key = random_fixed<AeadKey>();
  EXPECT_NE(seal(kSuite, key, as_bytes("x"), {}), seal(kSuite, key, as_bytes("x"), {}));
}

TEST(AeadTest, AnyChangeIsCorrupt) {
  auto key = random_fixed<AeadKey>();
  auto sealed = seal(kSuite, key, as_bytes("secret"), as_bytes("a"));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto bytes = sealed;
    bytes[i] ^= 0x10;
    auto opened = open(kSuite, key, bytes, as_bytes("a"));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::CORRUPT);
    EXPECT_FALSE(open(kSuite, key, ByteSpan(sealed).first(i), as_bytes("a")));
  }
  EXPECT_FALSE(open(kSuite, key, sealed, as_bytes("b")));
  EXPECT_FALSE(open(kSuite, key, sealed, {}));
  EXPECT_FALSE(open(kSuite, random_fixed<AeadKey>(), sealed, as_bytes("a")));
}

}  // namespace
}  // namespace galen::crypto
