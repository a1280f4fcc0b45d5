#include "sim/keyring.hpp"

#include <cstring>

#include "galen/base/rng.hpp"

namespace galen::sim {

std::uint64_t mix(std::uint64_t seed, ByteSpan bytes) {
  std::uint64_t h = seed ^ 0xcbf29ce484222325ULL;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
    h ^= h >> 29;
  }
  for (; i < bytes.size(); ++i) h = (h ^ bytes[i]) * 0x100000001b3ULL;
  return h ^ (h >> 32);
}

Hash small_hash(std::uint64_t a, std::uint64_t b) {
  Hash out;
  Rng rng(a * 0x9e3779b97f4a7c15ULL + b);
  for (std::size_t i = 0; i < 32; i += 8) {
    auto word = rng.next();
    std::memcpy(out.data.data() + i, &word, 8);
  }
  return out;
}

Signature TagKeyring::sign(MemberIndex signer, ByteSpan bytes) const {
  Signature out;
  auto tag = mix(0x5bd1e995ULL * (signer + 1), bytes);
  std::memcpy(out.data.data(), &tag, sizeof tag);
  return out;
}

bool TagKeyring::verify(MemberIndex signer, ByteSpan bytes, const Signature& signature) const {
  return sign(signer, bytes) == signature;
}

}  // namespace galen::sim
