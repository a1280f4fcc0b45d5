#include "crypto/repeatable/repeatable_random.hpp"

#define OPENSSL_SUPPRESS_DEPRECATED  // the method table is the only way in that needs no provider of our own
#include <openssl/rand.h>

#include <optional>

#include "galen/base/assert.hpp"
#include "galen/base/rng.hpp"

namespace galen::crypto {

namespace {

thread_local std::optional<Rng> repeated;

int fill(unsigned char* out, int size) {
  if (!repeated) return RAND_OpenSSL()->bytes(out, size);
  for (int i = 0; i < size; ++i) out[i] = static_cast<unsigned char>(repeated->next() >> 56);
  return 1;
}
int is_ready() { return 1; }

const RAND_METHOD kMethod{nullptr, fill, nullptr, nullptr, fill, is_ready};

}  // namespace

void repeat_random(std::uint64_t seed) {
  static const bool is_set = RAND_set_rand_method(&kMethod) == 1;
  GALEN_ASSERT(is_set);
  repeated.emplace(seed);
}

}  // namespace galen::crypto
