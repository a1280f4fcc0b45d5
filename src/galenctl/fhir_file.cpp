#include "galenctl/fhir_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "galen/types/attachments.hpp"
#include "galenctl/fhir_subject.hpp"
#include "galenctl/files.hpp"

namespace galen::galenctl {
namespace {

constexpr std::size_t kTypeBytesMax = 64, kIdBytesMax = 256;

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

/// What a server answers to a search or for a history is no record itself, and without entries it holds none.
bool is_answer(JsonValue bundle) {
  const auto type = bundle.find_text("type");
  return type == "searchset" || type == "history";
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
Result<FhirResource> read_resource(JsonValue value, std::size_t entry, const std::string& full_url) {
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
  } else if (auto uuid = uuid_of(full_url); uuid && uuid->size() <= kIdBytesMax) {
    out.id = *uuid;
  } else {
    return bad(value, "the resource has no id, and its entry no fullUrl with a uuid");
  }
  return out;
}

}  // namespace

FhirFile FhirFile::load(const std::string& path, std::string_view system) {
  auto text = read_text_file(path, kJsonBytesMax);
  if (text) return parse(std::move(*text), system);
  FhirFile out;
  out.problems_.push_back({std::nullopt, text.error()});
  return out;
}

FhirFile FhirFile::parse(std::string text, std::string_view system) {
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
  if (root.find_text("resourceType") == "Bundle" && (root.find("entry") || is_answer(root)))
    out.read_bundle(root, KnownPatients(system));
  else
    out.read_bare(root, KnownPatients(system));
  if (!out.problems_.empty()) out.resources_.clear();
  return out;
}

std::optional<Bytes> FhirFile::binary(std::string_view url) const {
  auto found = binaries_.find(url);
  if (found == binaries_.end()) return std::nullopt;
  auto data = found->second.find_text("data");
  return data ? from_fhir_base64(*data) : std::nullopt;
}

void FhirFile::read_bare(JsonValue value, const KnownPatients& patients) {
  auto resource = read_resource(value, 0, "");
  if (!resource) {
    problems_.push_back({std::nullopt, resource.error()});
    return;
  }
  resource->content = document_->text();  // the file as it came, the line end after it too: who hashes the file gets the same
  resource->subject =
      resource->type == "Patient" ? Subject{resource->id, false} : patients.subject_of(value, resource->type, "");
  resources_.push_back(std::move(*resource));
}

/// What another server calls Patient/7 is not our Patient/7: within one Bundle its name is its whole URL.
void FhirFile::name_subjects(const std::vector<std::string>& full_urls, KnownPatients patients) {
  std::vector<std::string_view> servers;
  for (std::size_t i = 0; i < resources_.size(); ++i) servers.push_back(server_of(full_urls[i], resources_[i].type));
  patients.settle(servers);
  std::map<std::pair<std::string, std::string>, std::string> seen;
  for (std::size_t i = 0; i < resources_.size(); ++i) {
    auto& resource = resources_[i];
    if (!patients.is_ours(servers[i])) resource.id = full_urls[i];
    auto& url = seen[{resource.type, resource.id}];
    if (url.empty()) url = full_urls[i];
    if (resource.id.size() > kIdBytesMax)
      problems_.push_back({resource.entry, bad(*resource.value, "fullUrl of another server is longer than 256 bytes")});
    else if (!full_urls[i].empty() && url != full_urls[i])
      problems_.push_back(
          {resource.entry, bad(*resource.value, fmt::format("{}/{} stands in an entry before under another fullUrl",
                                                            resource.type, resource.id))});
    if (resource.type == "Patient") patients.add(full_urls[i], resource.id);
  }
  for (std::size_t i = 0; i < resources_.size(); ++i) {
    auto& resource = resources_[i];
    resource.subject = resource.type == "Patient" ? Subject{resource.id, false}
                                                  : patients.subject_of(*resource.value, resource.type, servers[i]);
  }
}

void FhirFile::read_bundle(JsonValue bundle, KnownPatients patients) {
  is_bundle_ = true;
  entry_count_ = 0;
  auto entries = bundle.find("entry");
  if (entries && !entries->is(JsonKind::array)) {
    entry_count_ = 1;
    problems_.push_back({std::nullopt, bad(*entries, "entry must be an array")});
    return;
  }
  auto all = entries ? entries->children() : std::vector<JsonValue>();
  entry_count_ = all.size();
  std::vector<std::string> full_urls;  // of resources_
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
    auto full_url = all[i].find_text("fullUrl").value_or("");
    auto resource = read_resource(*value, i, full_url);
    if (!resource) {
      problems_.push_back({i, resource.error()});
      continue;
    }
    if (resource->type == "Binary") {
      binaries_.emplace("Binary/" + resource->id, *value);
      if (!full_url.empty()) binaries_.emplace(full_url, *value);
    }
    resources_.push_back(std::move(*resource));
    full_urls.push_back(std::move(full_url));
  }
  name_subjects(full_urls, std::move(patients));
  // A history comes with the oldest last (FHIR R4, RESTful API, history), and each version here supersedes the one
  // before.
  if (bundle.find_text("type") == "history") std::reverse(resources_.begin(), resources_.end());
}

}  // namespace galen::galenctl
