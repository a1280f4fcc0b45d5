#include "galen/crypto/x509.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "crypto/openssl_ptr.hpp"
#include "galen/crypto/random.hpp"

namespace galen::crypto {
namespace {

constexpr auto kSuite = Suite::p256_sha256;

struct Authority {
  PrivateKey key = PrivateKey::generate(kSuite);
  std::string pem = make_ca_certificate(key, {.common_name = "A, Hospital/CA", .is_ca = true});
};

X509Ptr read(const std::string& pem) {
  auto bio = bio_over(pem);
  return X509Ptr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

/// What a TLS peer checks, for the purpose given.
bool chains(const std::string& leaf, const std::string& ca, int purpose) {
  auto leaf_x509 = read(leaf), ca_x509 = read(ca);
  OpensslPtr<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  OpensslPtr<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
  X509_STORE_add_cert(store.get(), ca_x509.get());
  X509_STORE_CTX_init(context.get(), store.get(), leaf_x509.get(), nullptr);
  X509_STORE_CTX_set_purpose(context.get(), purpose);
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_X509_STRICT);
  return X509_verify_cert(context.get()) == 1;
}

TEST(X509Test, LeafCarriesPrincipalAndNames) {
  Authority authority;
  auto key = PrivateKey::generate(kSuite);
  auto id = random_fixed<PrincipalId>();
  auto pem = make_certificate(
      key.public_key(),
      {.common_name = "node-1", .principal = id, .dns_names = {"node-1.example", "127.0.0.1", "::1", "localhost"}},
      authority.key, authority.pem);
  auto info = parse_certificate(pem);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->subject, "CN=node-1");
  EXPECT_EQ(info->principal, id);
  EXPECT_EQ(principal_uri(id), "urn:galen:principal:" + id.hex());
  EXPECT_EQ(info->public_key, key.public_key());
  EXPECT_EQ(info->dns_names, (std::vector<std::string>{"node-1.example", "localhost"}));
  EXPECT_LT(info->not_before_s, info->not_after_s);
  EXPECT_EQ(info->issuer, parse_certificate(authority.pem)->subject);
  auto x509 = read(pem);
  EXPECT_EQ(X509_check_ip_asc(x509.get(), "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(x509.get(), "::1", 0), 1);
  EXPECT_EQ(X509_check_host(x509.get(), "node-1.example", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(x509.get(), "evil.example", 0, 0, nullptr), 0);
}

TEST(X509Test, ChainsAsClientAndServerToItsOwnAuthorityOnly) {
  Authority authority, other;
  auto key = PrivateKey::generate(kSuite);
  auto pem = make_certificate(key.public_key(), {.common_name = "n"}, authority.key, authority.pem);
  EXPECT_TRUE(chains(pem, authority.pem, X509_PURPOSE_SSL_SERVER));
  EXPECT_TRUE(chains(pem, authority.pem, X509_PURPOSE_SSL_CLIENT));
  EXPECT_FALSE(chains(pem, other.pem, X509_PURPOSE_SSL_SERVER));
  EXPECT_FALSE(chains(pem, pem, X509_PURPOSE_SSL_SERVER));
}

TEST(X509Test, ExpiredDoesNotChain) {
  Authority authority;
  auto key = PrivateKey::generate(kSuite);
  auto pem =
      make_certificate(key.public_key(), {.common_name = "n", .not_before_s = 1'000'000, .not_after_s = 2'000'000},
                       authority.key, authority.pem);
  EXPECT_EQ(parse_certificate(pem)->not_after_s, 2'000'000);
  EXPECT_FALSE(chains(pem, authority.pem, X509_PURPOSE_SSL_SERVER));
}

TEST(X509Test, WrongAuthorityOrKeyGivesNothing) {
  Authority authority, other;
  auto key = PrivateKey::generate(kSuite);
  EXPECT_EQ(make_certificate(key.public_key(), {.common_name = "n"}, authority.key, other.pem), "");
  EXPECT_EQ(make_certificate(key.public_key(), {.common_name = "n"}, authority.key, "nonsense"), "");
  EXPECT_EQ(make_certificate(PublicKey{}, {.common_name = "n"}, authority.key, authority.pem), "");
}

TEST(X509Test, SerialsDiffer) {
  Authority authority;
  auto key = PrivateKey::generate(kSuite);
  auto first = make_certificate(key.public_key(), {.common_name = "n"}, authority.key, authority.pem);
  auto second = make_certificate(key.public_key(), {.common_name = "n"}, authority.key, authority.pem);
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(read(first).get()), X509_get0_serialNumber(read(second).get())), 0);
  EXPECT_NE(*certificate_fingerprint(first), *certificate_fingerprint(second));
}

TEST(X509Test, OddCommonNames) {
  Authority authority;
  for (const std::string& name : {std::string(), std::string(200, 'x'),
                                  std::string(63, 'x') + "\xc3\xbc"
                                                         "berlang",
                                  std::string("\xff\xfe not utf-8"), std::string("Spital Z\xc3\xbcrich, CN=evil")}) {
    auto pem = make_certificate(authority.key.public_key(), {.common_name = name, .dns_names = {"a"}}, authority.key,
                                authority.pem);
    EXPECT_TRUE(parse_certificate(pem));
  }
}

TEST(X509Test, DerAndPemAgreeAndGarbageIsRefused) {
  Authority authority;
  auto x509 = read(authority.pem);
  std::uint8_t* data = nullptr;
  int size = i2d_X509(x509.get(), &data);
  ASSERT_GT(size, 0);
  Bytes der(data, data + size);
  OPENSSL_free(data);
  EXPECT_EQ(parse_certificate_der(der)->subject, parse_certificate(authority.pem)->subject);
  EXPECT_EQ(*certificate_fingerprint(authority.pem), hash(kSuite, der));
  for (std::size_t cut = 0; cut < der.size(); cut += 7) EXPECT_FALSE(parse_certificate_der(ByteSpan(der).first(cut)));
  for (const char* text : {"", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
    ASSERT_FALSE(parse_certificate(text));
    EXPECT_EQ(parse_certificate(text).error().code, ErrorCode::BAD_CERTIFICATE);
    EXPECT_FALSE(certificate_fingerprint(text));
  }
}

}  // namespace
}  // namespace galen::crypto
