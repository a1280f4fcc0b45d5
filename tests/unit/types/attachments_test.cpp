// Hash and size of an attachment against its bytes: inline, contained, elsewhere, and not at hand.
#include "galen/types/attachments.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "galen/crypto/hash.hpp"
#include "unit/shared_data.hpp"

namespace galen {
namespace {

// "pulse 60": openssl dgst -sha1 -binary | base64
constexpr const char* kData = "cHVsc2UgNjA=";
constexpr const char* kSha1 = "ezfy96TyhTroeHiSk65HDTp/tIQ=";

Result<AttachmentCount> check(const std::string& attachment, const std::string& more = "",
                              const AttachmentSource& source = {}) {
  GALEN_ASSIGN(const auto document, JsonDocument::parse(R"({"resourceType":"DocumentReference",)" + more +
                                                        R"("content":[{},{"attachment":)" + attachment + "}]}"));
  return check_attachments(document.root(), source);
}
std::string attachment(const std::string& data, const std::string& hash, const std::string& size) {
  return R"({"data":")" + data + R"(","hash":")" + hash + R"(","size":)" + size + "}";
}

TEST(AttachmentsTest, Base64AsFhirHasIt) {
  auto text = [](std::string_view encoded) {
    auto bytes = from_fhir_base64(encoded);
    return bytes ? to_string(*bytes) : "none";
  };
  EXPECT_EQ(text(""), "");
  EXPECT_EQ(text("Zg=="), "f");
  EXPECT_EQ(text("Zm8="), "fo");
  EXPECT_EQ(text("Zm9v"), "foo");
  EXPECT_EQ(text(" Zm 9v\nYmFy\t"), "foobar");
  for (const char* bad : {"Z", "Zg", "Zg=", "Zm9=v", "Zg==Zg==", "====", "Zh==", "Zm9v!", "Zm-_"})
    EXPECT_EQ(text(bad), "none") << bad;
}

TEST(AttachmentsTest, AgreeingOnesPass) {
  EXPECT_EQ(crypto::sha1(as_bytes("pulse 60")).hex(), to_hex(*from_fhir_base64(kSha1)));
  auto fine = check(attachment(kData, kSha1, "8"));
  ASSERT_TRUE(fine) << fine.error().message;
  EXPECT_EQ(fine->checked, 1u);
  EXPECT_TRUE(check(attachment(kData, crypto::sha1(as_bytes("pulse 60")).hex(), "8")));
  EXPECT_TRUE(check(attachment(kData, kSha1, "\"8\""))) << "R5 writes integer64 as a string";
  EXPECT_EQ(check(R"({"data":"AA=="})")->checked, 0u) << "it states nothing";
  auto elsewhere = check(R"({"url":"Binary/1","hash":"AAAA","size":3})");
  ASSERT_TRUE(elsewhere);
  EXPECT_EQ(elsewhere->unchecked, 1u);
}

TEST(AttachmentsTest, ContradictingOnesAreRefusedByPath) {
  const std::tuple<std::string, const char*> table[] = {
      {attachment(kData, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "8"), "$.content[1].attachment.hash: "},
      {attachment(kData, "SGVsbG8gdGhlcmU=", "8"), "$.content[1].attachment.hash: "},
      {attachment(kData, kSha1, "9"), "$.content[1].attachment.size: "},
      {attachment(kData, kSha1, "-8"), "$.content[1].attachment.size: "},
      {attachment(kData, kSha1, "8.0"), "$.content[1].attachment.size: "},
      {attachment(kData, kSha1, "\"9\""), "$.content[1].attachment.size: "},
      {attachment(kData, kSha1, "null"), "$.content[1].attachment.size: "},
      {R"({"data":"AA==","hash":7})", "$.content[1].attachment.hash: "},
      {attachment("cHVsc2UgNjE=", kSha1, "8"), "$.content[1].attachment.hash: "},
      {attachment("not base64", kSha1, "8"), "$.content[1].attachment.data: "}};
  for (const auto& [text, where] : table) {
    auto refused = check(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, ErrorCode::ATTACHMENT_MISMATCH);
    EXPECT_EQ(refused.error().message.find(where), 0u) << refused.error().message;
    EXPECT_EQ(refused.error().message.find("cHVs"), std::string::npos) << "no payload in an error";
  }
}

TEST(AttachmentsTest, BytesBehindTheUrl) {
  auto stated = [](const std::string& url) { return R"({"url":")" + url + R"(","size":8,"hash":")" + kSha1 + "\"}"; };
  std::string contained = R"("contained":[{"resourceType":"Binary","id":"b","data":")" + std::string(kData) + "\"}],";
  EXPECT_EQ(check(stated("#b"), contained)->checked, 1u);
  EXPECT_EQ(check(stated("#c"), contained)->unchecked, 1u);
  contained.replace(contained.find("cHVs"), 4, "cHVt");
  EXPECT_EQ(check(stated("#b"), contained).error().code, ErrorCode::ATTACHMENT_MISMATCH);
  auto source = [](std::string_view url) -> std::optional<Bytes> {
    if (url == "Binary/1") return to_bytes(as_bytes("pulse 60"));
    if (url == "Binary/2") return to_bytes(as_bytes("pulse 61"));
    return std::nullopt;
  };
  EXPECT_EQ(check(stated("Binary/1"), "", source)->checked, 1u);
  EXPECT_FALSE(check(stated("Binary/2"), "", source));
  EXPECT_EQ(check(stated("Binary/3"), "", source)->unchecked, 1u);
}

TEST(AttachmentsTest, BytesThatMayBeAnything) {
  EXPECT_TRUE(check_attachments_in(as_bytes("%PDF \"data\" \"hash\"")));
  EXPECT_TRUE(check_attachments_in(as_bytes(R"([{"data":"AA==","size":7}])"))) << "no resource";
  EXPECT_TRUE(check_attachments_in(as_bytes(R"({"data":"AA==","size":1})")));
  EXPECT_FALSE(check_attachments_in(as_bytes(R"({"data":"AA==","size":2})")));
  for (const char* escaped : {R"({"data":"AA==","s\u0069ze":2})", R"({"d\u0061ta":"AA==","size":2})",
                              R"({"d\u0061ta":"AA==","\u0068\u0061sh":"AAAA"})"})
    EXPECT_FALSE(check_attachments_in(as_bytes(escaped))) << escaped << ": escapes in a key hide nothing";
  EXPECT_TRUE(check_attachments_in(as_bytes(R"({"data":"AA==","s\u0069ze":1})")));
}

// A request holds room for this; looked up or decoded anew for each attachment it takes minutes.
TEST(AttachmentsTest, ManyAttachmentsOfTheSameBytesAreNoMoreWorkThanOne) {
  constexpr std::size_t kAttachments = 50'000;
  auto repeated = [](const std::string& text, std::size_t times) {
    std::string out = text;
    for (std::size_t i = 1; i < times; ++i) out += "," + text;
    return out;
  };
  const auto began = std::chrono::steady_clock::now();
  auto nowhere = check(R"([)" + repeated(R"({"url":"#a","size":1})", kAttachments) + "]",
                       R"("contained":[)" + repeated("{}", 500'000) + "],");
  ASSERT_TRUE(nowhere) << nowhere.error().message;
  EXPECT_EQ(nowhere->unchecked, kAttachments);
  const std::string megabyte(1024 * 1024, '\0');
  const std::string zeros(megabyte.size() / 3 * 4, 'A');
  const auto stated =
      R"({"url":"#a","size":1048575,"hash":")" + crypto::sha1(as_bytes(megabyte).first(1048575)).hex() + "\"}";
  auto one = check(R"([)" + repeated(stated, kAttachments) + "]",
                   R"("contained":[{"resourceType":"Binary","id":"a","data":")" + zeros + "\"}],");
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->checked, kAttachments);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
}

// One official example states the SHA-1 of the base64 text in hexadecimal, which is what neither FHIR nor anyone else
// means.
TEST(AttachmentsTest, TheOfficialExamples) {
  auto files = test::shared_files("fhir-r4");
  GALEN_NEEDS_SHARED(files, "fhir-r4");
  std::vector<std::string> refused;
  AttachmentCount total;
  for (const auto& file : files) {
    auto document = JsonDocument::parse(test::read_whole(file));
    ASSERT_TRUE(document);
    auto count = check_attachments(document->root());
    if (!count) {
      refused.push_back(std::filesystem::path(file).filename().string());
      continue;
    }
    total.checked += count->checked;
    total.unchecked += count->unchecked;
  }
  EXPECT_EQ(refused, std::vector<std::string>{"DiagnosticReport-example-pgx.json"});
  EXPECT_GE(total.unchecked, 3u);
}

}  // namespace
}  // namespace galen
