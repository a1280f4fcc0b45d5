// Whose record a FHIR resource is. Filed under a wrong patient it would be shown to whom she lets see hers, and an
// anchor keeps its subject for good: so nobody rather than a wrong one. Pure; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "galen/types/json.hpp"

namespace galen::galenctl {

struct Subject {
  std::optional<std::string> patient;  ///< local id of the one patient it is about
  bool elsewhere = false;              ///< it names a patient of another server, and none of this one
};

/// "https://ehr.example/fhir/Observation/9" of an Observation -> "https://ehr.example/fhir/"; empty for what is no such
/// URL.
std::string_view server_of(std::string_view full_url, std::string_view type);

/// The patients of one source system, as far as a file tells: those of a Bundle's entries, and what is referred to as
/// theirs.
class KnownPatients {
 public:
  /// `system`: name of the source system; if that is a URL, what lies below it is of this system.
  explicit KnownPatients(std::string_view system);

  /// Servers of a Bundle's entries, as server_of says: if none lies below the system's URL, the first one is this
  /// system's.
  void settle(const std::vector<std::string_view>& servers);
  /// Nothing, or below this system's URL.
  bool is_ours(std::string_view server) const;
  /// A Patient among the entries; `full_url` may be empty.
  void add(const std::string& full_url, const std::string& id);
  /// `server` of the entry that holds it, or empty: what its relative references stand on (FHIR R4, Bundle, "Resolving
  /// references in Bundles").
  Subject subject_of(JsonValue resource, std::string_view type, std::string_view server) const;

 private:
  struct Named;
  void name(JsonValue reference, std::string_view server, Named& out) const;
  void name_at(JsonValue value, std::string_view path, std::string_view server, Named& out) const;

  std::string home_;                                        // base URL with its last slash, or empty
  std::map<std::string, std::string, std::less<>> by_url_;  // fullUrl -> local id
};

}  // namespace galen::galenctl
