#include "galen/vault/commitment.hpp"

namespace galen::vault {

Hash commit(crypto::Suite suite, const RecordKey& key, ledger::v1::CanonMethod canon, ByteSpan bytes) {
  ByteWriter prefix(16);
  prefix.raw("galen1").u8(static_cast<std::uint8_t>(canon)).u64(bytes.size());
  return crypto::hmac(suite, key.span(), {prefix.bytes(), bytes});
}

}  // namespace galen::vault
