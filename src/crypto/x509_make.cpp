// Making certificates and requests for `galenctl dev` and tests. Everything is built from objects, never from OpenSSL's
// configuration text, so that a name with a comma stays one name.
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <ctime>

#include "crypto/pkey.hpp"
#include "galen/crypto/random.hpp"
#include "galen/crypto/x509.hpp"

namespace galen::crypto {

namespace {

constexpr std::int64_t kBackdateSeconds = 300, kYearSeconds = 365 * 24 * 3600;
constexpr std::size_t kCommonNameBytesMax = 64;  // RFC 5280 ub-common-name

using ExtensionPtr = OpensslPtr<X509_EXTENSION, X509_EXTENSION_free>;
using GeneralNamesPtr = OpensslPtr<GENERAL_NAMES, GENERAL_NAMES_free>;

void add_general_name(GENERAL_NAMES* names, int type, ASN1_STRING* value) {
  auto* name = GENERAL_NAME_new();
  GALEN_ASSERT(name != nullptr && value != nullptr);
  GENERAL_NAME_set0_value(name, type, value);
  GALEN_ASSERT(sk_GENERAL_NAME_push(names, name) > 0);
}

ASN1_STRING* ia5(std::string_view text) {
  auto* string = ASN1_IA5STRING_new();
  GALEN_ASSERT(string != nullptr && ASN1_STRING_set(string, text.data(), static_cast<int>(text.size())) == 1);
  return string;
}

/// Null if the request names nothing.
GeneralNamesPtr subject_names(const CertificateRequest& request) {
  GeneralNamesPtr names(GENERAL_NAMES_new());
  GALEN_ASSERT(names);
  if (request.principal) add_general_name(names.get(), GEN_URI, ia5(principal_uri(*request.principal)));
  for (const auto& dns : request.dns_names) {
    if (auto* address = a2i_IPADDRESS(dns.c_str()))
      add_general_name(names.get(), GEN_IPADD, address);
    else
      add_general_name(names.get(), GEN_DNS, ia5(dns));
  }
  ERR_clear_error();
  return sk_GENERAL_NAME_num(names.get()) > 0 ? std::move(names) : nullptr;
}

/// Cut at the X.509 limit between two characters; what is not UTF-8 counts as Latin-1.
void set_common_name(X509_NAME* name, const std::string& text) {
  auto size = std::min(text.size(), kCommonNameBytesMax);
  while (size > 0 && size < text.size() && (text[size] & 0xc0) == 0x80) --size;
  if (size == 0) return;
  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  bool added = X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, data, static_cast<int>(size), -1, 0) == 1 ||
               X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, data, static_cast<int>(size), -1, 0) == 1;
  GALEN_ASSERT(added);
  ERR_clear_error();
}

/// `value` is one of our own constants.
void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  GALEN_ASSERT(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

X509Ptr begin_certificate(EVP_PKEY* key, const CertificateRequest& request) {
  X509Ptr certificate(X509_new());
  GALEN_ASSERT(certificate && X509_set_version(certificate.get(), X509_VERSION_3) == 1);
  std::array<std::uint8_t, 16> serial;
  fill_random(serial);
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x7f) | 0x40);  // positive, and always 16 bytes
  BignumPtr number(BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  GALEN_ASSERT(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get())) != nullptr);
  auto now = static_cast<std::int64_t>(::time(nullptr));
  auto not_before = request.not_before_s != 0 ? request.not_before_s : now - kBackdateSeconds;
  auto not_after = request.not_after_s != 0 ? request.not_after_s : now + kYearSeconds;
  GALEN_ASSERT(ASN1_TIME_set(X509_getm_notBefore(certificate.get()), not_before) != nullptr &&
               ASN1_TIME_set(X509_getm_notAfter(certificate.get()), not_after) != nullptr);
  set_common_name(X509_get_subject_name(certificate.get()), request.common_name);
  GALEN_ASSERT(X509_set_pubkey(certificate.get(), key) == 1);
  return certificate;
}

void add_extensions(X509* certificate, X509* issuer, bool is_ca, const CertificateRequest& request) {
  add_extension(certificate, issuer, NID_basic_constraints, is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_extension(certificate, issuer, NID_key_usage,
                is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
  if (!is_ca) add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
  add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
  if (auto names = subject_names(request))
    GALEN_ASSERT(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1);
}

std::string finish_certificate(X509* certificate, EVP_PKEY* signer) {
  GALEN_ASSERT(X509_sign(certificate, signer, EVP_sha256()) > 0);
  BioPtr bio(BIO_new(BIO_s_mem()));
  GALEN_ASSERT(bio && PEM_write_bio_X509(bio.get(), certificate) == 1);
  return bio_text(bio.get());
}

}  // namespace

std::string make_ca_certificate(const PrivateKey& key, const CertificateRequest& request) {
  auto* signer = key.state().key.get();
  auto certificate = begin_certificate(signer, request);
  GALEN_ASSERT(X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get())) == 1);
  add_extensions(certificate.get(), certificate.get(), true, request);
  return finish_certificate(certificate.get(), signer);
}

std::string make_certificate(const PublicKey& key, const CertificateRequest& request, const PrivateKey& ca_key,
                             std::string_view ca_certificate_pem) {
  auto subject_key = pkey_from_point(Suite::p256_sha256, key);
  auto bio = bio_over(ca_certificate_pem);
  X509Ptr issuer(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  auto* signer = ca_key.state().key.get();
  if (!subject_key || !issuer || X509_check_private_key(issuer.get(), signer) != 1) {
    ERR_clear_error();
    return {};
  }
  auto certificate = begin_certificate(subject_key.get(), request);
  GALEN_ASSERT(X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get())) == 1);
  add_extensions(certificate.get(), issuer.get(), request.is_ca, request);
  return finish_certificate(certificate.get(), signer);
}

}  // namespace galen::crypto
