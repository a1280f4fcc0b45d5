// Keys and signatures of a suite: ECDSA P-256 with SHA-256 (FIPS 186-5), or SM2 with SM3 (GB/T 32918.2, identity
// 1234567812345678). Signatures are r ‖ s in one canonical form, for P-256 with s in the lower half of the group order;
// the conversion to DER for stock tools is to_der. Thread-safe after construction.
#pragma once

#include <memory>
#include <string>

#include "galen/base/result.hpp"
#include "galen/crypto/hash.hpp"

namespace galen::crypto {

/// Scheme of a transaction's author signature (one byte on the wire).
enum class Scheme : std::uint8_t { none = 0, es256 = 1, webauthn_es256 = 2, sm2 = 3 };

/// What an author's key signs with on a chain of this suite: es256 or sm2. The other one is refused there.
constexpr Scheme key_scheme(Suite suite) { return suite == Suite::sm2_sm3 ? Scheme::sm2 : Scheme::es256; }

class PrivateKey {
 public:
  static PrivateKey generate(Suite suite);
  /// PKCS#8 PEM, unencrypted. CONFIG_INVALID if it is not a key of the suite.
  static Result<PrivateKey> from_pem(Suite suite, std::string_view pem);
  /// Reads from_pem's input from a file; KEY_FILE_READABLE if others than owner and group can read it (symlinks are
  /// followed: the mode of the file itself counts).
  static Result<PrivateKey> load(Suite suite, const std::string& path);

  std::string to_pem() const;
  PublicKey public_key() const;
  /// P-256: signs H(message). SM2: signs SM3(Z ‖ message), Z of the identity and the key. Never fails for a valid key.
  Signature sign(ByteSpan message) const;

  struct State;
  const State& state() const { return *state_; }

 private:
  explicit PrivateKey(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

/// A parsed public key; parse once, verify often. Any thread.
class Verifier {
 public:
  /// Nothing if the bytes are no point of the curve.
  static std::optional<Verifier> make(Suite suite, const PublicKey& key);
  /// False for a wrong or zero signature, or one that is not in the canonical form.
  bool verify(ByteSpan message, const Signature& signature) const;
  const PublicKey& key() const;
  Suite suite() const;

  struct State;

 private:
  explicit Verifier(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

/// One-off form of Verifier.
bool verify(Suite suite, const PublicKey& key, ByteSpan message, const Signature& signature);

/// DER ECDSA-Sig-Value (RFC 3279; GB/T 35276 has the same form) of r ‖ s, and back; from_der refuses what is not
/// minimal DER or not canonical.
Bytes to_der(const Signature& signature);
std::optional<Signature> from_der(Suite suite, ByteSpan der);

}  // namespace galen::crypto
