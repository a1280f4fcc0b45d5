// Evidence files as a court's verifier gets them, and cursors of events. What decodes is the only form of itself, and
// no file makes the verifier do anything but answer.
#include "fuzz/fuzz.hpp"
#include "galen/types/event_cursor.hpp"
#include "galen/types/evidence.hpp"
#include "galen/types/report.hpp"

namespace galen {
namespace {

template <class File>
bool decodes_to_itself(ByteSpan input) {
  auto file = File::decode(input);
  if (!file) return false;
  auto encoded = file->encode();
  GALEN_ASSERT(std::equal(encoded.begin(), encoded.end(), input.begin(), input.end()));
  return true;
}

bool decodes(ByteSpan input) {
  auto kind = evidence_kind(input);
  if (kind == EvidenceKind::transaction) return decodes_to_itself<TransactionProofFile>(input);
  if (kind == EvidenceKind::state) return decodes_to_itself<StateProofFile>(input);
  if (kind == EvidenceKind::consistency) return decodes_to_itself<ConsistencyProofFile>(input);
  if (kind == EvidenceKind::bundle) return decodes_to_itself<EvidenceBundle>(input);
  return kind == EvidenceKind::receipt;
}

}  // namespace

GALEN_FUZZ_TARGET(evidence) {
  static const Bytes genesis = to_bytes(fuzz::read_source_file("tests/golden/genesis.json"));
  const bool readable = decodes(input);
  auto known = verify_evidence_file(genesis, input);
  auto alone = verify_evidence_file(std::nullopt, input);
  GALEN_ASSERT(readable || (!known && !alone));
}

GALEN_FUZZ_TARGET(event_cursor) {
  auto cursor = EventCursor::decode(as_text(input));
  if (cursor) GALEN_ASSERT(cursor->encode() == as_text(input));
}

}  // namespace galen
