// What signature.cpp and x509.cpp share about OpenSSL keys. Private to crypto.
#pragma once

#include "crypto/openssl_ptr.hpp"
#include "galen/crypto/signature.hpp"

namespace galen::crypto {

struct PrivateKey::State {
  Suite suite = Suite::p256_sha256;
  PkeyPtr key;
  PublicKey point;
};

/// Nothing unless the key is on P-256, the only curve of certificates under either suite.
std::optional<PublicKey> certificate_key_of(EVP_PKEY* key);
/// Null if the bytes are no point of the suite's curve.
PkeyPtr pkey_from_point(Suite suite, const PublicKey& point);

}  // namespace galen::crypto
