// Hash and HMAC of a chain's cryptographic suite, fixed in genesis (docs/spec/formats.md 2). Both suites give 32 bytes.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>

#include "galen/base/bytes.hpp"

namespace galen::crypto {

/// Cryptographic suite of a chain, named in genesis (D5). TLS and its certificates are P-256 under both.
enum class Suite : std::uint8_t { p256_sha256 = 1, sm2_sm3 = 2 };

std::string_view to_name(Suite suite);  ///< "p256-sha256", "sm2-sm3"
std::optional<Suite> suite_from_name(std::string_view name);

/// H(bytes): SHA-256 (FIPS 180-4) or SM3 (GB/T 32905).
Hash hash(Suite suite, ByteSpan bytes);
Hash hash(Suite suite, std::initializer_list<ByteSpan> parts);

/// H(u8 length of tag ‖ tag ‖ parts…): every hash that is not a tree node is separated from the others by its tag.
Hash hash_tagged(Suite suite, std::string_view tag, std::initializer_list<ByteSpan> parts);

/// HMAC (RFC 2104) over the parts in order.
Hash hmac(Suite suite, ByteSpan key, std::initializer_list<ByteSpan> parts);

using Sha1 = FixedBytes<struct Sha1Tag, 20>;
/// SHA-1, broken as it is: only to compare with what FHIR states of an attachment, never for anything of ours.
Sha1 sha1(ByteSpan bytes);

/// Compares without a data-dependent branch.
bool equal_constant_time(ByteSpan a, ByteSpan b);

/// A running hash for input that comes in pieces.
class Hasher {
 public:
  explicit Hasher(Suite suite);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  Hasher& update(ByteSpan bytes);
  /// May be called once.
  Hash finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace galen::crypto
