#include "galen/crypto/x509_tls.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "crypto/openssl_ptr.hpp"

namespace galen::crypto {
namespace {

constexpr std::int64_t kDayS = 24 * 3600;

struct Pair {
  PrivateKey key = PrivateKey::generate(Suite::p256_sha256);
  std::string pem;
  explicit Pair(const std::string& name, std::int64_t not_before_s = 0, std::int64_t not_after_s = 0) {
    pem = make_ca_certificate(key, {.common_name = name, .not_before_s = not_before_s, .not_after_s = not_after_s});
  }
};

void refused(const Status& status, const std::string& words) {
  ASSERT_FALSE(status) << words;
  EXPECT_EQ(status.error().code, ErrorCode::BAD_CERTIFICATE);
  EXPECT_NE(status.error().message.find(words), std::string::npos) << status.error().message;
}

TEST(X509TlsTest, TimesAreTextsThatPeopleRead) {
  EXPECT_EQ(time_text(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(time_text(1'900'000'000), "2030-03-17T17:46:40Z");
}

TEST(X509TlsTest, EveryCertificateOfATextIsRead) {
  const Pair one("one"), two("two");
  auto both = parse_certificates("says who made it\n" + one.pem + "\n# and\n" + two.pem);
  ASSERT_TRUE(both) << both.error().message;
  ASSERT_EQ(both->size(), 2u);
  EXPECT_EQ((*both)[0].subject, "CN=one");
  EXPECT_EQ((*both)[1].subject, "CN=two");
  for (const std::string& text : {std::string(), std::string("nonsense"), one.key.to_pem()}) {
    auto none = parse_certificates(text);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::BAD_CERTIFICATE);
  }
}

TEST(X509TlsTest, ACertificateThatIsCutOffIsNotTheEnd) {
  const Pair one("one"), two("two");
  for (const std::size_t bytes : {40u, 200u}) {
    auto cut = parse_certificates(one.pem + two.pem.substr(0, bytes));
    ASSERT_FALSE(cut) << bytes;
    EXPECT_NE(cut.error().message.find("certificate 2"), std::string::npos) << cut.error().message;
    EXPECT_FALSE(parse_certificates(two.pem.substr(0, bytes) + "\n" + one.pem)) << bytes;
  }
}

TEST(X509TlsTest, OutsideItsValidityIsToldWithTheDate) {
  const Pair pair("one", 1'800'000'000, 1'900'000'000);
  const auto info = parse_certificate(pair.pem);
  ASSERT_TRUE(info);
  EXPECT_TRUE(check_validity(*info, 1'800'000'000));
  EXPECT_TRUE(check_validity(*info, 1'900'000'000));
  refused(check_validity(*info, 1'900'000'001), "expired, on 2030-03-17T17:46:40Z");
  refused(check_validity(*info, 1'799'999'999), "not valid before 2027-01-15T08:00:00Z");
}

TEST(X509TlsTest, TheKeyMustBeTheCertificates) {
  const Pair one("one"), two("two");
  EXPECT_TRUE(check_certificate_key(one.pem + two.pem, one.key.to_pem()));
  refused(check_certificate_key(one.pem + two.pem, two.key.to_pem()), "not the key of the certificate");
  refused(check_certificate_key(one.pem, one.pem), "no private key");
  refused(check_certificate_key(one.pem, one.key.to_pem().substr(0, 60)), "no private key");
  refused(check_certificate_key(one.key.to_pem(), one.key.to_pem()), "no certificate");
}

TEST(X509TlsTest, AKeyThatTlsDoesNotTakeIsRefused) {
  const PkeyPtr key(EVP_RSA_gen(1024));
  X509Ptr certificate(X509_new());
  X509_set_pubkey(certificate.get(), key.get());
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kDayS);
  ASSERT_GT(X509_sign(certificate.get(), key.get(), EVP_sha256()), 0);
  const BioPtr key_bio(BIO_new(BIO_s_mem())), certificate_bio(BIO_new(BIO_s_mem())), locked_bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(key_bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  PEM_write_bio_X509(certificate_bio.get(), certificate.get());
  refused(check_certificate_key(bio_text(certificate_bio.get()), bio_text(key_bio.get())), "too short");
  char passphrase[] = "secret";
  PEM_write_bio_PrivateKey(locked_bio.get(), key.get(), EVP_aes_128_cbc(), nullptr, 0, nullptr, passphrase);
  refused(check_certificate_key(bio_text(certificate_bio.get()), bio_text(locked_bio.get())), "passphrase");
}

TEST(X509TlsTest, AKeyFileOfEverybodyIsRefused) {
  auto path = (std::filesystem::temp_directory_path() / "galen-key-XXXXXX").string();
  const int file = ::mkstemp(path.data());
  ASSERT_GE(file, 0);
  ::close(file);
  for (const mode_t mode : {0600, 0640, 0660}) {
    ::chmod(path.c_str(), mode);
    EXPECT_TRUE(check_key_file(path)) << mode;
  }
  for (const mode_t mode : {0644, 0604, 0602}) {
    ::chmod(path.c_str(), mode);
    const auto status = check_key_file(path);
    ASSERT_FALSE(status) << mode;
    EXPECT_EQ(status.error().code, ErrorCode::KEY_FILE_READABLE);
    EXPECT_NE(status.error().message.find(path), std::string::npos);
  }
  std::filesystem::remove(path);
  EXPECT_TRUE(check_key_file(path)) << "whoever opens it says that it is not there";
}

TEST(X509TlsTest, ThatACertificateEndsIsSaidOnceADayAndThenOnceAnHour) {
  using Word = ExpiryWatch::Word;
  constexpr std::int64_t kEnd = 1'900'000'000;
  ExpiryWatch watch;
  EXPECT_EQ(watch.look(kEnd, kEnd - 30 * kDayS), Word::none);
  const auto begin = kEnd - 30 * kDayS + 1;
  EXPECT_EQ(watch.look(kEnd, begin), Word::soon);
  EXPECT_EQ(watch.look(kEnd, begin + 60), Word::none);
  EXPECT_EQ(watch.look(kEnd, begin + kDayS - 1), Word::none);
  EXPECT_EQ(watch.look(kEnd, begin + kDayS), Word::soon);
  EXPECT_EQ(watch.look(kEnd, kEnd), Word::soon);
  EXPECT_EQ(watch.look(kEnd, kEnd + 1), Word::over) << "at once, though it was said that it would";
  EXPECT_EQ(watch.look(kEnd, kEnd + 60), Word::none);
  EXPECT_EQ(watch.look(kEnd, kEnd + 3601), Word::over);
  EXPECT_EQ(watch.look(kEnd, kEnd - 9 * kDayS), Word::soon) << "the clock was put back";
  EXPECT_EQ(watch.look(kEnd + 365 * kDayS, kEnd), Word::none) << "renewed";
  EXPECT_EQ(watch.look(kEnd, kEnd - kDayS), Word::soon);
}

}  // namespace
}  // namespace galen::crypto
