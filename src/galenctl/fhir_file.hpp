// A FHIR JSON file as the importer sees it: the resources of a Bundle, or one bare resource, each with its exact bytes,
// its name in the source system and the patient it is about. Nothing here judges whether a resource is good medicine;
// only what an anchor needs is checked. A file with one broken entry sends nothing at all. Pure; any thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "galen/base/bytes.hpp"
#include "galen/ledger/v1/transaction.pb.h"
#include "galen/types/json.hpp"
#include "galenctl/fhir_subject.hpp"

namespace galen::galenctl {

struct FhirResource {
  std::size_t entry = 0;  ///< position in the Bundle, 0 for a bare resource
  std::string type;
  std::string id;  ///< resource.id, or the uuid of the entry's fullUrl; of another server's the whole fullUrl
  std::string_view content;            ///< the exact bytes: a slice of the file's text, for a bare resource all of it
  std::optional<JsonValue> value;      ///< of `content`; always there
  Subject subject;                     ///< of a Patient she herself
  ledger::v1::RecordClass record_class = ledger::v1::RECORD_CLASS_N;
};

struct EntryProblem {
  std::optional<std::size_t> entry;  ///< nothing: the file as a whole
  Error error;
};

class FhirFile {
 public:
  /// Never fails: what is wrong stands in problems(), and resources() is then empty.
  /// `system` is that of KnownPatients.
  static FhirFile parse(std::string text, std::string_view system = {});
  /// IO_ERROR and TOO_LARGE are problems too.
  static FhirFile load(const std::string& path, std::string_view system = {});

  /// Of a Bundle with entries, a searchset or a history each entry is a resource, or was skipped; any other file is one
  /// resource, or none.
  bool is_bundle() const { return is_bundle_; }
  /// Entries of the Bundle; 1 for a bare resource and for a file that is no JSON.
  std::size_t entry_count() const { return entry_count_; }
  /// Entries that hold no record: a deletion or query of a transaction, an answer to one, a remark about a search.
  std::size_t skipped_count() const { return skipped_count_; }
  /// Entries that hold a record, or should.
  std::size_t resource_count() const { return entry_count_ - skipped_count_; }
  std::size_t byte_count() const { return bytes_; }
  /// In the order of the file, of a history the oldest first.
  const std::vector<FhirResource>& resources() const { return resources_; }
  const std::vector<EntryProblem>& problems() const { return problems_; }
  /// Bytes of the Binary that stands in this file under that fullUrl or as "Binary/ID".
  std::optional<Bytes> binary(std::string_view url) const;

 private:
  void read_bundle(JsonValue bundle, KnownPatients patients);
  void read_bare(JsonValue resource, const KnownPatients& patients);
  void name_subjects(const std::vector<std::string>& full_urls, KnownPatients patients);

  bool is_bundle_ = false;
  std::size_t entry_count_ = 1;
  std::size_t skipped_count_ = 0;
  std::size_t bytes_ = 0;
  std::vector<FhirResource> resources_;
  std::vector<EntryProblem> problems_;
  std::map<std::string, JsonValue, std::less<>> binaries_;
  std::unique_ptr<JsonDocument> document_;
};

}  // namespace galen::galenctl
