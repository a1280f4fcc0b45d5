// Authenticated encryption under a suite, with a random 96-bit nonce in front of the ciphertext. p256-sha256:
// AES-256-GCM (NIST SP 800-38D). sm2-sm3: SM4-CTR (GB/T 32907), then HMAC-SM3 over everything, cut to 128 bits, since
// OpenSSL 3.0 has no SM4-GCM; docs/spec/commitments.md 2 has the bytes.
#pragma once

#include "galen/base/result.hpp"
#include "galen/crypto/hash.hpp"

namespace galen::crypto {

using AeadKey = FixedBytes<struct AeadKeyTag, 32>;

/// nonce(12) ‖ ciphertext ‖ tag(16)
Bytes seal(Suite suite, const AeadKey& key, ByteSpan plaintext, ByteSpan associated_data);
/// CORRUPT if the key, the data or the associated data differ.
Result<Bytes> open(Suite suite, const AeadKey& key, ByteSpan sealed, ByteSpan associated_data);

}  // namespace galen::crypto
