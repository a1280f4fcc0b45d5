// A consortium on disk: complete, private where it must be, and the same after loading.
#include "galenctl/dev_make.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "galen/crypto/x509.hpp"
#include "galenctl/files.hpp"
#include "temp_dir.hpp"

namespace galen::galenctl {
namespace {

class DevMakeTest : public testing::TestWithParam<crypto::Suite> {};
INSTANTIATE_TEST_SUITE_P(Suites, DevMakeTest, testing::Values(crypto::Suite::p256_sha256, crypto::Suite::sm2_sm3));

TEST_P(DevMakeTest, MakesEverythingAMemberNeeds) {
  TempDir dir;
  GenesisParameters parameters;
  parameters.view_timeout_ms = 500;
  auto layout = make_consortium(dir.path() + "/d", 5, parameters, GetParam());
  ASSERT_TRUE(layout) << layout.error().message;
  ASSERT_TRUE(layout->save());
  auto genesis = Genesis::load(layout->genesis_path());
  ASSERT_TRUE(genesis) << genesis.error().message;
  EXPECT_EQ(genesis->suite, GetParam());
  EXPECT_EQ(genesis->members.size(), 5u);
  EXPECT_EQ(genesis->parameters.view_timeout_ms, 500u);

  std::set<std::uint16_t> ports;
  for (const auto& node : layout->nodes) {
    ports.insert({node.peer_port, node.api_port});
    const auto& member = genesis->members[node.number - 1];
    EXPECT_EQ(member.name, node.name);
    for (const char* name : {"/consensus.pem", "/tls.key", "/api.key"}) {
      auto path = layout->node_dir(node) + "/keys" + name;
      EXPECT_TRUE(check_secret_mode(path)) << path;
      // Only the consensus key follows the suite; TLS is P-256 under both.
      auto suite = std::string_view(name) == "/consensus.pem" ? GetParam() : crypto::Suite::p256_sha256;
      EXPECT_TRUE(crypto::PrivateKey::load(suite, path)) << path;
    }
    EXPECT_TRUE(check_secret_mode(layout->admin_key_path(node)));
    EXPECT_TRUE(crypto::PrivateKey::load(GetParam(), layout->admin_key_path(node)));
    EXPECT_EQ(*principal_of_certificate(layout->client_endpoint(node, "admin").cert_path), member.admin);
    auto service = principal_of_certificate(layout->client_endpoint(node, "galenctl").cert_path);
    ASSERT_TRUE(service);
    EXPECT_NE(*service, member.admin);
    auto tls = crypto::parse_certificate(*read_text_file(layout->node_dir(node) + "/keys/tls.pem"));
    ASSERT_TRUE(tls);
    EXPECT_EQ(tls->principal, member.id);
    EXPECT_FALSE(file_exists(layout->node_dir(node) + "/keys/ca.key")) << "a CA's key is never on a node";
    EXPECT_FALSE(file_exists(layout->data_dir(node))) << "only galend init makes a data directory";
  }
  EXPECT_EQ(ports.size(), 10u);

  auto loaded = DevLayout::load(dir.path() + "/d");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->nodes.size(), 5u);
  EXPECT_EQ(loaded->nodes[4].api_port, layout->nodes[4].api_port);
  EXPECT_EQ(loaded->find("C")->number, 3u);
  EXPECT_EQ(loaded->find("3")->name, "C");
  EXPECT_FALSE(loaded->find("Z"));
}

TEST(DevMakeRefusalTest, RefusesWhatCannotWork) {
  TempDir dir;
  for (std::size_t count : {0u, 1u, 3u, 11u})
    EXPECT_FALSE(make_consortium(dir.path() + "/d", count, {}, crypto::Suite::p256_sha256)) << count;
  EXPECT_FALSE(file_exists(dir.path() + "/d"));
  GenesisParameters parameters;
  EXPECT_TRUE(set_parameter(parameters, "tenure_blocks=7"));
  EXPECT_EQ(parameters.tenure_blocks, 7u);
  for (const char* text : {"tenure_blocks", "tenure_blocks=", "tenure_blocks=x", "nonsense=1", "=1", ""})
    EXPECT_FALSE(set_parameter(parameters, text)) << text;
}

TEST(DevMakeRefusalTest, ADamagedDevJsonIsCorrupt) {
  TempDir dir;
  for (const char* text :
       {"", "{}", "{\"format\":2,\"nodes\":[]}", "{\"format\":1,\"nodes\":[]}", "{\"format\":1,\"nodes\":[{}]}"}) {
    dir.write("dev.json", text);
    auto layout = DevLayout::load(dir.path());
    ASSERT_FALSE(layout) << text;
    EXPECT_EQ(layout.error().code, ErrorCode::CORRUPT);
  }
}

}  // namespace
}  // namespace galen::galenctl
