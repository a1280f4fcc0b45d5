// What an anchor needs of a FHIR file: exact bytes, names, patients; and that one broken entry stops the whole file.
#include "galenctl/fhir_file.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "unit/shared_data.hpp"

namespace galen::galenctl {
namespace {

const char* kBundle = R"({"resourceType":"Bundle","type":"transaction","entry":[
  {"fullUrl":"urn:uuid:p-1","resource":{ "resourceType":"Patient", "id":"p-1" }},
  {"fullUrl":"urn:uuid:e-1","resource":{"resourceType":"Encounter","subject":{"reference":"urn:uuid:p-1"}}},
  {"resource":{"resourceType":"Observation","id":"o-1","meta":{"security":[
     {"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]},
     "subject":{"reference":"Patient/other"}}},
  {"resource":{"resourceType":"Organization","id":"org","x":{"reference":"urn:uuid:p-1"}}},
  {"fullUrl":"https://ehr.example/fhir/Claim/c-1","resource":{"resourceType":"Claim","id":"c-1",
     "patient":{"reference":"https://ehr.example/fhir/Patient/p-1/_history/3"}}}
]})";

TEST(FhirFileTest, ReadsTheEntriesOfABundle) {
  auto file = FhirFile::parse(kBundle);
  ASSERT_TRUE(file.problems().empty()) << file.problems()[0].error.message;
  ASSERT_EQ(file.resources().size(), 5u);
  const auto& all = file.resources();
  EXPECT_EQ(all[0].content, R"({ "resourceType":"Patient", "id":"p-1" })");
  EXPECT_EQ(all[0].subject.patient, "p-1");
  EXPECT_EQ(all[1].id, "e-1") << "without an id the uuid of fullUrl counts";
  EXPECT_EQ(all[1].subject.patient, "p-1");
  EXPECT_EQ(all[2].subject.patient, "other");
  EXPECT_EQ(all[2].record_class, ledger::v1::RECORD_CLASS_R);
  EXPECT_FALSE(all[3].subject.patient) << "a hospital is about nobody";
  EXPECT_EQ(all[4].subject.patient, "p-1");
}

TEST(FhirFileTest, SurvivesAMove) {
  auto file = std::make_unique<FhirFile>(FhirFile::parse(kBundle));
  FhirFile moved = std::move(*file);
  file.reset();
  EXPECT_EQ(moved.resources()[0].content, R"({ "resourceType":"Patient", "id":"p-1" })");
}

TEST(FhirFileTest, ABareResourceIsOne) {
  auto file = FhirFile::parse(
      "\n {\"resourceType\":\"Observation\",\"id\":\"x\",\"subject\":{\"reference\":\"Patient/7\"}} \n");
  ASSERT_EQ(file.resources().size(), 1u);
  EXPECT_EQ(file.entry_count(), 1u);
  EXPECT_EQ(file.resources()[0].content.size(), file.byte_count()) << "the white space around it as well";
  EXPECT_FALSE(file.is_bundle());
  EXPECT_EQ(file.resources()[0].subject.patient, "7");
}

TEST(FhirFileTest, ABrokenThirdEntryStopsTheFile) {
  for (const char* third :
       {R"({"id":"x"})", R"({"resourceType":"lower","id":"x"})", R"({"resourceType":"Patient"})",
        R"({"resourceType":"Patient","id":""})", R"({"resourceType":"Patient","id":7})", "[]", "null"}) {
    std::string text = R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"1"}},)"
                       R"({"resource":{"resourceType":"Patient","id":"2"}},{"resource":)" +
                       std::string(third) + R"(},{"resource":{"resourceType":"Patient","id":"4"}}]})";
    auto file = FhirFile::parse(text);
    EXPECT_TRUE(file.resources().empty()) << third;
    EXPECT_EQ(file.entry_count(), 4u);
    ASSERT_EQ(file.problems().size(), 1u) << third;
    EXPECT_EQ(file.problems()[0].entry, 2u);
    EXPECT_EQ(file.problems()[0].error.code, ErrorCode::BAD_FHIR);
    EXPECT_NE(file.problems()[0].error.message.find("$.entry[2]"), std::string::npos)
        << file.problems()[0].error.message;
  }
}

TEST(FhirFileTest, AnotherServersPatientIsNotOurs) {
  auto file = FhirFile::parse(R"({"resourceType":"Bundle","entry":[
    {"fullUrl":"https://a.example/Patient/7","resource":{"resourceType":"Patient","id":"7"}},
    {"fullUrl":"https://b.example/Patient/7","resource":{"resourceType":"Patient","id":"7"}},
    {"fullUrl":"https://b.example/Basic/1","resource":{"resourceType":"Basic","id":"1","subject":{"reference":"Patient/7"}}},
    {"fullUrl":"https://a.example/Basic/1","resource":{"resourceType":"Basic","id":"1","subject":{"reference":"Patient/7"}}}]})");
  ASSERT_TRUE(file.problems().empty()) << file.problems()[0].error.message;
  const auto& all = file.resources();
  EXPECT_EQ(all[0].id, "7");
  EXPECT_EQ(all[1].id, "https://b.example/Patient/7");
  EXPECT_EQ(all[1].subject.patient, all[1].id);
  EXPECT_EQ(all[2].id, "https://b.example/Basic/1");
  EXPECT_EQ(all[2].subject.patient, all[1].id);
  EXPECT_EQ(all[3].id, "1");
  EXPECT_EQ(all[3].subject.patient, "7");
}

TEST(FhirFileTest, OneNameForTwoIsRefused) {
  auto file = FhirFile::parse(R"({"resourceType":"Bundle","entry":[
    {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"7"}},
    {"fullUrl":"urn:uuid:2","resource":{"resourceType":"Patient","id":"7"}}]})");
  ASSERT_EQ(file.problems().size(), 1u);
  EXPECT_EQ(file.problems()[0].entry, 1u);
  EXPECT_EQ(file.problems()[0].error.code, ErrorCode::BAD_FHIR);
}

TEST(FhirFileTest, AnAnswerWithoutEntriesHoldsNothing) {
  for (const char* type : {"searchset", "history"}) {
    auto file = FhirFile::parse(fmt::format(R"({{"resourceType":"Bundle","id":"x","type":"{}","total":0}})", type));
    EXPECT_TRUE(file.problems().empty()) << type;
    EXPECT_EQ(file.resource_count(), 0u) << type;
  }
  EXPECT_EQ(FhirFile::parse(R"({"resourceType":"Bundle","id":"x","type":"document"})").resources().size(), 1u);
}

// A transaction deletes and asks, and its answer holds links instead of resources: nothing of that can be anchored, and
// it spoils nothing, no more than what a server remarks about a search. What is to be written and is not there does.
TEST(FhirFileTest, EntriesThatHoldNoRecordAreSkipped) {
  auto with = [](const std::string& entry) {
    return FhirFile::parse(R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"1"}},)" +
                           entry + R"(,{"resource":{"resourceType":"Basic","id":"3"},"response":{"status":"201"}}]})");
  };
  for (const char* entry :
       {R"({"request":{"method":"DELETE","url":"Patient/2"}})",
        R"({"request":{"method":"GET","url":"Patient?name=x"}})", R"({"response":{"status":"204"}})",
        R"({"request":{"method":"PUT","url":"Patient/2"},"response":{"status":"200"}})",
        R"({"resource":{"resourceType":"OperationOutcome","issue":[]},"search":{"mode":"outcome"}})"}) {
    auto file = with(entry);
    ASSERT_TRUE(file.problems().empty()) << entry << file.problems()[0].error.message;
    ASSERT_EQ(file.resources().size(), 2u) << entry;
    EXPECT_EQ(file.resources()[1].entry, 2u) << "entries keep their places";
    EXPECT_EQ(file.skipped_count(), 1u);
    EXPECT_EQ(file.resource_count(), 2u);
    EXPECT_EQ(file.entry_count(), 3u);
  }
  for (const char* entry : {"{}", R"({"fullUrl":"urn:uuid:2"})", R"({"request":{"method":"POST","url":"Patient"}})",
                            R"({"resource":{"resourceType":"Basic"},"search":{"mode":"match"}})"}) {
    auto file = with(entry);
    ASSERT_EQ(file.problems().size(), 1u) << entry;
    EXPECT_EQ(file.problems()[0].entry, 1u);
    EXPECT_TRUE(file.resources().empty());
    EXPECT_EQ(file.skipped_count(), 0u);
  }
}

TEST(FhirFileTest, BadJsonIsOneRefusedResource) {
  auto file = FhirFile::parse(R"({"resourceType":"Bundle","entry":[{"resource":{"id":"1","id":"2"}}]})");
  EXPECT_EQ(file.entry_count(), 1u);
  ASSERT_EQ(file.problems().size(), 1u);
  EXPECT_EQ(file.problems()[0].error.code, ErrorCode::JSON_DUPLICATE_KEY);
  EXPECT_NE(file.problems()[0].error.message.find("$.entry[0].resource"), std::string::npos);
  EXPECT_EQ(FhirFile::load("/nonexistent/file.json").problems()[0].error.code, ErrorCode::IO_ERROR);
}

TEST(FhirFileTest, ReadsTheSampleBundle) {
  auto file = FhirFile::load(GALEN_SOURCE_DIR "/config/samples/bundle.json");
  ASSERT_TRUE(file.problems().empty()) << file.problems()[0].error.message;
  ASSERT_GE(file.resources().size(), 8u);
  std::size_t with_patient = 0;
  for (const auto& resource : file.resources()) with_patient += resource.subject.patient.has_value();
  EXPECT_GE(with_patient, 6u);
  EXPECT_LT(with_patient, file.resources().size());
}

TEST(FhirFileTest, ReadsRealBundles) {
  auto paths = test::shared_files("synthea-r4");
  GALEN_NEEDS_SHARED(paths, "synthea-r4");
  for (const auto& path : paths) {
    auto file = FhirFile::load(path);
    ASSERT_TRUE(file.problems().empty()) << path << file.problems()[0].error.message;
    EXPECT_EQ(file.resources().size(), file.entry_count());
    std::ifstream stream(path, std::ios::binary);
    std::stringstream whole;
    whole << stream.rdbuf();
    std::set<std::string> patients;
    for (const auto& resource : file.resources()) {
      EXPECT_NE(whole.str().find(resource.content), std::string::npos) << path << " entry " << resource.entry;
      bool about_somebody = resource.type != "Organization" && resource.type != "Practitioner";
      EXPECT_EQ(resource.subject.patient.has_value(), about_somebody) << path << " " << resource.type;
      if (resource.subject.patient) patients.insert(*resource.subject.patient);
    }
    EXPECT_LE(patients.size(), 1u) << path;
  }
}

TEST(FhirFileTest, ReadsTheOfficialExamples) {
  auto paths = test::shared_files("fhir-r4");
  GALEN_NEEDS_SHARED(paths, "fhir-r4");
  for (const auto& path : paths) {
    if (path.ends_with("/package.json")) continue;
    auto file = FhirFile::load(path);
    EXPECT_TRUE(file.problems().empty()) << path << ": " << file.problems()[0].error.message;
  }
}

}  // namespace
}  // namespace galen::galenctl
