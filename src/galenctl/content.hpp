// How a document's canonical bytes are made, as the command line says it, and what is checked of it before it is sent:
// the node checks the same again, but here a path starts at the file and an attachment may lie beside its resource.
// Pure.
#pragma once

#include <memory>
#include <string>

#include "galen/types/attachments.hpp"
#include "galen/types/canonical.hpp"
#include "galenctl/context.hpp"
#include "galenctl/fhir_file.hpp"

namespace galen::galenctl {

struct Method {
  ledger::v1::CanonMethod canon = ledger::v1::CANON_METHOD_RAW;
  Lossy lossy = Lossy::refuse;
};

struct MethodOptions {
  std::string name = "raw";
  bool lossy = false;
};
/// --method and --lossy.
void add_method_options(CLI::App* verb, const std::shared_ptr<MethodOptions>& options);
Result<Method> parse_method(const MethodOptions& options);

/// TOO_LARGE, JSON_NUMBER_INEXACT and the like, ATTACHMENT_MISMATCH.
Status check_resource(const FhirFile& file, const FhirResource& resource, const Method& method);

/// One document to be anchored, verified or canonicalised: an entry of a Bundle, if one is named, or any file as it is.
struct Document {
  FhirFile file;
  const FhirResource* resource = nullptr;  ///< nothing for a whole Bundle and for what is no FHIR JSON
  std::string bytes;                       ///< exact
  std::string source;                      ///< TYPE/ID, if it is a resource
  /// "; it is a Bundle …" for one that is taken whole, else nothing: a word to add where a source id is missing.
  std::string hint() const;
};
Result<Document> load_document(const std::string& path, const std::optional<std::size_t>& entry);

/// That one of the attachments a resource states (DocumentReference.content, Media.content …) is `content`.
Status check_described_by(const std::string& path, ByteSpan content);

}  // namespace galen::galenctl
