#include "galen/crypto/signature.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "crypto/openssl_ptr.hpp"
#include "unit/suite.hpp"

namespace galen::crypto {
namespace {

const auto kSuite = galen::test::suite();
const auto kOther = kSuite == Suite::sm2_sm3 ? Suite::p256_sha256 : Suite::sm2_sm3;
constexpr auto kP256 = Suite::p256_sha256;
constexpr auto kSm2 = Suite::sm2_sm3;

// RFC 6979 A.2.5. The signature of "sample" has a high s, the one of "test" a low one.
const auto kKey = *PublicKey::parse_hex(
    "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
const auto kTest = *Signature::parse_hex(
    "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
    "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083");
const auto kSampleHigh = *Signature::parse_hex(
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
const auto kSampleLow = *Signature::parse_hex(
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "0834e36ad29a83bf2bc9385e491d6099c8fdf9d1ed67aa7ea5f51f93782857a9");
const std::string kOrder = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const std::string kZero(64, '0');

TEST(SignatureTest, KnownAnswersVerify) {
  EXPECT_TRUE(verify(kP256, kKey, as_bytes("test"), kTest));
  EXPECT_TRUE(verify(kP256, kKey, as_bytes("sample"), kSampleLow));
  EXPECT_FALSE(verify(kP256, kKey, as_bytes("sampl"), kSampleLow));
}

TEST(SignatureTest, HighSIsRefused) { EXPECT_FALSE(verify(kP256, kKey, as_bytes("sample"), kSampleHigh)); }

TEST(SignatureTest, ScalarsOutOfRangeAreRefused) {
  auto r = kTest.hex().substr(0, 64), s = kTest.hex().substr(64);
  for (const auto& text : {kZero + s, r + kZero, kOrder + s, r + kOrder, kZero + kZero, std::string(64, 'f') + s,
                           r + std::string(64, 'f')})
    EXPECT_FALSE(verify(kP256, kKey, as_bytes("test"), *Signature::parse_hex(text))) << text;
}

TEST(SignatureTest, KnownAnswerSm2) {
  // GB/T 32918.5 annex A.2.
  const auto key = *PublicKey::parse_hex(
      "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
      "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13");
  const std::string r = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3",
                    s = "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
                    order = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123",
                    negated_s = "4e4955d520ded0268ace7d43f2bde35db67366eef9467376cfb08a4556197f79";
  EXPECT_TRUE(verify(kSm2, key, as_bytes("message digest"), *Signature::parse_hex(r + s)));
  EXPECT_FALSE(verify(kSm2, key, as_bytes("message digesu"), *Signature::parse_hex(r + s)));
  for (const auto& text : {r + negated_s, kZero + s, r + kZero, order + s, r + order, std::string(64, 'f') + s})
    EXPECT_FALSE(verify(kSm2, key, as_bytes("message digest"), *Signature::parse_hex(text))) << text;
}

TEST(SignatureTest, SignsCanonicallyEveryTime) {
  auto key = PrivateKey::generate(kSuite);
  for (int i = 0; i < 64; ++i) {
    auto message = "message " + std::to_string(i);
    auto signature = key.sign(as_bytes(message));
    if (kSuite == kP256) {
      EXPECT_LE(signature.data[32], 0x7f);
    }
    EXPECT_TRUE(verify(kSuite, key.public_key(), as_bytes(message), signature));
    EXPECT_FALSE(verify(kSuite, PrivateKey::generate(kSuite).public_key(), as_bytes(message), signature));
    EXPECT_FALSE(verify(kOther, key.public_key(), as_bytes(message), signature));
  }
}

TEST(SignatureTest, EveryFlippedBitFails) {
  auto key = PrivateKey::generate(kSuite);
  auto signature = key.sign(as_bytes("message"));
  auto verifier = Verifier::make(kSuite, key.public_key());
  ASSERT_TRUE(verifier);
  for (std::size_t bit = 0; bit < 512; ++bit) {
    auto flipped = signature;
    flipped.data[bit / 8] = static_cast<std::uint8_t>(flipped.data[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(verifier->verify(as_bytes("message"), flipped)) << bit;
  }
}

TEST(SignatureTest, OneVerifierServesManyThreads) {
  auto key = PrivateKey::generate(kSuite);
  auto verifier = *Verifier::make(kSuite, key.public_key());
  std::vector<std::thread> threads;
  std::array<int, 4> good{};
  for (std::size_t t = 0; t < good.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        auto message = std::to_string(t) + "/" + std::to_string(i);
        good[t] += verifier.verify(as_bytes(message), key.sign(as_bytes(message))) ? 1 : 0;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, (std::array<int, 4>{50, 50, 50, 50}));
}

TEST(VerifierTest, RefusesWhatIsNoPoint) {
  const auto key = PrivateKey::generate(kSuite).public_key();
  auto off_curve = key, hybrid = key;
  off_curve.data[64] ^= 1;
  hybrid.data[0] = 0x07;
  EXPECT_FALSE(Verifier::make(kSuite, off_curve));
  EXPECT_FALSE(Verifier::make(kSuite, hybrid));
  EXPECT_FALSE(Verifier::make(kSuite, PublicKey{}));
  EXPECT_FALSE(Verifier::make(kOther, key));
}

TEST(DerTest, RoundTripsAndRefusesOtherForms) {
  auto der = to_der(kTest);
  EXPECT_EQ(to_hex(der),
            "3045022100f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d383670220"
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083");
  EXPECT_EQ(from_der(kP256, der), kTest);
  EXPECT_FALSE(from_der(kP256, to_der(kSampleHigh)));
  for (std::size_t size = 0; size < der.size(); ++size)
    EXPECT_FALSE(from_der(kP256, ByteSpan(der).first(size))) << size;
  auto longer = der;
  longer.push_back(0);
  EXPECT_FALSE(from_der(kP256, longer));
  // Long-form length, a padded integer, a negative one, an empty one.
  for (const char* text : {"308106020101020101", "300702020001020101", "3006020181020101", "30050200020101",
                           "300702010102010100", "3106020101020101", "3006020101030101"}) {
    auto bytes = from_hex(text);
    ASSERT_TRUE(bytes) << text;
    EXPECT_FALSE(from_der(kP256, *bytes)) << text;
  }
  EXPECT_TRUE(from_der(kP256, *from_hex("3006020101020101")));
  EXPECT_FALSE(from_der(kP256, *from_hex("3006020100020101")));
}

TEST(PrivateKeyTest, PemRoundTrips) {
  auto key = PrivateKey::generate(kSuite);
  auto again = PrivateKey::from_pem(kSuite, key.to_pem());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->public_key(), key.public_key());
  EXPECT_TRUE(verify(kSuite, key.public_key(), as_bytes("m"), again->sign(as_bytes("m"))));
}

TEST(PrivateKeyTest, RefusesWhatIsNoKeyOfTheSuite) {
  PkeyPtr p384(EVP_EC_gen("P-384"));
  BioPtr bio(BIO_new(BIO_s_mem()));
  ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(bio.get(), p384.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
  auto other_curve = bio_text(bio.get());
  for (std::string_view pem :
       {std::string_view(""), std::string_view(other_curve),
        std::string_view("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        std::string_view("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")}) {
    auto key = PrivateKey::from_pem(kSuite, pem);
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code, ErrorCode::CONFIG_INVALID);
  }
  auto other = PrivateKey::from_pem(kOther, PrivateKey::generate(kSuite).to_pem());
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::CONFIG_INVALID);
}

class KeyFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "galen-key-XXXXXX";
    int file = ::mkstemp(name);
    ASSERT_GE(file, 0);
    path_ = name;
    auto pem = PrivateKey::generate(kSuite).to_pem();
    ASSERT_EQ(::write(file, pem.data(), pem.size()), static_cast<ssize_t>(pem.size()));
    ::close(file);
  }
  void TearDown() override {
    ::unlink(path_.c_str());
    ::unlink((path_ + ".link").c_str());
  }
  std::string path_;
};

TEST_F(KeyFileTest, ModeOfTheFileItselfCounts) {
  for (mode_t mode : {0400u, 0600u, 0640u, 0660u}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    EXPECT_TRUE(PrivateKey::load(kSuite, path_)) << std::oct << mode;
  }
  ASSERT_EQ(::symlink(path_.c_str(), (path_ + ".link").c_str()), 0);
  EXPECT_TRUE(PrivateKey::load(kSuite, path_ + ".link"));
  for (mode_t mode : {0604u, 0644u, 0666u}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    auto key = PrivateKey::load(kSuite, path_ + ".link");
    ASSERT_FALSE(key) << std::oct << mode;
    EXPECT_EQ(key.error().code, ErrorCode::KEY_FILE_READABLE);
  }
}

TEST_F(KeyFileTest, MissingFile) {
  auto key = PrivateKey::load(kSuite, path_ + ".none");
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code, ErrorCode::NOT_FOUND);
}

}  // namespace
}  // namespace galen::crypto
