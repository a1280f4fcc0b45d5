// Digests and HMAC over OpenSSL's EVP. Algorithms are fetched once for the process and contexts are kept per thread,
// since fetching costs more than hashing a Merkle node. docs/spec/formats.md 2.
#include "galen/crypto/hash.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>

#include "crypto/openssl_ptr.hpp"

namespace galen::crypto {

std::string_view to_name(Suite suite) { return suite == Suite::sm2_sm3 ? "sm2-sm3" : "p256-sha256"; }

std::optional<Suite> suite_from_name(std::string_view name) {
  if (name == "p256-sha256") return Suite::p256_sha256;
  if (name == "sm2-sm3") return Suite::sm2_sm3;
  return std::nullopt;
}

namespace {

const EVP_MD* fetch_digest(const char* name) {
  const EVP_MD* digest = EVP_MD_fetch(nullptr, name, nullptr);
  GALEN_ASSERT(digest != nullptr);
  return digest;
}

const EVP_MD* digest_of(Suite suite) {
  // Never freed: other threads may still hash while static objects go.
  if (suite == Suite::sm2_sm3) {
    static const EVP_MD* const sm3 = fetch_digest("SM3");
    return sm3;
  }
  static const EVP_MD* const sha256 = fetch_digest("SHA2-256");
  return sha256;
}

EVP_MD_CTX* begin(Suite suite) {
  thread_local DigestContextPtr contexts[2] = {DigestContextPtr(EVP_MD_CTX_new()), DigestContextPtr(EVP_MD_CTX_new())};
  auto* context = contexts[suite == Suite::sm2_sm3 ? 1 : 0].get();
  GALEN_ASSERT(context != nullptr && EVP_DigestInit_ex2(context, digest_of(suite), nullptr) == 1);
  return context;
}

void feed(EVP_MD_CTX* context, ByteSpan bytes) {
  GALEN_ASSERT(EVP_DigestUpdate(context, bytes.data(), bytes.size()) == 1);
}

Hash end(EVP_MD_CTX* context) {
  Hash out;
  unsigned size = 0;
  GALEN_ASSERT(EVP_DigestFinal_ex(context, out.data.data(), &size) == 1 && size == Hash::kSize);
  return out;
}

}  // namespace

Hash hash(Suite suite, ByteSpan bytes) {
  auto* context = begin(suite);
  feed(context, bytes);
  return end(context);
}

Hash hash(Suite suite, std::initializer_list<ByteSpan> parts) {
  auto* context = begin(suite);
  for (auto part : parts) feed(context, part);
  return end(context);
}

Sha1 sha1(ByteSpan bytes) {
  static const EVP_MD* const digest = fetch_digest("SHA1");
  DigestContextPtr context(EVP_MD_CTX_new());
  GALEN_ASSERT(context != nullptr && EVP_DigestInit_ex2(context.get(), digest, nullptr) == 1);
  feed(context.get(), bytes);
  Sha1 out;
  unsigned size = 0;
  GALEN_ASSERT(EVP_DigestFinal_ex(context.get(), out.data.data(), &size) == 1 && size == Sha1::kSize);
  return out;
}

Hash hash_tagged(Suite suite, std::string_view tag, std::initializer_list<ByteSpan> parts) {
  GALEN_ASSERT(tag.size() <= 255);
  auto tag_size = static_cast<std::uint8_t>(tag.size());
  auto* context = begin(suite);
  feed(context, {&tag_size, 1});
  feed(context, as_bytes(tag));
  for (auto part : parts) feed(context, part);
  return end(context);
}

Hash hmac(Suite suite, ByteSpan key, std::initializer_list<ByteSpan> parts) {
  static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  GALEN_ASSERT(algorithm != nullptr);
  thread_local MacContextPtr context(EVP_MAC_CTX_new(algorithm));
  GALEN_ASSERT(context);
  char digest[] = "SHA2-256", sm3[] = "SM3";
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, suite == Suite::sm2_sm3 ? sm3 : digest, 0),
      OSSL_PARAM_construct_end()};
  // A null key would mean "the key of the call before".
  static const std::uint8_t kNoKey = 0;
  const auto* key_data = key.empty() ? &kNoKey : key.data();
  GALEN_ASSERT(EVP_MAC_init(context.get(), key_data, key.size(), parameters) == 1);
  for (auto part : parts) GALEN_ASSERT(EVP_MAC_update(context.get(), part.data(), part.size()) == 1);
  Hash out;
  std::size_t size = 0;
  GALEN_ASSERT(EVP_MAC_final(context.get(), out.data.data(), &size, Hash::kSize) == 1 && size == Hash::kSize);
  return out;
}

bool equal_constant_time(ByteSpan a, ByteSpan b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

struct Hasher::State {
  DigestContextPtr context{EVP_MD_CTX_new()};
  bool finished = false;
};

Hasher::Hasher(Suite suite) : state_(std::make_unique<State>()) {
  GALEN_ASSERT(state_->context && EVP_DigestInit_ex2(state_->context.get(), digest_of(suite), nullptr) == 1);
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

Hasher& Hasher::update(ByteSpan bytes) {
  GALEN_ASSERT(!state_->finished);
  feed(state_->context.get(), bytes);
  return *this;
}

Hash Hasher::finish() {
  GALEN_ASSERT(!state_->finished);
  state_->finished = true;
  return end(state_->context.get());
}

}  // namespace galen::crypto
