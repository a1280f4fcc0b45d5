// The import against a node that loses answers, refuses and lacks a quorum: the counts add up and nothing is anchored
// twice.
#include "galenctl/import.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "fake_node.hpp"
#include "unit/shared_data.hpp"

namespace galen::galenctl {
namespace {

/// A Bundle of one patient with `count` observations whose ids start with `prefix`.
std::string bundle(std::size_t count, const std::string& prefix = "o") {
  std::string out = R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"p"}})";
  for (std::size_t i = 0; i < count; ++i)
    out += fmt::format(
        R"(,{{"resource":{{"resourceType":"Observation","id":"{}{}","subject":{{"reference":"Patient/p"}}}}}})", prefix,
        i);
  return out + "]}";
}

ImportSummary import_all(FakeNode& node, const std::vector<std::string>& texts, ImportOptions options = {}) {
  auto client = node.client();
  Importer importer(client, options, [](const ImportSummary&) {});
  for (const auto& text : texts) {
    auto added = importer.add("file.json", std::make_shared<FhirFile>(FhirFile::parse(text)));
    EXPECT_TRUE(added) << added.error().message;
  }
  auto finished = importer.finish();
  EXPECT_TRUE(finished) << finished.error().message;
  const auto& summary = importer.summary();
  EXPECT_EQ(summary.resources, summary.anchored + summary.already_anchored + summary.refused);
  return summary;
}

TEST(ImportTest, AnchorsOnceHoweverOften) {
  FakeNode node;
  auto first = import_all(node, {bundle(350)});
  EXPECT_EQ(first.resources, 351u);
  EXPECT_EQ(first.anchored, 351u);
  EXPECT_EQ(node.pointer_count(), 351u);
  EXPECT_EQ(node.patient_count(), 1u);
  EXPECT_EQ(node.subjects_seen(), 1u);
  auto second = import_all(node, {bundle(350)});
  EXPECT_EQ(second.anchored, 0u);
  EXPECT_EQ(second.already_anchored, 351u);
  EXPECT_EQ(node.pointer_count(), 351u);
}

TEST(ImportTest, EntriesWithoutAResourceAreNoneOfTheResources) {
  FakeNode node;
  const std::string gone = R"({"request":{"method":"DELETE","url":"Basic/9"}})";
  const std::string begin =
      R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Basic","id":"1"}},)" + gone;
  auto fine = import_all(node, {begin + "]}"});
  EXPECT_EQ(fine.resources, 1u);
  EXPECT_EQ(fine.anchored, 1u);
  EXPECT_EQ(fine.skipped, 1u);
  auto broken = import_all(node, {begin + R"(,{"resource":{"id":"2"}}]})"});
  EXPECT_EQ(broken.resources, 2u);
  EXPECT_EQ(broken.refused, 2u) << "the sound one of a broken file as well, but not the one that holds nothing";
}

// What cannot be canonical, or contradicts itself, is refused by its path in the file; the other resources go on.
TEST(ImportTest, ChecksEachResourceBeforeItIsSent) {
  FakeNode node;
  const std::string text = R"({"resourceType":"Bundle","entry":[
    {"resource":{"resourceType":"Observation","id":"exact","value":1.5}},
    {"resource":{"resourceType":"Observation","id":"inexact","value":1.50}},
    {"fullUrl":"urn:uuid:b","resource":{"resourceType":"Binary","id":"b","data":"cHVsc2UgNjA="}},
    {"resource":{"resourceType":"DocumentReference","id":"fits","content":[{"attachment":{"url":"Binary/b","size":8}}]}},
    {"resource":{"resourceType":"DocumentReference","id":"lies","content":[{"attachment":{"url":"urn:uuid:b","size":9}}]}}]})";
  ImportOptions options;
  options.method.canon = ledger::v1::CANON_METHOD_JCS;
  auto strict = import_all(node, {text}, options);
  EXPECT_EQ(strict.anchored, 3u);
  ASSERT_EQ(strict.refusals.size(), 2u);
  EXPECT_EQ(strict.refusals[0].reason, "JSON_NUMBER_INEXACT");
  EXPECT_EQ(strict.refusals[0].message.find("$.entry[1].resource.value: "), 0u) << strict.refusals[0].message;
  EXPECT_EQ(strict.refusals[1].reason, "ATTACHMENT_MISMATCH");
  EXPECT_EQ(strict.refusals[1].message.find("$.entry[4].resource.content[0].attachment.size: "), 0u);
  options.method.lossy = Lossy::allow;
  EXPECT_EQ(import_all(node, {text}, options).anchored, 1u);
  EXPECT_EQ(import_all(node, {text}).refused, 1u) << "by the raw bytes only the contradiction is refused";
}

// Beyond twice the limit gRPC ends the whole stream: such a resource is never sent, and the others go on.
TEST(ImportTest, OneResourceTooLargeForARequestIsRefusedAlone) {
  FakeNode node;
  const std::string large = R"({"resourceType":"Binary","id":"scan","data":")" + std::string(9 << 20, 'A') + "\"}";
  ImportOptions options;
  options.retry_for_ms = 1000;
  auto summary = import_all(node, {bundle(5), large, bundle(5, "x")}, options);
  EXPECT_EQ(summary.anchored, 11u);
  EXPECT_EQ(summary.refused, 1u);
  ASSERT_EQ(summary.refusals.size(), 1u);
  EXPECT_EQ(summary.refusals[0].reason, "TOO_LARGE");
  EXPECT_NE(summary.refusals[0].message.find("one request holds 4194304"), std::string::npos)
      << summary.refusals[0].message;
}

TEST(ImportTest, ACallTooLargeForGrpcIsNoReasonToWait) {
  FakeNode node;
  v1::AnchorRecordRequest request;
  request.mutable_item()->set_content(std::string(9 << 20, 'A'));
  auto answer = node.client().call(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::TOO_LARGE) << answer.error().message;
}

TEST(ImportTest, EqualEntriesOfTheInputAreOnePointer) {
  FakeNode node;
  auto summary = import_all(node, {bundle(150), bundle(150), bundle(160)});
  EXPECT_EQ(summary.anchored, 161u);
  EXPECT_EQ(summary.already_anchored, 151u + 151u);
  EXPECT_EQ(node.pointer_count(), 161u);
}

TEST(ImportTest, TwoVersionsOfASourceGoInSeparateTransactions) {
  FakeNode node;
  auto a = R"({"resourceType":"Observation","id":"1","v":1})", b = R"({"resourceType":"Observation","id":"1","v":2})";
  auto summary = import_all(node, {a, b, a});
  EXPECT_EQ(summary.anchored, 2u);
  EXPECT_EQ(summary.already_anchored, 1u);
}

// A refused batch is sent again one by one, and the next one is on the stream by then.
TEST(ImportTest, ANewerVersionNeverComesBeforeAnOlderOne) {
  FakeNode node;
  node.poison = "bad";
  ImportOptions options;
  options.batch_items = 2;
  const std::string stopped = R"({"resourceType":"MedicationRequest","id":"rx","status":"stopped"})";
  auto summary = import_all(node,
                            {R"({"resourceType":"Observation","id":"bad"})",
                             R"({"resourceType":"MedicationRequest","id":"rx","status":"active"})", stopped},
                            options);
  EXPECT_EQ(summary.anchored, 2u);
  EXPECT_EQ(summary.refused, 1u);
  EXPECT_EQ(node.current("rx"), stopped);
}

TEST(ImportTest, AHistoryIsAnchoredOldestFirst) {
  FakeNode node;
  import_all(node, {R"({"resourceType":"Bundle","type":"history","entry":[
    {"fullUrl":"https://a.example/Observation/o","resource":{"resourceType":"Observation","id":"o","v":2}},
    {"fullUrl":"https://a.example/Observation/o","resource":{"resourceType":"Observation","id":"o","v":1}}]})"});
  EXPECT_EQ(node.current("o"), R"({"resourceType":"Observation","id":"o","v":2})");
}

TEST(ImportTest, LostAnswersAndMissingQuorumsChangeNoCount) {
  FakeNode node;
  node.lose_answer_every = 3;
  node.no_quorum_every = 4;
  ImportOptions options;
  options.batch_items = 10;
  auto summary = import_all(node, {bundle(200)}, options);
  EXPECT_EQ(summary.refused, 0u);
  EXPECT_EQ(node.pointer_count(), 201u);
}

TEST(ImportTest, OneBadResourceDoesNotTakeItsBatchAlong) {
  FakeNode node;
  node.poison = "o57";
  auto summary = import_all(node, {bundle(200), bundle(58)});
  EXPECT_EQ(summary.anchored, 200u);
  EXPECT_EQ(summary.refused, 2u) << "the resource, and its twin in the second file";
  ASSERT_EQ(summary.refusals.size(), 2u);
  EXPECT_EQ(summary.refusals[0].entry, 58u);
  EXPECT_EQ(summary.refusals[0].reason, "SUBJECT_MISMATCH");
  EXPECT_EQ(node.pointer_count(), 200u);
}

TEST(ImportTest, ABrokenFileSendsNothingAndTheOthersGoOn) {
  FakeNode node;
  std::string broken = R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Basic","id":"1"}},)"
                       R"({"resource":{"resourceType":"Basic","id":"2"}},{"resource":{"id":"3"}}]})";
  auto summary = import_all(node, {bundle(5), broken, "{\"a\":1,\"a\":2}", bundle(5, "x")});
  EXPECT_EQ(summary.resources, 6u + 3u + 1u + 6u);
  EXPECT_EQ(summary.anchored, 11u);
  EXPECT_EQ(summary.already_anchored, 1u);
  EXPECT_EQ(summary.refused, 4u);
  EXPECT_EQ(summary.refusals[0].entry, 2u);
  EXPECT_EQ(node.pointer_count(), 11u);
}

TEST(ImportTest, ARefusedPatientRefusesHerRecords) {
  FakeNode node;
  node.refuse_patients = "BAD_REQUEST_ID";
  auto summary = import_all(node, {bundle(3)});
  EXPECT_EQ(summary.refused, 4u);
  EXPECT_EQ(summary.refusals[0].reason, "BAD_REQUEST_ID");
  EXPECT_EQ(summary.refusals[0].message, "its patient could not be registered: the patient cannot be registered");
  EXPECT_EQ(node.registrations(), 1u) << "asked once, not once per record";
}

TEST(ImportTest, BreaksOffWhenItIsWeWhoAreRefused) {
  FakeNode node;
  node.refuse_patients = "UNKNOWN_PRINCIPAL";
  auto client = node.client();
  Importer importer(client, {}, [](const ImportSummary&) {});
  auto added = importer.add("f", std::make_shared<FhirFile>(FhirFile::parse(bundle(3))));
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, ErrorCode::UNKNOWN_PRINCIPAL);
  importer.give_up(added.error());
  EXPECT_EQ(importer.summary().refused, 4u);
}

TEST(ImportTest, GivesUpAndStillAddsUp) {
  FakeNode node;
  node.no_quorum_every = 1;
  ImportOptions options;
  options.retry_for_ms = 100;
  options.batch_items = 10;
  auto client = node.client();
  Importer importer(client, options, [](const ImportSummary&) {});
  auto added = importer.add("f", std::make_shared<FhirFile>(FhirFile::parse(bundle(95))));
  if (added) added = importer.finish();
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, ErrorCode::NO_QUORUM);
  importer.give_up(added.error());
  EXPECT_EQ(importer.summary().resources, 96u);
  EXPECT_EQ(importer.summary().refused, 96u);
  EXPECT_EQ(node.pointer_count(), 0u);
}

TEST(ImportTest, TwoAtOnceAddNothing) {
  FakeNode node;
  ImportSummary a, b;
  std::thread other([&] { a = import_all(node, {bundle(500)}); });
  b = import_all(node, {bundle(500)});
  other.join();
  EXPECT_EQ(a.anchored + b.anchored, 501u);
  EXPECT_EQ(node.pointer_count(), 501u);
}

TEST(ImportTest, RealBundlesAddUp) {
  auto paths = test::shared_files("synthea-r4");
  GALEN_NEEDS_SHARED(paths, "synthea-r4");
  FakeNode node;
  node.lose_answer_every = 2;
  auto client = node.client();
  Importer importer(client, {}, [](const ImportSummary&) {});
  for (const auto& path : paths) ASSERT_TRUE(importer.add(path, std::make_shared<FhirFile>(FhirFile::load(path))));
  ASSERT_TRUE(importer.finish());
  const auto& summary = importer.summary();
  EXPECT_EQ(summary.refused, 0u);
  EXPECT_EQ(summary.resources, summary.anchored + summary.already_anchored);
  EXPECT_LE(node.pointer_count(), summary.resources);
  EXPECT_EQ(node.patient_count(), 5u);
}

}  // namespace
}  // namespace galen::galenctl
