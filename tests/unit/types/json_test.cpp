// The strict reader: values are slices of the input, and what RFC 8259 leaves open is refused.
#include "galen/types/json.hpp"

#include <gtest/gtest.h>

namespace galen {
namespace {

TEST(JsonTest, KeepsTheExactBytesOfEveryValue) {
  auto document = JsonDocument::parse(R"( {"a" : { "n": 1.50 , "s":"x" } , "b":[ 1,2 , {"c":null}]} )");
  ASSERT_TRUE(document);
  auto root = document->root();
  EXPECT_EQ(root.find("a")->raw(), R"({ "n": 1.50 , "s":"x" })");
  EXPECT_EQ(root.find("a")->find("n")->raw(), "1.50");
  EXPECT_EQ(root.find("b")->raw(), R"([ 1,2 , {"c":null}])");
  EXPECT_EQ(root.find("b")->children()[2].path(), "$.b[2]");
  EXPECT_EQ(root.find("b")->children()[2].find("c")->path(), "$.b[2].c");
  EXPECT_FALSE(root.find("z"));
  EXPECT_EQ(root.find("b")->children()[1].unsigned_number(), 2u);
  EXPECT_FALSE(root.find("a")->find("n")->unsigned_number());
}

TEST(JsonTest, DecodesEscapes) {
  auto document = JsonDocument::parse("{\"k\\u0065y\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"}");
  ASSERT_TRUE(document) << document.error().message;
  EXPECT_EQ(document->root().find_text("key"), "\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80");
}

struct Refused {
  const char* name;
  std::string text;
  std::string where;  ///< stands in the message
};

class JsonRefusalTest : public testing::TestWithParam<Refused> {};

TEST_P(JsonRefusalTest, NamesPathAndOffset) {
  auto document = JsonDocument::parse(GetParam().text);
  ASSERT_FALSE(document) << GetParam().text;
  bool twice = GetParam().where.find("twice") != std::string::npos;
  bool surrogate = GetParam().where == "surrogate";
  EXPECT_EQ(document.error().code, twice       ? ErrorCode::JSON_DUPLICATE_KEY
                                   : surrogate ? ErrorCode::JSON_LONE_SURROGATE
                                               : ErrorCode::BAD_JSON);
  EXPECT_NE(document.error().message.find(GetParam().where), std::string::npos) << document.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Table, JsonRefusalTest,
    testing::Values(
        Refused{"empty", "", "$: the text ends"}, Refused{"blank", "  ", "(byte 2)"},
        Refused{"trailing", "{} x", "(byte 3)"}, Refused{"two_values", "1 2", "something follows"},
        Refused{"duplicate", R"({"a":[{"b":1,"b":2}]})", "$.a[0]: the key \"b\" stands here twice (byte 13)"},
        Refused{"escaped_duplicate", R"({"id":1,"\u0069d":2})", "twice"},
        Refused{"overlong", "\"\xc0\xaf\"", "not UTF-8 (byte 1)"},
        Refused{"surrogate_bytes", "\"\xed\xa0\x80\"", "not UTF-8"},
        Refused{"beyond", "\"\xf4\x90\x80\x80\"", "not UTF-8"}, Refused{"cut_sequence", "\"\xe2\x82\"", "not UTF-8"},
        Refused{"latin1", "{\"name\":\"M\xfcller\"}", "$.name: these bytes are not UTF-8"},
        Refused{"lone_high", R"("\ud800x")", "surrogate"}, Refused{"lone_low", R"("\udc00")", "surrogate"},
        Refused{"bad_pair", R"("\ud800\u0041")", "surrogate"}, Refused{"short_u", R"("\u12")", "four hexadecimal"},
        Refused{"escape", R"("\x")", "unknown escape"}, Refused{"control", "\"a\nb\"", "control character"},
        Refused{"open_string", "[\"abc", "$[0]: a string has no end (byte 1)"},
        Refused{"open_object", "{\"a\":1", "closing brace"}, Refused{"comma", "[1,]", "$[1]"},
        Refused{"no_colon", "{\"a\" 1}", "colon"}, Refused{"bare_key", "{a:1}", "key in quotes"},
        Refused{"zero", "01", "needless zero"}, Refused{"point", "1.", "digit"}, Refused{"exponent", "1e", "digit"},
        Refused{"plus", "+1", "no JSON value"}, Refused{"nan", "NaN", "no JSON value"},
        Refused{"word", "[nul]", "unknown word"}, Refused{"nul_byte", std::string("\0", 1), "no JSON value"},
        Refused{"mark", "\xef\xbb\xbf{}", "byte order mark"}, Refused{"deep", std::string(200, '['), "too deeply"}),
    [](const auto& test) { return test.param.name; });

TEST(JsonTest, EveryPrefixOfADocumentIsRefusedOrWhole) {
  std::string text = R"({"a":[1,2.5e3,"x\u00e9\ud83d\ude00",true,null],"b":{"c":"ü"}})";
  for (std::size_t length = 0; length < text.size(); ++length)
    EXPECT_FALSE(JsonDocument::parse(text.substr(0, length))) << length;
  EXPECT_TRUE(JsonDocument::parse(text));
}

}  // namespace
}  // namespace galen
