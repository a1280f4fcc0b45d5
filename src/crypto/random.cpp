#include "galen/crypto/random.hpp"

#include <openssl/rand.h>

namespace galen::crypto {

void fill_random(std::span<std::uint8_t> out) {
  GALEN_ASSERT(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1);
}

RequestId random_request_id() {
  auto id = random_fixed<RequestId>();
  id.data[6] = static_cast<std::uint8_t>((id.data[6] & 0x0f) | 0x40);  // version 4
  id.data[8] = static_cast<std::uint8_t>((id.data[8] & 0x3f) | 0x80);  // variant 10
  return id;
}

}  // namespace galen::crypto
