// ECDSA-Sig-Value (RFC 3279 2.2.3) of two 32-byte integers: SEQUENCE of two minimal INTEGERs. Private to crypto.
#pragma once

#include "galen/crypto/hash.hpp"

namespace galen::crypto {

inline constexpr std::size_t kDerBytesMax = 72;

/// Writes at most kDerBytesMax bytes, returns how many.
std::size_t write_der(const Signature& signature, std::uint8_t* out);
/// Strict: minimal lengths and integers, nothing behind. Does not look at ranges.
std::optional<Signature> parse_der(ByteSpan der);

/// 0 < r < n, n the order of the suite's curve. P-256: 0 < s <= n/2, since n - s would verify as well. SM2: 0 < s < n;
/// there s enters the equation by r + s, so that no second s verifies.
bool is_canonical(Suite suite, const Signature& signature);
/// P-256: s := n - s if s > n/2. SM2 signatures stay as they are.
void make_canonical(Suite suite, Signature& signature);

}  // namespace galen::crypto
