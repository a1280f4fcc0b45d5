#include "galenctl/fhir_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "galen/types/attachments.hpp"
#include "galenctl/files.hpp"

namespace galen::galenctl {
namespace {

constexpr std::size_t kTypeBytesMax = 64, kIdBytesMax = 256;

/// Kinds that describe the hospital and its staff: they never get a patient's pseudonym, whatever they refer to.
constexpr std::string_view kWithoutSubject[] = {"Organization",  "OrganizationAffiliation",
                                                "Practitioner",  "PractitionerRole",
                                                "Location",      "HealthcareService",
                                                "Endpoint",      "Medication",
                                                "Substance",     "CodeSystem",
                                                "ValueSet",      "StructureDefinition",
                                                "Bundle",        "Questionnaire",
                                                "PlanDefinition"};
/// Where FHIR names the subject, in the order of trust; other references to a patient count only without these.
constexpr std::string_view kSubjectKeys[] = {"subject", "patient", "beneficiary", "for", "individual"};

using FullUrls = std::map<std::string, std::string, std::less<>>;  // fullUrl of a Patient entry -> local id

bool is_resource_type(std::string_view text) {
  if (text.empty() || text.size() > kTypeBytesMax || text[0] < 'A' || text[0] > 'Z') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); });
}

/// "urn:uuid:X" -> X
std::optional<std::string> uuid_of(std::string_view full_url) {
  constexpr std::string_view prefix = "urn:uuid:";
  if (!full_url.starts_with(prefix) || full_url.size() == prefix.size()) return std::nullopt;
  return std::string(full_url.substr(prefix.size()));
}

/// Local id of the patient a reference names: through the bundle's fullUrl, or by "Patient/ID", also as the end of a
/// URL.
std::optional<std::string> patient_of(std::string_view reference, const FullUrls& full_urls) {
  if (auto found = full_urls.find(reference); found != full_urls.end()) return found->second;
  if (auto history = reference.find("/_history/"); history != std::string_view::npos)
    reference = reference.substr(0, history);
  constexpr std::string_view marker = "Patient/";
  auto at = reference.rfind(marker);
  if (at == std::string_view::npos || (at != 0 && reference[at - 1] != '/')) return std::nullopt;
  auto id = reference.substr(at + marker.size());
  if (id.empty() || id.size() > kIdBytesMax || id.find_first_of("/?#") != std::string_view::npos) return std::nullopt;
  return std::string(id);
}

using Patients = std::set<std::string>;  // local ids

void add_patient(JsonValue reference, const FullUrls& full_urls, Patients& out) {
  if (auto id = patient_of(reference.find_text("reference").value_or(""), full_urls)) out.insert(*id);
}

void add_patients_below(JsonValue value, const FullUrls& full_urls, Patients& out) {
  add_patient(value, full_urls, out);
  for (auto child : value.children()) add_patients_below(child, full_urls, out);
}

/// The one patient a resource is about. Nobody rather than a wrong one: what names a subject that is no known patient (a
/// group, "#contained", an identifier only) is not hers who happens to stand elsewhere in it, and what names two is neither's.
std::optional<std::string> subject_of(JsonValue resource, std::string_view type, const FullUrls& full_urls) {
  if (std::find(std::begin(kWithoutSubject), std::end(kWithoutSubject), type) != std::end(kWithoutSubject))
    return std::nullopt;
  std::optional<JsonValue> subject;
  for (auto key : kSubjectKeys)
    if (!subject) subject = resource.find(key);
  Patients named;
  if (!subject)
    add_patients_below(resource, full_urls, named);
  else if (subject->is(JsonKind::array))
    for (auto one : subject->children()) add_patient(one, full_urls, named);
  else
    add_patient(*subject, full_urls, named);
  if (named.size() != 1) return std::nullopt;
  return *named.begin();
}

/// meta.security of v3-Confidentiality, folded to what the ledger keeps; the strictest label counts.
ledger::v1::RecordClass class_of(JsonValue resource) {
  auto record_class = ledger::v1::RECORD_CLASS_N;
  auto meta = resource.find("meta");
  auto labels = meta ? meta->find("security") : std::nullopt;
  if (!labels) return record_class;
  for (auto label : labels->children()) {
    auto system = label.find_text("system").value_or("");
    if (!system.ends_with("v3-Confidentiality")) continue;
    auto code = label.find_text("code").value_or("");
    if (code == "V") record_class = ledger::v1::RECORD_CLASS_V;
    if (code == "R" && record_class == ledger::v1::RECORD_CLASS_N) record_class = ledger::v1::RECORD_CLASS_R;
  }
  return record_class;
}

Error bad(JsonValue where, std::string_view what) {
  return make_error(ErrorCode::BAD_FHIR, fmt::format("{}: {} (byte {})", where.path(), what, where.offset()));
}

/// What a server remarks about a search it answers (FHIR R4, Bundle.entry.search.mode): an OperationOutcome, mostly
/// without an id.
bool is_remark(JsonValue entry) {
  auto search = entry.find("search");
  return search && search->find_text("mode") == "outcome";
}

/// Without `resource` such an entry is whole: it deletes or asks, or is what the server said to it. One that writes has
/// lost what it writes.
bool needs_no_resource(JsonValue entry) {
  if (entry.find("response")) return true;
  auto request = entry.find("request");
  if (!request) return false;
  auto method = request->find_text("method");
  return method == "DELETE" || method == "GET" || method == "HEAD";
}

/// Type, id, bytes and class; the patient follows once all fullUrls of the bundle are known.
Result<FhirResource> read_resource(JsonValue value, std::size_t entry, const std::optional<std::string>& full_url) {
  if (!value.is(JsonKind::object)) return bad(value, "a resource must be an object");
  auto type = value.find("resourceType");
  if (!type) return bad(value, "resourceType is missing");
  if (!is_resource_type(type->text())) return bad(*type, "resourceType is not the name of a FHIR resource");
  FhirResource out;
  out.entry = entry;
  out.type = type->text();
  out.content = value.raw();
  out.value = value;
  out.record_class = class_of(value);
  if (auto id = value.find("id")) {
    if (!id->is(JsonKind::string) || id->text().empty() || id->text().size() > kIdBytesMax)
      return bad(*id, "id must be a string of 1 to 256 bytes");
    out.id = id->text();
  } else if (auto uuid = full_url ? uuid_of(*full_url) : std::nullopt; uuid && uuid->size() <= kIdBytesMax) {
    out.id = *uuid;
  } else {
    return bad(value, "the resource has no id, and its entry no fullUrl with a uuid");
  }
  return out;
}

}  // namespace

FhirFile FhirFile::load(const std::string& path) {
  auto text = read_text_file(path, kJsonBytesMax);
  if (text) return parse(std::move(*text));
  FhirFile out;
  out.problems_.push_back({std::nullopt, text.error()});
  return out;
}

FhirFile FhirFile::parse(std::string text) {
  FhirFile out;
  out.bytes_ = text.size();
  auto document = JsonDocument::parse(std::move(text));
  if (!document) {
    out.problems_.push_back({std::nullopt, document.error()});
    return out;
  }
  // On the heap: values and slices point into the document, and a FhirFile may be moved.
  out.document_ = std::make_unique<JsonDocument>(std::move(*document));
  auto root = out.document_->root();
  if (root.find_text("resourceType") == "Bundle" && root.find("entry"))
    out.read_bundle(root);
  else
    out.read_bare(root);
  if (!out.problems_.empty()) out.resources_.clear();
  return out;
}

std::optional<Bytes> FhirFile::binary(std::string_view url) const {
  auto found = binaries_.find(url);
  if (found == binaries_.end()) return std::nullopt;
  auto data = found->second.find_text("data");
  return data ? from_fhir_base64(*data) : std::nullopt;
}

void FhirFile::read_bare(JsonValue value) {
  auto resource = read_resource(value, 0, std::nullopt);
  if (!resource) {
    problems_.push_back({std::nullopt, resource.error()});
    return;
  }
  resource->content = document_->text();  // the file as it came, the line end after it too: who hashes the file gets the same
  resource->patient = resource->type == "Patient" ? resource->id : subject_of(value, resource->type, {});
  resources_.push_back(std::move(*resource));
}

void FhirFile::read_bundle(JsonValue bundle) {
  is_bundle_ = true;
  auto entries = *bundle.find("entry");
  if (!entries.is(JsonKind::array)) {
    problems_.push_back({std::nullopt, bad(entries, "entry must be an array")});
    return;
  }
  auto all = entries.children();
  entry_count_ = all.size();
  FullUrls patients;
  std::vector<JsonValue> values;
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto value = all[i].find("resource");
    if (is_remark(all[i]) || (!value && needs_no_resource(all[i]))) {
      ++skipped_count_;
      continue;
    }
    if (!value) {
      problems_.push_back({i, bad(all[i], "the entry has no resource")});
      continue;
    }
    auto full_url = all[i].find_text("fullUrl");
    auto resource = read_resource(*value, i, full_url);
    if (!resource) {
      problems_.push_back({i, resource.error()});
      continue;
    }
    if (resource->type == "Patient") {
      resource->patient = resource->id;
      if (full_url) patients.emplace(*full_url, resource->id);
    }
    if (resource->type == "Binary") {
      binaries_.emplace("Binary/" + resource->id, *value);
      if (full_url) binaries_.emplace(*full_url, *value);
    }
    resources_.push_back(std::move(*resource));
    values.push_back(*value);
  }
  for (std::size_t i = 0; i < resources_.size(); ++i)
    if (!resources_[i].patient) resources_[i].patient = subject_of(values[i], resources_[i].type, patients);
}

}  // namespace galen::galenctl
