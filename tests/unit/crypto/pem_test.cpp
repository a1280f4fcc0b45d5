#include "galen/crypto/pem.hpp"

#include <gtest/gtest.h>

#include "galen/crypto/x509.hpp"

namespace galen::crypto {
namespace {

constexpr auto kLabel = "CERTIFICATE";
const std::string kBegin = "-----BEGIN CERTIFICATE-----", kEnd = "-----END CERTIFICATE-----";

std::string framed(const std::string& body) { return kBegin + "\n" + body + kEnd + "\n"; }
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}
bool takes(const std::string& text) {
  auto read = read_strict_pem(text, kLabel);
  EXPECT_TRUE(read || (read.error().code == ErrorCode::MALFORMED && !read.error().message.empty()));
  return read.has_value();
}

TEST(StrictPemTest, TakesWhatAnEncoderWrites) {
  EXPECT_EQ(*read_strict_pem(framed("Zg==\n"), kLabel), to_bytes(std::string_view("f")));
  EXPECT_EQ(*read_strict_pem(framed("Zm8=\n"), kLabel), to_bytes(std::string_view("fo")));
  EXPECT_EQ(*read_strict_pem(framed("Zm9v\n"), kLabel), to_bytes(std::string_view("foo")));
  EXPECT_EQ(*read_strict_pem(framed("Zm9vYg==\n"), kLabel), to_bytes(std::string_view("foob")));
  EXPECT_EQ(*read_strict_pem(framed("+/+/\n"), kLabel), (Bytes{0xfb, 0xff, 0xbf}));
  const std::string full(64, 'A');
  EXPECT_EQ(read_strict_pem(framed(full + "\n"), kLabel)->size(), 48u);
  EXPECT_EQ(read_strict_pem(framed(full + "\n" + full + "\n"), kLabel)->size(), 96u);
  EXPECT_EQ(read_strict_pem(framed(full + "\nAAA=\n"), kLabel)->size(), 50u);
  EXPECT_EQ(read_strict_pem(framed(std::string(62, 'A') + "==\n"), kLabel)->size(), 46u);
  EXPECT_TRUE(takes(replaced(framed("Zm9v\n"), "\n", "\r\n")));
  EXPECT_TRUE(takes(kBegin + "\nZm9v\n" + kEnd)) << "the last line end may be missing";
  EXPECT_TRUE(read_strict_pem("-----BEGIN X Y-----\nZm9v\n-----END X Y-----\n", "X Y"));
}

TEST(StrictPemTest, RefusesEverythingElse) {
  const std::string good = framed("Zm9v\n"), full(64, 'A');
  ASSERT_TRUE(takes(good));
  const std::string nul(1, '\0');
  const std::string bad[] = {
      "",
      "\n",
      kBegin,
      kBegin + "\n",
      kBegin + "\nZm9v\n",
      kBegin + "\nZm9v",
      kBegin + kEnd,
      framed(""),
      // Around the block.
      "\xef\xbb\xbf" + good,
      " " + good,
      "\n" + good,
      "text\n" + good,
      good + "\n",
      good + "x",
      good + good,
      good + nul,
      std::string(254, 'A') + good,
      "-----BEGIN X-----\nZm9v\n-----END X-----\n" + good,
      // Its first and last lines.
      replaced(good, kBegin, kBegin + " "),
      replaced(good, kBegin, kBegin + nul),
      replaced(good, kBegin, kBegin + "\xc3\xa9"),
      replaced(good, kEnd, kEnd + " "),
      replaced(good, kEnd, kEnd + nul),
      replaced(good, kEnd, kEnd + "\x01"),
      replaced(good, "CERTIFICATE", "X509 CERTIFICATE"),
      replaced(good, "CERTIFICATE", "TRUSTED CERTIFICATE"),
      replaced(good, "END CERT", "END X CERT"),
      replaced(good, "BEGIN", "begin"),
      // Line ends.
      replaced(good, "\n", "\r"),
      replaced(good, "\n", "\n\r"),
      replaced(good, "\n", "\r\r\n"),
      good + "\r",
      kBegin + "\nZm9v\n" + kEnd + "\r",
      // Lines.
      framed("\nZm9v\n"),
      framed("Zm9v\n\n"),
      framed("Zm9v\nZm9v\n"),
      framed(full + "\n" + "Zm9v\n" + full + "\n"),
      framed(full + "AAAA\n"),
      framed(full + full + "\n"),
      framed("a: b\n\nZm9v\n"),
      framed("Zm9v\n-x\n"),
      // Base64.
      framed("Zm9\n"),
      framed("Z\n"),
      framed("Zm9vYg\n"),
      framed("Zm9vYg=\n"),
      framed("Zm9vYg===\n"),
      framed("====\n"),
      framed("Zm9v====\n"),
      framed("=m9v\n"),
      framed("Z=9v\n"),
      framed("Zm=v\n"),
      framed("Zg==Zm9v\n"),
      framed(std::string(62, 'A') + "==\nZm9v\n"),
      framed("Zh==\n"),
      framed("Zm9=\n"),
      framed("Zm 9v\n"),
      framed("Zm9v \n"),
      framed(" Zm9v\n"),
      framed("Zm\t9\n"),
      framed("Zm\v9\n"),
      framed("Zm9-\n"),
      framed("Zm9_\n"),
      framed("Zm" + nul + "v\n"),
      framed("Zm\xc2\xa0\n"),
      framed("Zm9\xff\n"),
  };
  for (const auto& text : bad) EXPECT_FALSE(takes(text)) << testing::PrintToString(text);
  EXPECT_FALSE(read_strict_pem(good, "X"));
}

TEST(StrictPemTest, CertificatesThatAreMadeHere) {
  auto key = PrivateKey::generate(Suite::p256_sha256);
  // Names of growing length: every length of the last line.
  for (std::size_t size = 1; size < 50; ++size) {
    auto pem = make_ca_certificate(key, {.common_name = std::string(size, 'x'), .is_ca = true});
    auto der = read_strict_pem(pem, kLabel);
    ASSERT_TRUE(der) << pem << der.error().message;
    EXPECT_EQ(certificate_fingerprint_der(*der), *certificate_fingerprint(pem));
    EXPECT_EQ(parse_certificate_der(*der)->subject, parse_certificate(pem)->subject);
  }
}

TEST(StrictPemTest, CertificatesInDerAreWhole) {
  auto key = PrivateKey::generate(Suite::p256_sha256);
  auto der = *read_strict_pem(make_ca_certificate(key, {.common_name = "A", .is_ca = true}), kLabel);
  ASSERT_TRUE(parse_certificate_der(der));
  auto behind = der;
  behind.push_back(0);
  EXPECT_FALSE(parse_certificate_der(behind));
  // 30 82 hh ll: the same length, written longer.
  ASSERT_EQ(der[1], 0x82);
  auto longer = der;
  longer[1] = 0x83;
  longer.insert(longer.begin() + 2, 0);
  EXPECT_FALSE(parse_certificate_der(longer));
  der.pop_back();
  EXPECT_FALSE(parse_certificate_der(der));
}

}  // namespace
}  // namespace galen::crypto
