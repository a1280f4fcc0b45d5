#include "galen/crypto/aead.hpp"

#include <algorithm>

#include "crypto/openssl_ptr.hpp"
#include "galen/crypto/random.hpp"

namespace galen::crypto {

namespace {

constexpr std::size_t kNonceBytes = 12, kTagBytes = 16;

const EVP_CIPHER* fetch_cipher(const char* name) {
  const EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, name, nullptr);
  GALEN_ASSERT(cipher != nullptr);
  return cipher;
}
const EVP_CIPHER* aes_256_gcm() {
  static const EVP_CIPHER* const cipher = fetch_cipher("AES-256-GCM");
  return cipher;
}
const EVP_CIPHER* sm4_ctr() {
  static const EVP_CIPHER* const cipher = fetch_cipher("SM4-CTR");
  return cipher;
}

EVP_CIPHER_CTX* context() {
  thread_local CipherContextPtr context(EVP_CIPHER_CTX_new());
  GALEN_ASSERT(context && EVP_CIPHER_CTX_reset(context.get()) == 1);
  return context.get();
}

/// `out` is nonce ‖ room for body and tag.
void seal_gcm(const AeadKey& key, ByteSpan plaintext, ByteSpan associated_data, Bytes& out) {
  auto* body = out.data() + kNonceBytes;
  auto* c = context();
  int size = 0, last = 0;
  GALEN_ASSERT(EVP_EncryptInit_ex2(c, aes_256_gcm(), key.data.data(), out.data(), nullptr) == 1);
  GALEN_ASSERT(EVP_EncryptUpdate(c, nullptr, &size, associated_data.data(), static_cast<int>(associated_data.size())) ==
               1);
  GALEN_ASSERT(EVP_EncryptUpdate(c, body, &size, plaintext.data(), static_cast<int>(plaintext.size())) == 1);
  GALEN_ASSERT(EVP_EncryptFinal_ex(c, body + plaintext.size(), &last) == 1 && last == 0);
  GALEN_ASSERT(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, kTagBytes, body + plaintext.size()) == 1);
  EVP_CIPHER_CTX_reset(c);
}

bool open_gcm(const AeadKey& key, ByteSpan nonce, ByteSpan body, ByteSpan tag, ByteSpan associated_data, Bytes& out) {
  auto tag_copy = to_bytes(tag);
  auto* c = context();
  int size = 0, last = 0;
  std::uint8_t rest[16];
  bool good =
      EVP_DecryptInit_ex2(c, aes_256_gcm(), key.data.data(), nonce.data(), nullptr) == 1 &&
      EVP_DecryptUpdate(c, nullptr, &size, associated_data.data(), static_cast<int>(associated_data.size())) == 1 &&
      EVP_DecryptUpdate(c, out.data(), &size, body.data(), static_cast<int>(body.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag_copy.data()) == 1 &&
      EVP_DecryptFinal_ex(c, rest, &last) == 1;
  EVP_CIPHER_CTX_reset(c);
  return good;
}

/// Encrypts or decrypts: counter mode is its own inverse. The key is the first half of HMAC-SM3(key, label).
void sm4(const AeadKey& key, ByteSpan nonce, ByteSpan in, std::uint8_t* out) {
  auto cipher_key = hmac(Suite::sm2_sm3, key.span(), {as_bytes("galen/1 sm4-ctr")});
  std::uint8_t counter[16] = {};
  std::copy(nonce.begin(), nonce.end(), counter);
  counter[15] = 1;
  auto* c = context();
  int size = 0;
  GALEN_ASSERT(EVP_EncryptInit_ex2(c, sm4_ctr(), cipher_key.data.data(), counter, nullptr) == 1);
  GALEN_ASSERT(EVP_EncryptUpdate(c, out, &size, in.data(), static_cast<int>(in.size())) == 1);
  EVP_CIPHER_CTX_reset(c);
  OPENSSL_cleanse(cipher_key.data.data(), cipher_key.data.size());
}

/// HMAC-SM3 under a key of its own over u64 length of the associated data ‖ associated data ‖ nonce ‖ ciphertext.
Hash sm3_tag(const AeadKey& key, ByteSpan associated_data, ByteSpan nonce_and_body) {
  auto mac_key = hmac(Suite::sm2_sm3, key.span(), {as_bytes("galen/1 hmac-sm3")});
  auto length = ByteWriter(8).u64(associated_data.size()).bytes();
  auto tag = hmac(Suite::sm2_sm3, mac_key.span(), {length, associated_data, nonce_and_body});
  OPENSSL_cleanse(mac_key.data.data(), mac_key.data.size());
  return tag;
}

}  // namespace

Bytes seal(Suite suite, const AeadKey& key, ByteSpan plaintext, ByteSpan associated_data) {
  GALEN_ASSERT(plaintext.size() < INT32_MAX && associated_data.size() < INT32_MAX);
  Bytes out(kNonceBytes + plaintext.size() + kTagBytes);
  fill_random(std::span(out).first(kNonceBytes));
  if (suite != Suite::sm2_sm3) {
    seal_gcm(key, plaintext, associated_data, out);
    return out;
  }
  sm4(key, ByteSpan(out).first(kNonceBytes), plaintext, out.data() + kNonceBytes);
  auto tag = sm3_tag(key, associated_data, ByteSpan(out).first(out.size() - kTagBytes));
  std::copy_n(tag.data.begin(), kTagBytes, out.end() - kTagBytes);
  return out;
}

Result<Bytes> open(Suite suite, const AeadKey& key, ByteSpan sealed, ByteSpan associated_data) {
  if (sealed.size() < kNonceBytes + kTagBytes || sealed.size() >= INT32_MAX || associated_data.size() >= INT32_MAX)
    return {ErrorCode::CORRUPT, "sealed data: impossible length"};
  auto nonce = sealed.first(kNonceBytes), tag = sealed.last(kTagBytes);
  auto body = sealed.subspan(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  Bytes out(body.size());
  bool good = false;
  if (suite != Suite::sm2_sm3) {
    good = open_gcm(key, nonce, body, tag, associated_data, out);
  } else {
    auto expected = sm3_tag(key, associated_data, sealed.first(sealed.size() - kTagBytes));
    good = equal_constant_time(expected.span().first(kTagBytes), tag);
    if (good) sm4(key, nonce, body, out.data());
  }
  if (good) return out;
  OPENSSL_cleanse(out.data(), out.size());
  return {ErrorCode::CORRUPT, "sealed data: the key, the data or its context differ"};
}

}  // namespace galen::crypto
