#include "galenctl/fhir_subject.hpp"

#include <algorithm>
#include <set>

namespace galen::galenctl {
namespace {

constexpr std::size_t kIdBytesMax = 256;
constexpr std::string_view kPatient = "Patient/";

/// Kinds that describe the hospital and its staff: they never get a patient's pseudonym, whatever they refer to.
constexpr std::string_view kWithoutSubject[] = {"Organization",  "OrganizationAffiliation",
                                                "Practitioner",  "PractitionerRole",
                                                "Location",      "HealthcareService",
                                                "Endpoint",      "Medication",
                                                "Substance",     "CodeSystem",
                                                "ValueSet",      "StructureDefinition",
                                                "Bundle",        "Questionnaire",
                                                "PlanDefinition"};
/// Where FHIR names the subject, in the order of trust.
constexpr std::string_view kSubjectKeys[] = {"subject", "patient", "beneficiary", "for", "individual"};
/// Kinds without such a member that are a patient's all the same (FHIR R4, CompartmentDefinition of Patient). Who
/// performs, asserts or receives something is a patient in other places, and often another one: a mother.
constexpr std::pair<std::string_view, std::string_view> kSubjectPaths[] = {{"Appointment", "participant.actor"},
                                                                           {"AppointmentResponse", "actor"},
                                                                           {"AuditEvent", "entity.what"},
                                                                           {"EnrollmentRequest", "candidate"},
                                                                           {"Group", "member.entity"},
                                                                           {"Person", "link.target"},
                                                                           {"Provenance", "target"},
                                                                           {"Schedule", "actor"},
                                                                           {"SupplyRequest", "deliverTo"}};

bool is_url(std::string_view text) { return text.starts_with("http://") || text.starts_with("https://"); }

}  // namespace

std::string_view server_of(std::string_view full_url, std::string_view type) {
  if (!is_url(full_url)) return {};
  auto before = full_url.substr(0, full_url.rfind('/'));
  if (!before.ends_with(type)) return {};
  before.remove_suffix(type.size());
  return before.ends_with('/') ? before : std::string_view();
}

struct KnownPatients::Named {
  std::set<std::string> ids;
  bool elsewhere = false;
};

KnownPatients::KnownPatients(std::string_view system) {
  if (!is_url(system)) return;
  home_ = system;
  if (!home_.ends_with('/')) home_ += '/';
}

void KnownPatients::settle(const std::vector<std::string_view>& servers) {
  const auto named = [](std::string_view server) { return !server.empty(); };
  const auto first = std::find_if(servers.begin(), servers.end(), named);
  if (first == servers.end()) return;
  if (std::none_of(first, servers.end(), [&](std::string_view server) { return named(server) && is_ours(server); }))
    home_ = *first;
}

bool KnownPatients::is_ours(std::string_view server) const {
  return server.empty() || (!home_.empty() && server.starts_with(home_));
}

void KnownPatients::add(const std::string& full_url, const std::string& id) {
  if (!full_url.empty()) by_url_.emplace(full_url, id);
}

Subject KnownPatients::subject_of(JsonValue resource, std::string_view type, std::string_view server) const {
  if (std::find(std::begin(kWithoutSubject), std::end(kWithoutSubject), type) != std::end(kWithoutSubject)) return {};
  Named named;
  const auto key = std::find_if(std::begin(kSubjectKeys), std::end(kSubjectKeys),
                                [&](std::string_view one) { return resource.find(one).has_value(); });
  if (key != std::end(kSubjectKeys)) {
    name_at(resource, *key, server, named);
  } else {
    for (const auto& [kind, path] : kSubjectPaths)
      if (kind == type) name_at(resource, path, server, named);
  }
  // What names two is neither's.
  if (named.ids.size() == 1 && !named.elsewhere) return {*named.ids.begin(), false};
  return {std::nullopt, named.ids.empty() && named.elsewhere};
}

/// `path`: names of members with dots between them; arrays are walked through.
void KnownPatients::name_at(JsonValue value, std::string_view path, std::string_view server, Named& out) const {
  if (value.is(JsonKind::array)) {
    for (auto one : value.children()) name_at(one, path, server, out);
    return;
  }
  if (path.empty()) return name(value, server, out);
  const auto dot = path.find('.');
  if (auto member = value.find(path.substr(0, dot)))
    name_at(*member, dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1), server, out);
}

void KnownPatients::name(JsonValue value, std::string_view server, Named& out) const {
  auto reference = value.find_text("reference").value_or("");
  if (auto version = reference.find("/_history/"); version != std::string::npos) reference.resize(version);
  if (!server.empty() && reference.starts_with(kPatient)) reference.insert(0, server);
  if (auto known = by_url_.find(reference); known != by_url_.end()) {
    out.ids.insert(known->second);
    return;
  }
  const auto at = reference.rfind(kPatient);
  if (at == std::string::npos || (at != 0 && reference[at - 1] != '/')) return;
  const auto id = reference.substr(at + kPatient.size());
  if (id.empty() || id.size() > kIdBytesMax || id.find_first_of("/?#") != std::string::npos) return;
  if (is_ours(std::string_view(reference).substr(0, at)))
    out.ids.insert(id);
  else
    out.elsewhere = true;
}

}  // namespace galen::galenctl
