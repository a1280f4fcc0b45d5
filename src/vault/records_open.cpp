// Opening a commitment for evidence: the record key goes to one who has the bytes, and only for records that are
// executed (docs/spec/evidence.md 6).
#include "galen/vault/records.hpp"
#include "vault/records_state.hpp"

namespace galen::vault {

Result<RecordVault::Opening> RecordVault::open_record(const PointerId& pointer_id, ByteSpan content) const {
  GALEN_TRY(verify(pointer_id, content));
  const auto& state = *state_;
  const std::lock_guard lock(state.mutex);
  GALEN_ASSIGN(const auto version, state.index.version(pointer_id));
  if (!version) return {ErrorCode::UNAVAILABLE, "the record's transaction is not settled here yet: ask again"};
  GALEN_ASSIGN(auto key, state.record_key(version->entry));
  // What was committed to are the canonical bytes; verify has just made them, so they can be made.
  const auto& entry = version->entry;
  GALEN_ASSIGN(auto canonical, canonical_bytes(static_cast<ledger::v1::CanonMethod>(entry.canon), content,
                                               entry.lossy_numbers == 0 ? Lossy::refuse : Lossy::allow));
  return Opening{key, to_bytes(std::string_view(canonical.text))};
}

}  // namespace galen::vault
