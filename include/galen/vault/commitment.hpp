// The keyed commitment of a record's bytes (docs/spec/commitments.md 1): HMAC under a random key used for this version
// only, so equal bytes give unrelated commitments, a guess cannot be tested without the key, and destroying the key is
// the erasure. Any thread.
#pragma once

#include "galen/crypto/hash.hpp"
#include "galen/ledger/v1/transaction.pb.h"

namespace galen::vault {

using RecordKey = FixedBytes<struct RecordKeyTag, 32>;

/// HMAC(record key, "galen1" ‖ u8 canon ‖ u64 length ‖ bytes), canon = the number of the AnchorRecord's CanonMethod.
Hash commit(crypto::Suite suite, const RecordKey& key, ledger::v1::CanonMethod canon, ByteSpan bytes);

}  // namespace galen::vault
