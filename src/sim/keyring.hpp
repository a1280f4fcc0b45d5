// Signatures of the simulated members: keyed 64-bit tags, which cost almost nothing and which nobody in a simulation
// forges. Immutable, so any thread may use one.
#pragma once

#include "galen/consensus/verify.hpp"

namespace galen::sim {

/// Signs for every member, and checks.
class Keyring : public consensus::SignatureVerifier {
 public:
  virtual Signature sign(MemberIndex signer, ByteSpan bytes) const = 0;
};

class TagKeyring final : public Keyring {
 public:
  Signature sign(MemberIndex signer, ByteSpan bytes) const override;
  bool verify(MemberIndex signer, ByteSpan bytes, const Signature& signature) const override;
};

/// A fast hash for tags and event digests, not for anything that is shipped.
std::uint64_t mix(std::uint64_t seed, ByteSpan bytes);
/// A value that looks like a hash and follows from two numbers.
Hash small_hash(std::uint64_t a, std::uint64_t b);

}  // namespace galen::sim
