// JSON, its canonical bytes and the attachments in it: what a node reads of a document that somebody anchors.
#include "fuzz/fuzz.hpp"
#include "galen/types/attachments.hpp"
#include "galen/types/canonical.hpp"

namespace galen {

GALEN_FUZZ_TARGET(json) {
  auto document = JsonDocument::parse(to_string(input), {.bytes_max = 1 << 20, .values_max = 1 << 16});
  if (!document) return;
  auto strict = canonical_json(document->root(), Lossy::refuse);
  auto lossy = canonical_json(document->root(), Lossy::allow);
  if (strict) {
    GALEN_ASSERT(lossy.has_value() && lossy->text == strict->text && lossy->lossy_numbers == 0);
  }
  if (lossy) {
    // Canonical bytes are JSON, lose nothing any more and stay as they are.
    auto again = JsonDocument::parse(lossy->text);
    GALEN_ASSERT(again.has_value());
    auto same = canonical_json(again->root(), Lossy::refuse);
    GALEN_ASSERT(same.has_value() && same->text == lossy->text);
  }
  auto record = canonical_bytes(ledger::v1::CANON_METHOD_JCS, input, Lossy::allow);
  if (record)
    GALEN_ASSERT(canonical_bytes(ledger::v1::CANON_METHOD_JCS, as_bytes(record->text), Lossy::refuse).has_value());
  check_attachments_in(input).ignore("either is fine");
  check_attachments(document->root()).has_value();
}

GALEN_FUZZ_TARGET(base64) {
  auto bytes = from_fhir_base64(as_text(input));
  if (bytes) GALEN_ASSERT(bytes->size() <= input.size() / 4 * 3);
}

}  // namespace galen
