#include "galen/crypto/x509_tls.hpp"

#include <fmt/chrono.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "crypto/openssl_ptr.hpp"

namespace galen::crypto {
namespace {

constexpr std::int64_t kHourS = 3600;
constexpr std::int64_t kDayS = 24 * kHourS;
constexpr std::int64_t kWarnDays = 30;
// Of TLS at OpenSSL's level 2, the one of Debian: RSA of 2048 bits has so many.
constexpr int kSecurityBitsMin = 112;

Error bad(std::string message) { return make_error(ErrorCode::BAD_CERTIFICATE, std::move(message)); }

// A key with a passphrase must not be asked for at a terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

X509Ptr first_certificate(std::string_view pem) {
  auto bio = bio_over(pem);
  X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

}  // namespace

std::string time_text(std::int64_t unix_s) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(unix_s)));
}

Status check_validity(const CertificateInfo& certificate, std::int64_t now_s) {
  if (now_s > certificate.not_after_s) return bad("it has expired, on " + time_text(certificate.not_after_s));
  if (now_s < certificate.not_before_s) return bad("it is not valid before " + time_text(certificate.not_before_s));
  return {};
}

Status check_certificate_key(std::string_view certificate_pem, std::string_view key_pem) {
  const auto certificate = first_certificate(certificate_pem);
  if (!certificate) return bad("no certificate in PEM");
  auto bio = bio_over(key_pem);
  const PkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (!key) return bad("no private key in PEM, or one with a passphrase");
  const bool fits = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!fits) return bad("it is not the key of the certificate");
  if (EVP_PKEY_get_security_bits(key.get()) < kSecurityBitsMin)
    return bad("it is too short for TLS: RSA of 2048 bits or P-256 at least");
  return {};
}

Status check_key_file(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0 || (file.st_mode & S_IRWXO) == 0) return {};
  return {ErrorCode::KEY_FILE_READABLE, "key file " + path + " is open to every user of this machine"};
}

ExpiryWatch::Word ExpiryWatch::look(std::int64_t not_after_s, std::int64_t now_s) {
  if (not_after_s - now_s >= kWarnDays * kDayS) {
    last_.reset();
    return Word::none;
  }
  const auto word = now_s > not_after_s ? Word::over : Word::soon;
  const auto pause_s = word == Word::over ? kHourS : kDayS;
  // A clock that was put back must not silence it for years.
  if (last_ && last_->word == word && last_->not_after_s == not_after_s && now_s >= last_->at_s &&
      now_s < last_->at_s + pause_s)
    return Word::none;
  last_ = Said{word, not_after_s, now_s};
  return word;
}

}  // namespace galen::crypto
