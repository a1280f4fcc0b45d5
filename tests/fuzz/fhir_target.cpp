// Files of an import: whatever a hospital's system writes into a Bundle.
#include "fuzz/fuzz.hpp"
#include "galenctl/fhir_file.hpp"

namespace galen {

GALEN_FUZZ_TARGET(fhir_file) {
  auto file = galenctl::FhirFile::parse(to_string(input));
  GALEN_ASSERT(file.byte_count() == input.size());
  GALEN_ASSERT(file.problems().empty() || file.resources().empty());
  for (const auto& resource : file.resources()) {
    // The exact bytes that are anchored are a document by themselves, of that type.
    auto again = JsonDocument::parse(std::string(resource.content));
    GALEN_ASSERT(again.has_value());
    GALEN_ASSERT(again->root().find_text("resourceType") == resource.type);
    GALEN_ASSERT(!resource.id.empty() && resource.entry < file.entry_count());
    file.binary("Binary/" + resource.id).has_value();
  }
}

}  // namespace galen
