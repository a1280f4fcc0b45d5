// Random bytes from the operating system, for ids, keys and nonces. Stops the process if the system has none.
#pragma once

#include "galen/base/bytes.hpp"

namespace galen::crypto {

void fill_random(std::span<std::uint8_t> out);

template <class Fixed>
Fixed random_fixed() {
  Fixed out;
  fill_random(out.data);
  return out;
}

/// A random UUID (RFC 9562 version 4) as 16 bytes.
RequestId random_request_id();

}  // namespace galen::crypto
