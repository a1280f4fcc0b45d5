// The vault's records in the node's log, and the file that keeps them while the vault is away.
#include "fuzz/fuzz.hpp"
#include "galen/base/crc32c.hpp"
#include "galen/vault/outbox.hpp"
#include "node/kept_outbox.hpp"

namespace galen {

GALEN_FUZZ_TARGET(outbox) {
  auto record = vault::OutboxRecord::decode(input);
  if (!record) return;
  // Without a replaced request its 16 bytes say nothing and are written as zeros: the values are what must come back.
  auto again = vault::OutboxRecord::decode(record->encode());
  GALEN_ASSERT(again.has_value() && *again == *record);
}

GALEN_FUZZ_TARGET(kept_outbox) {
  // The input is what stands in the file once; the second half is a copy with the right checksum, which few mutations
  // would find.
  ByteWriter file;
  if (input.size() < 4) return;
  file.raw(input).u32(crc32c(input.subspan(4))).raw(input.subspan(4));
  auto kept = node::KeptOutbox::decode(file.bytes());
  if (!kept) return;
  auto again = node::KeptOutbox::decode(kept->encode());
  GALEN_ASSERT(again.has_value() && !again->copy_damaged && again->records == kept->records);
  GALEN_ASSERT(again->reach.log_id == kept->reach.log_id && again->reach.oldest_seq == kept->reach.oldest_seq);
  GALEN_ASSERT(again->reach.started_over == kept->reach.started_over);
}

}  // namespace galen
