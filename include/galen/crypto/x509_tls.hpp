// Whether certificates and keys are fit for TLS, told in words for people, before a library takes them that says less;
// and when to warn of one that ends. Any thread, but for ExpiryWatch.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "galen/crypto/x509.hpp"

namespace galen::crypto {

/// "2027-03-01T12:00:00Z"
std::string time_text(std::int64_t unix_s);

/// BAD_CERTIFICATE with the date if the certificate has ended or has not begun.
Status check_validity(const CertificateInfo& certificate, std::int64_t now_s);

/// BAD_CERTIFICATE unless the text is a private key without a passphrase, that of the first certificate, and as long as
/// TLS wants it.
Status check_certificate_key(std::string_view certificate_pem, std::string_view key_pem);

/// KEY_FILE_READABLE if others than owner and group may use the file (symlinks are followed). Of a file that is not
/// there it says nothing: whoever opens it does.
Status check_key_file(const std::string& path);

/// When to say that a certificate ends: once a day while less than 30 days are left, once an hour when none are. One
/// thread.
class ExpiryWatch {
 public:
  enum class Word { none, soon, over };
  Word look(std::int64_t not_after_s, std::int64_t now_s);

 private:
  struct Said {
    Word word;
    std::int64_t not_after_s, at_s;
  };
  std::optional<Said> last_;
};

/// Whole days.
inline std::int64_t days_left(std::int64_t not_after_s, std::int64_t now_s) {
  return (not_after_s - now_s) / (24 * 3600);
}

}  // namespace galen::crypto
