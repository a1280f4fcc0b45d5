// Reading certificates. Making them is x509_make.cpp's. docs/spec/formats.md 1.3.
#include "galen/crypto/x509.hpp"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <ctime>

#include "crypto/pkey.hpp"

namespace galen::crypto {

namespace {

constexpr std::string_view kPrincipalUriPrefix = "urn:galen:principal:";
constexpr std::size_t kPemBytesMax = 256 * 1024;

using GeneralNamesPtr = OpensslPtr<GENERAL_NAMES, GENERAL_NAMES_free>;

std::string text_of(const X509_NAME* name) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  GALEN_ASSERT(bio);
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253);
  return bio_text(bio.get());
}

std::optional<std::int64_t> unix_seconds(const ASN1_TIME* time) {
  struct tm parts {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return static_cast<std::int64_t>(::timegm(&parts));
}

std::string_view text_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

/// Two URIs of ours would let a certificate be two principals: then it is none.
void read_names(const X509* certificate, CertificateInfo& info) {
  GeneralNamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (!names) return;
  int principals = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      auto dns = text_of(name->d.dNSName);
      if (dns.find('\0') == std::string_view::npos) info.dns_names.emplace_back(dns);
    } else if (name->type == GEN_URI) {
      auto uri = text_of(name->d.uniformResourceIdentifier);
      if (uri.substr(0, kPrincipalUriPrefix.size()) != kPrincipalUriPrefix) continue;
      info.principal = PrincipalId::parse_hex(uri.substr(kPrincipalUriPrefix.size()));
      ++principals;
    }
  }
  if (principals != 1) info.principal.reset();
}

X509Ptr read_pem(std::string_view pem) {
  if (pem.size() > kPemBytesMax) return nullptr;
  auto bio = bio_over(pem);
  X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) ERR_clear_error();
  return certificate;
}

/// Empty if it cannot be written.
Bytes der_of(X509* certificate) {
  std::uint8_t* data = nullptr;
  const int size = i2d_X509(certificate, &data);
  if (size <= 0) return {};
  Bytes out(data, data + size);
  OPENSSL_free(data);
  return out;
}

Result<CertificateInfo> info_of(X509* certificate) {
  if (certificate == nullptr) return {ErrorCode::BAD_CERTIFICATE, "not an X.509 certificate"};
  auto not_before = unix_seconds(X509_get0_notBefore(certificate));
  auto not_after = unix_seconds(X509_get0_notAfter(certificate));
  if (!not_before || !not_after) return {ErrorCode::BAD_CERTIFICATE, "the certificate's validity cannot be read"};
  CertificateInfo info;
  info.subject = text_of(X509_get_subject_name(certificate));
  info.issuer = text_of(X509_get_issuer_name(certificate));
  info.not_before_s = *not_before;
  info.not_after_s = *not_after;
  read_names(certificate, info);
  info.public_key = certificate_key_of(X509_get0_pubkey(certificate)).value_or(PublicKey{});
  ERR_clear_error();
  return info;
}

}  // namespace

std::string principal_uri(const PrincipalId& id) { return std::string(kPrincipalUriPrefix) + id.hex(); }

Result<CertificateInfo> parse_certificate(std::string_view pem) { return info_of(read_pem(pem).get()); }

Result<std::vector<CertificateInfo>> parse_certificates(std::string_view pem) {
  if (pem.size() > kPemBytesMax) return {ErrorCode::BAD_CERTIFICATE, "the text is too long for certificates"};
  auto bio = bio_over(pem);
  std::vector<CertificateInfo> out;
  ERR_clear_error();
  while (X509Ptr certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    GALEN_ASSIGN(auto info, info_of(certificate.get()));
    out.push_back(std::move(info));
  }
  // Of the end OpenSSL says that nothing begins any more; one that is cut off or garbled must not pass for the end.
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end)
    return {ErrorCode::BAD_CERTIFICATE,
            "certificate " + std::to_string(out.size() + 1) + " of the text cannot be read"};
  if (out.empty()) return {ErrorCode::BAD_CERTIFICATE, "no certificate in PEM"};
  return out;
}

Result<CertificateInfo> parse_certificate_der(ByteSpan der) {
  const auto* data = der.data();
  X509Ptr certificate(der.size() > kPemBytesMax ? nullptr : d2i_X509(nullptr, &data, static_cast<long>(der.size())));
  if (certificate && der_of(certificate.get()) != to_bytes(der)) certificate.reset();
  if (!certificate) ERR_clear_error();
  return info_of(certificate.get());
}

Result<Hash> certificate_fingerprint(std::string_view pem) {
  auto certificate = read_pem(pem);
  auto der = certificate ? der_of(certificate.get()) : Bytes();
  if (der.empty()) return {ErrorCode::BAD_CERTIFICATE, "not an X.509 certificate"};
  return certificate_fingerprint_der(der);
}

Hash certificate_fingerprint_der(ByteSpan der) { return hash(Suite::p256_sha256, der); }

}  // namespace galen::crypto
