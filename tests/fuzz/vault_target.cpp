// The vault's records in the node's log.
#include "fuzz/fuzz.hpp"
#include "galen/vault/outbox.hpp"

namespace galen {

GALEN_FUZZ_TARGET(outbox) {
  auto record = vault::OutboxRecord::decode(input);
  if (!record) return;
  // Without a replaced request its 16 bytes say nothing and are written as zeros: the values are what must come back.
  auto again = vault::OutboxRecord::decode(record->encode());
  GALEN_ASSERT(again.has_value() && *again == *record);
}

}  // namespace galen
