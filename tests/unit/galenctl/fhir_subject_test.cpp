// Whose record a resource is: filed under a wrong patient, it would be shown to whom she lets see hers.
#include "galenctl/fhir_subject.hpp"

#include <gtest/gtest.h>

namespace galen::galenctl {
namespace {

struct Case {
  const char* type;
  const char* members;
  const char* patient;
};

Subject subject_of(const KnownPatients& patients, const char* type, const std::string& members,
                   const char* server = "") {
  auto document = JsonDocument::parse("{" + members + "}");
  EXPECT_TRUE(document) << members;
  return patients.subject_of(document->root(), type, server);
}

TEST(FhirSubjectTest, NobodyRatherThanAWrongPatient) {
  const Case cases[] = {
      {"Observation", R"("subject":{"reference":"Patient/7"})", "7"},
      {"Observation", R"("subject":{"reference":"Patient/7/_history/3"})", "7"},
      {"Observation", R"("subject":{"reference":"Group/g"},"performer":[{"reference":"Patient/2"}])", ""},
      {"Observation", R"("performer":[{"reference":"Patient/mother"}])", ""},
      {"QuestionnaireResponse", R"("source":{"reference":"Patient/mother"})", ""},
      {"Basic", R"("subject":{"reference":"#p"},"contained":[{"link":[{"other":{"reference":"Patient/2"}}]}])", ""},
      {"Basic", R"("subject":{"reference":"urn:uuid:elsewhere"},"focus":[{"reference":"Patient/2"}])", ""},
      {"Basic", R"("subject":{"identifier":{"value":"7"}},"patient":{"reference":"Patient/2"})", ""},
      {"Basic", R"("patient":null,"focus":[{"reference":"Patient/2"}])", ""},
      {"Basic", R"("subject":[{"reference":"Patient/1"},{"reference":"Patient/2"}])", ""},
      {"Basic", R"("subject":[{"reference":"Patient/1"},{"reference":"Device/2"}])", "1"},
      {"Basic", R"("subject":{"reference":"Patient/1"},"performer":[{"reference":"Patient/2"}])", "1"},
      {"Basic", R"("subject":{"reference":"OutPatient/1"})", ""},
      {"Group", R"("member":[{"entity":{"reference":"Patient/1"}},{"entity":{"reference":"Patient/2"}}])", ""},
      {"Appointment", R"("participant":[{"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Location/2"}}])",
       "1"},
      {"Provenance", R"("target":[{"reference":"Encounter/1"},{"reference":"Patient/1"}])", "1"},
      {"Organization", R"("subject":{"reference":"Patient/1"})", ""},
  };
  for (const auto& one : cases)
    EXPECT_EQ(subject_of(KnownPatients(""), one.type, one.members).patient.value_or(""), one.patient) << one.members;
}

TEST(FhirSubjectTest, APatientOfAnotherServerIsNotOursOfThatId) {
  const std::string far = R"("subject":{"reference":"https://other.example/fhir/Patient/5"})";
  auto bare = subject_of(KnownPatients("urn:lab"), "Observation", far);
  EXPECT_FALSE(bare.patient);
  EXPECT_TRUE(bare.elsewhere);
  for (const char* home : {"https://other.example", "https://other.example/fhir", "https://other.example/fhir/"})
    EXPECT_EQ(subject_of(KnownPatients(home), "Observation", far).patient, "5") << home;
  EXPECT_TRUE(subject_of(KnownPatients("https://other.example/fhir-2"), "Observation", far).elsewhere);
}

TEST(FhirSubjectTest, AReferenceStandsOnTheServerOfItsEntry) {
  EXPECT_EQ(server_of("https://a.example/fhir/Observation/1", "Observation"), "https://a.example/fhir/");
  EXPECT_EQ(server_of("https://a.example/fhir/MyObservation/1", "Observation"), "");
  EXPECT_EQ(server_of("urn:uuid:1", "Observation"), "");
  KnownPatients patients("urn:lab");
  patients.settle({"", "https://a.example/", "https://b.example/"});
  patients.add("https://a.example/Patient/7", "7");
  patients.add("urn:uuid:8", "8");
  const std::string seven = R"("subject":{"reference":"Patient/7"})";
  EXPECT_EQ(subject_of(patients, "Observation", seven, "https://a.example/").patient, "7");
  EXPECT_EQ(subject_of(patients, "Observation", seven).patient, "7");
  auto of_b = subject_of(patients, "Observation", seven, "https://b.example/");
  EXPECT_FALSE(of_b.patient);
  EXPECT_TRUE(of_b.elsewhere);
  EXPECT_EQ(subject_of(patients, "Observation", R"("subject":{"reference":"https://a.example/Patient/7/_history/2"})")
                .patient,
            "7");
  EXPECT_EQ(subject_of(patients, "Observation", R"("subject":{"reference":"urn:uuid:8"})").patient, "8");
}

// Its URL names the system, whoever comes first in the file.
TEST(FhirSubjectTest, TheSystemsUrlIsItsOwnIfAnEntryIsBelowIt) {
  KnownPatients patients("https://b.example");
  patients.settle({"https://a.example/", "https://b.example/"});
  EXPECT_TRUE(patients.is_ours("https://b.example/"));
  EXPECT_FALSE(patients.is_ours("https://a.example/"));
}

}  // namespace
}  // namespace galen::galenctl
