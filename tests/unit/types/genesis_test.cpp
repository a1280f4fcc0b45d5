#include "galen/types/genesis.hpp"

#include <gtest/gtest.h>

#include "galen/crypto/merkle.hpp"
#include "unit/types/sample_chain.hpp"

namespace galen {
namespace {

using test::sample_chain;

std::string sample_text() { return Genesis::to_json(sample_chain().genesis); }

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(GenesisTest, TextRoundTrips) {
  const auto& good = sample_chain().genesis;
  auto text = sample_text();
  auto again = Genesis::parse(as_bytes(text));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(Genesis::to_json(*again), text);
  EXPECT_EQ(again->chain_id, crypto::hash(good.suite, as_bytes(text)));
  EXPECT_EQ(again->member_set.all(), good.member_set.all());
  EXPECT_EQ(again->short_chain_id(), again->chain_id.hex().substr(0, 4) + "-" + again->chain_id.hex().substr(4, 4));
  auto spaced = text + "\n";
  EXPECT_NE(Genesis::parse(as_bytes(spaced))->chain_id, again->chain_id) << "the exact bytes count";
}

TEST(GenesisTest, NamesInAnyScript) {
  auto genesis = sample_chain().genesis;
  genesis.members[0].name = "H\xc3\xb4pital \"Saint-\\Louis\" \xe5\x8c\xbb\xe9\x99\xa2";
  auto again = Genesis::parse(as_bytes(Genesis::to_json(genesis)));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->members[0].name, genesis.members[0].name);
}

TEST(GenesisTest, BlockZeroAndContext) {
  const auto& genesis = sample_chain().genesis;
  auto zero = genesis.block_zero();
  auto empty = crypto::merkle_root(genesis.suite, {});
  EXPECT_EQ(zero.height, 0u);
  EXPECT_EQ(zero.chain_id, genesis.chain_id);
  EXPECT_EQ(zero.time_ms, genesis.created_ms);
  EXPECT_EQ(zero.body_root, empty);
  EXPECT_EQ(zero.history_root, empty);
  EXPECT_TRUE(zero.state_root.is_zero() && zero.results_root.is_zero() && zero.parent.is_zero());
  EXPECT_EQ(genesis.context().members_hash, genesis.member_set.hash(genesis.suite));
  EXPECT_EQ(genesis.context().epoch, 1u);
}

std::string genesis_with_ca_of_first(Genesis genesis) {
  genesis.members[1].ca_pem = genesis.members[0].ca_pem;
  genesis.members[1].ca_pem.pop_back();  // another text of the same certificate
  return Genesis::to_json(genesis);
}

struct Case {
  const char* name;
  std::string text;
  const char* place;  ///< what the message must contain
};

TEST(GenesisTest, RefusesNamingThePlace) {
  auto text = sample_text();
  const auto& genesis = sample_chain().genesis;
  auto key_of = [&](std::size_t i) { return genesis.members[i].consensus_key.hex(); };
  auto id_of = [&](std::size_t i) { return genesis.members[i].id.hex(); };
  auto with = [&](const std::string& from, const std::string& to) { return replaced(text, from, to); };
  const std::string suite_name(crypto::to_name(genesis.suite));
  auto off_curve = key_of(1);
  off_curve.back() = off_curve.back() == '0' ? '1' : '0';
  auto three = genesis;
  three.members.pop_back();
  const std::vector<Case> cases = {
      {"empty", "", "not JSON"},
      {"garbage", "galen", "not JSON"},
      {"cut", text.substr(0, text.size() / 2), "not JSON"},
      {"text behind", text + "x", "not JSON"},
      {"not an object", "[]", "the document"},
      {"comment", with("{", "{ /* hello */"), "not JSON"},
      {"trailing comma", with("\"rules_version\": 1,", "\"rules_version\": 1,,"), "not JSON"},
      {"bad UTF-8", with("Sample", "Sam\xff"), "not JSON"},
      {"duplicate key", with("\"test\": true,", "\"test\": true, \"test\": false,"), "test: the key stands twice"},
      {"duplicate key, deep", with("\"window\": 8,", "\"window\": 8, \"window\": 8,"),
       "parameters.window: the key stands twice"},
      {"duplicate key in a member", with("\"admin\"", "\"name\": \"x\", \"admin\""),
       "members[0].name: the key stands twice"},
      {"unknown key", with("\"test\": true,", "\"test\": true, \"tset\": 1,"), "tset: unknown key"},
      {"unknown parameter", with("\"window\": 8,", "\"window\": 8, \"windwo\": 8,"), "parameters.windwo: unknown key"},
      {"unknown key in a member", with("\"admin\"", "\"port\": 1, \"admin\""), "members[0].port: unknown key"},
      {"missing", with("\"test\": true,", ""), "test: missing"},
      {"missing parameter", with("\"window\": 8,", ""), "parameters.window: missing"},
      {"format", with("\"format\": 1", "\"format\": 2"), "format"},
      {"rules", with("\"rules_version\": 1", "\"rules_version\": 2"), "rules_version"},
      {"wrong type", with("\"test\": true", "\"test\": 1"), "test: must be true or false"},
      {"null", with("\"test\": true", "\"test\": null"), "test: must be true or false"},
      {"fraction", with("\"window\": 8", "\"window\": 8.0"), "parameters.window: must be an integer"},
      {"exponent", with("\"window\": 8", "\"window\": 8e0"), "parameters.window: must be an integer"},
      {"negative", with("\"window\": 8", "\"window\": -8"), "parameters.window: must not be negative"},
      {"minus zero", with("\"window\": 8", "\"window\": -0"), "parameters.window: must not be negative"},
      {"beyond 64 bits", with("\"window\": 8", "\"window\": 18446744073709551616"),
       "parameters.window: must be an integer"},
      {"number as text", with("\"window\": 8", "\"window\": \"8\""), "parameters.window: must be an integer"},
      {"window 0", with("\"window\": 8", "\"window\": 0"), "parameters.window"},
      {"window 9", with("\"window\": 8", "\"window\": 9"), "parameters.window"},
      {"lag", with("\"exec_lag_max\": 16", "\"exec_lag_max\": 8"), "parameters.exec_lag_max"},
      {"ttl", with("\"ttl_max_ms\": 600000", "\"ttl_max_ms\": 600001"), "parameters.ttl_max_ms"},
      {"member bytes", with("\"member_block_bytes_max\": 2097152", "\"member_block_bytes_max\": 5000000"),
       "member_block_bytes_max"},
      {"block bytes", with("\"block_bytes_max\": 4194304", "\"block_bytes_max\": 1000"), "parameters.block_bytes_max"},
      {"suite of the other curve", with(suite_name, suite_name == "sm2-sm3" ? "p256-sha256" : "sm2-sm3"),
       "is no uncompressed point"},
      {"suite unknown", with(suite_name, "rot13"), "suite: is unknown"},
      {"created", with("\"created_ms\": 1767225600000", "\"created_ms\": 0"), "created_ms"},
      {"name empty", with("\"Hospital B\"", "\"\""), "members[1].name"},
      {"name with a line break", with("\"Hospital B\"", "\"a\\nb\""), "members[1].name"},
      {"name too long", with("\"Hospital B\"", '"' + std::string(65, 'x') + '"'), "members[1].name"},
      {"name twice", with("\"Hospital B\"", "\"Hospital A\""), "members[1].name: stands twice"},
      {"id twice", with(id_of(1), id_of(0)), "members[1].id: stands twice"},
      {"id short", with(id_of(1), id_of(1).substr(2)), "members[1].id"},
      {"id upper case", with(id_of(1), "AB" + id_of(1).substr(2)), "members[1].id"},
      {"id zero", with(id_of(1), std::string(64, '0')), "members[1].id"},
      {"admin is a member", with(genesis.members[2].admin.hex(), id_of(0)), "members[2].admin: stands twice"},
      {"key twice", with(key_of(1), key_of(0)), "members[1].consensus_key: stands twice"},
      {"key off the curve", with(key_of(1), off_curve), "members[1].consensus_key"},
      {"CA", with("-----BEGIN CERTIFICATE-----", "-----BEGIN NOTHING-----"), "members[0].ca_pem"},
      {"CA with text before it", with("\"-----BEGIN", "\"CN=A\\n-----BEGIN"), "`openssl x509 -in FILE`"},
      {"CA with a zero byte", with("-----END CERTIFICATE-----", "-----END CERTIFICATE-----\\u0000"),
       "members[0].ca_pem"},
      {"CA that is no certificate", with("-----BEGIN CERTIFICATE-----\\nMII", "-----BEGIN CERTIFICATE-----\\nAII"),
       "members[0].ca_pem: holds no X.509 certificate"},
      {"CA too long", with("\"-----BEGIN", '"' + std::string(16 * 1024, 'x') + "-----BEGIN"),
       "members[0].ca_pem: is longer"},
      {"CA twice", genesis_with_ca_of_first(genesis), "members[1].ca_pem: stands twice"},
      {"three members", Genesis::to_json(three), "members: must hold 4 to 100"},
      {"deep", std::string(100, '['), "not JSON"},
      {"long key", with("\"test\"", '"' + std::string(1000, 'k') + '"'), "not JSON"},
      {"too long", text + std::string(3 * 1024 * 1024, ' '), "longer than its limit"},
  };
  for (const auto& c : cases) {
    auto parsed = Genesis::parse(as_bytes(c.text));
    ASSERT_FALSE(parsed) << c.name;
    EXPECT_EQ(parsed.error().code, ErrorCode::CONFIG_INVALID) << c.name;
    EXPECT_NE(parsed.error().message.find(c.place), std::string::npos) << c.name << ": " << parsed.error().message;
  }
}

TEST(GenesisTest, HundredMembersAtMost) {
  auto genesis = sample_chain().genesis;
  genesis.members.resize(101, genesis.members[0]);
  auto parsed = Genesis::parse(as_bytes(Genesis::to_json(genesis)));
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().message.find("not 101"), std::string::npos) << parsed.error().message;
}

TEST(GenesisTest, MissingFile) { EXPECT_EQ(Genesis::load("no such file").error().code, ErrorCode::NOT_FOUND); }

}  // namespace
}  // namespace galen
