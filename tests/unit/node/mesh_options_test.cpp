// Who the mesh is told of: names, addresses, and every CA that is good for somebody.
#include "node/mesh_options.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "galen/crypto/random.hpp"
#include "galen/crypto/x509.hpp"

namespace galen::node {
namespace {

std::string make_ca(const std::string& name) {
  crypto::CertificateRequest request;
  request.common_name = name;
  request.is_ca = true;
  return crypto::make_ca_certificate(crypto::PrivateKey::generate(crypto::Suite::p256_sha256), request);
}

/// A and B are of genesis, C came later; A is this node's member.
class MeshOptionsTest : public testing::Test {
 protected:
  MeshOptionsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "galen-mesh-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    std::vector<Member> members;
    Participants all;
    for (const char* name : {"A", "B", "C"}) {
      Participant one{{crypto::random_fixed<PrincipalId>(), {}, crypto::random_fixed<Hash>()}, name, ""};
      one.member.consensus_key.data[0] = static_cast<std::uint8_t>(name[0]);
      members.push_back(one.member);
      all.all.push_back(one);
    }
    identity.genesis.member_set = MemberSet({members[1], members[0]});
    all.voters = MemberSet(members);
    all.former = {crypto::random_fixed<PrincipalId>()};
    identity.participants = all;
    config.path = "node.toml";
    config.peers.addresses = {{"A", "a:1"}, {"B", "b:2"}};
  }
  ~MeshOptionsTest() override { std::filesystem::remove_all(dir_); }
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name) << text;
    return dir_ + "/" + name;
  }

  std::string dir_;
  Config config;
  Identity identity{{}, 0, {}, crypto::PrivateKey::generate(crypto::Suite::p256_sha256)};
};

TEST_F(MeshOptionsTest, TellsOfEverybodyWithAddressPinAndPlaceInGenesis) {
  auto options = mesh_options(config, identity);
  ASSERT_TRUE(options);
  ASSERT_EQ(options->members.size(), 3u);
  EXPECT_EQ(options->members[1].address, "b:2");
  EXPECT_EQ(options->members[2].address, "") << "it is not dialled";
  EXPECT_EQ(options->members[0].genesis_place, MemberIndex{1});
  EXPECT_EQ(options->members[1].genesis_place, MemberIndex{0});
  EXPECT_FALSE(options->members[2].genesis_place.has_value());
  EXPECT_EQ(options->members[2].ca_fingerprint, identity.participants->all[2].member.tls_ca);
  EXPECT_EQ(options->former, identity.participants->former);
  for (const auto& member : options->members) EXPECT_TRUE(member.more_ca_pems.empty() && member.more_ca_fingerprints.empty());
}

TEST_F(MeshOptionsTest, TheCaOfTheNextEpochIsGoodBeside) {
  identity.participants->all[1].next_ca = crypto::random_fixed<Hash>();
  auto options = mesh_options(config, identity);
  ASSERT_TRUE(options);
  EXPECT_EQ(options->members[1].more_ca_fingerprints, std::vector{*identity.participants->all[1].next_ca});
}

TEST_F(MeshOptionsTest, ItsOperatorSaysWhatItsOwnCasAreAndThoseOfOthers) {
  const auto own = make_ca("new") + make_ca("old"), other = make_ca("B");
  config.api.client_ca = file("own.pem", own);
  config.peers.cas = {{"B", file("b.pem", other)}, {"nobody", file("n.pem", other)}};
  auto options = mesh_options(config, identity);
  ASSERT_TRUE(options);
  EXPECT_EQ(options->members[0].more_ca_pems, std::vector{own});
  EXPECT_EQ(options->members[1].more_ca_pems, std::vector{other});
  EXPECT_TRUE(options->members[2].more_ca_pems.empty());
  config.peers.cas = {{"B", file("b.pem", "nothing")}};
  const auto refused = mesh_options(config, identity);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::CONFIG_INVALID);
  EXPECT_NE(refused.error().message.find("peers.cas.B"), std::string::npos);
  config.peers.cas.clear();
  config.api.client_ca = dir_ + "/missing.pem";
  EXPECT_TRUE(mesh_options(config, identity)->members[0].more_ca_pems.empty());
}

}  // namespace
}  // namespace galen::node
