// ECDSA P-256 with SHA-256, and SM2 with SM3. A key object is parsed once and shared, the small operation contexts are
// made per call, so every thread may use one key. P-256 hashes with crypto::hash and hands the digest to EVP_PKEY_sign
// and _verify; SM2 hashes its signer's identity and key in front of the message (GB/T 32918.2 5.5), which OpenSSL does
// inside EVP_DigestSign and _Verify. Only canonical signatures exist: der.hpp. docs/spec/formats.md 6.
#include "galen/crypto/signature.hpp"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "crypto/der.hpp"
#include "crypto/pkey.hpp"

namespace galen::crypto {

namespace {

constexpr std::size_t kPemBytesMax = 16 * 1024;

/// OpenSSL's names for the keys of a suite.
struct KeyNames {
  const char* type;
  const char* group;
  const char* shown;  ///< in messages
};
const KeyNames& names_of(Suite suite) {
  static constexpr KeyNames p256{"EC", "prime256v1", "P-256"}, sm2{"SM2", "SM2", "SM2"};
  return suite == Suite::sm2_sm3 ? sm2 : p256;
}

// The identity that GB/T 32918.2 and RFC 8998 3.2.1 give to signers who agreed on none.
constexpr char kSm2Identity[] = "1234567812345678";

PkeyContextPtr context_of(EVP_PKEY* key) {
  PkeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  GALEN_ASSERT(context);
  return context;
}

/// The affine coordinates, whatever point form the key came in.
std::optional<PublicKey> point_of(EVP_PKEY* key) {
  BIGNUM *x = nullptr, *y = nullptr;
  bool got = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
             EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1;
  BignumPtr x_owner(x), y_owner(y);
  PublicKey out;
  out.data[0] = 4;
  if (!got || BN_bn2binpad(x, &out.data[1], 32) != 32 || BN_bn2binpad(y, &out.data[33], 32) != 32) return std::nullopt;
  return out;
}

int refuse_passphrase(char*, int, int, void*) { return -1; }

bool is_of(Suite suite, EVP_PKEY* key) {
  const auto& names = names_of(suite);
  char group[64];
  std::size_t size = 0;
  return EVP_PKEY_is_a(key, names.type) == 1 && EVP_PKEY_get_group_name(key, group, sizeof group, &size) == 1 &&
         std::string_view(group, size) == names.group;
}

/// A context that hashes for SM2, either to sign or to verify. The identity is set after the start, since
/// OpenSSL 3.0.19 refuses it among the parameters of the start itself.
DigestContextPtr sm2_context(EVP_PKEY* key, decltype(&EVP_DigestSignInit_ex) init) {
  DigestContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* of_key = nullptr;  // the context's own
  GALEN_ASSERT(context && init(context.get(), &of_key, "SM3", nullptr, nullptr, key, nullptr) == 1);
  auto identity = std::to_array(kSm2Identity);
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_DIST_ID, identity.data(), identity.size() - 1),
      OSSL_PARAM_construct_end()};
  GALEN_ASSERT(EVP_PKEY_CTX_set_params(of_key, parameters) == 1);
  return context;
}

}  // namespace

std::optional<PublicKey> certificate_key_of(EVP_PKEY* key) {
  if (key == nullptr || !is_of(Suite::p256_sha256, key)) return std::nullopt;
  return point_of(key);
}

PkeyPtr pkey_from_point(Suite suite, const PublicKey& point) {
  if (point.data[0] != 4) return nullptr;
  const auto& names = names_of(suite);
  std::string group = names.group;
  auto octets = point.data;
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size()),
                             OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, octets.data(), octets.size()),
                             OSSL_PARAM_construct_end()};
  PkeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, names.type, nullptr));
  GALEN_ASSERT(context && EVP_PKEY_fromdata_init(context.get()) == 1);
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return PkeyPtr(key);
}

PrivateKey PrivateKey::generate(Suite suite) {
  auto state = std::make_shared<State>();
  state->suite = suite;
  state->key = PkeyPtr(suite == Suite::sm2_sm3 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "SM2") : EVP_EC_gen("P-256"));
  GALEN_ASSERT(state->key);
  auto point = point_of(state->key.get());
  GALEN_ASSERT(point.has_value());
  state->point = *point;
  return PrivateKey(std::move(state));
}

Result<PrivateKey> PrivateKey::from_pem(Suite suite, std::string_view pem) {
  if (pem.size() > kPemBytesMax) return {ErrorCode::CONFIG_INVALID, "the key's PEM text is too long"};
  if (pem.find("-----BEGIN PRIVATE KEY-----") == std::string_view::npos)
    return {ErrorCode::CONFIG_INVALID, "no unencrypted PKCS#8 key (BEGIN PRIVATE KEY) in the PEM text"};
  auto bio = bio_over(pem);
  auto state = std::make_shared<State>();
  state->suite = suite;
  state->key = PkeyPtr(PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_passphrase, nullptr));
  if (!state->key) {
    ERR_clear_error();
    return {ErrorCode::CONFIG_INVALID, "the PEM text holds no readable private key"};
  }
  if (!is_of(suite, state->key.get()))
    return {ErrorCode::CONFIG_INVALID, std::string("the private key is not on curve ") + names_of(suite).shown};
  bool sound = EVP_PKEY_check(context_of(state->key.get()).get()) == 1;
  auto point = point_of(state->key.get());
  if (!sound || !point) {
    ERR_clear_error();
    return {ErrorCode::CONFIG_INVALID, "the private key does not fit its public key"};
  }
  state->point = *point;
  return PrivateKey(std::move(state));
}

Result<PrivateKey> PrivateKey::load(Suite suite, const std::string& path) {
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {errno == ENOENT ? ErrorCode::NOT_FOUND : ErrorCode::IO_ERROR, "cannot open key file " + path};
  struct stat status {};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(file);
    return {ErrorCode::IO_ERROR, "not a regular file: " + path};
  }
  if ((status.st_mode & S_IRWXO) != 0) {
    ::close(file);
    return {ErrorCode::KEY_FILE_READABLE, "key file " + path + " is open to every user of this machine"};
  }
  std::string text;
  char buffer[4096];
  ssize_t count = 0;
  while (text.size() <= kPemBytesMax && (count = ::read(file, buffer, sizeof buffer)) > 0)
    text.append(buffer, static_cast<std::size_t>(count));
  ::close(file);
  if (count < 0) return {ErrorCode::IO_ERROR, "cannot read key file " + path};
  auto key = from_pem(suite, text);
  OPENSSL_cleanse(text.data(), text.size());
  OPENSSL_cleanse(buffer, sizeof buffer);
  if (!key) return {key.error().code, path + ": " + key.error().message};
  return key;
}

std::string PrivateKey::to_pem() const {
  BioPtr bio(BIO_new(BIO_s_mem()));
  GALEN_ASSERT(bio &&
               PEM_write_bio_PKCS8PrivateKey(bio.get(), state_->key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return bio_text(bio.get());
}

PublicKey PrivateKey::public_key() const { return state_->point; }

Signature PrivateKey::sign(ByteSpan message) const {
  std::uint8_t der[kDerBytesMax + 8];
  std::size_t size = sizeof der;
  if (state_->suite == Suite::sm2_sm3) {
    auto context = sm2_context(state_->key.get(), EVP_DigestSignInit_ex);
    GALEN_ASSERT(EVP_DigestSign(context.get(), der, &size, message.data(), message.size()) == 1);
  } else {
    auto digest = hash(state_->suite, message);
    auto context = context_of(state_->key.get());
    GALEN_ASSERT(EVP_PKEY_sign_init(context.get()) == 1 &&
                 EVP_PKEY_sign(context.get(), der, &size, digest.data.data(), Hash::kSize) == 1);
  }
  auto signature = parse_der({der, size});
  GALEN_ASSERT(signature.has_value());
  make_canonical(state_->suite, *signature);
  return *signature;
}

struct Verifier::State {
  Suite suite;
  PkeyPtr key;
  PublicKey point;
};

std::optional<Verifier> Verifier::make(Suite suite, const PublicKey& key) {
  auto parsed = pkey_from_point(suite, key);
  if (!parsed) return std::nullopt;
  return Verifier(std::make_shared<const State>(State{suite, std::move(parsed), key}));
}

bool Verifier::verify(ByteSpan message, const Signature& signature) const {
  if (!is_canonical(state_->suite, signature)) return false;
  std::uint8_t der[kDerBytesMax];
  auto size = write_der(signature, der);
  bool good = false;
  if (state_->suite == Suite::sm2_sm3) {
    auto context = sm2_context(state_->key.get(), EVP_DigestVerifyInit_ex);
    good = EVP_DigestVerify(context.get(), der, size, message.data(), message.size()) == 1;
  } else {
    auto digest = hash(state_->suite, message);
    auto context = context_of(state_->key.get());
    GALEN_ASSERT(EVP_PKEY_verify_init(context.get()) == 1);
    good = EVP_PKEY_verify(context.get(), der, size, digest.data.data(), Hash::kSize) == 1;
  }
  if (!good) ERR_clear_error();
  return good;
}

const PublicKey& Verifier::key() const { return state_->point; }
Suite Verifier::suite() const { return state_->suite; }

bool verify(Suite suite, const PublicKey& key, ByteSpan message, const Signature& signature) {
  // Parsing a point costs a good part of a verification, and the same few members and authors come again and again.
  thread_local std::optional<Verifier> recent[64];
  auto& slot = recent[key.data[32] % 64];
  if (!slot || slot->key() != key || slot->suite() != suite) slot = Verifier::make(suite, key);
  return slot && slot->verify(message, signature);
}

Bytes to_der(const Signature& signature) {
  std::uint8_t der[kDerBytesMax];
  auto size = write_der(signature, der);
  return Bytes(der, der + size);
}

std::optional<Signature> from_der(Suite suite, ByteSpan der) {
  auto signature = parse_der(der);
  if (!signature || !is_canonical(suite, *signature)) return std::nullopt;
  return signature;
}

}  // namespace galen::crypto
