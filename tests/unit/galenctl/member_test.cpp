// The papers of a change of members, and the grammar around them, without a node.
#include <gtest/gtest.h>

#include <sstream>

#include "galen/types/json.hpp"
#include "galenctl/app.hpp"
#include "galenctl/dev_make.hpp"
#include "galenctl/files.hpp"
#include "galenctl/member_papers.hpp"
#include "galenctl/output.hpp"
#include "temp_dir.hpp"

namespace galen::galenctl {
namespace {

class MemberTest : public testing::TestWithParam<crypto::Suite> {
 protected:
  void SetUp() override {
    for (const char* name : {"GALEN_DIR", "GALEN_ENDPOINT", "GALEN_CA", "GALEN_CERT", "GALEN_KEY"}) ::unsetenv(name);
    auto made = make_consortium(dir.path() + "/d", 4, GenesisParameters{}, GetParam());
    ASSERT_TRUE(made) << made.error().message;
    layout.emplace(std::move(*made));
    ASSERT_TRUE(layout->save());
    auto loaded = Genesis::load(layout->genesis_path());
    ASSERT_TRUE(loaded) << loaded.error().message;
    genesis = std::move(*loaded);
  }
  struct Ran {
    int code;
    std::string out, err;
  };
  Ran run_with(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--dir", layout->dir(), "--json"});
    std::ostringstream out, err;
    int code = run(arguments, out, err, false);
    return {code, out.str(), err.str()};
  }
  std::string file(const std::string& name) const { return dir.path() + "/" + name; }
  /// Another copy of the paper, with one text replaced.
  std::string altered(const std::string& path, const std::string& before, const std::string& after) {
    auto text = *read_text_file(path);
    auto at = text.find(before);
    EXPECT_NE(at, std::string::npos) << before;
    text.replace(at, before.size(), after);
    auto out = path + ".altered";
    EXPECT_TRUE(write_file(out, text));
    return out;
  }

  TempDir dir;
  std::optional<DevLayout> layout;
  Genesis genesis;
};
INSTANTIATE_TEST_SUITE_P(Suites, MemberTest, testing::Values(crypto::Suite::p256_sha256, crypto::Suite::sm2_sm3));

TEST_P(MemberTest, AnAdmissionIsMadeAndReadAgain) {
  for (const char* name : {"consensus.pem", "admin.pem"})
    ASSERT_EQ(run_with({"member", "keygen", "--out", file(name)}).code, kExitOk);
  EXPECT_TRUE(check_secret_mode(file("consensus.pem")));
  EXPECT_EQ(run_with({"member", "keygen", "--out", file("admin.pem")}).code, kExitError) << "never overwritten";
  const auto ca = layout->pki_dir(layout->nodes[0]) + "/ca.pem";
  const std::vector<std::string> proof = {"member",      "proof",           "admission", "--consensus-key",
                                          file("consensus.pem"), "--admin-key", file("admin.pem"), "--tls-ca", ca};
  auto with = [&](std::vector<std::string> more) {
    auto all = proof;
    all.insert(all.end(), more.begin(), more.end());
    return run_with(all);
  };
  EXPECT_EQ(with({"--out", file("e.json")}).code, kExitUsage) << "no name";
  auto ran = with({"--name", "Hospital E", "--out", file("e.json")});
  ASSERT_EQ(ran.code, kExitOk) << ran.err;
  EXPECT_EQ(with({"--name", "Hospital E", "--out", file("e.json")}).code, kExitError) << "never overwritten";

  auto admission = load_admission(genesis, file("e.json"));
  ASSERT_TRUE(admission) << admission.error().message;
  EXPECT_EQ(admission->name(), "Hospital E");
  EXPECT_EQ(admission->consensus_key(),
            crypto::PrivateKey::load(GetParam(), file("consensus.pem"))->public_key().str());
  EXPECT_EQ(admission->admin_key(), crypto::PrivateKey::load(GetParam(), file("admin.pem"))->public_key().str());
  EXPECT_EQ(admission->tls_ca(), genesis.member_set[0].tls_ca.str());
  EXPECT_NE(admission->member(), admission->admin());

  auto code_of = [&](const std::string& path) {
    auto loaded = load_admission(genesis, path);
    return loaded ? ErrorCode::OK : loaded.error().code;
  };
  EXPECT_EQ(code_of(altered(file("e.json"), "Hospital E", "Hospital F")), ErrorCode::BAD_POSSESSION_PROOF);
  EXPECT_EQ(code_of(altered(file("e.json"), "Hospital E", "")), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code_of(altered(file("e.json"), "\"admin\":\"", "\"admin\":\"0")), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code_of(altered(file("e.json"), "member admission", "learner readiness")), ErrorCode::INVALID_ARGUMENT);
  EXPECT_EQ(code_of(altered(file("e.json"), genesis.chain_id.hex(), std::string(64, '7'))), ErrorCode::WRONG_CHAIN);
  EXPECT_FALSE(load_rotation(genesis, file("e.json")));
}

TEST_P(MemberTest, ARotationAndAReadinessAreReadAgain) {
  const auto key = crypto::PrivateKey::generate(GetParam());
  const auto& member = genesis.members[1].id;
  ASSERT_TRUE(write_file(file("r.json"), rotation_paper(genesis, member, key)));
  auto rotation = load_rotation(genesis, file("r.json"));
  ASSERT_TRUE(rotation) << rotation.error().message;
  EXPECT_EQ(rotation->member(), member.str());
  EXPECT_EQ(rotation->consensus_key(), key.public_key().str());
  auto another = load_rotation(genesis, altered(file("r.json"), member.hex(), genesis.members[2].id.hex()));
  ASSERT_FALSE(another);
  EXPECT_EQ(another.error().code, ErrorCode::BAD_POSSESSION_PROOF);

  Hash root;
  root.data.fill(9);
  ASSERT_TRUE(write_file(file("s.json"), readiness_paper(genesis, member, 12, root, key)));
  auto readiness = load_readiness(genesis, file("s.json"));
  ASSERT_TRUE(readiness) << readiness.error().message;
  EXPECT_EQ(readiness->height(), 12u);
  EXPECT_EQ(readiness->state_root(), root.str());
  EXPECT_TRUE(crypto::verify(GetParam(), key.public_key(), learner_ready_sign_bytes(genesis.chain_id, member, 12, root),
                             *Signature::from(std::string_view(readiness->signature()))));
  EXPECT_FALSE(load_readiness(genesis, altered(file("s.json"), "\"12\"", "\"12x\"")));
}

TEST_P(MemberTest, SaysWhatIsMissing) {
  const std::string id(64, 'a');
  const struct {
    std::vector<std::string> words;
    const char* told;
  } cases[] = {
      {{"member"}, "verb"},
      {{"member", "expel"}, "expel"},
      {{"member", "propose"}, "CHANGE"},
      {{"member", "propose", "expel"}, "expel"},
      {{"member", "propose", "add"}, "admission"},
      {{"member", "propose", "rotate-key"}, "rotation"},
      {{"member", "propose", "remove"}, "--member"},
      {{"member", "propose", "pin-ca", "--member", id}, "--tls-ca"},
      {{"member", "vote"}, "PROPOSAL"},
      {{"member", "vote", "12", "--approve"}, "PROPOSAL"},
      {{"member", "vote", id}, "--approve"},
      {{"member", "vote", id, "--approve", "--reject"}, "--approve"},
      {{"member", "show", "x"}, "PROPOSAL"},
      {{"member", "ready"}, "--paper"},
      {{"member", "proof", "marriage", "--consensus-key", "k", "--out", "o"}, "marriage"},
  };
  for (const auto& c : cases) {
    auto ran = run_with(c.words);
    EXPECT_EQ(ran.code, kExitUsage) << ran.err;
    EXPECT_NE(ran.err.find(c.told), std::string::npos) << c.told << ": " << ran.err;
  }
}

}  // namespace
}  // namespace galen::galenctl
