// RFC 8785 against its own vectors, against a table that two other programs agree on, and against what it must refuse.
#include "galen/types/canonical.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <sstream>

#include "galen/crypto/hash.hpp"
#include "unit/shared_data.hpp"
#include "unit/test_seed.hpp"

namespace galen {
namespace {

using ledger::v1::CANON_METHOD_JCS;
using ledger::v1::CANON_METHOD_RAW;
using test::read_whole;
using test::shared_path;

std::string sha256(std::string_view text) { return crypto::hash(crypto::Suite::p256_sha256, as_bytes(text)).hex(); }

double double_of(std::uint64_t bits) {
  double value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

Result<CanonicalText> jcs(std::string text, Lossy lossy = Lossy::refuse) {
  GALEN_ASSIGN(const auto document, JsonDocument::parse(std::move(text)));
  return canonical_json(document.root(), lossy);
}

TEST(CanonicalTest, Rfc8785TriplesAreByteEqual) {
  auto inputs = test::shared_files("jcs/testdata/input");
  GALEN_NEEDS_SHARED(inputs, "jcs");
  EXPECT_EQ(inputs.size(), 6u);
  for (const auto& input : inputs) {
    SCOPED_TRACE(input);
    auto name = std::filesystem::path(input).stem().string();
    auto canonical = jcs(read_whole(input), Lossy::allow);
    ASSERT_TRUE(canonical) << canonical.error().message;
    EXPECT_EQ(canonical->text, read_whole(shared_path("jcs/testdata/output/" + name + ".json")));
    std::istringstream hex(read_whole(shared_path("jcs/testdata/outhex/" + name + ".txt")));
    std::string bytes;
    for (unsigned byte = 0; hex >> std::hex >> byte;) bytes.push_back(static_cast<char>(byte));
    EXPECT_EQ(canonical->text, bytes);
    // Two of the samples have decimals that JCS shortens (4.50, 56.0): the strict mode refuses just these.
    EXPECT_EQ(jcs(read_whole(input)).has_value(), name != "values" && name != "structures") << name;
  }
}

// RFC 8785 appendix B.
TEST(CanonicalTest, NumbersOfTheRfc) {
  const std::pair<std::uint64_t, const char*> table[] = {
      {0x0000000000000000, "0"},
      {0x8000000000000000, "0"},
      {0x0000000000000001, "5e-324"},
      {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"},
      {0xffefffffffffffff, "-1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"},
      {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"},
      {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"},
      {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"},
      {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"},
      {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
      {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"},
      {0x41b3de4355555554, "333333333.33333325"},
      {0x41b3de4355555555, "333333333.3333333"},
      {0x41b3de4355555556, "333333333.3333334"},
      {0x41b3de4355555557, "333333333.33333343"},
      {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"},
  };
  for (const auto& [bits, text] : table) EXPECT_EQ(ecmascript_number(double_of(bits)), text);
}

// The deterministic sequence of the RFC's authors, whose first lines have a published hash: its starting values and the
// hashes are read from their README.
TEST(CanonicalTest, NumbersOfThePublishedSequence) {
  auto path = shared_path("jcs/testdata/README.md");
  std::vector<std::string> found;
  if (std::filesystem::exists(path)) found.push_back(path.string());
  GALEN_NEEDS_SHARED(found, "jcs");
  auto readme = read_whole(path);
  std::vector<std::uint64_t> values;
  auto list_end = readme.find("])");
  for (auto at = readme.find("0x"); at < list_end; at = readme.find("0x", at + 2))
    values.push_back(std::stoull(readme.substr(at + 2, 16), nullptr, 16));
  ASSERT_GT(values.size(), 100u);
  for (std::uint64_t i = 0; i < 2000; ++i) values.push_back(0x0010000000000000 + i);

  const char* full = std::getenv("GALEN_FULL");
  const std::size_t lines = full != nullptr && std::string(full) == "1" ? 1'000'000 : 100'000;
  std::string text;
  std::size_t checked = 0;
  Bytes block(32);
  std::size_t used = 4;
  for (std::size_t line = 1; line <= lines; ++line) {
    std::uint64_t bits = 0;
    if (line <= values.size()) {
      bits = values[line - 1];
    } else {
      do {
        if (used == 4) {
          block = to_bytes(crypto::hash(crypto::Suite::p256_sha256, block).span());
          used = 0;
        }
        std::memcpy(&bits, block.data() + 8 * used++, 8);  // as the sequence was made: little-endian
      } while (double_of(bits) == 0 || !std::isfinite(double_of(bits)));
    }
    text += fmt::format("{:x},{}\n", bits, ecmascript_number(double_of(bits)));
    if (line != 1000 && line != 10'000 && line != 100'000 && line != 1'000'000) continue;
    EXPECT_NE(readme.find("| " + sha256(text) + " | " + std::to_string(line)), std::string::npos) << line;
    ++checked;
  }
  EXPECT_GE(checked, 3u);
}

// Each row of the table in each of its columns; strict mode refuses the eleven whose decimals would lose digits.
TEST(CanonicalTest, EveryRowOfTheFhirTable) {
  auto files = test::shared_files("fhir-r4");
  GALEN_NEEDS_SHARED(files, "fhir-r4");
  std::istringstream table(read_whole(shared_path("fhir-r4/JCS-SHA256.tsv")));
  std::string line;
  std::getline(table, line);
  std::size_t rows = 0, refused = 0, numbers = 0;
  while (std::getline(table, line)) {
    std::istringstream columns(line);
    std::string name, raw_bytes, raw_hash, jcs_bytes, whole_hash, static_hash;
    columns >> name >> raw_bytes >> raw_hash >> jcs_bytes >> whole_hash >> static_hash;
    SCOPED_TRACE(name);
    ++rows;
    auto text = read_whole(shared_path("fhir-r4/" + name));
    auto raw = canonical_bytes(CANON_METHOD_RAW, as_bytes(text), Lossy::refuse);
    ASSERT_TRUE(raw);
    EXPECT_EQ(std::to_string(raw->text.size()), raw_bytes);
    EXPECT_EQ(sha256(raw->text), raw_hash);
    auto document = JsonDocument::parse(text);
    ASSERT_TRUE(document) << document.error().message;
    auto whole = canonical_json(document->root(), Lossy::allow);
    ASSERT_TRUE(whole) << whole.error().message;
    EXPECT_EQ(std::to_string(whole->text.size()), jcs_bytes);
    EXPECT_EQ(sha256(whole->text), whole_hash);
    auto lossy = canonical_bytes(CANON_METHOD_JCS, as_bytes(text), Lossy::allow);
    ASSERT_TRUE(lossy) << lossy.error().message;
    EXPECT_EQ(sha256(lossy->text), static_hash);
    auto strict = canonical_bytes(CANON_METHOD_JCS, as_bytes(text), Lossy::refuse);
    EXPECT_EQ(strict.has_value(), lossy->lossy_numbers == 0);
    numbers += lossy->lossy_numbers;
    if (strict) {
      EXPECT_EQ(strict->text, lossy->text);
      continue;
    }
    ++refused;
    EXPECT_EQ(strict.error().code, ErrorCode::JSON_NUMBER_INEXACT);
    EXPECT_EQ(strict.error().message.find("$."), 0u) << strict.error().message;
  }
  EXPECT_EQ(rows, 235u);
  EXPECT_EQ(refused, 11u);
  EXPECT_EQ(numbers, 50u);
}

/// The same value written by somebody else: keys shuffled, white space, every character an escape now and then.
class Scrambler {
 public:
  explicit Scrambler(std::uint64_t seed) : random_(seed) {}
  std::string write(const JsonValue& value, bool narrative = false) {
    if (value.is(JsonKind::string)) return text(value.text());
    if (!value.is(JsonKind::object) && !value.is(JsonKind::array)) return std::string(value.raw());
    bool object = value.is(JsonKind::object);
    std::vector<std::string> parts;
    for (const auto& child : value.children())
      parts.push_back(object ? text(child.key()) + space() + ":" + space() + write(child) : write(child));
    if (narrative)
      parts.push_back(R"("text":{"status":"generated","div":"<div>)" + std::to_string(random_()) + "</div>\"}");
    if (object) std::shuffle(parts.begin(), parts.end(), random_);
    std::string out(1, object ? '{' : '[');
    for (std::size_t i = 0; i < parts.size(); ++i) out += (i == 0 ? "" : ",") + space() + parts[i] + space();
    return out + (object ? "}" : "]");
  }

 private:
  std::string space() { return std::string(random_() % 3, " \n\t\r"[random_() % 4]); }
  std::string text(const std::string& plain) {
    std::string out = "\"";
    for (char c : plain) {
      auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || c == '"' || c == '\\' || (byte < 0x80 && random_() % 8 == 0))
        out += random_() % 2 == 0 ? fmt::format("\\u{:04x}", unsigned{byte}) : fmt::format("\\u{:04X}", unsigned{byte});
      else
        out.push_back(c);
    }
    return out + "\"";
  }
  std::mt19937_64 random_;
};

TEST(CanonicalTest, AnotherSerialisationOfTheSameResourceHasTheSameBytes) {
  std::vector<std::string> files;
  for (const char* folder : {"fhir-r4", "fhir-r4-codes", "fhir-uscore-udi", "synthea-r4"})
    for (auto& file : test::shared_files(folder))
      if (!file.ends_with("package.json")) files.push_back(std::move(file));
  GALEN_NEEDS_SHARED(files, "fhir-r4");
  auto seed = test::test_seed();
  SCOPED_TRACE("GALEN_TEST_SEED=" + std::to_string(seed));
  Scrambler scrambler(seed);
  for (const auto& file : files) {
    SCOPED_TRACE(file);
    auto document = JsonDocument::parse(read_whole(file));
    ASSERT_TRUE(document) << document.error().message;
    auto canonical = canonical_resource(document->root(), Lossy::allow);
    ASSERT_TRUE(canonical) << canonical.error().message;
    bool narrative = !document->root().find("text");
    auto other =
        canonical_bytes(CANON_METHOD_JCS, as_bytes(scrambler.write(document->root(), narrative)), Lossy::allow);
    ASSERT_TRUE(other) << other.error().message;
    EXPECT_EQ(other->text, canonical->text);
    auto again = canonical_bytes(CANON_METHOD_JCS, as_bytes(canonical->text), Lossy::refuse);
    ASSERT_TRUE(again) << "canonical bytes are their own canonical bytes: " << again.error().message;
    EXPECT_EQ(again->text, canonical->text);
  }
}

struct Refusal {
  const char* name;
  std::string value;
  ErrorCode code;
  bool lossy_helps;
  const char* lossy_text = "";
};
class CanonicalRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(CanonicalRefusalTest, NamesThePathAndNotTheValue) {
  const auto& row = GetParam();
  auto text = R"({"resourceType":"Observation","component":[{},{"value":)" + row.value + "}]}";
  auto strict = canonical_bytes(CANON_METHOD_JCS, as_bytes(text), Lossy::refuse);
  ASSERT_FALSE(strict);
  EXPECT_EQ(strict.error().code, row.code);
  EXPECT_EQ(strict.error().message.find("$.component[1].value: "), 0u) << strict.error().message;
  EXPECT_EQ(strict.error().message.find(row.value), std::string::npos);
  auto lossy = canonical_bytes(CANON_METHOD_JCS, as_bytes(text), Lossy::allow);
  ASSERT_EQ(lossy.has_value(), row.lossy_helps);
  if (!lossy) return;
  EXPECT_EQ(lossy->lossy_numbers, 1u);
  EXPECT_EQ(lossy->lossy_paths, std::vector<std::string>{"$.component[1].value"});
  EXPECT_EQ(lossy->text,
            std::string(R"({"component":[{},{"value":)") + row.lossy_text + R"(}],"resourceType":"Observation"})");
}

INSTANTIATE_TEST_SUITE_P(
    Table, CanonicalRefusalTest,
    testing::Values(
        Refusal{"trailing_zero", "1.50", ErrorCode::JSON_NUMBER_INEXACT, true, "1.5"},
        Refusal{"beyond_2_53", "9007199254740993", ErrorCode::JSON_NUMBER_INEXACT, true, "9007199254740992"},
        Refusal{"whole_with_point", "1.0", ErrorCode::JSON_NUMBER_INEXACT, true, "1"},
        Refusal{"minus_zero", "-0", ErrorCode::JSON_NUMBER_INEXACT, true, "0"},
        Refusal{"zero_with_places", "0.00", ErrorCode::JSON_NUMBER_INEXACT, true, "0"},
        Refusal{"hundred_of_one_digit", "1e2", ErrorCode::JSON_NUMBER_INEXACT, true, "100"},
        Refusal{"too_many_digits", "0.1000000000000000055511151231257827", ErrorCode::JSON_NUMBER_INEXACT, true, "0.1"},
        Refusal{"too_great", "1e400", ErrorCode::JSON_NUMBER_RANGE, false},
        Refusal{"too_small", "1e-400", ErrorCode::JSON_NUMBER_RANGE, false},
        Refusal{"absurd_exponent", "1e99999999999999999999999", ErrorCode::JSON_NUMBER_RANGE, false},
        Refusal{"duplicate_key", R"({"a":1,"\u0061":2})", ErrorCode::JSON_DUPLICATE_KEY, false},
        Refusal{"lone_high_surrogate", R"("\ud83d")", ErrorCode::JSON_LONE_SURROGATE, false},
        Refusal{"lone_low_surrogate", R"("x\ude00")", ErrorCode::JSON_LONE_SURROGATE, false},
        Refusal{"not_utf8", "\"\xff\"", ErrorCode::BAD_JSON, false}),
    [](const auto& test) { return test.param.name; });

TEST(CanonicalTest, NumbersThatKeepTheirDigitsPass) {
  const std::pair<const char*, const char*> table[] = {{"1E30", "1e+30"},
                                                       {"2e-3", "0.002"},
                                                       {"0", "0"},
                                                       {"1.0e1", "10"},
                                                       {"0.1", "0.1"},
                                                       {"-83.69471", "-83.69471"},
                                                       {"9007199254740992", "9007199254740992"},
                                                       {"1e-7", "1e-7"},
                                                       {"0.0000001", "1e-7"},
                                                       {"123e-20", "1.23e-18"},
                                                       {"100000000000000000000", "100000000000000000000"}};
  for (const auto& [source, expected] : table) {
    auto canonical = jcs(source);
    ASSERT_TRUE(canonical) << source << ": " << canonical.error().message;
    EXPECT_EQ(canonical->text, expected);
  }
}

TEST(CanonicalTest, KeysAreSortedByUtf16CodeUnits) {
  // U+10000 is d800 dc00 in UTF-16 and so comes before U+E000 and U+FB33, though its UTF-8 is greater.
  std::string supplementary = "\xf0\x90\x80\x80", private_use = "\xee\x80\x80", dalet = "\xef\xac\xb3";
  EXPECT_TRUE(utf16_less(supplementary, private_use));
  EXPECT_TRUE(utf16_less(supplementary, dalet));
  EXPECT_FALSE(utf16_less(dalet, supplementary));
  EXPECT_TRUE(utf16_less("\xed\x9f\xbf", supplementary));
  EXPECT_TRUE(utf16_less("a", supplementary));
  EXPECT_TRUE(utf16_less("", "a"));
  EXPECT_TRUE(utf16_less("a", "ab"));
  EXPECT_FALSE(utf16_less("ab", "a"));
  EXPECT_FALSE(utf16_less("a", "a"));
  // Against the definition, over random pairs.
  auto seed = test::test_seed();
  SCOPED_TRACE("GALEN_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::pair<std::string, std::u16string> alphabet[] = {{"a", u"a"},
                                                             {"\xc3\xbf", u"\u00ff"},
                                                             {"\xed\x9f\xbf", u"\ud7ff"},
                                                             {private_use, u"\ue000"},
                                                             {"\xef\xbf\xbf", u"\uffff"},
                                                             {supplementary, u"\U00010000"},
                                                             {"\xf4\x8f\xbf\xbf", u"\U0010ffff"}};
  for (int i = 0; i < 20'000; ++i) {
    std::pair<std::string, std::u16string> words[2];
    for (auto& word : words)
      for (auto count = random() % 4; count > 0; --count) {
        const auto& letter = alphabet[random() % std::size(alphabet)];
        word.first += letter.first;
        word.second += letter.second;
      }
    ASSERT_EQ(utf16_less(words[0].first, words[1].first), words[0].second < words[1].second)
        << words[0].first << words[1].first;
  }
}

TEST(CanonicalTest, OnlyTheResourceItselfLosesTextAndMeta) {
  auto canonical =
      canonical_bytes(CANON_METHOD_JCS, as_bytes(R"({"text":{"div":"x"},"resourceType":"Bundle","meta":{"a":1},
    "entry":[{"resource":{"resourceType":"Basic","text":"kept","meta":{"kept":true}}}],"_text":1})"),
                      Lossy::refuse);
  ASSERT_TRUE(canonical) << canonical.error().message;
  EXPECT_EQ(canonical->text,
            R"({"_text":1,"entry":[{"resource":{"meta":{"kept":true},"resourceType":"Basic","text":"kept"}}],)"
            R"("resourceType":"Bundle"})");
}

TEST(CanonicalTest, MethodJcsTakesResourcesOnly) {
  for (const char* text : {"[]", "1", "null", R"("resourceType")", "{}", R"({"resourceType":1})"}) {
    auto refused = canonical_bytes(CANON_METHOD_JCS, as_bytes(text), Lossy::allow);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, ErrorCode::BAD_FHIR);
  }
  for (const char* text : {"%PDF-1.7", "MSH|^~\\&|", "<ClinicalDocument/>", ""}) {
    EXPECT_EQ(canonical_bytes(CANON_METHOD_JCS, as_bytes(text), Lossy::allow).error().code, ErrorCode::BAD_JSON);
    EXPECT_EQ(canonical_bytes(CANON_METHOD_RAW, as_bytes(text), Lossy::refuse)->text, text);
  }
  EXPECT_EQ(canonical_bytes(static_cast<ledger::v1::CanonMethod>(3), as_bytes("{}"), Lossy::allow).error().code,
            ErrorCode::UNSUPPORTED_VERSION);
  std::string many = R"({"resourceType":"Basic","a":[0)";
  for (std::size_t i = 0; i < kCanonicalLimits.values_max; ++i) many += ",0";
  EXPECT_EQ(canonical_bytes(CANON_METHOD_JCS, as_bytes(many + "]}"), Lossy::allow).error().code, ErrorCode::TOO_LARGE);
}

}  // namespace
}  // namespace galen
