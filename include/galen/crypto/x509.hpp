// X.509 as Galen uses it: certificates carry the principal id as SAN URI `urn:galen:principal:<64 hex>`; a member's CA
// signs its node's TLS certificates and its clients' ones. Making certificates serves `galenctl dev` and tests; a
// hospital's PKI stays outside (docs/adr/0006).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "galen/base/result.hpp"
#include "galen/crypto/signature.hpp"

namespace galen::crypto {

/// "urn:galen:principal:<hex>"
std::string principal_uri(const PrincipalId& id);

struct CertificateInfo {
  std::string subject;  ///< RFC 2253 text
  std::string issuer;
  std::int64_t not_before_s;  ///< Unix seconds
  std::int64_t not_after_s;
  std::vector<std::string> dns_names;
  std::optional<PrincipalId> principal;  ///< the one SAN URI of ours; nothing if none or more than one
  PublicKey public_key;                  ///< zero if the key is not P-256
};
/// First certificate of a PEM text.
Result<CertificateInfo> parse_certificate(std::string_view pem);
/// All of them, in the order of the text. BAD_CERTIFICATE if there is none, or one that cannot be read.
Result<std::vector<CertificateInfo>> parse_certificates(std::string_view pem);
/// The bytes must be those of one certificate in DER, whole: what stands behind it, or a length in another form, is no
/// part of what its issuer signed, and would make other bytes of the same certificate.
Result<CertificateInfo> parse_certificate_der(ByteSpan der);
/// SHA-256 over the DER of the first certificate: what genesis pins.
Result<Hash> certificate_fingerprint(std::string_view pem);
/// The same of its DER.
Hash certificate_fingerprint_der(ByteSpan der);

struct CertificateRequest {
  std::string common_name;
  std::optional<PrincipalId> principal;
  std::vector<std::string> dns_names;  ///< also IP addresses in text form
  std::int64_t not_before_s = 0;       ///< 0: five minutes ago
  std::int64_t not_after_s = 0;        ///< 0: one year from now
  bool is_ca = false;
};
/// Self-signed CA certificate (PEM), whatever is_ca says.
std::string make_ca_certificate(const PrivateKey& key, const CertificateRequest& request);
/// Leaf certificate for `key` signed by the CA (PEM); usable as TLS client and server. With is_ca: an intermediate CA. Empty if `key` is no point, the
/// CA certificate does not parse, or it is not the one of `ca_key`.
std::string make_certificate(const PublicKey& key, const CertificateRequest& request, const PrivateKey& ca_key,
                             std::string_view ca_certificate_pem);

}  // namespace galen::crypto
